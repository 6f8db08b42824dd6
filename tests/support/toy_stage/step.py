from __future__ import annotations

from collections.abc import Mapping

from inoc.jobs.job import Job
from inoc.store import Unit
from support.toy_stage import VERSION


def units(job: Job, plan: Mapping[str, str]) -> list[Unit]:
    return [Unit("count", VERSION, {"text": text}, key) for key, text in plan.items()]


def run(job: Job, plan: Mapping[str, str]) -> str:
    for unit, text in zip(units(job, plan), plan.values(), strict=True):
        with job.store.claim(unit) as folder:
            if folder is not None:
                (folder / "n.txt").write_text(str(len(text)))
    job.store.refer(job.study, job.name, units(job, plan))
    return f"{len(plan)} texts"
