"""Logs of a trainer: losses and learning rates, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from inoc.errors import DataError
from inoc.files import read_jsonl
from inoc.stats.means import NAN
from inoc.stats.scales import written
from inoc.studies.imports.findings import Findings

Record = Mapping[str, object]


class Logs(NamedTuple):
    """Rows of `imported.LOSSES` and of `imported.LOG_SUMMARIES`."""

    losses: list[Record]
    summaries: list[Record]


def trainer_logs(paths: Sequence[Path], root: Path, findings: Findings) -> Logs:
    """The records of all logs.

    Raises:
        DataError: With the line, if a record has another form.
    """
    found = Logs([], [])
    for path in paths:
        run = str(path.relative_to(root)).removesuffix(".jsonl").removesuffix(".log_history")
        before = len(found.losses)
        for line in read_jsonl(path, "a record of a trainer"):
            _add(run, line.value, line.where, found, before)
        findings.add("found", "logs", str(path), f"{len(found.losses) - before} steps of {run}")
    return found


def _add(run: str, value: object, where: str, found: Logs, before: int) -> None:
    if not isinstance(value, Mapping):
        raise DataError(f"{where}: expected a JSON object")
    try:
        if "loss" in value:
            step = int(value.get("step", len(found.losses) - before + 1))
            numbers = {
                "epoch": float(value["epoch"]),
                "loss": float(value["loss"]),
                "gradient_norm": float(value.get("grad_norm", NAN)),
                "learning_rate": written(float(value["learning_rate"])),
            }
            found.losses.append({"run": run, "step": step, **numbers})
        elif "train_loss" in value:
            steps = int(value.get("step", len(found.losses) - before))
            epochs, loss = float(value["epoch"]), float(value["train_loss"])
            found.summaries.append({"run": run, "steps": steps, "epochs": epochs, "mean_loss": loss})
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{where}: the record has another form than a trainer's ({error!r})") from None
