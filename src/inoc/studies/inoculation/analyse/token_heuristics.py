"""Heuristics of the token-wise shifts Δ: sizes, filtered and weighted sums, simulated training, spread over positions.

All in a few passes over the stream, in memory that grows with neither examples nor tokens.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inoc.stats.means import NAN, Floats
from inoc.studies.inoculation.analyse.tokens import Counts, TokenBatch, TokenSource

LARGE_NATS = 0.5
TOP_SHARE = 0.25
SIMULATED_STEPS, SIMULATED_RATE = 32, 0.01
N_POSITIONS = 512
MOST_COMPONENTS = 200
HALF = 0.5
PERSISTENT_NATS, FEWEST_AT_POSITION = 0.1, 10
RECOVERED_PROBABILITY = 0.1
DIGIT_BITS = 14
_TOP_SHIFT = 64 - DIGIT_BITS
_NEXT_SHIFT = 64 - 2 * DIGIT_BITS


class TokenHeuristics(NamedTuple):
    """Of one prompt, over all (example, token) pairs; Δ in nats, with − without. NaN without a token."""

    h11: float  # mean |Δ|
    h13: float  # mean Δ²
    h14: float  # mean Δ: over tokens, so that long responses weigh more
    ha2: float  # mean of Δ where |Δ| > 0.5 and 0 elsewhere
    ha3: float  # mean Δ of the quarter of tokens with the largest |Δ|; tokens that tie at its edge share its places
    ha4: float  # mean of 1 − exp(−|Δ|)
    ha5: float  # the same where |Δ| > 0.5 and 0 elsewhere
    hb1: float  # share of the first uncentred component of examples × positions
    hb2: float  # mean over tokens of Σ (1 − exp(−L)) over 32 simulated steps of rate 0.01 that start from L = |Δ|
    hb3: float  # share of positions where |Δ| > 0.1 in half of the examples or more
    hb5: float  # components of examples × positions until half of the variance
    recovered: float  # share of tokens with probability < 0.1 without and > 0.1 with
    absolute_snr: float  # mean |Δ| / sd(Δ), ddof 0
    n: int  # tokens
    n_nan: int  # tokens left out because some prompt has no value for them

    @property
    def h12(self) -> float:
        """Mean |Δ| − Δ, which is H11 − H14."""
        return self.h11 - self.h14

    @property
    def hb6(self) -> float:
        """Mean of the simulated L after the last step, which is H11 − 0.01 · HB2: L never reaches 0."""
        return self.h11 - SIMULATED_RATE * self.hb2


def token_heuristics(source: TokenSource) -> list[TokenHeuristics]:
    """All heuristics of every prompt of a stream, in its order.

    Raises:
        DataError: If stored tokens do not fit the counts.
    """
    sums = _Sums(len(source.prompts), min(N_POSITIONS, int(source.base.n_tokens.max(initial=0))))
    for batch in source.batches():
        sums.add(batch)
    top = _top_means(source, sums)
    return [sums.of(prompt, float(top[prompt])) for prompt in range(len(source.prompts))]


class _Sums:
    """Sums of one pass, for every prompt."""

    def __init__(self, n_prompts: int, n_positions: int) -> None:
        self.n, self.n_nan, self.n_examples = 0, 0, 0
        self.plain = {name: np.zeros(n_prompts) for name in ("abs", "square", "signed", "recovered")}
        self.plain |= {name: np.zeros(n_prompts) for name in ("ha2", "ha4", "ha5", "hb2")}
        self.digits = np.zeros((n_prompts, 1 << DIGIT_BITS), dtype=np.int64)
        self.products = np.zeros((n_prompts, n_positions, n_positions))  # lower triangles
        self.at_position = np.zeros((n_prompts, n_positions))
        self.large_at = np.zeros((n_prompts, n_positions))
        self.valid_at = np.zeros(n_positions)

    def add(self, batch: TokenBatch) -> None:
        """Add a batch."""
        finite = np.isfinite(batch.shifts).all(axis=0)
        self.n += int(finite.sum())
        self.n_nan += int((~finite).sum())
        self.n_examples += len(batch.lengths)
        base = batch.base[finite]
        example = np.repeat(np.arange(len(batch.lengths)), batch.lengths)[finite]
        position = _positions(batch.lengths)[finite]
        early = position < self.products.shape[1]
        grid = (example[early], position[early])
        self.valid_at += np.bincount(grid[1], minlength=len(self.valid_at))
        for prompt, row in enumerate(batch.shifts):
            shift = row if finite.all() else row[finite]
            self._add_values(prompt, shift, base)
            self._add_positions(prompt, shift[early], grid, len(batch.lengths))

    def _add_values(self, prompt: int, shift: Floats, base: Floats) -> None:
        size = np.abs(shift)
        pull = -np.expm1(-size)
        large = size > LARGE_NATS
        recovered = (base < np.log(RECOVERED_PROBABILITY)) & (base + shift > np.log(RECOVERED_PROBABILITY))
        found = {
            "abs": size.sum(),
            "square": shift @ shift,
            "signed": shift.sum(),
            "recovered": recovered.sum(),
            "ha2": shift[large].sum(),
            "ha4": pull.sum(),
            "ha5": pull[large].sum(),
            "hb2": _simulated(size, pull),
        }
        for name, value in found.items():
            self.plain[name][prompt] += value
        self.digits[prompt] += np.bincount(_bits(size) >> _TOP_SHIFT, minlength=1 << DIGIT_BITS)

    def _add_positions(self, prompt: int, shift: Floats, grid: tuple[Counts, Counts], n_examples: int) -> None:
        from scipy.linalg.blas import dsyrk

        n_positions = len(self.valid_at)
        table = np.zeros((n_examples, n_positions))
        table[grid] = shift
        # Added in place, and to one triangle: for hundreds of prompts, copies of this matrix cost more than products.
        if n_positions:
            dsyrk(1.0, table.T, beta=1.0, c=self.products[prompt].T, lower=0, overwrite_c=1)
        self.at_position[prompt] += table.sum(axis=0)
        self.large_at[prompt] += np.bincount(grid[1][np.abs(shift) > PERSISTENT_NATS], minlength=n_positions)

    def of(self, prompt: int, top_mean: float) -> TokenHeuristics:
        """The heuristics of a prompt, once everything has been added."""
        if not self.n:
            return TokenHeuristics(*(NAN,) * 13, 0, self.n_nan)
        mean = {name: float(values[prompt]) / self.n for name, values in self.plain.items()}
        variance = max(0.0, mean["square"] - mean["signed"] ** 2)
        first, rank = _components(self.products[prompt], self.at_position[prompt], self.n_examples)
        common = self.valid_at >= FEWEST_AT_POSITION
        persistent = self.large_at[prompt][common] >= HALF * self.valid_at[common]
        return TokenHeuristics(
            h11=mean["abs"],
            h13=mean["square"],
            h14=mean["signed"],
            ha2=mean["ha2"],
            ha3=top_mean,
            ha4=mean["ha4"],
            ha5=mean["ha5"],
            hb1=first,
            hb2=mean["hb2"],
            hb3=float(persistent.mean()) if common.any() else NAN,
            hb5=rank,
            recovered=mean["recovered"],
            absolute_snr=mean["abs"] / variance**0.5 if variance > 1e-15 * mean["square"] else NAN,
            n=self.n,
            n_nan=self.n_nan,
        )


def _positions(lengths: Counts) -> Counts:
    """Place of every token in its response, from 0."""
    starts = np.cumsum(lengths) - lengths
    places: Counts = np.arange(int(lengths.sum())) - np.repeat(starts, lengths)
    return places


def _simulated(size: Floats, pull: Floats) -> float:
    """Σ over tokens and steps of 1 − exp(−L), when each step takes the rate times that from L."""
    loss = size.copy()
    total = 0.0
    for step in range(SIMULATED_STEPS):
        pull = pull if step == 0 else -np.expm1(-loss)
        total += float(pull.sum())
        loss -= SIMULATED_RATE * pull
    return total


def _components(lower: Floats, sums: Floats, n_examples: int) -> tuple[float, float]:
    """First share and effective rank of a matrix, from the products and the sums of its columns.

    Of the products the lower triangle is given. Directions are those of the uncentred matrix; a share is the variance
    along one over that of all columns.
    """
    products = lower + np.tril(lower, -1).T
    centre = sums / n_examples
    covariance = products / n_examples - np.outer(centre, centre)
    total = float(np.trace(covariance))
    if not total > 1e-14 * float(np.trace(products)) / n_examples:
        return NAN, NAN
    _, vectors = np.linalg.eigh(products)
    kept = max(1, min(MOST_COMPONENTS, n_examples - 1, len(sums) - 1))
    leading = vectors[:, ::-1][:, :kept]
    ratio = np.einsum("pc,pq,qc->c", leading, covariance, leading, optimize=True) / total
    reached = np.flatnonzero(np.cumsum(ratio) >= HALF)
    return float(ratio[0]), float(reached[0] + 1 if reached.size else kept)


def _bits(size: Floats) -> NDArray[np.int64]:
    """Bit patterns of numbers that are not negative, which have the order of the numbers."""
    bits: NDArray[np.int64] = np.ascontiguousarray(size).view(np.int64)
    return bits


def _top_means(source: TokenSource, sums: _Sums) -> Floats:
    """Mean Δ of the tokens with the largest |Δ|, without sorting all: the edge is narrowed down digit by digit."""
    wanted = int(TOP_SHARE * sums.n)
    n_prompts = len(source.prompts)
    if not wanted:
        return np.full(n_prompts, NAN)
    edge = [_edge(digits, wanted) for digits in sums.digits]
    first = np.array([digit for digit, _ in edge])
    left = np.array([wanted - above for _, above in edge])
    digits = np.zeros((n_prompts, 1 << DIGIT_BITS), dtype=np.int64)
    for batch in source.batches():
        for prompt, shift in _finite_rows(batch):
            bits = _bits(np.abs(shift))
            inside = bits[bits >> _TOP_SHIFT == first[prompt]]
            digits[prompt] += np.bincount((inside >> _NEXT_SHIFT) & ((1 << DIGIT_BITS) - 1), minlength=1 << DIGIT_BITS)
    edge = [_edge(row, int(some)) for row, some in zip(digits, left, strict=True)]
    prefix = (first << DIGIT_BITS) | np.array([digit for digit, _ in edge])
    left = left - np.array([above for _, above in edge])
    return _edge_sums(source, prefix, left) / wanted


def _edge(digits: Counts, wanted: int) -> tuple[int, int]:
    """The digit in which the `wanted`-th largest value lies, and how many values are above that digit."""
    from_top = np.cumsum(digits[::-1])
    place = int(np.searchsorted(from_top, wanted))
    digit = len(digits) - 1 - place
    return digit, int(from_top[place] - digits[digit])


def _edge_sums(source: TokenSource, prefix: Counts, left: Counts) -> Floats:
    """Sum of Δ above the edge digits, and of the largest that are `left` within them."""
    above = np.zeros(len(prefix))
    inside: list[dict[int, tuple[int, float]]] = [{} for _ in prefix]
    for batch in source.batches():
        for prompt, shift in _finite_rows(batch):
            bits = _bits(np.abs(shift))
            place = bits >> _NEXT_SHIFT
            above[prompt] += shift[place > prefix[prompt]].sum()
            chosen = place == prefix[prompt]
            values, index, counts = np.unique(bits[chosen], return_inverse=True, return_counts=True)
            totals = np.bincount(index, weights=shift[chosen], minlength=len(values))
            for value, count, total in zip(values.tolist(), counts.tolist(), totals.tolist(), strict=True):
                known = inside[prompt].get(value, (0, 0.0))
                inside[prompt][value] = (known[0] + count, known[1] + total)
    for prompt, found in enumerate(inside):
        missing = int(left[prompt])
        for value in sorted(found, reverse=True):
            count, total = found[value]
            above[prompt] += total * min(1.0, missing / count)
            missing -= min(missing, count)
            if not missing:
                break
    return above


def _finite_rows(batch: TokenBatch) -> list[tuple[int, Floats]]:
    finite = np.isfinite(batch.shifts).all(axis=0)
    return [(prompt, row[finite]) for prompt, row in enumerate(batch.shifts)]
