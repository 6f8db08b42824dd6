"""The frames that the analysis reads, the same for a study that was computed and for one that was imported."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import pandas as pd
import pyarrow as pa

from inoc.tables import INDEX, NUMBER, STRING

Category = Literal["answered", "refused", "unclear", "failed"]
CATEGORIES: tuple[Category, ...] = ("answered", "refused", "unclear", "failed")
"""`answered`: with a value. `refused`: the question is not answered, on purpose. `unclear`: words that mean no answer.
`failed`: there was no answer at all, or one beyond the declared scale. None but the first is ever a score."""

RATINGS = pa.schema(
    [
        ("rater", STRING),
        ("completer", STRING),  # empty before the task
        ("instrument", STRING),
        ("task", STRING),
        ("origin", STRING),
        ("when", STRING),  # before, after
        ("completion_seed", INDEX),  # -1 before the task
        ("seed", INDEX),
        ("sample", INDEX),
        ("context_completion", STRING),  # key of a context; none
        ("context_measurement", STRING),
        ("answer", STRING),  # label that was answered; empty unless answered
        ("value", NUMBER),  # oriented, so that higher is better; NaN unless the category is answered
        ("category", STRING),
        ("expectation", NUMBER),  # of the oriented value, given an answer of the scale; NaN if sampled
        ("mass", NUMBER),  # probability of all answers of the scale; NaN if sampled
        ("p_refused", NUMBER),  # probability that the answer begins as a refusal; NaN if sampled
        ("n_scale", INDEX),  # answers that the scale has; 0 for open answers
        ("lowest", NUMBER),  # least oriented value of the scale
        ("highest", NUMBER),
        ("status", STRING),  # ok; or reversed, and then left out of all that averages
    ]
)
"""`ratings`. Key: rater, completer, instrument, task, completion_seed, seed, sample, both contexts.

A row of a question that was measured exactly (`mass` is a number) is a draw with its seed from the exact probabilities,
so that single answers scatter as sampled ones do; `expectation` is the same in all of them.
"""

COMPARISONS = pa.schema(
    [
        ("rater", STRING),
        ("completer", STRING),
        ("instrument", STRING),
        ("pair", STRING),  # both tasks in the order of their ids, so that both orders have the same
        ("task_a", STRING),  # shown first
        ("task_b", STRING),
        ("origin_a", STRING),
        ("origin_b", STRING),
        ("when", STRING),
        ("completion_seed", INDEX),
        ("seed", INDEX),
        ("sample", INDEX),
        ("round", INDEX),  # of an active selection, from 0; 0 without
        ("order", STRING),  # ab: as the pair is named; ba
        ("choice", STRING),  # a, b, tie; empty unless answered
        ("category", STRING),
        ("p_a", NUMBER),  # that a is chosen, given that one of both is; NaN if sampled
        ("mass", NUMBER),
        ("p_refused", NUMBER),
        ("status", STRING),
    ]
)
"""`comparisons`. Key: rater, completer, instrument, task_a, task_b, completion_seed, seed, sample."""

RANKINGS = pa.schema(
    [
        ("rater", STRING),
        ("completer", STRING),
        ("instrument", STRING),
        ("group", STRING),
        ("task", STRING),
        ("origin", STRING),
        ("shown", INDEX),  # place in the question, from 0
        ("position", INDEX),  # place in the answer, from 0 for the best; -1 unless answered
        ("seed", INDEX),
        ("sample", INDEX),
        ("category", STRING),
        ("status", STRING),
    ]
)
"""`rankings`. Key: rater, completer, instrument, group, task, seed, sample."""

COMPLETIONS = pa.schema(
    [
        ("completer", STRING),
        ("task", STRING),
        ("origin", STRING),
        ("seed", INDEX),
        ("context", STRING),
        ("refused", NUMBER),  # 1, 0, or NaN if unknown
        ("mentions", NUMBER),  # whether the completion mentions its system turn; NaN without one
        ("finish", STRING),
    ]
)
"""`completions`, an input of the analysis and not one of its tables. Key: completer, task, seed, context."""


def empty(schema: pa.Schema) -> pd.DataFrame:
    """A table of a schema without rows."""
    frame: pd.DataFrame = schema.empty_table().to_pandas()
    return frame


@dataclass(frozen=True)
class Measured:
    """Everything that was measured, in frames of the schemas above.

    Attributes:
        ratings: `RATINGS`, with open answers as ratings from -1 to 1.
        comparisons: `COMPARISONS`.
        rankings: `RANKINGS`.
        completions: `COMPLETIONS`.
        origins: Task → origin.
    """

    ratings: pd.DataFrame = field(default_factory=lambda: empty(RATINGS))
    comparisons: pd.DataFrame = field(default_factory=lambda: empty(COMPARISONS))
    rankings: pd.DataFrame = field(default_factory=lambda: empty(RANKINGS))
    completions: pd.DataFrame = field(default_factory=lambda: empty(COMPLETIONS))
    origins: dict[str, str] = field(default_factory=dict)

    def upright(self) -> Measured:
        """Without the rows of instruments that were found reversed."""
        return replace(
            self,
            ratings=self.ratings[self.ratings["status"] == "ok"],
            comparisons=self.comparisons[self.comparisons["status"] == "ok"],
            rankings=self.rankings[self.rankings["status"] == "ok"],
        )
