"""Speed of fits of utilities, and against choix in the same run.

    python benchmarks/preferences.py               # 3,000 items and 300,000 comparisons; choix takes minutes
    python benchmarks/preferences.py --large       # also 10,000 items and 2 million comparisons
    python benchmarks/preferences.py --tiny        # to see that everything runs

Comparisons of random pairs are drawn from Thurstone's model with item variances (sd of ln sigma 0.3) and a position
term. The fit with item variances has one start, as it has by default at this size. The maximum-likelihood fit of choix
(`opt_pairwise`, Newton's method with conjugate gradients) is of the Bradley–Terry model, and so is the one beside it.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Sequence

import choix
import numpy as np

from inoc.stats.utilities.fit import Fit, Settings, fit
from inoc.stats.utilities.intervals import information_intervals
from inoc.stats.utilities.outcomes import Outcomes, tally


def drawn(n_items: int, n: int) -> Outcomes:
    rng = np.random.default_rng(0)
    mu, sigma = rng.normal(0, 1, n_items), np.exp(rng.normal(0, 0.3, n_items))
    first = rng.integers(0, n_items, n)
    second = (first + rng.integers(1, n_items, n)) % n_items
    x = (mu[first] - mu[second] + 0.2) / np.hypot(sigma[first], sigma[second])
    return tally(n_items, first, second, np.where(rng.normal(size=n) < x, 1, -1), np.ones(n), ordered=True)


def timed(name: str, work: Callable[[], object], repeats: int = 3) -> tuple[float, object]:
    """The shortest of several times, in seconds of wall clock."""
    walls, cpus, found = [], [], None
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        found = work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"| {name} | {min(walls):.2f} | {min(cpus):.2f} | {peak:.2f} |", flush=True)
    return min(walls), found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--no-choix", action="store_true")
    options = parser.parse_args(arguments)
    n_items, n = (30, 3000) if options.tiny else (3000, 300_000)
    print("| what | wall s | CPU s | peak GiB so far |\n| --- | --- | --- | --- |")
    if options.large:
        large = drawn(10_000, 2_000_000)
        timed("item variances, 10,000 items, 2 million comparisons", lambda: fit(large, Settings()), 1)
        del large
    outcomes = drawn(n_items, n)
    settings = Settings(starts=1)
    _, found = timed("item variances", lambda: fit(outcomes, settings))
    assert isinstance(found, Fit)
    timed("intervals of these", lambda: information_intervals(found))
    plain = Settings("bradley_terry", positioned=False)
    own, fitted = timed("Bradley–Terry", lambda: fit(outcomes, plain))
    assert isinstance(fitted, Fit)
    if options.no_choix:
        return
    rows = np.repeat(np.column_stack([outcomes.winner, outcomes.loser]), outcomes.weight.astype(int), axis=0).tolist()
    other, expected = timed("Bradley–Terry, choix", lambda: choix.opt_pairwise(n_items, rows, alpha=1e-3), 1)
    assert isinstance(expected, np.ndarray)
    away = np.abs(fitted.mu - (expected - expected.mean())).max()
    print(f"{other / own:.0f} times as fast as choix; largest difference of a utility {away:.1e}")


if __name__ == "__main__":
    main()
