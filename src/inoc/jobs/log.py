"""Messages that go to a file as well as to the terminal."""

from __future__ import annotations

import contextlib
import sys
import traceback
from pathlib import Path


def open_log(path: Path) -> Tee:
    """Write messages to a file too."""
    return Tee(path)


class Tee:
    """Standard error that also goes to a file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")
        self._stream = sys.stderr
        sys.stderr = self

    def write(self, text: str) -> int:
        """Write to both."""
        self._to_file(text)
        return self._stream.write(text)

    def flush(self) -> None:
        """Flush both."""
        self._to_file("")
        self._stream.flush()

    def _to_file(self, text: str) -> None:
        """Write to the file as long as that can be done: a full disk must not hide the message that it is full."""
        with contextlib.suppress(OSError):
            self._file.write(text)
            self._file.flush()

    def isatty(self) -> bool:
        """Whether the terminal side is one."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The terminal side's descriptor, for child processes."""
        return self._stream.fileno()

    def close(self) -> None:
        """Give standard error back."""
        if sys.exc_info()[0] not in (None, SystemExit):  # a SystemExit has printed its message
            self._to_file(traceback.format_exc())
        sys.stderr = self._stream
        with contextlib.suppress(OSError):
            self._file.close()
