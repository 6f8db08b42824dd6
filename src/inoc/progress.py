"""How far a long step is: on a terminal, in the log, and in a file that `inoc status` reads."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from inoc.store.core import write_text

PLAIN_EVERY_S = 10.0
HEARTBEAT_EVERY_S = 2.0


def report_line(label: str, done: int, total: int, unit: str, elapsed_s: float) -> str:
    """`label: 40 of 120 examples (33 %), 3.1 examples/s, 26 s left`."""
    share = f"{100 * done / total:.0f} %" if total else "done"
    line = f"{label}: {done} of {total} {unit} ({share})"
    if not done or elapsed_s <= 0:
        return line
    rate = done / elapsed_s
    left = f", {duration((total - done) / rate)} left" if done < total else f" in {duration(elapsed_s)}"
    return f"{line}, {rate:.3g} {unit}/s{left}"


def duration(seconds: float) -> str:
    """`42 s`, `3 min 05 s` or `2 h 04 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Meter:
    """Counts what is done of one step."""

    def __init__(self, label: str, total: int, unit: str, heartbeat: Path | None, stream: TextIO) -> None:
        self.label, self.total, self.unit, self.done = label, total, unit, 0
        self._heartbeat, self._stream = heartbeat, stream
        self._started = time.monotonic()
        self._printed = self._beaten = self._started
        self._live = stream.isatty() and os.environ.get("INOC_PROGRESS") != "plain"
        self._beat("running")

    def advance(self, n: int = 1) -> None:
        """Count n more."""
        self.done += n
        now = time.monotonic()
        if now - self._beaten >= HEARTBEAT_EVERY_S:
            self._beaten = now
            self._beat("running")
        if now - self._printed >= (0.2 if self._live else PLAIN_EVERY_S):
            self._printed = now
            self._print(now, last=False)

    def close(self, state: str) -> None:
        """Say the last word: `finished` or `failed`."""
        self._print(time.monotonic(), last=True)
        self._beat(state)

    def _print(self, now: float, *, last: bool) -> None:
        line = report_line(self.label, self.done, self.total, self.unit, now - self._started)
        if self._live:
            self._stream.write(f"\r\x1b[K{line}" + ("\n" if last else ""))
        else:
            self._stream.write(f"{line}\n")
        self._stream.flush()

    def _beat(self, state: str) -> None:
        if self._heartbeat is None:
            return
        elapsed = time.monotonic() - self._started
        beat = {
            "label": self.label,
            "state": state,
            "done": self.done,
            "total": self.total,
            "unit": self.unit,
            "elapsed_s": round(elapsed, 1),
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "updated": time.time(),
        }
        write_text(self._heartbeat, json.dumps(beat))


@contextmanager
def metered(
    label: str, total: int, unit: str, heartbeat: Path | None = None, stream: TextIO | None = None
) -> Iterator[Meter]:
    """A meter that ends as `finished`, or as `failed` if the block raises."""
    meter = Meter(label, total, unit, heartbeat, stream or sys.stderr)
    try:
        yield meter
    except BaseException:
        meter.close("failed")
        raise
    meter.close("finished")
