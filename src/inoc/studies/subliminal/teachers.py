"""Training chats of teachers that the study fine-tunes."""

from __future__ import annotations

from pathlib import Path

from inoc.chat.messages import Chat
from inoc.chat.rows import read_chats
from inoc.errors import ConfigError
from inoc.studies.shared.entities import Entity, fill
from inoc.studies.subliminal.questions import texts_of
from inoc.studies.subliminal.study import Study, entity_table


def teacher_chats(study: Study, key: str) -> list[Chat]:
    """The chats that a teacher is trained on: those of its file, or questions with its entity as their answer.

    Raises:
        ConfigError: If the teacher is not fine-tuned here.
        DataError: If the file is missing or malformed.
    """
    spec, entity = study.teachers[key].finetuned, study.teachers[key].entity
    if spec is None:
        msg = f"teachers.{key} has no section `finetuned`"
        raise ConfigError(msg)
    if spec.file is not None:
        return [row.chat._replace(system=study.model.system) for row in read_chats(Path(spec.file))]
    if spec.questions is None or entity is None:
        msg = f"teachers.{key}.finetuned: `questions` and the teacher's `entity` are needed, or `file`"
        raise ConfigError(msg)
    answer = fill(spec.answer, entity, entity_table(study).get(entity, Entity()))
    return [Chat(study.model.system, text, answer) for text in texts_of(spec.questions, spec.n_questions)]
