"""Speed of probes with nested folds of groups, and against scikit-learn in the same run.

    python benchmarks/probes.py               # 3,000 tasks, 16 sites of 4,096 dimensions, 3 targets: minutes
    python benchmarks/probes.py --sites 2     # a part of it; times are proportional to the number of sites
    python benchmarks/probes.py --tiny        # to see that everything runs

Each site has 5 outer and 5 inner folds of groups and 20 penalties, and every target has its own penalty. Activations
are drawn with a spectrum that falls off, as that of a model's does, site by site, which is not part of the time.
scikit-learn does the same by a pipeline of StandardScaler and GridSearchCV over Ridge, which fits one target at a time,
as all targets of one search would share a penalty. It is timed on a slice, one outer fold of one site and target with
four penalties, and its time for everything follows from the number of fits; the slice's predictions are compared.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from inoc.stats.means import Floats
from inoc.stats.probes.folds import Indices, Split, fold_numbers, parts, within_splits
from inoc.stats.probes.ridge import nested

OUTER, INNER = 5, 5
PENALTIES = np.logspace(-4, 4, 20)
SLICE = PENALTIES[[6, 9, 12, 15]]


class Size(NamedTuple):
    tasks: int
    sites: int
    width: int
    targets: int


class Clock(NamedTuple):
    wall: float
    cpu: float

    @classmethod
    def now(cls) -> Clock:
        return cls(time.perf_counter(), time.process_time())

    def since(self, earlier: Clock) -> Clock:
        return Clock(self.wall - earlier.wall, self.cpu - earlier.cpu)

    def plus(self, other: Clock) -> Clock:
        return Clock(self.wall + other.wall, self.cpu + other.cpu)


def drawn(size: Size, site: int) -> tuple[Floats, Floats, Indices]:
    rng = np.random.default_rng(site)
    spread = 1 / np.sqrt(1 + np.arange(size.width))
    x = rng.standard_normal((size.tasks, size.width), dtype=np.float32).astype(np.float64)
    x = x * spread * 10 + rng.standard_normal(size.width)
    y = x[:, : size.targets] + rng.standard_normal((size.tasks, size.targets)) * 5
    groups = np.random.default_rng(0).integers(0, size.tasks // 3, size.tasks)
    return x, y, groups.astype(np.int64)


def inner_of(groups: Indices, rows: Indices) -> list[Indices]:
    return parts(fold_numbers(groups[rows], INNER, 1))


def ours(size: Size, threads: int) -> Clock:
    spent = Clock(0.0, 0.0)
    for site in range(size.sites):
        x, y, groups = drawn(size, site)
        start = Clock.now()
        splits = within_splits(groups, OUTER, 0)
        nested(x, y, np.ones(size.tasks), splits, lambda rows: inner_of(groups, rows), PENALTIES, threads)  # noqa: B023
        spent = spent.plus(Clock.now().since(start))
    return spent


def by_scikit_learn(x: Floats, y: Floats, groups: Indices, split: Split) -> Floats:
    folds = PredefinedSplit(fold_numbers(groups[split.train], INNER, 1))
    grid = {"alpha": (SLICE * x.shape[1]).tolist()}
    search = GridSearchCV(Ridge(solver="cholesky"), grid, cv=folds, scoring="neg_mean_squared_error")
    model = make_pipeline(StandardScaler(), search).fit(x[split.train], y[split.train])
    predicted: Floats = model.predict(x[split.test])
    return predicted


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sites", type=int, default=16)
    options = parser.parse_args(arguments)
    size = Size(60, 2, 90, 2) if options.tiny else Size(3000, options.sites, 4096, 3)
    x, y, groups = drawn(size, 0)
    split = within_splits(groups, OUTER, 0)[0]
    print("| what | wall s | CPU s | peak GiB so far |\n| --- | --- | --- | --- |")
    with threadpool_limits(1):
        spent = ours(size, options.threads)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    what = f"{size.tasks} tasks, {size.sites} sites, {size.targets} targets"
    print(f"| {what} | {spent.wall:.1f} | {spent.cpu:.1f} | {peak:.2f} |", flush=True)
    with threadpool_limits(options.threads):
        start = Clock.now()
        expected = by_scikit_learn(x, y[:, 0], groups, split)
        slice_ = Clock.now().since(start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"| scikit-learn, the slice | {slice_.wall:.1f} | {slice_.cpu:.1f} | {peak:.2f} |", flush=True)
    found = nested(x, y, np.ones(size.tasks), [split], lambda rows: inner_of(groups, rows), SLICE.tolist())
    away = np.abs(found[0].predicted[:, 0] - expected).max() / np.abs(expected).max()
    fits = INNER * len(PENALTIES) + 1, INNER * len(SLICE) + 1
    share = fits[0] / fits[1] * size.sites * OUTER * size.targets
    wall, cpu = slice_.wall * share, slice_.cpu * share
    print(f"| scikit-learn, everything (slice × {share:.0f}) | {wall:.0f} | {cpu:.0f} | |")
    print(
        f"{wall / spent.wall:.0f} times as fast as scikit-learn by wall clock, {cpu / spent.cpu:.0f} times by CPU "
        f"time; largest difference of a prediction {away:.1e} of the largest"
    )


if __name__ == "__main__":
    main()
