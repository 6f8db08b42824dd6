"""Jobs that failed before they could say so: marks of those that were refused, and Snakemake's logs of the others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from inoc.heartbeat import Heartbeat

LOGS = Path(".snakemake") / "log"
_NEWEST = 20  # logs that are read
_LARGEST = 20_000_000  # bytes of a log that is read
_RULE = re.compile(r"^Error in rule (\w+)(?:, jobid: \d+)?:$")
_FIELD = re.compile(r"^    (output|log): (.*)$")


class Failure(NamedTuple):
    """A job that Snakemake saw fail."""

    log: str  # the job's own log; empty if it has none
    at: float  # when Snakemake's log was last written, seconds since 1970


def mark_failed(heartbeat: Path, error: BaseException) -> None:
    """Leave a failed heartbeat of a job that was refused before its heart beat.

    Args:
        heartbeat: The job's heartbeat file.
        error: The reason.
    """
    Heartbeat(heartbeat).end("failed", str(error) or type(error).__name__)


def snakemake_failures(folder: Path = LOGS) -> dict[str, Failure]:
    """Output file → its job's failure, from Snakemake's last logs; the newest counts.

    Args:
        folder: Snakemake's logs; it need not exist.
    """
    found: dict[str, Failure] = {}
    logs = sorted(folder.glob("*.snakemake.log"), key=lambda path: path.stat().st_mtime)[-_NEWEST:]
    for path in logs:
        if path.stat().st_size <= _LARGEST:
            found |= _failures(path.read_text(encoding="utf-8", errors="replace"), path.stat().st_mtime)
    return found


def _failures(text: str, at: float) -> dict[str, Failure]:
    found: dict[str, Failure] = {}
    outputs: list[str] = []
    inside = False
    for line in text.splitlines():
        if _RULE.match(line):
            inside, outputs = True, []
        elif inside and (field := _FIELD.match(line)):
            if field[1] == "output":
                outputs = field[2].split(", ")
                found |= {output: Failure("", at) for output in outputs}
            else:
                log = field[2].partition(" (check log file")[0]
                found |= {output: Failure(log, at) for output in outputs}
        elif not line.startswith("    "):
            inside = False
    return found
