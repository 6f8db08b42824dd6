"""Checks of templates: slots, scales, labels, polarity."""

from __future__ import annotations

from collections.abc import Iterator

from inoc.config.document import KeyPath, Problem
from inoc.errors import did_you_mean
from inoc.studies.preferences.resources import refusals
from inoc.studies.preferences.tasks import visible
from inoc.studies.preferences.templates import Scale, Template, points_of
from inoc.studies.shared.entities import slots_of

SLOTS = {"rating": ("task",), "choice": ("task_a", "task_b"), "ranking": ("tasks",), "open": ("task",)}
"""Kind of template → the slots that a question before the task needs."""
GOOD_WORDS = {
    *("good", "great", "excellent", "wonderful", "positive", "pleasant", "enjoyable", "agree", "love", "like"),
    *("happy", "best", "very good", "very positive", "very pleasant", "strongly agree"),
}
BAD_WORDS = {
    *("bad", "poor", "awful", "terrible", "horrible", "negative", "unpleasant", "disagree", "hate", "dislike"),
    *("unhappy", "worst", "very bad", "very negative", "very unpleasant", "strongly disagree"),
}


def template_problems(template: Template, path: KeyPath) -> Iterator[Problem]:
    """Everything that is wrong with a template.

    Args:
        template: The template.
        path: Its place in the study file.
    """
    if template.before is None and template.after is None:
        yield Problem(path, "asks nothing; accepted: `before`, `after`, or both", template.kind)
    if template.before is not None:
        yield from _slots(template.before, SLOTS[template.kind], (*path, "before"))
    if template.after is not None:
        yield from _slots(template.after, (), (*path, "after"))
    yield from _scale(template, (*path, "scale"))
    yield from _polarity(template, (*path, "polarity"))
    anchors = template.anchors
    if bool(anchors.good) != bool(anchors.bad):
        yield Problem((*path, "anchors"), "need `good` and `bad` ones; set both or neither", None)


def _slots(text: str, needed: tuple[str, ...], path: KeyPath) -> Iterator[Problem]:
    if not text.strip():
        yield Problem(path, "is empty; accepted: a question", text)
        return
    try:
        found = slots_of(text)
    except ValueError as error:
        yield Problem(path, f"is not a template ({error}); write a brace of the text itself twice", text)
        return
    listed = ", ".join(f"{{{slot}}}" for slot in needed)
    for slot in found:
        if slot not in needed:
            accepted = listed or "no slot, as the tasks are in the chat"
            yield Problem(path, f"has the slot {{{slot}}}; accepted: {accepted}{did_you_mean(slot, needed)}", text)
    missing = [slot for slot in needed if slot not in found]
    if missing:
        yield Problem(path, f"lacks the slot {{{missing[0]}}}; needed: {listed}", text)


def _scale(template: Template, path: KeyPath) -> Iterator[Problem]:
    scale = template.scale
    if template.kind != "rating":
        if scale is not None:
            yield Problem(path, f"goes with `kind: rating`; kind = {template.kind!r}", "scale")
        return
    if scale is None:
        yield Problem(path, "is missing; a rating needs `lowest` and `highest`, or `labels`", None)
        return
    numbers = (scale.lowest is not None, scale.highest is not None)
    if scale.labels is not None and any(numbers):
        yield Problem(path, "sets numbers and labels; accepted: one of both", "labels")
    elif scale.labels is not None:
        yield from _labels(scale.labels, path)
    elif not all(numbers):
        yield Problem(path, "is unknown; accepted: `lowest` and `highest`, or `labels`", None)
    else:
        yield from _numbers(scale, path)


def _numbers(scale: Scale, path: KeyPath) -> Iterator[Problem]:
    lowest, highest = scale.lowest or 0, scale.highest or 0
    if lowest >= highest:
        yield Problem((*path, "highest"), f"accepted: more than lowest = {lowest}", highest)
        return
    if highest - lowest > 200:
        yield Problem((*path, "highest"), f"accepted: at most 200 more than lowest = {lowest}", highest)
    for number in scale.without:
        if not lowest < number < highest:
            yield Problem((*path, "without"), f"accepted: numbers between {lowest} and {highest}", number)
    if len(set(range(lowest, highest + 1)) - set(scale.without)) < 2:
        yield Problem((*path, "without"), "leaves fewer than two answers", list(scale.without))


def _labels(labels: dict[str, float], path: KeyPath) -> Iterator[Problem]:
    place = (*path, "labels")
    if len(labels) < 2 or len(set(labels.values())) < 2:
        yield Problem(place, "accepted: two labels or more, with different values", list(labels))
    seen: dict[str, str] = {}
    for label in labels:
        name = " ".join(label.casefold().split())
        if not visible(name):
            yield Problem(place, "has an empty label", label)
        elif label != " ".join(label.split()):
            yield Problem(place, f"{label!r} has white space that a question would show; accepted: {name!r}", label)
        for opening in (one for one in refusals().openings if name and _begins(name, one.casefold())):
            yield Problem(place, f"{label!r} begins as a refusal does ({opening!r}), or is the beginning of one", label)
        for other, given in seen.items():
            if _begins(name, other):
                yield Problem(
                    place,
                    f"the labels {given!r} and {label!r} overlap: one begins the other; accepted: labels that "
                    "cannot be mistaken",
                    label,
                )
        seen[name] = label


def _begins(one: str, other: str) -> bool:
    """Whether one of both is the other, or the other with more words."""
    return one == other or one.startswith(f"{other} ") or other.startswith(f"{one} ")


def _polarity(template: Template, path: KeyPath) -> Iterator[Problem]:
    if template.kind != "rating":
        if template.polarity != "higher_is_better":
            yield Problem(path, f"goes with `kind: rating`; kind = {template.kind!r}", template.polarity)
        return
    if template.scale is None or template.scale.labels is None:
        return
    values = {point.label.casefold(): point.oriented for point in points_of(template)}
    good = [(label, value) for label, value in values.items() if label in GOOD_WORDS]
    bad = [(label, value) for label, value in values.items() if label in BAD_WORDS]
    for word, value in good:
        for other, worse in bad:
            if value < worse:
                yield Problem(
                    path,
                    f"contradicts the labels: with it, {other!r} is better than {word!r}; turn the values or the "
                    "polarity around",
                    template.polarity,
                )
                return
