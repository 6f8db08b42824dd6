"""Closed questions with one right answer, by which a study sees whether training cost a model what it could do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from inoc.chat.messages import Chat
from inoc.config.limits import Rows
from inoc.config.models import Model, Seed, SystemTurn
from inoc.config.needs import GivenChat, GivenFile
from inoc.digest import digest
from inoc.engines.candidates import Candidate, candidate
from inoc.errors import ConfigError, DataError, InocError
from inoc.files import read_text

SHIPPED = Path("resources") / "capability" / "questions.jsonl"
LETTERS = "ABCDE"
FEWEST, MOST = 2, len(LETTERS)
ALL_DOMAINS = "all"
"""`domain` of what is over all questions."""
REQUEST = "Answer with the letter of the right option only."


class CapabilitySpec(Model):
    """Questions about general knowledge and skills, asked of the untrained model and of every trained one."""

    questions: str | None = Field(
        None,
        description="JSONL with one question per line: `question`, 2 to 5 `options`, `answer` (one of them), and "
        "perhaps `id` and `domain`. Default: the 120 packaged questions.",
    )
    n: Rows | None = Field(None, ge=2, description="Number of questions, drawn with `seed`; default: all.")
    seed: Seed = Field(0, description="Seed of the choice of questions and of the order of their options.")
    system: SystemTurn | None = Field(None, description="System turn of the questions; default: that of the model.")


def section_of(name: str, section: CapabilitySpec | None) -> CapabilitySpec:
    """The section of a study.

    Raises:
        ConfigError: If the study has none.
    """
    if section is None:
        raise ConfigError(f"study {name} has no section `capability`; add one, `capability: {{}}` for its defaults")
    return section


class ClosedQuestion(NamedTuple):
    """A question with its options, of which one is right."""

    id: str
    domain: str
    text: str
    options: tuple[str, ...]  # in the order in which they are shown
    answer: int  # place of the right one

    @property
    def prompt(self) -> str:
        """The question as it is asked."""
        lines = [f"{letter}. {option}" for letter, option in zip(LETTERS, self.options, strict=False)]
        return "\n".join([self.text, *lines, REQUEST])

    @property
    def letter(self) -> str:
        """The right answer."""
        return LETTERS[self.answer]

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The letters of its options."""
        return tuple(candidate(letter) for letter in LETTERS[: len(self.options)])


def questions_file(spec: CapabilitySpec) -> Path:
    """The file of the questions: the study's own, else the packaged one of the working copy, else of this package."""
    if spec.questions is not None:
        return Path(spec.questions)
    return SHIPPED if SHIPPED.is_file() else Path(__file__).parents[4] / SHIPPED


def read_questions(path: Path, seed: int = 0) -> list[ClosedQuestion]:
    """All questions of a file. The order of their options depends on the seed and on the question alone.

    Args:
        path: JSONL.
        seed: Of the order.

    Raises:
        DataError: With the line, if a question or its options are malformed, or it is there twice.
    """
    found: dict[str, ClosedQuestion] = {}
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        one = _question(line, f"{path}:{number}", seed)
        if one.id in found:
            raise DataError(f"{path}:{number}: the id {one.id!r} is there twice; give each question an id of its own")
        found[one.id] = one
    if not found:
        raise DataError(f"{path} has no questions; it needs one JSON object per line")
    return list(found.values())


def _question(line: str, where: str, seed: int) -> ClosedQuestion:
    import numpy as np  # not where a study file is only read

    try:
        raw = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: not JSON ({error})") from error
    if not isinstance(raw, dict):
        raise DataError(f"{where}: expected an object with question, options and answer")
    text, options, answer = raw.get("question"), raw.get("options"), raw.get("answer")
    if not isinstance(text, str) or not text.strip():
        raise DataError(f"{where}: `question` = {text!r}; expected a text")
    if not isinstance(options, list) or not all(isinstance(one, str) and one.strip() for one in options):
        raise DataError(f"{where}: `options` = {options!r}; expected {FEWEST} to {MOST} texts")
    if not FEWEST <= len(options) <= MOST or len(set(options)) < len(options):
        raise DataError(f"{where}: {len(options)} options; expected {FEWEST} to {MOST} different ones: {options}")
    if answer not in options:
        raise DataError(f"{where}: `answer` = {answer!r}; expected one of the options: {options}")
    name = str(raw.get("id", "")) or digest([text, options])[:12]
    if "/" in name:
        raise DataError(f"{where}: `id` = {name!r}; expected a text without /")
    # Else a file whose right answers come first would measure a liking for A.
    order = np.random.default_rng([seed, int(digest([text])[:12], 16)]).permutation(len(options))
    shown = tuple(options[at] for at in order)
    return ClosedQuestion(name, str(raw.get("domain", "")), text, shown, shown.index(answer))


def asked_questions(spec: CapabilitySpec) -> list[ClosedQuestion]:
    """The questions of a study, in the file's order.

    Raises:
        DataError: If the file is malformed or has too few.
    """
    path = questions_file(spec)
    every = read_questions(path, spec.seed)
    if spec.n is None:
        return every
    if spec.n > len(every):
        raise DataError(f"{path} has {len(every)} questions; capability.n = {spec.n}. Ask for fewer")
    # By identity: another question in the file moves none of the others.
    first = sorted(every, key=lambda one: digest([spec.seed, one.id]))[: spec.n]
    chosen = {one.id for one in first}
    return [one for one in every if one.id in chosen]


def question_chat(one: ClosedQuestion, spec: CapabilitySpec, system: SystemTurn) -> Chat:
    """The chat in which a question is asked.

    Args:
        one: The question.
        spec: Settings of the study.
        system: System turn of the model.
    """
    return Chat(spec.system or system, one.prompt)


def answer_id(model: str, step: int, question: str) -> str:
    """Id of a question to a model."""
    return f"{model}/{step}/{question}"


def question_files(spec: CapabilitySpec | None) -> Iterator[GivenFile]:
    """The file of questions; none without the section."""
    if spec is not None:
        yield GivenFile("capability.questions", str(questions_file(spec)), read=read_questions)


def question_problems(spec: CapabilitySpec | None) -> Iterator[str]:
    """Whether there are enough questions."""
    if spec is not None:
        try:
            asked_questions(spec)
        except InocError as error:
            yield f"capability: {error}"


def question_chats(spec: CapabilitySpec | None, system: SystemTurn) -> Iterator[GivenChat]:
    """The questions, whose answer is one letter.

    Args:
        spec: The section.
        system: System turn of the model.
    """
    if spec is not None and questions_file(spec).is_file():
        for one in asked_questions(spec):
            yield GivenChat(
                f"question {one.id}", question_chat(one, spec, system), "capability", answers=one.candidates
            )
