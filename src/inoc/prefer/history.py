"""The verb `inoc prefer history`: how the pairs of a file were selected, round by round."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.errors import DataError
from inoc.prefer.comparisons import Comparisons, comparisons
from inoc.prefer.fit import settings_of
from inoc.prefer.graph import Pairs, all_pairs
from inoc.prefer.read import read_frame
from inoc.prefer.reliability import split_halves
from inoc.prefer.rules import near_pairs
from inoc.stats.correlation import spearman
from inoc.stats.means import NAN, Floats
from inoc.stats.utilities.fit import Settings, fit
from inoc.stats.utilities.folds import first_appearance
from inoc.stats.utilities.outcomes import Ints
from inoc.tables import INDEX, NUMBER, write_table

HISTORY = pa.schema(
    [
        ("round", INDEX),
        ("first", INDEX),  # number of its first comparison in the file, from 0
        ("n_pairs", INDEX),  # in this round
        ("n_pairs_total", INDEX),
        ("n_comparisons", INDEX),  # so far
        ("min_degree", INDEX),  # partners so far of the item with the fewest
        ("max_degree", INDEX),
        ("rank_correlation", NUMBER),  # Spearman with the fit before, 0 in round 0; it is no reliability
        ("reliability", NUMBER),  # of halves of the pairs, after Spearman and Brown; NaN: not asked for
        (
            "distance",
            NUMBER,
        ),  # 30th percentile of differences of utilities over pairs not measured before; NaN at first
        ("degree_sum", NUMBER),  # 30th percentile of the partners of both items
        ("within", NUMBER),  # share of the pairs of the round that are within both
    ]
)
"""`history.parquet`. Key: round."""


class Batch(NamedTuple):
    """A round of a selection: comparisons `start` to `stop`, the last one excluded."""

    start: int
    stop: int


def batches(pair: Ints) -> list[Batch]:
    """Rounds: one ends where no pair of it is compared later.

    Args:
        pair: Number of the pair, one per comparison, in the order of asking.
    """
    number = first_appearance(pair)
    last = np.zeros(number.max(initial=-1) + 1, dtype=np.int64)
    last[number] = np.arange(number.size)
    stops = np.flatnonzero(np.maximum.accumulate(last[number]) == np.arange(number.size)) + 1
    starts = np.concatenate([[0], stops[:-1]])
    return [Batch(int(start), int(stop)) for start, stop in zip(starts, stops, strict=True)]


def history(found: Comparisons, settings: Settings, *, reliability: bool) -> Iterator[dict[str, object]]:
    """A row for each round, with the fit of all comparisons up to its end and the one before.

    Args:
        found: The comparisons, in the order of asking.
        settings: Those of the fits, each from scratch.
        reliability: Whether halves of the pairs are fitted too.
    """
    n, before = len(found.items), None
    measured = np.zeros((0, 2), dtype=np.int64)
    at = np.arange(found.a.size)
    for number, batch in enumerate(batches(found.pair)):
        here = found.taken((at >= batch.start) & (at < batch.stop))
        pairs = _distinct(here)
        rule = _rule(before, measured, pairs, n)
        measured = np.concatenate([measured, pairs])
        so_far = found.taken(at < batch.stop)
        fitted = fit(so_far.outcomes(), settings)
        degree = np.bincount(measured.ravel(), minlength=n)
        halves = {one.statistic: one.value for one in split_halves(so_far, settings)} if reliability else {}
        yield {
            "round": number,
            "first": batch.start,
            "n_pairs": len(pairs),
            "n_pairs_total": len(measured),
            "n_comparisons": batch.stop,
            "min_degree": int(degree.min()),
            "max_degree": int(degree.max()),
            "rank_correlation": 0.0 if before is None else spearman(before, fitted.mu).value,
            "reliability": halves.get("split_pairs_full", NAN),
            **rule,
        }
        before = fitted.mu


def _distinct(found: Comparisons) -> Pairs:
    low, high = np.minimum(found.a, found.b), np.maximum(found.a, found.b)
    return np.unique(np.column_stack([low, high]), axis=0).astype(np.int64)


def _rule(mu: Floats | None, measured: Pairs, pairs: Pairs, n: int) -> dict[str, float]:
    """The thresholds of the percentile rule before a round, and how many of its pairs were within them."""
    if mu is None:
        return {"distance": NAN, "degree_sum": NAN, "within": NAN}
    degree = np.bincount(measured.ravel(), minlength=n)
    every, known = all_pairs(n), measured[:, 0] * n + measured[:, 1]
    left = every[~np.isin(every[:, 0] * n + every[:, 1], known)]
    near = near_pairs(mu, degree, left)
    allowed = np.isin(pairs[:, 0] * n + pairs[:, 1], near.pairs[:, 0] * n + near.pairs[:, 1])
    return {"distance": near.distance, "degree_sum": near.degree_sum, "within": float(allowed.mean())}


def history_of_file(options: argparse.Namespace) -> None:
    """Write `history.parquet` and its CSV twin.

    Raises:
        DataError: If the file cannot be read as comparisons.
    """
    source = str(options.comparisons)
    found = comparisons(
        read_frame(options.comparisons), source, options.a_means, order_known=options.order == "a_first"
    )
    used = found.refusals_lost() if options.refusals == "b" else found
    if not used.outcomes().without_ties().total:
        raise DataError(f"{source}: no comparison has a winner. Utilities need some that do")
    rows = list(history(used, settings_of(options, options.model, found), reliability=options.reliability))
    write_table(pd.DataFrame(rows), HISTORY, options.out / "history.parquet", csv=True)
    last = rows[-1]
    print(
        f"{options.out}: {len(rows)} rounds, {last['n_pairs_total']} pairs; the last fit correlates "
        f"{last['rank_correlation']:.4f} with the one before, which is no reliability"
    )
