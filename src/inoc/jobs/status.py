"""The state of a study's jobs: finished, running, failed, killed, silent or left."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from inoc.config.load import load_study, load_workflow
from inoc.jobs.failures import Failure, snakemake_failures
from inoc.jobs.make import RESULTS
from inoc.jobs.paths import Paths
from inoc.jobs.work import present_jobs
from inoc.progress import duration, report_line

STALE_S = 120.0
"""A job that lives beats every 15 s; a shared file system may show a beat up to a minute late."""
KINDS = ("finished", "running", "failed", "killed", "silent", "left")


class State(NamedTuple):
    """One job's state."""

    job: str
    state: str  # one of KINDS; `silent` if the job is recorded as running, but its heartbeat is old
    detail: str


def states(
    jobs: Iterable[tuple[str, Path]], folder: Path, failures: Mapping[str, Failure] | None = None
) -> list[State]:
    """The state of every job.

    Args:
        jobs: Name of each job, and a file that is there when it has ended.
        folder: Folder of the heartbeats.
        failures: Output file → failure that Snakemake saw; for jobs that failed before their heart beat.

    Returns:
        One state per job, in the given order.
    """
    known = failures or {}
    return [
        _early(_state(name, output, beat := folder / f"{name}.json"), known.get(output.as_posix()), beat)
        for name, output in jobs
    ]


def _early(state: State, failure: Failure | None, heartbeat: Path) -> State:
    """A state, or the failure of a job that has left no newer trace than it."""
    if failure is None or state.state != "left":
        return state
    if heartbeat.exists() and heartbeat.stat().st_mtime > failure.at:
        return state
    where = failure.log or "Snakemake's log"
    return State(state.job, "failed", f"before its first sign of life; see {where}")


def _state(name: str, output: Path, heartbeat: Path) -> State:
    beat = json.loads(heartbeat.read_text()) if heartbeat.exists() else None
    if beat is None:
        return _finished(name, output) if output.exists() else State(name, "left", "")
    state = _running(beat) if beat["state"] == "running" else str(beat["state"])
    if state == "running":
        return State(name, state, _progress(beat))
    # The file of an earlier run may still exist when a job ran again and did not end.
    newest = output.exists() and output.stat().st_mtime >= heartbeat.stat().st_mtime
    if newest or (output.exists() and state == "finished"):
        return _finished(name, output)
    where = _place(beat)
    if state == "failed":
        error = f": {beat['error'].splitlines()[0]}" if beat.get("error") else ""
        return State(name, state, f"{where}{error}; see logs/{name.partition('-')[0]}")
    if state == "killed":
        return State(name, state, f"{where}; whatever it finished is in the store")
    if state == "silent":
        silence = duration(time.time() - float(beat["updated"]))
        return State(name, state, f"{where}; no sign of life from {beat['host']} for {silence}")
    return State(name, "left", where)


def _finished(name: str, output: Path) -> State:
    return State(name, "finished", f"{duration(time.time() - output.stat().st_mtime)} ago")


def _progress(beat: Mapping[str, Any]) -> str:
    if not beat["total"]:
        return str(beat["label"])
    return report_line(beat["label"], beat["done"], beat["total"], beat["unit"], beat["elapsed_s"], beat["rate"])


def _place(beat: Mapping[str, Any]) -> str:
    """The last step of a job that has ended, and its progress."""
    if not beat["total"]:
        return "before its first step" if beat["label"] == "starting" else str(beat["label"])
    return f"{beat['label']}: {beat['done']} of {beat['total']} {beat['unit']}"


def _running(beat: Mapping[str, Any]) -> str:
    """`running`, `killed` or `silent`, for a job that has not recorded its end."""
    if beat["host"] == socket.gethostname() and not _exists(int(beat["pid"])):
        return "killed"
    # Processes of another machine cannot be checked; on this one, the id may belong to another process by now.
    return "running" if time.time() - float(beat["updated"]) < STALE_S else "silent"


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def study_states(study_name: str, config: Path) -> list[State]:
    """The state of every job of a study.

    Args:
        study_name: Name of a study, or path of its file.
        config: Folder of `config.yaml`.
    """
    workflow = load_workflow(config / "config.yaml")
    study = load_study(study_name, config)
    paths = Paths(RESULTS, study.name)
    jobs = present_jobs(study, paths, workflow.shards.get(study.name, {}))
    return states(jobs, paths.stage("status"), snakemake_failures())


def print_status(study_name: str, config: Path, *, as_json: bool = False) -> None:
    """Print a line per job, and a summary; or both as one JSON object, with `jobs` and `counts`."""
    found = study_states(study_name, config)
    counts = {kind: sum(state.state == kind for state in found) for kind in KINDS}
    if as_json:
        print(
            json.dumps({"jobs": [state._asdict() for state in found], "counts": counts}, ensure_ascii=False, indent=2)
        )
        return
    for state in found:
        print(f"{state.state:9} {state.job:18} {state.detail}")
    print(", ".join(f"{n} {kind}" for kind, n in counts.items() if n or kind in {"finished", "left"}))
