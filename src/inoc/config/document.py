"""YAML files as values that remember which line they came from, and how one file extends another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from inoc.errors import ConfigError, DataError, did_you_mean
from inoc.files import joined_surrogates, lone_surrogate, read_text, without_surrogates

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node

KeyPath = tuple[str | int, ...]
_MOST_PARTS = 200_000
"""Keys and values of a file, with those that an alias (`*name`) repeats: a few lines can make billions of them."""
_HIDDEN_BREAK = re.compile("[\x85\u2028\u2029]")


class Place(NamedTuple):
    """A line of a file."""

    file: Path
    line: int  # from 1


class Problem(NamedTuple):
    """One problem of a file."""

    path: KeyPath
    message: str  # the problem, accepted values, and the nearest match
    value: object = None  # the given value; None if there is none
    place: Place | None = None  # only where it does not follow from the key path


class Document(NamedTuple):
    """Content of a YAML file, with the place of each key."""

    value: dict[str, Any]
    places: dict[KeyPath, Place]  # key path → where it is written
    problems: list[Problem]


def read_document(path: Path) -> Document:
    """Read a YAML file and what it extends.

    `extends: other.yaml`, relative to the file, takes everything from the other file first. Mappings are
    merged key by key; lists and scalars replace. `key: null` removes a key that the other file has, so that
    its default holds.

    Raises:
        ConfigError: If a file is absent, is not YAML or not a mapping, or extends itself.
    """
    return _read(path, ())


def key_path_text(path: KeyPath) -> str:
    """A key path as people write it: `runs[0].prompts`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _read(path: Path, extended_by: tuple[Path, ...]) -> Document:
    chain = (*extended_by, path.resolve())
    if path.resolve() in extended_by:
        circle = " → ".join(file.name for file in chain)
        raise ConfigError(f"{path}: extends = a circle of files ({circle}). Remove one `extends`")
    document = _parse(path)
    base_name = document.value.pop("extends", None)
    if base_name is None:
        return document
    where = f"{path}:{document.places[('extends',)].line}: extends = {base_name!r}"
    if not isinstance(base_name, str):
        raise ConfigError(f"{where}: accepted: the name of one YAML file, relative to this one")
    base_path = path.parent / base_name
    if not base_path.is_file():
        siblings = [sibling.name for sibling in path.parent.glob("*.yaml")]
        raise ConfigError(f"{where}: there is no file {base_path}{did_you_mean(base_name, siblings)}")
    return _merge(_read(base_path, chain), document)


def _parse(path: Path) -> Document:
    # ruamel.yaml takes a tenth of a second to import, and only readers of files need it.
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        text = read_text(path)
    except DataError as error:
        raise ConfigError(str(error)) from None
    _refuse_hidden_breaks(text, path)
    yaml = YAML(typ="safe", pure=True)
    reader = _Reader(path, yaml.constructor.construct_object)
    try:
        node = yaml.compose(text)
        value = reader.value_of(node, ()) if node is not None else {}
    except (YAMLError, RecursionError) as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{path} holds a {type(value).__name__}; accepted: a mapping, `key: value`")
    return Document(value, reader.places, reader.problems)


def _refuse_hidden_breaks(text: str, path: Path) -> None:
    """Refuse characters that old YAML takes for line breaks, and new YAML for a part of the text."""
    found = _HIDDEN_BREAK.search(text)
    if found:
        line, code = text.count("\n", 0, found.start()) + 1, ord(found[0])
        raise ConfigError(
            f"{path}:{line}: the character U+{code:04X} stands there, which some readers of YAML take for a line "
            f'break. Remove it, or write "\\u{code:04x}" in double quotes'
        )


class _Reader:
    """Turns YAML nodes into values and notes the line of every key: ruamel's loaders do one or the other."""

    def __init__(self, file: Path, scalar: Any) -> None:
        self.file, self.scalar = file, scalar
        self.parts = 0
        self.places: dict[KeyPath, Place] = {}
        self.problems: list[Problem] = []

    def value_of(self, node: Node, path: KeyPath) -> Any:
        from ruamel.yaml.nodes import MappingNode, SequenceNode

        self.parts += 1
        if self.parts > _MOST_PARTS:
            raise ConfigError(
                f"{self.file}:{self._place(node).line}: the file has more than {_MOST_PARTS} keys and values, those "
                "that aliases (`*name`) repeat among them; write it without so many"
            )
        self.places.setdefault(path, self._place(node))
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self.value_of(child, (*path, index)) for index, child in enumerate(node.value)]
        return self._whole(self.scalar(node), node, path)

    def _whole(self, value: Any, node: Node, path: KeyPath) -> Any:
        """A value whose texts have whole characters alone; half of one is noted as a problem."""
        value = joined_surrogates(value)
        if (half := lone_surrogate(value)) is not None:
            message = f"{half} is half of a surrogate pair, which is no character; accepted: the character itself"
            self.problems.append(Problem(path, message, place=self._place(node)))
            return without_surrogates(str(value))
        return value

    def _mapping(self, node: Node, path: KeyPath) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._whole(str(key_node.value), key_node, path)
            here = (*path, key)
            place = self._place(key_node)
            if key in found:
                first = self.places[here].line
                self.problems.append(Problem(here, f"the key is written twice, here and in line {first}", place=place))
                continue
            self.places[here] = place
            found[key] = self.value_of(value_node, here)
        return found

    def _place(self, node: Node) -> Place:
        return Place(self.file, node.start_mark.line + 1)


def _merge(base: Document, over: Document) -> Document:
    places = dict(base.places)
    value = _merge_mappings(base.value, over.value, (), places, over.places)
    return Document(value, places, base.problems + over.problems)


def _merge_mappings(
    base: Mapping[str, Any],
    over: Mapping[str, Any],
    path: KeyPath,
    places: dict[KeyPath, Place],
    over_places: Mapping[KeyPath, Place],
) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        here = (*path, key)
        if value is None and key in base:
            _forget(here, places)
            del merged[key]
        elif isinstance(value, dict) and isinstance(base.get(key), dict):
            places[here] = over_places[here]
            merged[key] = _merge_mappings(base[key], value, here, places, over_places)
        else:
            _forget(here, places)
            places.update({spot: place for spot, place in over_places.items() if spot[: len(here)] == here})
            merged[key] = value
    return merged


def _forget(path: KeyPath, places: dict[KeyPath, Place]) -> None:
    for spot in [spot for spot in places if spot[: len(path)] == path]:
        del places[spot]


_MOST_LISTED = 12


def listed(accepted: Iterable[str]) -> str:
    """Accepted values for a message, the first dozen."""
    names = list(accepted)
    if not names:
        return "none, as there are none"
    rest = f", … ({len(names)} in all)" if len(names) > _MOST_LISTED else ""
    return ", ".join(names[:_MOST_LISTED]) + rest
