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


def report_line(label: str, done: int, total: int, unit: str, elapsed_s: float, rate: float = 0.0) -> str:
    """`label: 40 of 120 examples (33 %), 3.1 examples/s, 26 s left`.

    Args:
        label: What is done.
        done: How many are done.
        total: Out of how many.
        unit: Of what.
        elapsed_s: Since the start, seconds.
        rate: Per second, once under way; 0 if it is not known yet.
    """
    share = f"{100 * done / total:.0f} %" if total else "done"
    line = f"{label}: {done} of {total} {unit} ({share})"
    if done >= total:
        return f"{line} in {duration(elapsed_s)}"
    return f"{line}, {rate:.3g} {unit}/s, {duration((total - done) / rate)} left" if rate > 0 else line


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
        self._first: tuple[float, int] | None = None  # loading a model is no part of the rate
        self._live = stream.isatty() and os.environ.get("INOC_PROGRESS") != "plain"
        self._beat("running")

    def advance(self, n: int = 1) -> None:
        """Count n more."""
        self.done += n
        now = time.monotonic()
        self._first = self._first or (now, self.done)
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

    def _rate(self, now: float) -> float:
        if self._first is None or now <= self._first[0]:
            return 0.0
        return (self.done - self._first[1]) / (now - self._first[0])

    def _print(self, now: float, *, last: bool) -> None:
        line = report_line(self.label, self.done, self.total, self.unit, now - self._started, self._rate(now))
        if self._live:
            self._stream.write(f"\r\x1b[K{line}" + ("\n" if last else ""))
        else:
            self._stream.write(f"{line}\n")
        self._stream.flush()

    def _beat(self, state: str) -> None:
        if self._heartbeat is None:
            return
        now = time.monotonic()
        beat = {
            "label": self.label,
            "state": state,
            "done": self.done,
            "total": self.total,
            "unit": self.unit,
            "elapsed_s": round(now - self._started, 1),
            "rate": round(self._rate(now), 4),
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
