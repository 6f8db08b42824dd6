"""Simulated coverage of the intervals of a scan of likelihood shifts; prints the tables of docs/design/intervals.md.

Usage: python benchmarks/scan_intervals.py [precision ...] [--repeats N]
"""

from __future__ import annotations

import argparse

import numpy as np
from intervals import head, row

from inoc.score.step import BLOCK
from inoc.stats.contrasts import against_each
from inoc.stats.means import Floats
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


PARTS = {"precision": precision}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--repeats", type=int, default=1_000)
    options = parser.parse_args()
    for name in options.parts or PARTS:
        print(f"\n{name}: {options.repeats} repeats\n")
        PARTS[name](options.repeats)
