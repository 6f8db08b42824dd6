"""What an import found, what is missing, and what looks wrong."""

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
    text: str


@dataclass
class Findings:
    """All findings of one import, in the order in which they were made.

    Attributes:
        items: The findings.
    """

    items: list[Finding] = field(default_factory=list)

    def add(self, level: str, topic: str, place: str, text: str) -> None:
        """Add one."""
        self.items.append(Finding(level, topic, place, text))

    def of(self, level: str, topic: str = "") -> list[Finding]:
        """Those of a level, and of a topic if one is named."""
        return [item for item in self.items if item.level == level and topic in ("", item.topic)]

    def as_json(self) -> str:
        """All of them as a JSON list of objects."""
        return json.dumps([item._asdict() for item in self.items], indent=1, ensure_ascii=False) + "\n"

    def lines(self) -> list[str]:
        """For a terminal: what needs attention in full, and how many there are of each level."""
        shown = [item for item in self.items if item.level != "found"]
        counts = Counter(item.level for item in self.items)
        text = ", ".join(f"{counts[level]} {level.replace('_', ' ')}" for level in LEVELS if counts[level])
        return [*(f"{item.level.replace('_', ' ')}: {item.topic}: {item.place}: {item.text}" for item in shown), text]


def shortened(names: Iterable[str], most: int = 8) -> str:
    """Names for a message, the first few, and how many there are."""
    found = list(names)
    rest = f", … ({len(found)} in all)" if len(found) > most else ""
    return ", ".join(found[:most]) + rest
