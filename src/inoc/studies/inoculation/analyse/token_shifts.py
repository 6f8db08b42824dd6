"""Distribution of the token-wise shifts Δ of each prompt: binned counts, quantiles, and rescued tokens.

One pass over the stream; memory holds counts, never tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from inoc.stats.bootstrap import Resampler
from inoc.stats.means import NAN, Floats
from inoc.studies.inoculation.analyse.geometry import N_BLOCKS, Gram, Level
from inoc.studies.inoculation.analyse.rows import Row, families
from inoc.studies.inoculation.analyse.token_heuristics import RECOVERED_PROBABILITY
from inoc.studies.inoculation.analyse.tokens import Counts, TokenSource, open_tokens
from inoc.studies.inoculation.study import Study
from inoc.tables import NUMBER, STRING

_OF_TOKENS = [("prompt", STRING), ("family", STRING), ("prefix", STRING)]

TOKEN_SHIFTS = pa.schema(
    [
        *_OF_TOKENS,
        ("bin_lo", NUMBER),  # nats of Δ, with − without; the outermost bins hold what is beyond
        ("bin_hi", NUMBER),  # not in the bin
        ("n", pa.int64()),  # tokens; empty bins have no row
    ]
)
"""`token_shifts`. Key: prompt, prefix, bin_lo. Empty if no token was scored."""

TOKEN_SUMMARY = pa.schema(
    [
        *_OF_TOKENS,
        ("rescued", NUMBER),  # share of tokens with probability < 0.1 without the prefix and > 0.1 with it
        ("lo", NUMBER),  # examples drawn anew, in blocks
        ("hi", NUMBER),
        ("n", pa.int64()),  # tokens
        ("n_nan", pa.int64()),  # tokens left out because some prompt has no value for them
        *((f"q{level:02d}", NUMBER) for level in (5, 25, 50, 75, 95)),  # quantiles of Δ, nats, to 0.001, within ±6
    ]
)
"""`token_summary`. Key: prompt, prefix. Empty if no token was scored."""

TABLES = {"token_shifts": TOKEN_SHIFTS, "token_summary": TOKEN_SUMMARY}


CLIP_NATS = 6.0
FINE_PER_NAT, FINE_PER_BIN = 1000, 50
N_FINE = int(2 * CLIP_NATS * FINE_PER_NAT)
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class TokenCounts(NamedTuple):
    """Sums of one pass over the tokens."""

    fine: Counts  # shape (prompts, fine bins): Δ from −6 to 6 in steps of 0.001; what is beyond is in the outermost
    rescued: Floats  # shape (prompts, blocks): tokens with probability < 0.1 without the prefix and > 0.1 with it
    tokens: Floats  # shape (blocks,)
    n_nan: int  # tokens left out because some prompt has no value for them


class TokenShifts(NamedTuple):
    """Rows of `token_shifts` and of `token_summary`."""

    bins: list[Row]
    summary: list[Row]


def token_shifts(
    study: Study, logprobs: Sequence[Path], grams: Mapping[tuple[Level, str], Gram], resampler: Resampler
) -> TokenShifts:
    """Distribution of Δ for every prompt and prefix that was scored by token.

    Args:
        study: The study.
        logprobs: All shards of the token table.
        grams: By level and prefix; those by token say which prompts there are.
        resampler: Source of the draws, which are of blocks of examples, as tokens of one response go together.
    """
    family_of, result = families(study), TokenShifts([], [])
    for (level, prefix), gram in grams.items():
        if level != "token":
            continue
        counts = count_tokens(open_tokens(logprobs, gram.prompts, prefix))
        n = int(counts.tokens.sum())
        for place, prompt in enumerate(gram.prompts):
            key: Row = {"prompt": prompt, "family": family_of[prompt], "prefix": prefix}
            result.bins.extend({**key, **row} for row in bin_rows(counts.fine[place]))
            lo, hi = _bounds(counts.rescued[place], counts.tokens, resampler)
            share = float(counts.rescued[place].sum() / n) if n else NAN
            rescued: Row = {"rescued": share, "lo": lo, "hi": hi, "n": n, "n_nan": counts.n_nan}
            result.summary.append({**key, **rescued, **quantiles(counts.fine[place])})
    return result


def count_tokens(source: TokenSource) -> TokenCounts:
    """Add up a stream.

    Raises:
        DataError: If stored tokens do not fit the counts.
    """
    n_prompts, n_blocks = len(source.prompts), min(N_BLOCKS, max(1, source.n_examples))
    fine = np.zeros((n_prompts, N_FINE), dtype=np.int64)
    rescued, tokens, n_nan = np.zeros((n_prompts, n_blocks)), np.zeros(n_blocks), 0
    block_of = source.ranks() * n_blocks // max(1, source.n_examples)
    edge = np.log(RECOVERED_PROBABILITY)
    for batch in source.batches():
        finite = np.isfinite(batch.shifts).all(axis=0)
        n_nan += int((~finite).sum())
        block = np.repeat(block_of[batch.first : batch.first + len(batch.lengths)], batch.lengths)[finite]
        tokens += np.bincount(block, minlength=n_blocks)
        base = batch.base[finite]
        rare = base < edge
        for place, row in enumerate(batch.shifts):
            shift = row[finite]
            fine[place] += np.bincount(fine_bins(shift), minlength=N_FINE)
            rescued[place] += np.bincount(block[rare & (base + shift > edge)], minlength=n_blocks)
    return TokenCounts(fine, rescued, tokens, n_nan)


def fine_bins(shift: Floats) -> Counts:
    """The fine bin of each Δ: [lower edge, upper edge), the outermost hold what is beyond."""
    bins: Counts = np.clip(np.floor((shift + CLIP_NATS) * FINE_PER_NAT), 0, N_FINE - 1).astype(np.int64)
    return bins


def bin_rows(fine: Counts) -> list[Row]:
    """Counts in bins of 0.05 nats, those that are empty left out."""
    counts = fine.reshape(-1, FINE_PER_BIN).sum(axis=1)
    width = FINE_PER_BIN / FINE_PER_NAT
    return [
        {
            "bin_lo": round(index * width - CLIP_NATS, 6),
            "bin_hi": round((index + 1) * width - CLIP_NATS, 6),
            "n": int(counts[index]),
        }
        for index in np.flatnonzero(counts)
    ]


def quantiles(fine: Counts) -> dict[str, object]:
    """Quantiles of Δ, to the width of a fine bin: the middle of the bin that holds them. NaN without a token."""
    names = [f"q{100 * level:02.0f}" for level in QUANTILES]
    total = int(fine.sum())
    if not total:
        return dict.fromkeys(names, NAN)
    places = np.searchsorted(np.cumsum(fine), np.array(QUANTILES) * total)
    values = (np.minimum(places, N_FINE - 1) + 0.5) / FINE_PER_NAT - CLIP_NATS
    return dict(zip(names, values.tolist(), strict=True))


def _bounds(rescued: Floats, tokens: Floats, resampler: Resampler) -> tuple[float, float]:
    if len(tokens) < 2:
        return NAN, NAN
    weights = resampler.simple_weights(len(tokens))
    total = weights @ tokens
    shares = np.divide(weights @ rescued, total, out=np.full(total.shape, NAN), where=total > 0)
    return resampler.bounds(shares)
