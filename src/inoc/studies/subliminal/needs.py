"""Lists of what a study of subliminal learning needs to run: files, engines, APIs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from inoc.config.judge_spec import JudgeSpec
from inoc.config.models import InstructionSource
from inoc.config.needs import ApiUse, GivenFile, Needs, SampleUse
from inoc.studies.shared.answers import first_file
from inoc.studies.subliminal.api_needs import api_uses
from inoc.studies.subliminal.runs import further_bases, teachers_by, turn_of, writing_teachers
from inoc.studies.subliminal.study import Study

_ROWS = 'put a JSONL file there, a row a line: {"prompt": "…", "completion": "…"}, or with `messages`'


def needs(study: Study) -> Needs:
    """Everything that the study needs from the machine it runs on."""
    if study.api is not None:
        return Needs(
            study.model, tuple(given_files(study)), apis=tuple(api_uses(study)), placement="system", behind_api=True
        )
    training = [spec.training for spec in study.students.values()]
    training += [one.finetuned.training for one in study.teachers.values() if one.finetuned is not None]
    prompted = teachers_by(study, "system")
    system = turn_of(study, prompted[0]) if prompted else study.model.system
    return Needs(
        # The template must be able to say the teachers' system turns.
        study.model.model_copy(update={"system": system}),
        tuple(given_files(study)),
        tuple(_samples(study)),
        tuple(_apis(study)),
        training[0].optimizer if training else "",
        (),
        "system",
        tuple(dict.fromkeys(target for spec in training for target in spec.lora.targets)),
        max_length=max((spec.max_length for spec in training), default=0),
    )


def given_files(study: Study) -> Iterator[GivenFile]:
    """Files that the study names; they need not exist."""
    from inoc.judge.names import read_names
    from inoc.numbers.rows import read_rows
    from inoc.studies.subliminal.persona import read_trait_file
    from inoc.vectors.files import load_vectors

    models = {"model": study.model}
    for base, other in further_bases(study).items():
        models["other.model" if base == "other" else f"bases.{base}.model"] = other.model
    for key, model in models.items():
        if model.path.startswith((".", "/", "~")):
            yield GivenFile(f"{key}.path", model.path)
        if model.chat_template is not None and set(model.chat_template) & set("./\\"):
            yield GivenFile(f"{key}.chat_template", model.chat_template)
    for name, teacher in study.teachers.items():
        if teacher.file is not None:
            yield GivenFile(f"teachers.{name}.file", teacher.file, _ROWS, read_rows)
        if teacher.table is not None:
            place = teacher.table.partition("/")[0]
            yield GivenFile(f"teachers.{name}.table", first_file(teacher.table), f"run that study: inoc run {place}")
        if teacher.adapter is not None:
            yield GivenFile(f"teachers.{name}.adapter", teacher.adapter)
        if teacher.finetuned is not None and teacher.finetuned.file is not None:
            yield GivenFile(f"teachers.{name}.finetuned.file", teacher.finetuned.file, _ROWS)
        if teacher.finetuned is not None and teacher.finetuned.questions is not None:
            yield from _source(f"teachers.{name}.finetuned.questions", teacher.finetuned.questions)
    yield GivenFile("preference.names", study.preference.names, read=read_names)
    for name, spec in study.preference.question_sets.items():
        yield from _source(f"preference.question_sets.{name}.source", spec.source)
    for name, trait in study.persona.items():
        if trait.file is not None:
            yield GivenFile(f"persona.{name}.file", trait.file, read=read_trait_file)
        if trait.vectors is not None:
            yield GivenFile(f"persona.{name}.vectors", trait.vectors, read=load_vectors)
        for part in ("judge", "coherence"):
            judge: JudgeSpec | None = getattr(trait, part)
            if judge is not None and judge.file:
                yield GivenFile(f"persona.{name}.{part}.file", judge.file)
        for part in ("questions", "evaluation_questions"):
            source: InstructionSource | None = getattr(trait, part)
            if source is not None:
                yield from _source(f"persona.{name}.{part}", source)


def _source(key: str, source: InstructionSource) -> Iterator[GivenFile]:
    for file in source.files:
        yield GivenFile(f"{key}.files", file, read=_read_instructions)


def _read_instructions(path: Path) -> object:
    from inoc.generate.instructions import read_jsonl_field

    return read_jsonl_field(path, "instruction")


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
    judges: dict[str, JudgeSpec | None] = {}
    for key, trait in study.persona.items():
        judges |= {f"persona.{key}.judge": trait.judge, f"persona.{key}.coherence": trait.coherence}
    for key, judge in judges.items():
        if judge is not None and judge.name == "llm":
            yield ApiUse("judge", f"{key}.name = 'llm'", str(judge.model))
