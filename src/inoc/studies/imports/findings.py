"""Findings of an import: what was found, what is missing, and what looks wrong."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

LEVELS = ("found", "note", "missing", "warning", "left_out")
"""`note`: known of the study, and not visible in its files; `warning`: looks wrong, and is imported as it is;
`left_out`: not imported, with the reason."""


class Finding(NamedTuple):
    """One thing to know about imported results."""

    level: str  # one of LEVELS
    topic: str  # steps, judges, system, pools, prompts, runs, logprobs, tokens, losses, elicitation, published, files
    place: str  # file, and where in it
    text: str  # complete
    short: str  # for a terminal: of a long list of names, the first few and their number


@dataclass
class Findings:
    """All findings of one import, in the order in which they were made.

    Attributes:
        items: The findings.
    """

    items: list[Finding] = field(default_factory=list)

    def add(self, level: str, topic: str, place: str, text: str, names: Iterable[str] | None = None) -> None:
        """Add one.

        Args:
            level: One of LEVELS.
            topic: What it is about.
            place: File, and where in it.
            text: The finding. Where names are given, `{names}` in it stands for them; without that, they follow it.
            names: Names that belong to it. The listing has all of them, a terminal the first few.
        """
        if names is None:
            self.items.append(Finding(level, topic, place, text, text))
            return
        known = list(names)
        whole, short = ", ".join(known), shortened(known)
        if "{names}" not in text:
            text += ": {names}"
        self.items.append(Finding(level, topic, place, text.replace("{names}", whole), text.replace("{names}", short)))

    def of(self, level: str, topic: str = "") -> list[Finding]:
        """Those of a level, and of a topic if one is named."""
        return [item for item in self.items if item.level == level and topic in ("", item.topic)]

    def as_json(self) -> str:
        """All of them, complete, as a JSON list of objects."""
        listed = [{key: getattr(item, key) for key in ("level", "topic", "place", "text")} for item in self.items]
        return json.dumps(listed, indent=1, ensure_ascii=False) + "\n"

    def lines(self) -> list[str]:
        """For a terminal: what needs attention, and how many there are of each level."""
        shown = [item for item in self.items if item.level != "found"]
        counts = Counter(item.level for item in self.items)
        text = ", ".join(f"{counts[level]} {level.replace('_', ' ')}" for level in LEVELS if counts[level])
        return [*(f"{item.level.replace('_', ' ')}: {item.topic}: {item.place}: {item.short}" for item in shown), text]


def shortened(names: Iterable[str], most: int = 8) -> str:
    """Names for a message, the first few, and how many there are."""
    found = list(names)
    rest = f", … ({len(found)} in all)" if len(found) > most else ""
    return ", ".join(found[:most]) + rest
