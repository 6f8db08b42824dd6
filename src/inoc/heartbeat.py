"""Heartbeat of a job: a file that shows that it is alive, and its progress.

A thread writes it again and again for as long as the job lives, so that silence means something: a job that loads a
model for ten minutes beats, and a job whose machine went down does not.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from inoc.digest import Json
from inoc.store.core import write_text

BEAT_EVERY_S = 15.0
_ERROR_LENGTH = 300
_NOTHING: dict[str, Json] = {"label": "starting", "done": 0, "total": 0, "unit": "", "elapsed_s": 0.0, "rate": 0.0}

_BEATING: dict[Path, Heartbeat] = {}
"""Heartbeats of this process that are under way."""


class Heartbeat:
    """Beats of one job, from its start to its end.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path, every_s: float = BEAT_EVERY_S) -> None:
        self.path, self._every_s = path, every_s
        self._said: dict[str, Json] = dict(_NOTHING)
        self._writing, self._ended = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._keep, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Beat now, and from now on."""
        self._write("running")
        self._thread.start()

    def say(self, said: Mapping[str, Json]) -> None:
        """Beat at once with other words; those that are not given stay."""
        self._said = {**self._said, **said}
        self._write("running")

    def end(self, state: str, error: str = "") -> None:
        """Beat for the last time.

        Args:
            state: `finished` or `failed`.
            error: The message of the error that ended it.
        """
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self._said |= {"error": error[:_ERROR_LENGTH]} if error else {}
        self._write(state)

    def _keep(self) -> None:
        while not self._ended.wait(self._every_s):
            try:
                if not self._another_beats():
                    self._write("running")
            except (OSError, ValueError):
                continue  # a full disk is for the job to report; the next beat may come through

    def _another_beats(self) -> bool:
        """Whether a process that this one started says more: the leader of several that train together."""
        if time.time() - self.path.stat().st_mtime > self._every_s:
            return False
        return bool(json.loads(self.path.read_text())["pid"] != os.getpid())

    def _write(self, state: str) -> None:
        with self._writing:
            beat = {
                **self._said,
                "state": state,
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "updated": time.time(),
            }
            write_text(self.path, json.dumps(beat))


@contextmanager
def beating(path: Path, every_s: float = BEAT_EVERY_S) -> Iterator[Heartbeat]:
    """Beat while the block runs, then say how it ended: `finished`, or `failed` with the error's message.

    Blocks may be nested: an inner one of the same file beats with the outer one's heart, which alone says the end.

    Args:
        path: The file.
        every_s: Seconds between two beats while nothing is said.
    """
    outer = _BEATING.get(path)
    if outer is not None:
        yield outer
        return
    heart = _BEATING[path] = Heartbeat(path, every_s)
    try:
        heart.start()
        yield heart
    except BaseException as error:
        heart.end("failed", str(error) or type(error).__name__)
        raise
    else:
        heart.end("finished")
    finally:
        del _BEATING[path]
