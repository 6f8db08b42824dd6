"""Cuts of a study's numbers, for a run that is small: which number is at a key path, and what it becomes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from inoc.config.document import KeyPath
from inoc.config.models import Model


class Cut(NamedTuple):
    """A setting of a study that is replaced.

    Attributes:
        path: Where it stands.
        before: Its value; None for a number that means all.
        after: Its new value; None removes the key.
    """

    path: KeyPath
    before: Any
    after: Any


class Drawn(NamedTuple):
    """A copy of a file with some of its rows, for the `after` of a cut."""

    file: str
    n: int


class Most(NamedTuple):
    """A number that a small run cuts.

    Attributes:
        path: Where it stands, with `*` for any key or position: `datasets.*.written.n`.
        least: It is not cut below this, as fewer could not be computed.
        where_all: Whether it is set, too, where the study takes all there are.
    """

    path: str
    least: int = 1
    where_all: bool = False


def cuts_of(study: Model, n: int, limits: Iterable[Most]) -> Iterator[Cut]:
    """The cuts of a study's numbers to at most `n`, or to the least that can be computed.

    Args:
        study: The study.
        n: The limit.
        limits: The numbers.
    """
    for limit in limits:
        most = max(n, limit.least)
        for path, value in values_at(study, tuple(limit.path.split("."))):
            if (value is None and limit.where_all) or (isinstance(value, int) and value > most):
                yield Cut(path, value, most)


def values_at(section: Any, pattern: tuple[str, ...], path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Key paths that match a pattern, with their values; none below a section that is not set.

    Args:
        section: A section, a mapping or a list.
        pattern: Keys, with `*` for any.
        path: Where the section stands.
    """
    if not pattern:
        yield path, section
        return
    first, rest = pattern[0], pattern[1:]
    for key, part in _parts(section):
        if first in ("*", str(key)):
            yield from values_at(part, rest, (*path, key))


def _parts(section: Any) -> Iterable[tuple[str | int, Any]]:
    if isinstance(section, Model):
        return [(name, getattr(section, name)) for name in type(section).model_fields]
    if isinstance(section, Mapping):
        return list(section.items())
    return list(enumerate(section)) if isinstance(section, list | tuple) else []


def cut(value: dict[str, Any], cuts: Iterable[Cut]) -> None:
    """Apply cuts to the values of a study file, in place; sections that it does not have are added."""
    for one in cuts:
        *above, last = one.path
        here: Any = value
        for key in above:
            here = here[key] if isinstance(key, int) else here.setdefault(key, {})
        if one.after is None and isinstance(here, dict):
            here.pop(str(last), None)
        else:
            here[last] = one.after
