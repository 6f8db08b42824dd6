"""Reading of text and JSONL files that people supply.

A file may begin with a byte order mark, as many editors on Windows write one, and its lines may end with CRLF. Lines
end at a line feed and nowhere else: U+2028, U+2029 and U+0085 are ordinary characters of a text, which
`str.splitlines` would take for line ends. Everything else that would silently change a text is refused with its line.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from inoc.digest import digest
from inoc.errors import DataError

_BOM = "\ufeff"
_SURROGATE = re.compile("[\ud800-\udfff]")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_LONGEST_EXCERPT = 80
_UTF_16_OR_32 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)  # UTF-32-LE begins as UTF-16-LE does
_SAVE_AGAIN = "Save it as UTF-8 text (iconv -f {0} -t UTF-8)"


class JsonLine(NamedTuple):
    """A line of a JSONL file."""

    value: object
    where: str  # file and line, for messages
    excerpt: str  # as it was written, shortened


def read_text(path: Path) -> str:
    """Read a UTF-8 file, without the byte order mark that it may begin with.

    Returns:
        The text. Its line ends are line feeds, however they are written.

    Raises:
        DataError: If the file is absent or cannot be read, or is not UTF-8 text; with the line.
    """
    return decode(_content(path), str(path)).replace("\r\n", "\n").replace("\r", "\n")


def decode(content: bytes, name: str, line: int = 1) -> str:
    """The text of UTF-8 bytes, without a byte order mark, with its line ends as they are.

    Args:
        content: The bytes.
        name: Of the file, for messages.
        line: Number of the first line.

    Raises:
        DataError: If the bytes are not UTF-8 text; with the line.
    """
    if content.startswith(_UTF_16_OR_32):
        raise DataError(f"{name}, line {line}: the file is UTF-16 or UTF-32. {_SAVE_AGAIN.format('UTF-16')}")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line += content.count(b"\n", 0, error.start)
        raise DataError(f"{name}, line {line}: {_not_utf_8(content, error.start)}") from None
    if "\0" in text:
        line += text.count("\n", 0, text.index("\0"))
        msg = (
            f"{name}, line {line}: the character NUL stands there, so the file may be UTF-16. "
            f"{_SAVE_AGAIN.format('UTF-16')}"
        )
        raise DataError(msg)
    return text.removeprefix(_BOM)


def read_lines(path: Path) -> list[str]:
    """The lines of a text file, without their line ends.

    A byte order mark before a line is left out: files that were joined have one within.

    Raises:
        DataError: If the file cannot be read, is not UTF-8 text, or ends its lines with carriage returns alone.
    """
    return list(stream_lines(path))


def stream_lines(path: Path) -> Iterator[str]:
    """The same one by one: of a large file, one line at a time is in memory.

    Raises:
        DataError: Where the first bad line is reached.
    """
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):  # a binary file's lines end at line feeds
                yield _line(line.removesuffix(b"\n"), number, path)
    except OSError as error:
        raise _unreadable(path, error) from None


def _line(content: bytes, number: int, path: Path) -> str:
    text = decode(content, str(path), number).removesuffix("\r")
    if "\r" in text:
        msg = (
            f"{path}, line {number}: a carriage return stands within the line. End lines with a line feed "
            "(tr '\\r' '\\n')"
        )
        raise DataError(msg)
    return text


def read_jsonl(path: Path, expected: str = "a JSON value") -> Iterator[JsonLine]:
    """The lines of a JSONL file that are not blank.

    Args:
        path: The file.
        expected: What a line should hold, for messages.

    Raises:
        DataError: If the file cannot be read, or a line is not JSON; with the line.
    """
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            where = f"{path}, line {number}"
            yield JsonLine(parse_json(line, where, expected), where, line[:_LONGEST_EXCERPT])


def parse_json(text: str, where: str, expected: str = "a JSON value") -> object:
    """A JSON value all of whose texts can be written as UTF-8.

    Args:
        text: As it is written.
        where: File and line, for messages.
        expected: What it should be, for messages.

    Raises:
        DataError: If it is not JSON, an object in it has a field twice, or a text in it has half of a surrogate pair.
    """
    twice: list[str] = []

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice.extend(name for at, name in enumerate(names) if name in names[:at])
        return found

    try:
        value: object = json.loads(text, object_pairs_hook=once)
    except ValueError as error:
        msg = f"{where}: expected {expected}, found {text[:_LONGEST_EXCERPT]!r} ({error})"
        raise DataError(msg) from None
    except RecursionError:
        msg = f"{where}: expected {expected}, found brackets that are nested too deeply: {text[:_LONGEST_EXCERPT]!r}"
        raise DataError(msg) from None
    if twice:
        raise DataError(
            f"{where}: the field {twice[0]!r} is there twice, and only one of its values would count. Keep one of them"
        )
    if "\\u" in text and (half := lone_surrogate(value)) is not None:
        msg = (
            f"{where}: {half} is half of a surrogate pair, which is no character and cannot be stored. Write both "
            "halves, or the character itself"
        )
        raise DataError(msg)
    return value


def distinct_names(names: Iterable[str]) -> dict[str, str]:
    """Names as names of files that no file system takes for one another.

    Many file systems do not tell capital letters from small ones. A name keeps its form unless another one differs from
    it in that alone; then a digest of it is added.

    Args:
        names: Names in letters of ASCII.

    Returns:
        Name → name of its file, without an ending.
    """
    known = list(dict.fromkeys(names))
    alike = Counter(name.lower() for name in known)
    return {name: name if alike[name.lower()] == 1 else f"{name}.{digest(name)[:8]}" for name in known}


def as_number(value: object) -> float:
    """A number of JSON as a float: infinite if it is beyond the range of floats, NaN for what is no number."""
    if not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:  # a whole number
        return math.inf if value > 0 else -math.inf


def lone_surrogate(value: object) -> str | None:
    r"""The first half of a surrogate pair in a value's texts, as `\ud83d`; None if there is none."""
    if isinstance(value, str):
        found = _SURROGATE.search(value)
        return f"\\u{ord(found[0]):04x}" if found else None
    if isinstance(value, dict):
        parts: list[object] = [*value.keys(), *value.values()]
    else:
        parts = list(value) if isinstance(value, list) else []
    return next((half for part in parts if (half := lone_surrogate(part)) is not None), None)


def joined_surrogates(value: object) -> object:
    """A text with both halves of each surrogate pair joined, as JSON means them; other values as they are."""
    if not isinstance(value, str):
        return value
    return _PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), value)


def without_surrogates(text: str) -> str:
    """A text with U+FFFD in place of each half of a surrogate pair, so that it can be stored."""
    return _SURROGATE.sub("\ufffd", text)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError(f"there is no file {path}")
    return DataError(f"{path} cannot be read: {error.strerror or error}")


def _not_utf_8(content: bytes, position: int) -> str:
    byte = content[position]
    if byte == 0xED and content[position + 1 : position + 2] >= b"\xa0":
        return (
            "it has half of a surrogate pair, which is no character. Write the character itself, and save as UTF-8 text"
        )
    return f"the byte 0x{byte:02x} is not UTF-8; the file may be Latin-1. {_SAVE_AGAIN.format('LATIN1')}"
