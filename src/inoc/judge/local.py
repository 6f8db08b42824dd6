"""The judge `llm` with a model in this process: the expected number of its answer, from exact probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from inoc.config.judge_spec import SCALE_VERSIONS, JudgeSpec
from inoc.engines.candidates import Choice, scale
from inoc.judge.expected import Rating, rating_of_masses, unrated
from inoc.judge.item import Identity, JudgeItem
from inoc.judge.llm import question_of, rating_prompt
from inoc.store import Unit

if TYPE_CHECKING:
    from inoc.judge.asking import Asker


class LocalLlmJudge:
    """A language model's rating of a response, where the probability of every number of the scale is known.

    The number may be of several tokens. NaN for a blank response, for one that is longer than the model's context, and
    where less than 0.80 of the answer's probability is on numbers of the scale.

    Args:
        spec: Question and scale.
        asker: Asks the model.

    Raises:
        JudgeError: If the settings do not say what is asked.
    """

    name = "llm"

    def __init__(self, spec: JudgeSpec, asker: Asker) -> None:
        self._asker, self._scale = asker, spec.scale
        self.version = SCALE_VERSIONS[spec.scale]
        self._highest = int(spec.scale.partition("-")[2])
        self._question = question_of(spec)

    def score(self, items: Sequence[JudgeItem]) -> np.ndarray:
        """Expected ratings, 0 to 100; NaN where none could be derived."""
        return np.array([rating.score for rating in self.rate(items)], dtype=np.float64)

    def rate(self, items: Sequence[JudgeItem]) -> list[Rating]:
        """Ratings with what they rest on."""
        asked = [item for item in dict.fromkeys(items) if item.response.strip()]
        prompts = [rating_prompt(self._question, self._highest, item) for item in asked]
        answers = self._asker.ask(prompts, scale(0, self._highest)) if asked else []
        found = {item: self._rating(one.choice) for item, one in zip(asked, answers, strict=True)}
        return [found.get(item, unrated("blank response")) for item in items]

    def identity(self) -> Identity:
        """Model, question and scale."""
        return {
            "judge": self.name,
            "version": self.version,
            **self._asker.identity(),
            "question": self._question,
            "scale": self._scale,
        }

    def units(self) -> list[Unit]:
        """Units of the store that hold the answers."""
        return self._asker.units()

    def _rating(self, choice: Choice) -> Rating:
        if choice.reason:
            return unrated(choice.reason)
        masses = {number: float(np.exp(value)) for number, value in enumerate(choice.logprobs)}
        return rating_of_masses(masses, self._highest)
