"""Messages that go to a file as well as to the terminal."""

from __future__ import annotations

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
        self._file.write(text)
        return self._stream.write(text)

    def flush(self) -> None:
        """Flush both."""
        self._file.flush()
        self._stream.flush()

    def isatty(self) -> bool:
        """Whether the terminal side is one."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The terminal side's descriptor, for child processes."""
        return self._stream.fileno()

    def close(self) -> None:
        """Give standard error back."""
        if sys.exc_info()[0] is not None:
            self._file.write(traceback.format_exc())
        sys.stderr = self._stream
        self._file.close()
