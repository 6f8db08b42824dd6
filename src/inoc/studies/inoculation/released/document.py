"""JSON that was written by others: every value is asked for by its type, and a refusal names file and place."""

from __future__ import annotations

import json
import math
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from inoc.errors import DataError
from inoc.stats.means import Floats

LFS_POINTER = "version https://git-lfs.github.com/spec/"
"""Where Git LFS was not installed when a repository was cloned, a large file is a short text that begins so."""
_OTHER_ENCODINGS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_LONGEST = 60


class Node(NamedTuple):
    """A value and where it is."""

    value: object
    file: str
    place: str = ""

    def refuse(self, message: str) -> DataError:
        """An error about this value."""
        return DataError(f"{self.file}: {self.place or 'the whole file'}: {message}")

    def mapping(self) -> dict[str, Node]:
        """The members of an object."""
        if not isinstance(self.value, dict):
            raise self.refuse(f"expected an object with keys, found {shown(self.value)}")
        return {key: self._below(key, member) for key, member in self.value.items()}

    def items(self) -> Iterator[Node]:
        """The members of a list."""
        if not isinstance(self.value, list):
            raise self.refuse(f"expected a list, found {shown(self.value)}")
        for index, member in enumerate(self.value):
            yield Node(member, self.file, f"{self.place}[{index}]")

    def member(self, key: str) -> Node:
        """A member that must be there."""
        members = self.mapping()
        if key not in members:
            raise self.refuse(
                f"the key {key!r} is missing; there are {', '.join(map(repr, list(members)[:8])) or 'none'}"
            )
        return members[key]

    def optional(self, key: str) -> Node | None:
        """A member that may be there."""
        return self.mapping().get(key)

    def text(self) -> str:
        """A string that can be written as UTF-8."""
        if not isinstance(self.value, str):
            raise self.refuse(f"expected a text, found {shown(self.value)}")
        if not _is_unicode(self.value):
            raise self.refuse("the text has half of a surrogate pair, which is no character")
        return self.value

    def key(self) -> str:
        """A string that can be the key of a prompt."""
        return self.checked_key(self.text())

    def checked_key(self, text: str) -> str:
        """The text, if it can be the key of a prompt."""
        if not _KEY.fullmatch(text):
            raise self.refuse(
                f"{shown(text)} cannot be a key; accepted: up to 64 letters, digits and underscores, a letter first"
            )
        return text

    def number(self) -> float:
        """A finite number, or NaN where a null or NaN says that it was not measured."""
        return _number(self.value, self)

    def whole_number(self, *, least: int = 0) -> int:
        """A whole number."""
        if type(self.value) is not int or not least <= self.value < 2**31:
            raise self.refuse(f"expected a whole number of at least {least}, found {shown(self.value)}")
        return self.value

    def numbers(self, low: float = -math.inf, high: float = math.inf) -> Floats:
        """A list of numbers, NaN where a null or NaN says that one was not measured.

        Args:
            low: The least that is accepted.
            high: The most.
        """
        if not isinstance(self.value, list):
            raise self.refuse(f"expected a list of numbers, found {shown(self.value)}")
        # Tens of millions of numbers come this way, nearly all of them written as fractions.
        values: Floats = np.array(self.value if set(map(type, self.value)) <= {float} else [], dtype=float)
        if values.size < len(self.value) or np.isinf(values).any():
            values = np.array([_number(value, self, index) for index, value in enumerate(self.value)], dtype=float)
        outside = np.flatnonzero((values < low) | (values > high))
        if outside.size:
            index = int(outside[0])
            raise self.refuse(f"[{index}] is {values[index]:g}; accepted: {low:g} to {high:g}")
        return values

    def _below(self, key: str, member: object) -> Node:
        return Node(member, self.file, f"{self.place}.{key}" if self.place else key)


def shown(value: object) -> str:
    """A value for a message, cut short."""
    kinds = {dict: "an object", list: "a list", type(None): "null"}
    if type(value) in kinds:
        return kinds[type(value)]
    plain = value.item() if isinstance(value, np.generic) else value
    text = ascii(plain) if isinstance(plain, str) else repr(plain)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _number(value: object, node: Node, index: int | None = None) -> float:
    at = "" if index is None else f"[{index}]: "
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, float | int):
        raise node.refuse(f"{at}expected a number, found {shown(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isinf(number):
        raise node.refuse(f"{at}expected a finite number or null, found an infinite one")
    return number


class TwiceError(ValueError):
    """A key is written twice in one object."""


class _NoTextError(ValueError):
    """A key is no text."""


def object_of(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object of JSON, for `object_pairs_hook`; a ValueError if a key is written twice, or is no text."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise TwiceError(f"the key {shown(next(key for key in keys if keys.count(key) > 1))} is written twice")
    strange = [key for key in found if not _is_unicode(key)]
    if strange:
        raise _NoTextError(f"the key {shown(strange[0])} has half of a surrogate pair, which is no character")
    return found


def line_of_repeated_key(text: str) -> int | None:
    """The line, from 1, of the first key that its object has already; None if there is none.

    Args:
        text: JSON, or the beginning of it.
    """
    open_objects: list[set[str] | None] = []  # keys of each object around; None for a list
    for token in _TOKEN.finditer(text):
        match token.group()[0]:
            case "{":
                open_objects.append(set())
            case "[":
                open_objects.append(None)
            case "}" | "]":
                del open_objects[-1:]
            case _:
                keys = open_objects[-1] if open_objects else None
                if keys is None or not text[token.end() : token.end() + _LONGEST].lstrip().startswith(":"):
                    continue
                key = json.loads(token.group(), strict=False)
                if key in keys:
                    return text.count("\n", 0, token.start()) + 1
                keys.add(key)
    return None


def parse_json(text: str, file: str) -> Node:
    """Parse JSON; NaN is accepted, as many programs write it.

    Raises:
        DataError: If it is not JSON, a key is written twice, or it is nested too deeply.
    """
    try:
        return Node(json.loads(text, object_pairs_hook=object_of), file)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        msg = f"{file}: {place}: not JSON ({error.msg}); the file may be cut off. Fetch it again"
        raise DataError(msg) from None
    except RecursionError:
        raise DataError(f"{file}: nested too deeply to be a file of results") from None
    except TwiceError as error:
        raise DataError(f"{file}: line {line_of_repeated_key(text)}: {error}") from None
    except ValueError as error:
        raise DataError(f"{file}: {error}") from None


def read_json(path: Path, root: Path) -> Node:
    """Read a JSON file below a folder.

    Raises:
        DataError: If it cannot be read, lies outside the folder by a link, or is not JSON.
    """
    return parse_json(read_text(path, root), name_of(path, root))


def read_text(path: Path, root: Path) -> str:
    """Read a regular UTF-8 file below a folder; a byte order mark at its beginning is dropped.

    Raises:
        DataError: If it is none, cannot be read, is a pointer of Git LFS, or lies outside the folder by a link.
    """
    name = name_of(path, root)
    try:
        content = checked_path(path, root).read_bytes()
    except OSError as error:
        raise DataError(f"{name} cannot be read ({error}). Check the file and its permissions") from None
    return decoded(content, name)


def decoded(content: bytes, name: str) -> str:
    """The text of a UTF-8 file.

    Args:
        content: All of it; line ends are kept as they are.
        name: The file, for messages.

    Raises:
        DataError: If it is in another encoding, or a pointer of Git LFS.
    """
    refuse_other_content(content[:200], name)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name}: byte {error.start}: not UTF-8 text. Fetch the file again, or write it as UTF-8"
        ) from None


def refuse_other_content(beginning: bytes, name: str) -> None:
    """Refuse a file whose first bytes say that it is not the text that was expected.

    Raises:
        DataError: If it is a pointer of Git LFS or in UTF-16.
    """
    if beginning.startswith(LFS_POINTER.encode()):
        raise DataError(
            f"{name} is a pointer of Git LFS, not the file itself. Run `git lfs pull` in the checkout and import again"
        )
    encoding = _OTHER_ENCODINGS.get(beginning[:2])
    if encoding is not None:
        raise DataError(f"{name} is {encoding} text. Write it as UTF-8")


def checked_path(path: Path, root: Path) -> Path:
    """The real place of a regular file below a folder.

    Raises:
        DataError: If it is none, or lies outside the folder by a link.
    """
    name = name_of(path, root)
    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(root.resolve()):
            raise DataError(f"{name} is a link to {real}, outside of {root}. Put the file itself there")
        if not stat.S_ISREG(real.stat().st_mode):
            raise DataError(f"{name} is not a regular file. Put the file itself there, or remove it")
    except (OSError, RuntimeError) as error:
        raise DataError(f"{name} cannot be read ({error}). Check the file and its permissions") from None
    return real


def name_of(path: Path, root: Path) -> str:
    """Name of a file in messages: relative to the folder that is imported, with nothing that a terminal obeys."""
    text = path.relative_to(root).as_posix()
    return text if text.isprintable() else ascii(text)
