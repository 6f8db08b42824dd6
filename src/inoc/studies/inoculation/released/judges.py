"""Questions that the judge of a release was asked, as the release's own configuration has them.

The study's scripts keep them in `config.py` at the root of the repository: a table of first lines for some traits, and
a first line for all others. It is read as text and never run. Where it is not there, or is of another scale than the
scores, the question is what is documented of the pair, or it is marked as unknown; none is made up.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from inoc.config.judge_spec import JudgeSpec
from inoc.errors import DataError
from inoc.studies.imports.findings import Findings
from inoc.studies.inoculation.released.document import name_of, read_text
from inoc.studies.inoculation.released.pairs import Pair

SOURCE = "config.py"
UNKNOWN = "unknown: the release does not say what was asked"
_VERB = "Rate "
_SCALES = {"from 0 to 9": "0-9", "from 0 to 100": "0-100"}


class Asked(NamedTuple):
    """Questions in a configuration."""

    scale: str  # 0-9, 0-100, or empty if it does not say
    by_trait: dict[str, str]  # trait in lower case → what is rated
    other: str  # what is rated for all other traits, with {trait}; empty if it does not say

    def of(self, trait: str) -> str:
        """The property that is rated for a trait; empty if it is not said."""
        key = trait.lower()
        return self.by_trait.get(key) or self.other.replace("{trait}", key)


def judges_of(root: Path, pair: Pair, findings: Findings) -> dict[str, JudgeSpec]:
    """Trait → the language model that scored it.

    Args:
        root: The release.
        pair: Whose traits.
        findings: Where the questions are from, or that they are not known, is added here.
    """
    path = root / SOURCE
    said = Asked("", {}, "")
    if path.is_file():
        try:
            said = read_questions(read_text(path, root), name_of(path, root))
        except DataError as error:
            findings.add("left_out", "judges", SOURCE, f"cannot be read, so that it says no judge's question: {error}")
    if said.scale and said.scale != pair.judge_scale:
        text = f"asks for numbers on the scale {said.scale}, and scores of {pair.key} are on {pair.judge_scale}"
        findings.add("left_out", "judges", SOURCE, f"{text}: its questions are of another judge")
        said = Asked("", {}, "")
    found = {}
    for trait in pair.traits:
        stated, documented = said.of(trait), pair.questions.get(trait, "")
        if stated:
            findings.add("found", "judges", SOURCE, f"what the judge of {trait} was asked")
        elif not documented:
            text = f"what the judge of {trait} was asked: no configuration of the release says it"
            findings.add("missing", "judges", pair.key, text)
        found[trait] = pair.judge(stated or documented or UNKNOWN)
    return found


def read_questions(source: str, file: str) -> Asked:
    """Read a configuration without running it.

    Args:
        source: Python.
        file: Its name, for messages.

    Raises:
        DataError: If it is not Python.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise DataError(f"{file} is not readable Python ({error})") from None
    by_trait: dict[str, str] = {}
    scale = other = ""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            by_trait |= dict(_lines(node))
        elif isinstance(node, ast.JoinedStr):
            other = other or _pattern(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            scale = scale or next((short for words, short in _SCALES.items() if f"{words}." in node.value), "")
    return Asked(scale, by_trait, other)


def _lines(node: ast.Dict) -> Iterator[tuple[str, str]]:
    for key, value in zip(node.keys, node.values, strict=True):
        pair = [one.value if isinstance(one, ast.Constant) else None for one in (key, value)]
        if isinstance(pair[0], str) and isinstance(pair[1], str) and pair[1].startswith(_VERB):
            yield pair[0].lower(), _rated(pair[1])


def _pattern(node: ast.JoinedStr) -> str:
    """A first line with one blank, for the trait."""
    parts = [str(one.value) if isinstance(one, ast.Constant) else "{trait}" for one in node.values]
    text = "".join(parts)
    return _rated(text) if text.startswith(_VERB) and parts.count("{trait}") == 1 else ""


def _rated(line: str) -> str:
    return line.removeprefix(_VERB).strip().removesuffix(".")
