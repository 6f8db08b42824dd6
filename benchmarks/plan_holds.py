"""Does half of a run's jobs tell what the other half takes?

    python benchmarks/plan_holds.py mini --record timings.json

A study that was run in shards has several jobs of a stage. The first half of them give the pace of the stage, as for
`inoc plan --measured`: seconds of a start, and seconds per unit of work that the progress counts. From these and the
units of the other half follows what those should take. Seconds of processors do not depend on what else runs on the
machine; on a GPU that nobody shares, seconds of the clock count. `--record` writes the timings, `--timings` reads them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from inoc.jobs.costs import CostRow
from inoc.jobs.make import RESULTS
from inoc.jobs.measured import Sample, pace_of, sample_of
from inoc.progress import Spent

WITHIN = 0.25
KEPT = ("stage", "job", "device", "wall_s", "cpu_s", "work")


class Held(NamedTuple):
    """A stage: what the other half of its jobs was planned to take, and what it took."""

    stage: str
    known: int  # jobs that the pace is from
    planned: Spent
    took: Spent


def halves(timings: Iterable[Mapping[str, Any]]) -> list[Held]:
    """Each stage with two jobs or more; jobs count as they are named."""
    stages: dict[str, list[Mapping[str, Any]]] = {}
    for one in sorted(timings, key=lambda one: (len(str(one["job"])), str(one["job"]))):
        if one.get("work"):
            stages.setdefault(str(one["job"]).rpartition("-")[0], []).append(one)
    found = []
    for stage, jobs in stages.items():
        middle = len(jobs) // 2
        first = _sample(jobs[:middle])
        other = _sample(jobs[middle:])
        if first is not None and other is not None:
            found.append(Held(stage, middle, pace_of([first]).of(other.jobs, other.work), other.total))
    return found


def _sample(jobs: Sequence[Mapping[str, Any]]) -> Sample | None:
    units = sum(float(step["done"]) for one in jobs for step in one["work"].values())
    fresh = [{**one, "store": {"hits": 0, "misses": 1}} for one in jobs]
    return sample_of(CostRow("", len(jobs), "", tokens=units), 1.0, fresh)


def total(held: Iterable[Held]) -> Held:
    """All stages together."""
    every = list(held)
    planned = Spent(sum(one.planned.wall_s for one in every), sum(one.planned.cpu_s for one in every))
    took = Spent(sum(one.took.wall_s for one in every), sum(one.took.cpu_s for one in every))
    return Held("all", sum(one.known for one in every), planned, took)


def timings_of(results: Path, study: str) -> list[dict[str, Any]]:
    """What the manifests of a study say of time."""
    found = []
    for path in sorted((results / study).glob("*/manifest-*.json")):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        found.append({name: manifest[name] for name in KEPT if name in manifest})
    return found


def main(arguments: list[str] | None = None) -> None:
    """Print a row per stage; ends with an error if the plan is more than a quarter off in all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--record", type=Path, help="file for the timings")
    parser.add_argument("--timings", type=Path, help="file with timings, in the place of manifests")
    parser.add_argument("--clock", action="store_true", help="judge by seconds of the clock, not of processors")
    options = parser.parse_args(arguments)
    if options.timings:
        timings = json.loads(options.timings.read_text(encoding="utf-8"))
    else:
        timings = timings_of(options.results, options.study)
    if options.record:
        options.record.write_text(json.dumps(timings, indent=1) + "\n", encoding="utf-8")
    held = halves(timings)
    if not held:
        sys.exit(f"{options.study}: no stage has two jobs here; split it in config.yaml, `shards`")
    print("| stage | jobs known | planned s of CPU | took | planned s | took |\n| --- | --- | --- | --- | --- | --- |")
    for one in [*held, total(held)]:
        planned, took = one.planned, one.took
        print(
            f"| {one.stage} | {one.known} | {planned.cpu_s:.1f} | {took.cpu_s:.1f} | {planned.wall_s:.1f} | "
            f"{took.wall_s:.1f} |"
        )
    whole = total(held)
    ratio = whole.planned.wall_s / whole.took.wall_s if options.clock else whole.planned.cpu_s / whole.took.cpu_s
    print(f"planned / took: {ratio:.2f}")
    if abs(ratio - 1) > WITHIN:
        sys.exit(f"the plan is more than {WITHIN:.0%} off")


if __name__ == "__main__":
    main()
