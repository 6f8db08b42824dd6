"""From a template to a chat: slots, the line about the form of the answer, and the turns before the question."""

from __future__ import annotations

import json
import string
from collections.abc import Sequence
from typing import NamedTuple

from inoc.chat.messages import Chat, Turn, TurnPlace
from inoc.config.models import SystemTurn
from inoc.engines.candidates import Candidate, candidate
from inoc.studies.preferences.resources import refusals
from inoc.studies.preferences.study import Format
from inoc.studies.preferences.templates import LABELS, Template, When, points_of

REFUSED = "refused"
"""Name of the candidate that stands for an answer that begins as a refusal."""
TAG = "answer"


class Shown(NamedTuple):
    """A task as a question shows it."""

    text: str
    completion: str = ""


def labels_of(template: Template, n_tasks: int) -> list[str]:
    """The answers that a question accepts: labels of the scale, or of the tasks."""
    if template.kind == "rating":
        return [point.label for point in points_of(template)]
    return list(LABELS[:n_tasks]) if template.kind in ("choice", "ranking") else []


def form_line(template: Template, form: Format, n_tasks: int) -> str:
    """The line that says how to answer; empty for open questions."""
    if template.kind == "open":
        return ""
    wanted = _wanted(template, n_tasks)
    if form == "plain":
        return f"Answer with {wanted} and nothing else."
    if form == "xml":
        return f"Write {wanted} between <{TAG}> and </{TAG}>, and nothing else."
    if form == "reasoned":
        return f"Give your reason in one sentence. Then write {wanted} between <{TAG}> and </{TAG}>."
    if form == "tool":
        return f'Call the function `record`: answer only with JSON of the form {{"{TAG}": …}}, with {wanted} as value.'
    return f"Begin your answer with {' or '.join(f'Task {label}' for label in labels_of(template, n_tasks))}."


def _wanted(template: Template, n_tasks: int) -> str:
    labels = labels_of(template, n_tasks)
    scale = template.scale
    if template.kind == "choice":
        return " or ".join(labels)
    if template.kind == "ranking":
        return f"the letters {', '.join(labels)} in your order, with commas between them,"
    if scale is not None and scale.labels is None:
        without = f" other than {', '.join(map(str, scale.without))}" if scale.without else ""
        return f"a whole number from {scale.lowest} to {scale.highest}{without}"
    return f"one of the words {', '.join(labels)}"


def question(template: Template, form: Format, when: When, shown: Sequence[Shown], system: SystemTurn) -> Chat:
    """The chat that asks a question.

    Args:
        template: The question.
        form: Form of the answer.
        when: Before the tasks, whose texts go into its slots, or after them, as earlier turns of the chat.
        shown: The tasks, in order.
        system: The system turn.
    """
    text = (template.before if when == "before" else template.after) or ""
    if when == "before":
        text = text.format(**_slots(template, shown))
    line = form_line(template, form, len(shown))
    earlier = tuple(Turn(one.text, one.completion) for one in shown) if when == "after" else ()
    return Chat(system, f"{text.strip()}\n\n{line}" if line else text.strip(), earlier=earlier)


class ShownText(NamedTuple):
    """A text of a task where a question shows it."""

    task: int  # index among those that are shown
    text: str
    place: TurnPlace  # of its first character that is no white space


def shown_texts(template: Template, when: When, shown: Sequence[Shown]) -> list[ShownText]:
    """Every text of the tasks in a question's chat, in the order of the chat; blank ones are left out.

    Args:
        template: The question.
        when: Before the tasks, or after them.
        shown: The tasks, in order.
    """
    if when == "after":
        turns = [(task, text) for task, one in enumerate(shown) for text in one]
        return [
            ShownText(task, text, TurnPlace(turn, _indent(text)))
            for turn, (task, text) in enumerate(turns)
            if text.strip()
        ]
    slots, found, said = _slots(template, shown), list[ShownText](), ""
    for literal, slot, *_ in string.Formatter().parse(template.before or ""):
        said += literal
        if slot in ("task", "task_a", "task_b"):
            text = slots[slot]
            found.append(ShownText(int(slot == "task_b"), text, TurnPlace(0, len(said) + _indent(text))))
        said += slots[slot] if slot is not None else ""
    left_out = _indent(said)
    return [one._replace(place=TurnPlace(0, one.place.start - left_out)) for one in found if one.text.strip()]


def _indent(text: str) -> int:
    """Number of characters of white space that a text begins with."""
    return len(text) - len(text.lstrip())


def _slots(template: Template, shown: Sequence[Shown]) -> dict[str, str]:
    if template.kind == "choice":
        return {"task_a": shown[0].text, "task_b": shown[1].text}
    if template.kind == "ranking":
        listed = (f"Task {label}: {one.text}" for label, one in zip(LABELS, shown, strict=False))
        return {"tasks": "\n\n".join(listed)}
    return {"task": shown[0].text}


def candidates(template: Template, form: Format) -> tuple[Candidate, ...]:
    """The answers whose probabilities are measured: those of the scale or both tasks, then the refusal."""
    values = {point.label: point.oriented for point in points_of(template)}
    named = [_spelled(label, form, values.get(label, float("nan"))) for label in labels_of(template, 2)]
    if template.kind == "choice" and form == "plain":
        named = [_either(one) for one in named]
    openings = dict.fromkeys(space + text for text in refusals().openings for space in ("", " "))
    return (*named, Candidate(REFUSED, tuple(openings)))


def _either(one: Candidate) -> Candidate:
    return Candidate(one.name, (*one.spellings, f"Task {one.name}", f" Task {one.name}", f"task {one.name}"))


def _spelled(label: str, form: Format, value: float) -> Candidate:
    if form == "plain":
        return candidate(label, value)
    if form == "completion":
        return candidate(f"Task {label}", value)._replace(name=label)
    if form == "tool":
        said: list[object] = [int(label), label] if label.lstrip("-").isdigit() else [label]
        texts = [json.dumps({TAG: one}, separators=mark) for one in said for mark in ((", ", ": "), (",", ":"))]
    else:
        texts = [f"<{TAG}>{cased}</{TAG}>" for cased in (label, label.lower(), label.capitalize())]
    return Candidate(label, tuple(dict.fromkeys(texts)), value)
