"""What of a study is finished, running, failed and left."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from inoc.config.load import load_study, load_workflow
from inoc.config.workflow import Shards
from inoc.studies.inoculation.study import Study
from inoc.jobs.context import RESULTS, shard_count
from inoc.jobs.paths import Paths
from inoc.jobs.progress import duration, report_line

STALE_S = 120.0


class State(NamedTuple):
    """One job's state."""

    job: str
    state: str  # finished, running, failed, killed or left
    detail: str


def outputs(study: Study, paths: Paths, shards: Shards) -> Iterator[tuple[str, Path]]:
    """Name of every job of a study, and a file that is there when it has ended."""
    if study.world is not None:
        yield "world-0", paths.world_model / "config.json"
    yield "generate-0", paths.examples
    yield "rephrase-0", paths.pools
    if study.embedding is not None:
        yield "embed-0", paths.embeddings
    for shard in range(shard_count("elicit", shards)):
        yield f"elicit-{shard}", paths.elicit(shard)
    for shard in range(shard_count("score", shards)):
        yield f"score-{shard}", paths.logprobs(shard)
    yield "judge-elicit-0", paths.scores("elicit")
    if study.runs:
        for shard in range(shard_count("train", shards)):
            yield f"train-{shard}", paths.checkpoints(shard)
        for shard in range(shard_count("evaluate", shards)):
            yield f"evaluate-{shard}", paths.evaluate(shard)
        yield "judge-evaluate-0", paths.scores("evaluate")
    yield "analyse-0", paths.table("predictors")
    yield "figures-0", paths.stage("figures") / "done.json"
    yield "report-0", paths.stage("report") / "appendix.html"


def states(study: Study, paths: Paths, shards: Shards) -> list[State]:
    """The state of every job, in order."""
    return [_state(name, path, paths.stage("status") / f"{name}.json") for name, path in outputs(study, paths, shards)]


def _state(name: str, output: Path, heartbeat: Path) -> State:
    beat = json.loads(heartbeat.read_text()) if heartbeat.exists() else None
    if beat is not None and beat["state"] == "running" and _alive(beat):
        line = report_line(beat["label"], beat["done"], beat["total"], beat["unit"], beat["elapsed_s"], beat["rate"])
        return State(name, "running", line)
    if output.exists():
        return State(name, "finished", f"{duration(time.time() - output.stat().st_mtime)} ago")
    if beat is None:
        return State(name, "left", "")
    detail = f"{beat['label']}: {beat['done']} of {beat['total']} {beat['unit']}"
    if beat["state"] == "failed":
        return State(name, "failed", f"{detail}; see logs/")
    if beat["state"] == "running":
        return State(name, "killed", f"{detail}; what was done is in the store")
    return State(name, "left", detail)


def _alive(beat: dict[str, object]) -> bool:
    if beat["host"] != socket.gethostname():
        return time.time() - float(str(beat["updated"])) < STALE_S
    try:
        os.kill(int(str(beat["pid"])), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def print_status(study_name: str, config: Path) -> None:
    """Print a line per job, and a summary."""
    workflow = load_workflow(config / "config.yaml")
    study = load_study(study_name, config)
    found = states(study, Paths(RESULTS, study.name), workflow.shards.get(study.name, Shards()))
    for state in found:
        print(f"{state.state:9} {state.job:18} {state.detail}")
    counts = {kind: sum(s.state == kind for s in found) for kind in ("finished", "running", "failed", "killed", "left")}
    print(", ".join(f"{n} {kind}" for kind, n in counts.items() if n or kind in {"finished", "left"}))
