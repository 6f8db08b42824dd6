"""The progress of a long step: on a terminal, in the log, and in the file that `inoc status` reads."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple, TextIO

from inoc.heartbeat import Heartbeat, beating

PLAIN_EVERY_S = 10.0
SAID_EVERY_S = 2.0


def report_line(label: str, done: int, total: int, unit: str, elapsed_s: float, rate: float = 0.0) -> str:
    """`label: 40 of 120 examples (33 %), 3.1 examples/s, 26 s left`.

    Args:
        label: Name of the step.
        done: Number of units that are done.
        total: Number of all units.
        unit: Name of a unit, in the plural.
        elapsed_s: Seconds since the start.
        rate: Units per second, once under way; 0 if it is not known yet.
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


class Spent(NamedTuple):
    """Seconds of a clock and of processors."""

    wall_s: float
    cpu_s: float

    def times(self, factor: float) -> Spent:
        """The same, so many times."""
        return Spent(factor * self.wall_s, factor * self.cpu_s)

    def and_of(self, other: Spent) -> Spent:
        """Both together."""
        return Spent(self.wall_s + other.wall_s, self.cpu_s + other.cpu_s)


def cpu_s() -> float:
    """Seconds of processors that this process and its ended children have used."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


class Meter:
    """Counts the units of one step that are done."""

    def __init__(self, label: str, total: int, unit: str, heart: Heartbeat | None, stream: TextIO) -> None:
        self.label, self.total, self.unit, self.done = label, total, unit, 0
        self._heart, self._stream = heart, stream
        self._started = time.monotonic()
        self._printed = self._said = self._started
        self._first: tuple[float, int] | None = None  # loading a model is no part of the rate
        self._started_cpu = self._first_cpu = cpu_s()
        self._live = stream.isatty() and os.environ.get("INOC_PROGRESS") != "plain"
        self._say(self._started)

    def advance(self, n: int = 1) -> None:
        """Count n more."""
        self.done += n
        now = time.monotonic()
        if self._first is None:
            self._first, self._first_cpu = (now, self.done), cpu_s()
        if now - self._said >= SAID_EVERY_S:
            self._said = now
            self._say(now)
        if now - self._printed >= (0.2 if self._live else PLAIN_EVERY_S):
            self._printed = now
            self._print(now, last=False)

    def close(self) -> None:
        """Print and note the last count."""
        now = time.monotonic()
        self._print(now, last=True)
        self._say(now)

    def steady(self) -> Spent:
        """Time of the units that are done, at the rate once under way; since the start where all were done at once."""
        now, used = time.monotonic(), cpu_s()
        if self._first is None or self.done <= self._first[1]:
            return Spent(now - self._started, used - self._started_cpu)
        return Spent(now - self._first[0], used - self._first_cpu).times(self.done / (self.done - self._first[1]))

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

    def _say(self, now: float) -> None:
        if self._heart is not None:
            self._heart.say(
                {
                    "label": self.label,
                    "done": self.done,
                    "total": self.total,
                    "unit": self.unit,
                    "elapsed_s": round(now - self._started, 1),
                    "rate": round(self._rate(now), 4),
                }
            )


@contextmanager
def metered(
    label: str, total: int, unit: str, heartbeat: Path | None = None, stream: TextIO | None = None
) -> Iterator[Meter]:
    """A meter for the time of a block.

    Args:
        label: Name of the step.
        total: Number of all units.
        unit: Name of a unit, in the plural.
        heartbeat: The job's heartbeat, which also says `finished`, or `failed` if the block raises, unless an outer
            block beats already; None for none.
        stream: Where lines go; standard error by default.
    """
    with beating(heartbeat) if heartbeat is not None else nullcontext() as heart:
        meter = Meter(label, total, unit, heart, stream or sys.stderr)
        try:
            yield meter
        finally:
            meter.close()
