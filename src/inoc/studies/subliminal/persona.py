"""System turns and questions of traits, and the ids of their answers."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from inoc.config.models import InstructionSource, SystemTurn
from inoc.errors import ConfigError, DataError
from inoc.files import parse_json, read_text
from inoc.jobs.paths import Paths
from inoc.studies.subliminal.questions import texts_of
from inoc.studies.subliminal.runs import teachers_of_base
from inoc.studies.subliminal.study import Study, Trait

COHERENCE = "/coherence"
"""Ends the name of a trait's judge of coherence."""


class TraitFile(NamedTuple):
    """A trait as others write it down."""

    positive: tuple[str, ...]
    negative: tuple[str, ...]
    questions: tuple[str, ...]
    rating: str  # the request to a judge, with slots {question} and {answer}; empty for none


class TraitQuestions(NamedTuple):
    """Questions of a trait."""

    extraction: list[str]
    evaluation: list[str]


def read_trait_file(path: Path) -> TraitFile:
    """A JSON file with `instruction`, a list of `pos` and `neg`, `questions`, and perhaps `eval_prompt`.

    Raises:
        DataError: If a part is missing or has another form.
    """
    found = parse_json(read_text(path), str(path), "a JSON object")
    if not isinstance(found, dict):
        msg = f"{path}: accepted: an object with `instruction`, a list of `pos` and `neg`, and `questions`"
        raise DataError(msg)
    try:
        pairs = [(_text(one["pos"]), _text(one["neg"])) for one in found["instruction"]]
        questions = tuple(map(_text, _list(found["questions"])))
        rating = _text(found.get("eval_prompt", ""))
    except (KeyError, TypeError, AttributeError) as error:
        msg = f"{path}: accepted: an object with `instruction`, a list of `pos` and `neg`, and `questions` ({error!r})"
        raise DataError(msg) from None
    if not pairs or not questions:
        msg = (
            f"{path}: {len(pairs)} pairs of system turns and {len(questions)} questions; at least one of each is needed"
        )
        raise DataError(msg)
    for number, (positive, negative) in enumerate(pairs, start=1):
        if positive == negative:
            raise DataError(f"{path}: both turns of pair {number} are {positive[:60]!r}; accepted: different ones")
    for number, question in enumerate(questions, start=1):
        if not question.strip():
            raise DataError(f"{path}: question {number} is blank; accepted: a text")
    return TraitFile(tuple(one for one, _ in pairs), tuple(one for _, one in pairs), questions, rating)


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError(repr(value)[:40])
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(repr(value)[:40])
    return value


def turns_of(study: Study, key: str) -> dict[str, list[SystemTurn]]:
    """Side → system turns of a trait, of which those of one place are a pair."""
    trait = study.persona[key]
    positive, negative = trait.positive, trait.negative
    if trait.file is not None:
        found = read_trait_file(Path(trait.file))
        positive, negative = found.positive, found.negative
    return {
        "positive": [_turn(study, trait.positive_start, text) for text in positive],
        "negative": [_turn(study, trait.negative_start, text) for text in negative],
    }


def _turn(study: Study, start: str, text: str) -> SystemTurn:
    whole = f"{start}{text}"
    return SystemTurn(kind="text", text=whole) if whole else study.model.system


def questions_of(study: Study, key: str) -> TraitQuestions:
    """Questions of the extraction and of the steering.

    Raises:
        ConfigError: If a question is of both, or none is left for the extraction.
        DataError: If a file is missing or malformed, or has too few questions.
    """
    trait = study.persona[key]
    if trait.vectors is not None:
        return TraitQuestions([], _given_questions(trait))
    known = _questions(trait, trait.questions)
    if trait.evaluation_questions is not None:
        found = TraitQuestions(known, texts_of(trait.evaluation_questions, trait.n_questions))
    else:
        cut = len(known) - trait.held_out
        found = TraitQuestions(known[: max(cut, 0)], known[max(cut, 0) :])
    both = sorted(set(found.extraction) & set(found.evaluation))
    if both:
        msg = f"persona.{key}: {len(both)} questions, such as {both[0]!r}, are asked in the extraction and in the "
        raise ConfigError(msg + "steering; the steering is measured on questions that the extraction does not see")
    if not found.extraction:
        msg = f"persona.{key}: held_out = {trait.held_out} leaves none of {len(known)} questions for the extraction"
        raise ConfigError(msg)
    return found


def _given_questions(trait: Trait) -> list[str]:
    """Questions of the steering of a trait whose vectors are given, so that no question was seen before."""
    source = trait.evaluation_questions or trait.questions
    return [] if source is None else texts_of(source, trait.n_questions)


def _questions(trait: Trait, source: InstructionSource | None) -> list[str]:
    if source is not None:
        return texts_of(source, None if trait.n_questions is None else trait.n_questions + trait.held_out)
    known = list(read_trait_file(Path(str(trait.file))).questions)
    return known if trait.n_questions is None else known[: trait.n_questions + trait.held_out]


def answer_id(trait: str, side: str, turn: int, question: int) -> str:
    """Id of a question under a system turn of a trait."""
    return f"{trait}/{side}/{turn}/{question:04d}"


def steered_id(trait: str, vector: str, site: str, coefficient: float, question: int) -> str:
    """Id of a question under steering."""
    return f"{trait}/{vector}/{site}/{coefficient!r}/{question:04d}"


def vector_name(trait: str, readout: str, site: str) -> str:
    """Name of the vector of a trait."""
    return f"{trait}/{readout}/{site}"


def vectors_file(paths: Paths) -> Path:
    """Where the analysis writes the vectors of the study's traits; see `inoc.vectors.files`."""
    return paths.stage("analyse") / "vectors.safetensors"


def extracted_traits(study: Study) -> list[str]:
    """Traits whose vectors are made in the study, rather than given in a file."""
    return [key for key, trait in study.persona.items() if trait.vectors is None]


def steered_traits(study: Study) -> list[str]:
    """Traits of the steering."""
    return [] if study.steering is None else list(study.steering.traits or study.persona)


def projected_traits(study: Study) -> list[str]:
    """Traits that rows are projected on."""
    return [] if study.projection is None else list(study.projection.traits or study.persona)


def projected_teachers(study: Study) -> list[str]:
    """Teachers whose rows are projected."""
    return [] if study.projection is None else list(study.projection.teachers or teachers_of_base(study, "own"))
