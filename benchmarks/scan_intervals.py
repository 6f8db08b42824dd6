"""Simulated coverage of the intervals of a scan of likelihood shifts; prints the tables of docs/design/intervals.md.

Usage: python benchmarks/scan_intervals.py [precision|tails|divergence ...] [--repeats N]
"""

from __future__ import annotations

import argparse

import numpy as np
from intervals import head, row
from scipy.special import ndtr

from inoc.score.step import BLOCK
from inoc.stats.contrasts import against_each, two_sided
from inoc.stats.divergence import BINS, binned, jackknifed, js_divergence
from inoc.stats.divergence import divergence as between
from inoc.stats.means import Floats, normal_quantile
from inoc.stats.tails import cut_point, tail_parts
from inoc.studies.likelihood_shift.plans import enough
from inoc.studies.likelihood_shift.precision import unscored

N_PROMPTS = 17
SPREAD = 0.08  # standard deviation of the widest contrast over rows, nats per token
CONTRASTS = np.linspace(0.004, 0.028, N_PROMPTS - 1)  # of the own prompt and each other; published ones begin at 0.0039


def dataset(n: int, rng: np.random.Generator) -> Floats:
    """(1 + prompts, rows) mean log-probabilities: the base turn, the own prompt and the others, with skewed errors."""
    base = rng.normal(-1, 0.3, n)
    spreads = np.concatenate([[0.04], np.linspace(0.045, (SPREAD**2 - 0.04**2) ** 0.5, N_PROMPTS - 1)])
    errors = spreads[:, None] * (rng.exponential(1, (N_PROMPTS, n)) - 1)
    found: Floats = np.vstack([base, base + np.concatenate([[0.0], -CONTRASTS])[:, None] + errors])
    return found


def used_rows(means: Floats, target: float) -> int:
    """Rows that are scored, block by block, until contrasts are as precise as the target."""
    n = BLOCK
    while n < means.shape[1] and not enough([0], [means.shape[1]], target, 0, means[:, :n]):
        n = min(n + BLOCK, means.shape[1])
    return n


def precision(repeats: int) -> None:
    """Contrasts of one dataset after scoring has stopped at a precision, against those of all its rows."""
    head(
        *("rows", "precision", "rows used", "coverage of the value over all rows", "the same, uncorrected"),
        *("coverage of the population's value", "signs as with all rows", "own rank as with all rows"),
    )
    for n_rows, target in ((27_000, 0.002), (27_000, 0.003), (4_000, 0.004), (4_000, 0.002)):
        found, used = [], []
        for repeat in range(repeats):
            means = dataset(n_rows, np.random.default_rng([repeat, n_rows]))
            n = used_rows(means, target)
            whole = (means[1] - means[2:]).mean(axis=1)
            narrower = unscored(n, n_rows) ** 0.5
            each = against_each(means[1:, :n], 0)[1:]
            half = np.array([(one.hi - one.lo) / 2 for one in each])
            value = np.array([one.value for one in each])
            found.append(
                [
                    np.mean(np.abs(value - whole) <= half * narrower),
                    np.mean(np.abs(value - whole) <= half),
                    np.mean(np.abs(value - CONTRASTS) <= half),
                    np.mean((value > 0) == (whole > 0)),
                    (value > 0).all() == (whole > 0).all(),
                ]
            )
            used.append(n)
        row(
            f"{n_rows:,}", f"{target:g}", f"{np.mean(used):,.0f}", *(100 * float(one) for one in np.mean(found, axis=0))
        )


def divergence(repeats: int) -> None:
    """Jensen–Shannon divergence of two normal samples with a common standard deviation."""
    head("rows of each", "difference, SD", "true value, bits", "bootstrap", "jackknife")
    for n, shift in (
        (120, 2.0),
        (300, 0.0),
        (300, 1.0),
        (300, 2.0),
        (300, 3.0),
        (1_000, 1.0),
        (1_000, 3.0),
        (5_000, 2.0),
    ):
        held, truths = [], []
        for repeat in range(repeats):
            rng = np.random.default_rng([repeat, n])
            first, second = np.sort(rng.normal(size=n)), np.sort(rng.normal(shift, size=n))
            edges = np.linspace(min(first[0], second[0]), max(first[-1], second[-1]), BINS + 1)
            edges[[0, -1]] = -np.inf, np.inf
            truth = float(js_divergence(np.diff(ndtr(edges)), np.diff(ndtr(edges - shift))))
            counts = binned(first, second)
            found = between(*counts, rng, 200, 0.95)
            (value, se), half = jackknifed(*counts), normal_quantile(0.95)
            ends = np.clip([value - half * se, value + half * se], 0, 1)
            held.append([found.bootstrap_lo <= truth <= found.bootstrap_hi, ends[0] <= truth <= ends[1]])
            truths.append(truth)
        row(f"{n:,}", f"{shift:g}", f"{np.mean(truths):.3f}", *(100 * float(one) for one in np.mean(held, axis=0)))


def tails(repeats: int) -> None:
    """P(p < 0.05) of the contrast of an own prompt's tail with the mean of seven others', without any difference."""
    head("rows", "tail", "degrees of freedom of all rows (before)", "of the rows of the tail")
    for share in (0.2, 0.05):
        for n in (60, 120, 300, 1_000):
            found = []
            for repeat in range(repeats):
                rng = np.random.default_rng([repeat, n])
                values = rng.normal(0, 0.15, n) + 0.06 * (rng.exponential(1, (8, n)) - 1)
                parts = tail_parts(values, share)
                value = [float(one[one >= cut_point(one, share)].mean()) for one in values]
                t = (value[0] - np.mean(value[1:])) / ((parts[0] - parts[1:].mean(axis=0)).std(ddof=1) / n**0.5)
                found.append([two_sided(t, 1.0, degrees) < 0.05 for degrees in (n - 1, max(n * share - 1, 1))])
            row(f"{n:,}", f"{share:g}", *(100 * float(one) for one in np.mean(found, axis=0)))


PARTS = {"precision": precision, "tails": tails, "divergence": divergence}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--repeats", type=int, default=1_000)
    options = parser.parse_args()
    for name in options.parts or PARTS:
        print(f"\n{name}: {options.repeats} repeats\n")
        PARTS[name](options.repeats)
