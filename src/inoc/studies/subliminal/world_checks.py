"""Checks of the miniature worlds: sections, contents, and words that their models cannot read."""

from __future__ import annotations

from collections.abc import Iterator

from inoc.config.checks import world_sizes
from inoc.config.document import KeyPath, Problem
from inoc.config.models import InstructionSource
from inoc.studies.shared.checks import word_problems
from inoc.studies.subliminal.runs import further_bases, turn_of
from inoc.studies.subliminal.study import Study


def world_problems(study: Study) -> Iterator[Problem]:
    """Disagreements between the miniature worlds and the rest of a study."""
    uses: list[tuple[KeyPath, bool, str]] = [
        (("model", "path"), study.model.path == "world", "world"),
        (("numbers", "source"), study.numbers.source == "world", "world"),
    ]
    # Numbers are asked for in the words of the one content, procedural questions in those of the other.
    contents = ["facts", "favorites"]
    if study.numbers.source == "world":
        contents.remove("facts")
    asked = [path for path, source in _sources(study) if source.kind == "world"]
    if asked and study.numbers.source == "world":
        msg = "is about facts, and numbers.source: world needs `content: favorites`; accepted: files"
        yield from (Problem((*path, "kind"), msg, "world") for path in asked)
    elif asked:
        contents.remove("favorites")
    yield from world_sizes(study.world, uses, contents)
    for base, other in further_bases(study).items():
        place: KeyPath = ("other",) if base == "other" else ("bases", base)
        named = [((*place, "model", "path"), other.model.path == "world", "world")]
        yield from world_sizes(other.world, named, contents, (*place, "world"))
    if study.model.path == "world" and study.world is not None and study.world.content == "favorites":
        yield from _words(study)


def _sources(study: Study) -> Iterator[tuple[KeyPath, InstructionSource]]:
    for key, teacher in study.teachers.items():
        if teacher.finetuned is not None and teacher.finetuned.questions is not None:
            yield ("teachers", key, "finetuned", "questions"), teacher.finetuned.questions
    for key, asked in study.preference.question_sets.items():
        yield ("preference", "question_sets", key, "source"), asked.source
    for key, trait in study.persona.items():
        for name in ("questions", "evaluation_questions"):
            source: InstructionSource | None = getattr(trait, name)
            if source is not None:
                yield ("persona", key, name), source


def _words(study: Study) -> Iterator[Problem]:
    """System turns with words that the model has not."""
    texts: list[tuple[KeyPath, str]] = [
        (("teachers", key), turn_of(study, key).text)
        for key, teacher in study.teachers.items()
        if teacher.entity is not None or teacher.system is not None
    ]
    for key, trait in study.persona.items():
        for side, start in (("positive", trait.positive_start), ("negative", trait.negative_start)):
            texts += [(("persona", key, side, at), f"{start}{text}") for at, text in enumerate(getattr(trait, side))]
    yield from word_problems(texts)
