"""Ctrl-C and SIGTERM: a verb that is stopped says so in one line, and ends with the status that a shell expects.

While a program starts there is nothing to finish, so a signal ends it at once: an exception would appear as the
traceback of some import, or be lost in one. Later a signal is an exception, so that heartbeats and files are ended.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from types import FrameType

AGAIN = "Run again to go on: what was finished is kept"
WORDS = {
    signal.SIGINT: f"stopped. {AGAIN}",
    signal.SIGTERM: f"stopped by SIGTERM, which `kill`, `timeout` and time limits of clusters send. {AGAIN}",
}
_Handler = Callable[[int, FrameType | None], None] | signal.Handlers
_USUAL: dict[signal.Signals, _Handler] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


class Terminated(KeyboardInterrupt):
    """SIGTERM has come."""


def status_of(error: KeyboardInterrupt) -> int:
    """Exit status of a program that a signal ended."""
    return 128 + (signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT)


def words_of(error: KeyboardInterrupt) -> str:
    """Message about a signal that ended a program."""
    return WORDS[signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT]


@contextlib.contextmanager
def leaving_at_once() -> Iterator[None]:
    """End the program at once if a signal comes during the block."""
    with _handled({signal.SIGINT: _leave, signal.SIGTERM: _leave}):
        yield


@contextlib.contextmanager
def leaving_after() -> Iterator[None]:
    """After the block, end the program at once if a signal comes; at last, when nothing more can be said, ignore it."""
    atexit.register(_ignore_at_last)  # what is registered first is called last
    try:
        yield
    finally:
        for number in _usual(_USUAL):
            signal.signal(number, _leave)


def _ignore_at_last() -> None:
    for number in _USUAL:
        if signal.getsignal(number) is _leave:
            signal.signal(number, signal.SIG_IGN)


def _leave(number: int, _: FrameType | None) -> None:
    with contextlib.suppress(OSError):
        os.write(2, f"inoc: {WORDS[signal.Signals(number)]}\n".encode())
    os._exit(128 + number)


@contextlib.contextmanager
def raising() -> Iterator[None]:
    """Let SIGTERM raise `Terminated` during the block, as Ctrl-C raises `KeyboardInterrupt`."""
    owner = os.getpid()

    def raise_(number: int, _: FrameType | None) -> None:
        if os.getpid() == owner:
            raise Terminated
        signal.signal(number, signal.SIG_DFL)  # in a process that was forked off
        os.kill(os.getpid(), number)

    with _handled({signal.SIGTERM: raise_}):
        yield


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Let a signal wait until the block has ended: for a few quick steps of which all or none must be done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before: dict[signal.Signals, _Handler] = {}
    try:
        for number in _USUAL:
            if (handler := signal.getsignal(number)) is not None:  # one that Python set, and can set again
                before[number] = handler  # type: ignore[assignment]
                signal.signal(number, lambda number, _: came.append(number))
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])


@contextlib.contextmanager
def kept_from_children() -> Iterator[None]:
    """Keep Ctrl-C from processes that are started in the block; this one, which has to end them, gets it after it.

    A terminal sends it to all processes at once. Children that it hits at a bad moment print tracebacks, or die with
    locks that this process then waits for.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _handled(handlers: dict[signal.Signals, _Handler]) -> Iterator[None]:
    """Handle signals that nobody else handles or ignores; only the main thread can."""
    ours = _usual(handlers)
    for number in ours:
        signal.signal(number, handlers[number])
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, _USUAL[number])


def _usual(numbers: Iterable[signal.Signals]) -> list[signal.Signals]:
    """The signals that nobody else handles or ignores; none outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        return []
    return [number for number in numbers if signal.getsignal(number) is _USUAL[number]]
