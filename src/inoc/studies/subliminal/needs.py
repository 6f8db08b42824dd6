"""Lists of what a study of subliminal learning needs to run: files, engines, APIs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain

from inoc.config.judge_spec import JudgeSpec
from inoc.config.models import InstructionSource, ModelSpec, TrainingSpec
from inoc.config.needs import ApiUse, GivenChat, GivenFile, LocalModel, ModelUse, Needs, SampleUse
from inoc.judge.needs import absent_identifier, judge_apis, judge_files, judge_models, judge_uses
from inoc.studies.shared.capability import question_chats, question_files, question_problems
from inoc.studies.shared.given import model_files, source_files, table_file
from inoc.studies.subliminal.api_needs import api_uses
from inoc.studies.subliminal.runs import further_bases, teachers_by, turn_of, writing_teachers
from inoc.studies.subliminal.study import Base, Study

_ROWS = 'put a JSONL file there, a row a line: {"prompt": "…", "completion": "…"}, or with `messages`'


def needs(study: Study) -> Needs:
    """Everything that the study needs from the machine it runs on."""
    if study.api is not None:
        return Needs(
            study.model, tuple(given_files(study)), apis=tuple(api_uses(study)), placement="system", behind_api=True
        )
    # Imported here: what reads rows is needed by the check alone.
    from inoc.studies.subliminal.chats import own_chats
    from inoc.studies.subliminal.rows import row_problems

    training = _trainings(study, "own")
    every = [spec for base in ("own", *further_bases(study)) for spec in _trainings(study, base)]
    prompted = teachers_by(study, "system")
    system = turn_of(study, prompted[0]) if prompted else study.model.system
    return Needs(
        # The template must be able to say the teachers' system turns.
        study.model.model_copy(update={"system": system}),
        tuple(given_files(study)),
        tuple(_samples(study)),
        tuple(_apis(study)),
        every[0].optimizer if every else "",
        tuple(_absent_identifiers(study)),
        "system" if prompted else "user",
        _targets(training),
        lambda: chain(row_problems(study), question_problems(study.capability)),
        lambda: chain(own_chats(study), question_chats(study.capability, study.model.system)),
        max((spec.max_length for spec in training), default=0),
        local_models=tuple(_local_models(study)),
        others=(*_others(study), *_judging_models(study)),
        reads="persona" if study.persona else "",
        chooses=_chooses(study),
        renames=_renames(study, "own"),
    )


def _trainings(study: Study, base: Base) -> list[TrainingSpec]:
    """Settings of all that is trained of a base model."""
    found = [spec.training for spec in study.students.values() if spec.base == base]
    tuned = [one for one in study.teachers.values() if one.base == base]
    return found + [one.finetuned.training for one in tuned if one.finetuned is not None]


def _place(base: Base) -> str:
    return "other.model" if base == "other" else f"bases.{base}.model"


def _targets(training: list[TrainingSpec]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(target for spec in training for target in spec.lora.targets))


def _base_chats(study: Study, model: ModelSpec) -> Iterator[GivenChat]:
    from inoc.studies.subliminal.chats import base_chats

    yield from base_chats(study, model)
    yield from question_chats(study.capability, model.system)


def _others(study: Study) -> Iterator[ModelUse]:
    sampled = "sample" in study.preference.methods
    for base, other in further_bases(study).items():
        if training := _trainings(study, base):
            yield ModelUse(
                _place(base),
                other.model,
                (SampleUse("preference.sampling", "sample", study.preference.sampling),) if sampled else (),
                chats=partial(_base_chats, study, other.model),
                targets=_targets(training),
                max_length=max(spec.max_length for spec in training),
                chooses=_chooses(study),
                renames=_renames(study, base),
            )


def _judging_models(study: Study) -> Iterator[ModelUse]:
    from inoc.studies.subliminal.chats import trait_chats

    for key, trait in study.persona.items():
        for part in ("judge", "coherence"):
            yield from judge_uses(getattr(trait, part), f"persona.{key}.{part}", partial(trait_chats, study, key))


def _chooses(study: Study) -> str:
    """Setting because of which probabilities of names, or of the letters of options, are measured."""
    if "choose" in study.preference.methods:
        return "preference.methods: choose"
    return "capability" if study.capability is not None else ""


def _renames(study: Study, base: Base) -> str:
    """Setting because of which numbers change places in a teacher's distributions."""
    for key, spec in study.students.items():
        if spec.base == base and (spec.targets, spec.numbers) == ("distribution", "relabelled"):
            return f"students.{key}.numbers: relabelled"
    return ""


def _judges(study: Study) -> Iterator[tuple[str, JudgeSpec]]:
    for key, trait in study.persona.items():
        for part in ("judge", "coherence"):
            judge: JudgeSpec | None = getattr(trait, part)
            if judge is not None:
                yield f"persona.{key}.{part}", judge


def _local_models(study: Study) -> Iterator[LocalModel]:
    for key, judge in _judges(study):
        yield from judge_models(judge, key)


def _absent_identifiers(study: Study) -> Iterator[str]:
    for key, judge in _judges(study):
        yield from absent_identifier(judge, key)


def given_files(study: Study) -> Iterator[GivenFile]:
    """Files that the study names; they need not exist."""
    from inoc.chat.rows import read_chats
    from inoc.judge.names import read_names
    from inoc.numbers.rows import read_rows
    from inoc.studies.subliminal.persona import read_trait_file
    from inoc.vectors.files import load_vectors

    yield from model_files(study.model)
    for base, other in further_bases(study).items():
        yield from model_files(other.model, _place(base))
    for name, teacher in study.teachers.items():
        if teacher.file is not None:
            yield GivenFile(f"teachers.{name}.file", teacher.file, _ROWS, read_rows)
        if teacher.table is not None:
            yield table_file(teacher.table, f"teachers.{name}.table")
        if teacher.adapter is not None:
            yield GivenFile(f"teachers.{name}.adapter", teacher.adapter)
        if teacher.finetuned is not None and teacher.finetuned.file is not None:
            yield GivenFile(f"teachers.{name}.finetuned.file", teacher.finetuned.file, _ROWS, read_chats)
        if teacher.finetuned is not None and teacher.finetuned.questions is not None:
            yield from source_files(teacher.finetuned.questions, f"teachers.{name}.finetuned.questions")
    yield from question_files(study.capability)
    yield GivenFile("preference.names", study.preference.names, read=read_names)
    for name, spec in study.preference.question_sets.items():
        yield from source_files(spec.source, f"preference.question_sets.{name}.source")
    for name, trait in study.persona.items():
        if trait.file is not None:
            yield GivenFile(f"persona.{name}.file", trait.file, read=read_trait_file)
        if trait.vectors is not None:
            yield GivenFile(f"persona.{name}.vectors", trait.vectors, read=load_vectors)
        for part in ("questions", "evaluation_questions"):
            source: InstructionSource | None = getattr(trait, part)
            if source is not None:
                yield from source_files(source, f"persona.{name}.{part}")
    for key, judge in _judges(study):
        yield from judge_files(judge, key)


def _samples(study: Study) -> Iterator[SampleUse]:
    if writing_teachers(study):
        yield SampleUse("numbers.sampling", "sample", study.numbers.sampling)
    if "sample" in study.preference.methods:
        yield SampleUse("preference.sampling", "sample", study.preference.sampling)
    for key, trait in study.persona.items():
        yield SampleUse(f"persona.{key}.sampling", "sample", trait.sampling)
    if study.steering is not None:
        yield SampleUse("steering.sampling", "sample", study.steering.sampling)


def _apis(study: Study) -> Iterator[ApiUse]:
    for key, judge in _judges(study):
        yield from judge_apis(judge, key)
