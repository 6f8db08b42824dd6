"""JSON that is larger than memory should hold: walked member by member, numbers parsed list by list.

Only objects on the way are walked; every other value is parsed whole by the standard library. Refusals name the file,
the path to the value and the place in the text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from inoc.errors import DataError
from inoc.stats.means import Floats
from inoc.studies.inoculation.released.document import (
    Node,
    TwiceError,
    checked_path,
    line_of_repeated_key,
    name_of,
    object_of,
    refuse_other_content,
    shown,
)

CHUNK = 1 << 20
MOST_PENDING = 1 << 28
"""So many characters of one value are held at most; the largest list of one response has a few thousand."""

_SPACE = " \t\n\r"


class Walker:
    """A position in a JSON text that is read once, from front to back.

    Whoever asks for the members of an object or a list must consume each before the next: by `members`, `lists` or
    `value`.
    """

    def __init__(self, text: TextIO, file: str) -> None:
        self._text = text
        self._file = file
        self._buffer = ""
        self._at = 0  # in the buffer
        self._passed = 0  # characters before the buffer
        self._lines = 0  # line ends before the buffer
        self._ended = False
        self._decoder = json.JSONDecoder(object_pairs_hook=object_of)

    def members(self, place: str) -> Iterator[str]:
        """Keys of the object that begins here; the position is at the value after each.

        Raises:
            DataError: If there is no object, or it has a key twice.
        """
        if self._peek() != "{":
            raise self.refuse(place, f"expected an object with keys, found {self._glimpse()}")
        self._take("{", place)
        seen: set[str] = set()
        while self._peek() != "}":
            if seen:
                self._take(",", place)
            key = self.value(place).text() if self._peek() == '"' else None
            if key is None:
                raise self.refuse(place, f"expected a key in quotes, found {self._glimpse()}")
            if key in seen:
                raise self.refuse(place, f"line {self._line()}: the key {shown(key)} is written twice")
            seen.add(key)
            self._take(":", place)
            yield key
        self._take("}", place)

    def lists(self, place: str, low: float, high: float) -> Iterator[Floats]:
        """Lists of numbers in the list that begins here, NaN for null or NaN.

        Raises:
            DataError: If there is no list of lists of numbers, or a number is not from `low` to `high`.
        """
        if self._peek() != "[":
            raise self.refuse(place, f"expected a list of lists of numbers, found {self._glimpse()}")
        self._take("[", place)
        index = 0
        while self._peek() != "]":
            if index:
                self._take(",", place)
            yield self._numbers(f"{place}[{index}]", low, high)
            index += 1
        self._take("]", place)

    def value(self, place: str) -> Node:
        """The value that begins here, whole."""
        self._peek()
        size = CHUNK
        while True:
            try:
                found, end = self._decoder.raw_decode(self._buffer, self._at)
            except json.JSONDecodeError as error:
                if self._ended:
                    raise self.refuse(
                        place, f"not JSON ({error.msg}); the file may be cut off. Fetch it again"
                    ) from None
            except RecursionError:
                raise self.refuse(place, "nested too deeply to be a file of results") from None
            except TwiceError as error:
                line = self._line() - 1 + (line_of_repeated_key(self._buffer[self._at :]) or 1)
                raise self.refuse(place, f"line {line}: {error}") from None
            except ValueError as error:
                raise self.refuse(place, str(error)) from None
            else:
                if end < len(self._buffer) or self._ended:  # a number may go on in the next chunk
                    self._at = end
                    return Node(found, self._file, place)
            self._more(place, size)
            size *= 2

    def is_null(self) -> bool:
        """Whether the value that begins here is null, which stays to be consumed."""
        return self._peek() == "n"

    def end(self) -> None:
        """Refuse anything but white space after the document."""
        if self._peek(last=True):
            raise self.refuse("", f"the document ended, and {self._glimpse()} follows")

    def refuse(self, place: str, message: str) -> DataError:
        """An error about a value that begins here."""
        where = f"{place or 'the whole file'}, at character {self._passed + self._at}"
        return DataError(f"{self._file}: {where}: {message}")

    def _numbers(self, place: str, low: float, high: float) -> Floats:
        if self._peek() != "[":
            raise self.refuse(place, f"expected a list of numbers, found {self._glimpse()}")
        size, searched = CHUNK, self._at
        while (stop := self._buffer.find("]", searched)) < 0:
            searched = len(self._buffer) - self._at
            self._more(place, size)
            searched += self._at
            size *= 2
        try:
            values = json.loads(self._buffer[self._at : stop + 1])
        except (ValueError, RecursionError):
            raise self.refuse(place, "expected a list of numbers, and this is none") from None
        found = Node(values, self._file, place).numbers(low, high)
        self._at = stop + 1
        return found

    def _take(self, wanted: str, place: str) -> None:
        if self._peek() != wanted:
            raise self.refuse(place, f"expected {wanted!r}, found {self._glimpse()}")
        self._at += 1

    def _peek(self, *, last: bool = False) -> str:
        """The next character that is no white space; empty at the end, if that is not refused."""
        while True:
            while self._at < len(self._buffer):
                if self._buffer[self._at] not in _SPACE:
                    return self._buffer[self._at]
                self._at += 1
            if self._ended and last:
                return ""
            self._more("", CHUNK)

    def _more(self, place: str, size: int) -> None:
        if self._ended:
            raise self.refuse(place, "not JSON: the file ends here; it is cut off. Fetch it again")
        if len(self._buffer) - self._at > MOST_PENDING:
            raise self.refuse(place, f"one value has more than {MOST_PENDING} characters")
        try:
            read = self._text.read(size)
        except UnicodeDecodeError as error:
            raise self.refuse(place, f"not UTF-8 text ({error.reason}). Fetch the file again") from None
        self._passed += self._at
        self._lines += self._buffer.count("\n", 0, self._at)
        self._buffer = self._buffer[self._at :] + read
        self._at = 0
        self._ended = not read

    def _line(self) -> int:
        return self._lines + self._buffer.count("\n", 0, self._at) + 1

    def _glimpse(self) -> str:
        return shown(self._buffer[self._at : self._at + 20]) if self._at < len(self._buffer) else "the end of the file"


@contextmanager
def walking(path: Path, root: Path) -> Iterator[Walker]:
    """A walker at the start of a file below a folder.

    Raises:
        DataError: If it is no regular file there, or cannot be read.
    """
    name = name_of(path, root)
    try:
        place = checked_path(path, root)
        with place.open("rb") as content:
            refuse_other_content(content.read(200), name)
        with place.open(encoding="utf-8-sig", newline="") as text:
            yield Walker(text, name)
    except OSError as error:
        raise DataError(f"{name} cannot be read ({error}). Check the file and its permissions") from None
