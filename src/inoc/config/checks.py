"""Checks that the parts of a study agree, as every kind of study runs them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TypeVar

from inoc.config.document import KeyPath, Problem
from inoc.config.models import SystemTurn

S = TypeVar("S")
Checks = Sequence[tuple[tuple[str, ...], Callable[[S], Iterator[Problem]]]]
"""Names of the sections that a check reads, and the check."""


def problems_of(checks: Checks[S], study: S, sections: Collection[str] | None) -> list[Problem]:
    """All disagreements between the parts of a study.

    Args:
        checks: Of its kind.
        study: The study.
        sections: Names of its well-formed sections; checks that read any other are left out. None: all sections.
    """
    return [
        problem
        for needed, check in checks
        if sections is None or set(needed) <= set(sections)
        for problem in check(study)
    ]


def turn_text(turn: SystemTurn, path: KeyPath) -> Iterator[Problem]:
    """A system turn has a text exactly for `kind: text`.

    Args:
        turn: The system turn.
        path: Its place in the study file.
    """
    if (turn.kind == "text") != bool(turn.text.strip()):
        yield Problem((*path, "text"), f"goes with `kind: text` and with no other; kind = {turn.kind!r}", turn.text)
