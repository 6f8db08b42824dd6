"""Templates of questions: their texts, the scale that they declare, and which end of it is the good one."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import Field

from inoc.config.limits import Amount, Few
from inoc.config.models import Model

Family = Literal["rating", "choice", "ranking", "open"]
When = Literal["before", "after"]
Polarity = Literal["higher_is_better", "lower_is_better"]
LABELS = ("A", "B", "C", "D", "E", "F", "G", "H")
"""Labels of the tasks of a comparison or a ranking, in the order in which they are shown."""


class Scale(Model):
    """The answers of a rating: whole numbers of a range, or labels with a value each. Exactly one of both is set."""

    lowest: Few | None = Field(None, description="Smallest number that may be answered; goes with `highest`.")
    highest: Few | None = Field(None, description="Largest number that may be answered.")
    without: tuple[Few, ...] = Field((), description="Numbers of the range that must not be answered.")
    labels: dict[str, Amount] | None = Field(
        None, description="Label → its value, in the order in which they are said."
    )


class Anchor(Model):
    """A task, and an answer to it, of which it is clear how it is to be rated."""

    task: str = Field(description="Text of the task.")
    completion: str = Field("", description="Answer to the task; needed where it is rated after the task.")


class Anchors(Model):
    """Tasks that are clearly good to do, and tasks that are clearly bad to do."""

    good: tuple[Anchor, ...] = Field((), description="Clearly good ones.")
    bad: tuple[Anchor, ...] = Field((), description="Clearly bad ones.")


class Template(Model):
    """A question about a task, two tasks or several, to which a line about the form of the answer is added."""

    kind: Family = Field(
        description="`rating`: of one task on a scale; `choice`: between two tasks; `ranking`: of several; `open`: an "
        "answer in words, whose tone a judge scores."
    )
    description: str = Field("", description="One line about the template.")
    before: str | None = Field(
        None,
        description="Text of the question before the task is done. Slots: {task}; {task_a} and {task_b} for a choice; "
        "{tasks} for a ranking.",
    )
    after: str | None = Field(
        None, description="Text of the question after the task was done, which is shown as a chat; it has no slots."
    )
    scale: Scale | None = Field(None, description="For `rating`: the answers.")
    polarity: Polarity = Field("higher_is_better", description="Which end of the scale is the good one.")
    anchors: Anchors = Field(
        Anchors(), description="Tasks that test the polarity; default: those of the study, or the shipped ones."
    )


class Point(NamedTuple):
    """One answer of a scale."""

    label: str  # as it is answered
    value: float  # as the template declares it
    oriented: float  # the same, mirrored at the middle of the scale where lower is better


def points_of(template: Template) -> tuple[Point, ...]:
    """The answers of a rating, in their order.

    Returns:
        Label, value and oriented value of each; for the oriented one, higher is better whatever the polarity is.
    """
    scale = template.scale
    if scale is None:
        return ()
    if scale.labels is not None:
        values = [(label, float(value)) for label, value in scale.labels.items()]
    else:
        lo, hi = scale.lowest or 0, scale.highest or 0
        values = [(str(number), float(number)) for number in range(lo, hi + 1) if number not in scale.without]
    if not values:
        return ()
    ends = min(value for _, value in values) + max(value for _, value in values)
    mirrored = template.polarity == "lower_is_better"
    return tuple(Point(label, value, ends - value if mirrored else value) for label, value in values)
