"""Lists of what an inoculation study needs to run: files, engines, APIs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain

from inoc.config.needs import ApiUse, GivenFile, Needs, SampleUse, is_a_path
from inoc.generate.instructions import read_pairs
from inoc.generate.parts import RESULTS
from inoc.judge.needs import absent_identifier, judge_apis, judge_files, judge_models, judge_uses
from inoc.studies.inoculation.places import dataset_places, instruction_places, pool_place
from inoc.studies.inoculation.runs import pool_prompts, pool_specs
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.capability import question_chats, question_files, question_problems
from inoc.studies.shared.given import model_files, run_first
from inoc.train.given import table_files, table_place

_TRAINING_FILE = (
    "the training data are for you to supply. Put a JSONL file there, a training example a line: "
    '{"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}, '
    'or {"instruction": "…", "completion": "…"}; docs/own.md says more'
)


def needs(study: Study) -> Needs:
    """Everything that the study needs from the machine it runs on."""
    from inoc.embed.embedders import absent
    from inoc.studies.inoculation.inputs import reader_of
    from inoc.studies.inoculation.rows import given_chats, judged_chats, row_problems

    lacking = [absent(study.embedding) if study.embedding is not None else "", *_absent_identifiers(study)]
    return Needs(
        study.model,
        tuple(one._replace(read=one.read or reader_of(one.key)) for one in given_files(study)),
        tuple(_samples(study)),
        tuple(_apis(study)),
        study.training.optimizer if study.runs else "",
        tuple(filter(None, lacking)),
        study.placement,
        study.training.lora.targets if study.runs else (),
        lambda: chain(row_problems(study), question_problems(study.capability), _cut_prompts(study)),
        lambda: chain(given_chats(study), question_chats(study.capability, study.model.system)),
        study.training.max_length if study.runs else 0,
        local_models=tuple(
            one
            for key, trait in study.traits.items()
            for one in judge_models(trait.judge, f"traits.{key}.judge", _judging_stages(study))
        ),
        chooses="capability" if study.capability is not None else "",
        others=tuple(
            one
            for key, trait in study.traits.items()
            for one in judge_uses(trait.judge, f"traits.{key}.judge", partial(judged_chats, study))
        ),
    )


def _cut_prompts(study: Study) -> Iterator[str]:
    from inoc.embed.lengths import cut_prompts
    from inoc.studies.inoculation.runs import prompt_texts

    return iter(()) if study.embedding is None else cut_prompts(study.embedding, prompt_texts(study))


def _absent_identifiers(study: Study) -> Iterator[str]:
    for key, trait in study.traits.items():
        if trait.judge is not None:
            yield from absent_identifier(trait.judge, f"traits.{key}.judge")


def given_files(study: Study) -> Iterator[GivenFile]:
    """Files that the study names; they need not exist."""
    yield from model_files(study.model)
    yield from question_files(study.capability)
    for place, source in instruction_places(study):
        for file in source.files:
            yield GivenFile(f"{place}.files", file)
    for place, answers in dataset_places(study):
        if answers.file is not None:
            read = partial(read_pairs, bad_rows=answers.bad_rows)
            yield GivenFile(f"{place}.file", answers.file, _TRAINING_FILE, read)
        if answers.table is not None:
            yield from _table_files(f"{place}.table", answers.table)
    for key, trait in study.traits.items():
        if trait.judge is not None:
            yield from judge_files(trait.judge, f"traits.{key}.judge")
    spec = study.embedding
    if spec is not None and spec.provider != "openai" and is_a_path(spec.model):
        yield GivenFile("embedding.model", spec.model)
    for pool, pool_spec in pool_specs(study).items():
        if pool_spec.source == "files" and pool_spec.folder is not None:
            for key in pool_prompts(study, pool):
                yield GivenFile(f"{pool_place(pool)}.folder (prompt {key})", f"{pool_spec.folder}/{key}.jsonl")


def _table_files(key: str, name: str) -> Iterator[GivenFile]:
    """The files of a table of another study; of one that is split into shards, those that are there."""
    place = table_place(name)
    files = table_files(RESULTS, place) or [RESULTS / place.study / "sample" / place.part / "0" / "answers.parquet"]
    for path in files:
        yield GivenFile(key, str(path), run_first(place.study))


def _samples(study: Study) -> Iterator[SampleUse]:
    """Everything that is sampled."""
    yield SampleUse("elicitation.sampling", "elicit", study.elicitation.sampling)
    for place, answers in dataset_places(study):
        if answers.completions == "sample":
            yield SampleUse(f"{place}.sampling", "generate", answers.sampling)
    if study.scoring.n_controls:
        yield SampleUse("scoring.control_sampling", "generate", study.scoring.control_sampling)
    if study.runs:
        yield SampleUse("evaluation.sampling", "evaluate", study.evaluation.sampling)


def _judging_stages(study: Study) -> tuple[str, ...]:
    """Stages that ask a judging model; training data are judged by one only if that decides what is kept."""
    kept = any(answers.keep_from for _, answers in dataset_places(study))
    return ("generate", "judge") if kept else ("judge",)


def _apis(study: Study) -> Iterator[ApiUse]:
    """Settings that make a stage ask an API."""
    for key, trait in study.traits.items():
        yield from judge_apis(trait.judge, f"traits.{key}.judge", _judging_stages(study))
    for place, answers in dataset_places(study):
        if answers.completions == "api":
            yield ApiUse("generate", f"{place}.completions = 'api'", str(answers.model))
    for place, source in instruction_places(study):
        if source.kind == "api":
            yield ApiUse("generate", f"{place}.kind = 'api'", str(source.model))
    for pool, spec in pool_specs(study).items():
        if spec.source == "api" and pool_prompts(study, pool):
            yield ApiUse("rephrase", f"{pool_place(pool)}.source = 'api'", str(spec.model))
    if study.embedding is not None and study.embedding.provider == "openai":
        yield ApiUse("embed", "embedding.provider = 'openai'", study.embedding.model)
