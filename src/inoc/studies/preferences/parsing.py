"""Reading of sampled answers: exactly, then by their format; a judge reads what is left.

An answer is never a score unless it names one answer of the declared scale. What it is otherwise is a category.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from inoc.studies.preferences.inputs import Category
from inoc.studies.preferences.resources import refusals
from inoc.studies.preferences.study import Format
from inoc.studies.preferences.wording import TAG

How = Literal["exact", "format", "judge", ""]
_THOUGHTS = re.compile(r"^\s*(<think(ing)?>.*?</think(ing)?>|.*</think>)", re.DOTALL)
_UNENDED = re.compile(r"^\s*<think(ing)?>.*", re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.])[-+−–]?\d+(?:\.\d+)?(?![\w]|\.\d)")
_AFTER_LABEL = "is was because since as would seems sounds looks feels has for over and or but if".replace(" ", "|")
_ARTICLE = re.compile(rf"(?:^|[.!?:;\n]|[\"'(*])\s*A\s+(?!(?:{_AFTER_LABEL})\b)[a-z]")
"""A sentence that begins with the article, and not with the label."""
_DENIED = re.compile(
    r"(?:\b(?:not|never|neither|nor|no|cannot|anything but|(?:rather|less|more) than|instead of)\b|n['’]t\b)"
    r"[^.,;:!?\n]*$",
    re.IGNORECASE,
)
"""The rest of a clause that denies what follows it."""
_CLAUSE = 80
"""Number of characters before a label in which it may be denied."""
_EDGES = " \t\r\n.,;:!?\"'`*_()[]"


class Read(NamedTuple):
    """An answer, read."""

    category: Category
    label: str = ""  # of the scale, or of a task; empty unless answered
    how: How = ""


UNCLEAR = Read("unclear")
FAILED = Read("failed")


def without_thoughts(text: str) -> str:
    """An answer without the reasoning before it, which models that think write between tags."""
    return _THOUGHTS.sub("", text, count=1)


def said(text: str) -> str:
    """An answer without reasoning; nothing if the reasoning had not ended when the tokens had."""
    return _UNENDED.sub("", without_thoughts(text)).strip()


def read_answer(text: str, labels: Sequence[str], form: Format) -> Read:
    """Read one of a closed set of answers.

    Args:
        text: The answer as it was sampled.
        labels: What may be answered.
        form: Form in which the answer was asked for.

    Returns:
        `answered` with its label; `failed` for no answer at all, also where reasoning did not end, and for a number
        that the scale does not have; `refused` for a refusal; `unclear` for anything else, also where several answers
        are named, or one is denied ("not bad").
    """
    answer = said(text)
    if not answer:
        return FAILED
    by_name = {label.casefold(): label for label in labels}
    exact = answer.strip(_EDGES).casefold().replace("−", "-")
    if exact in by_name:
        return Read("answered", by_name[exact], "exact")
    inner = _inner(answer, form)
    if inner is not None:
        return _within(inner, by_name)
    if is_refusal(answer):
        return Read("refused")
    if form in ("xml", "tool", "reasoned"):
        return UNCLEAR
    return _first_words(answer, by_name) if form == "completion" else _within(answer, by_name)


def _inner(said: str, form: Format) -> str | None:
    """The part of an answer that its format marks; None without one."""
    if form in ("xml", "reasoned"):
        found = re.findall(rf"<{TAG}>(.*?)</{TAG}>", said, re.DOTALL | re.IGNORECASE)
        return str(found[-1]).strip() if found else None
    if form == "tool":
        # The arguments of a call may be a text inside JSON, with quotes of its own.
        plain = said.replace('\\"', '"')
        for match in (*re.finditer(r"\{[^{}]*\}", said), *re.finditer(r"\{[^{}]*\}", plain)):
            try:
                value = json.loads(match[0])
            except (ValueError, RecursionError):  # a model may write a number of thousands of digits
                continue
            if isinstance(value, dict) and TAG in value:
                return str(value[TAG])
    return None


def _within(said: str, by_name: dict[str, str]) -> Read:
    """The one answer that a text names."""
    if all(re.fullmatch(r"-?\d+", name) for name in by_name):
        return _number(said, by_name)
    # Longer labels first, so that "very negative" is not read as "negative".
    names = "|".join(re.escape(name) for name in sorted(by_name, key=len, reverse=True))
    letters = all(len(name) == 1 for name in by_name)
    # A lone letter counts in upper case only: "a" is a word.
    pattern = rf"(?<!\w)({names.upper() if letters else names})(?!\w)"
    matches = list(re.finditer(pattern, said, 0 if letters else re.IGNORECASE))
    found = {match[0].casefold() for match in matches}
    if len(found) != 1 or _denied(said, matches) or (letters and _ARTICLE.search(said)):
        return UNCLEAR
    return Read("answered", by_name[found.pop()], "format")


def _denied(said: str, matches: Sequence[re.Match[str]]) -> bool:
    """Whether the clause before one of the matches denies it."""
    return any(_DENIED.search(said, max(0, match.start() - _CLAUSE), match.start()) for match in matches)


def _number(said: str, by_name: dict[str, str]) -> Read:
    highest = max(map(int, by_name))
    shares = re.sub(rf"(\d)\s*(?:/|out of|of)\s*{highest}(?!\w)", r"\1", said)  # "4/5", "4 out of 5"; not "4/10"
    if "%" in said and highest != 100:
        return UNCLEAR
    matches = list(_NUMBER.finditer(shares))
    found = {match[0].replace("−", "-").replace("–", "-").lstrip("+") for match in matches}
    if len(found) != 1 or _denied(shares, matches):
        return UNCLEAR
    (number,) = found
    whole = number.removesuffix(".0")
    return Read("answered", by_name[whole], "format") if whole in by_name else FAILED


def _first_words(said: str, by_name: dict[str, str]) -> Read:
    match = re.match(r"[\s*_#\"'(\[]*(task\s+)?([a-z])(?![\w-])", said, re.IGNORECASE)
    name = match[2].casefold() if match else ""
    if match and name == "a" and not match[1] and re.match(r"[ \t]+\w", said[match.end() :]):
        return UNCLEAR  # "A poem" begins with the article
    return Read("answered", by_name[name], "format") if name in by_name else UNCLEAR


def read_ranking(text: str, labels: Sequence[str], form: Format) -> tuple[Category, tuple[str, ...]]:
    """Read an order of labels.

    Returns:
        `answered` with all labels, the best first; else a category and nothing.
    """
    answer = said(text)
    if not answer:
        return "failed", ()
    inner = _inner(answer, form)
    found = re.findall(rf"(?<!\w)([{''.join(labels)}])(?!\w)", answer if inner is None else inner)
    if len(found) == len(labels) and set(found) == set(labels):
        return "answered", tuple(found)
    return ("refused" if not found and is_refusal(answer) else "unclear"), ()


def is_refusal(text: str) -> bool:
    """Whether an answer refuses, by known phrases: the task for what it is, or to tell a preference."""
    said = without_thoughts(text).replace("’", "'").strip()
    known = refusals()
    return bool(known.policy.search(said) or known.preferences.search(said))
