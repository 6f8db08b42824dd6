"""What of a study is finished, running, failed and left."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from inoc.config.load import load_study, load_workflow
from inoc.jobs.make import RESULTS
from inoc.jobs.paths import Paths
from inoc.jobs.work import expected_jobs
from inoc.progress import duration, report_line

STALE_S = 120.0


class State(NamedTuple):
    """One job's state."""

    job: str
    state: str  # finished, running, failed, killed or left
    detail: str


def states(jobs: Iterable[tuple[str, Path]], heartbeats: Path) -> list[State]:
    """The state of every job, in order.

    Args:
        jobs: Name of each job, and a file that is there when it has ended.
        heartbeats: Folder of the files in which jobs say how far they are.
    """
    return [_state(name, path, heartbeats / f"{name}.json") for name, path in jobs]


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
    paths = Paths(RESULTS, study.name)
    jobs = expected_jobs(study, paths, workflow.shards.get(study.name, {}))
    found = states([(one.job, one.output) for one in jobs], paths.stage("status"))
    for state in found:
        print(f"{state.state:9} {state.job:18} {state.detail}")
    counts = {kind: sum(s.state == kind for s in found) for kind in ("finished", "running", "failed", "killed", "left")}
    print(", ".join(f"{n} {kind}" for kind, n in counts.items() if n or kind in {"finished", "left"}))
