"""Checks of datasets, instructions and sets of questions."""

from __future__ import annotations

from collections.abc import Iterator

from inoc.config.document import KeyPath, Problem, listed
from inoc.config.models import AnswerSpec, InstructionSource
from inoc.errors import ConfigError, did_you_mean
from inoc.studies.inoculation.checks.prompts import pool_path
from inoc.studies.inoculation.runs import pool_specs
from inoc.studies.inoculation.study import Study
from inoc.train.given import TABLE_NAMES, table_place


def answer_sections(study: Study) -> Iterator[tuple[KeyPath, AnswerSpec]]:
    """Every dataset, with its place in the study file."""
    yield ("data",), study.data
    for key, spec in study.datasets.items():
        yield ("datasets", key), spec


def instruction_sections(study: Study) -> Iterator[tuple[KeyPath, InstructionSource]]:
    """Every source of instructions, with its place in the study file."""
    yield ("data", "instructions"), study.data.instructions
    for key, spec in study.data.questions.items():
        if spec.source is not None:
            yield ("data", "questions", key, "source"), spec.source


def data_files(study: Study) -> Iterator[Problem]:
    """Files are named where they are read, and only there."""
    for path, answers in answer_sections(study):
        if (answers.completions == "file") != (answers.file is not None):
            yield Problem(
                (*path, "file"),
                f"goes with `completions: file` and with no other; completions = {answers.completions!r}",
                answers.file,
            )
        yield from _table(study, path, answers)
        if answers.bad_rows != "refuse" and path == ("data",) and not study.runs:
            yield Problem((*path, "bad_rows"), "goes with `runs`; this study trains nothing", answers.bad_rows)
        if answers.completions != "sample" and "generation_turn" in answers.model_fields_set:
            yield Problem(
                (*path, "generation_turn"),
                f"goes with `completions: sample` and with no other; completions = {answers.completions!r}",
                answers.generation_turn,
            )
    for path, source in instruction_sections(study):
        # Given completions come with their instructions; files are then only needed for additional ones.
        optional = path == ("data", "instructions") and study.data.given_in and not source.files
        if not optional and (source.kind == "files") != bool(source.files):
            yield Problem(
                (*path, "files"),
                f"go with `kind: files` and with no other; kind = {source.kind!r}",
                list(source.files),
            )


def _table(study: Study, path: KeyPath, answers: AnswerSpec) -> Iterator[Problem]:
    """A table is named where it is read, and is another study's."""
    if (answers.completions == "table") != (answers.table is not None):
        yield Problem(
            (*path, "table"),
            f"goes with `completions: table` and with no other; completions = {answers.completions!r}",
            answers.table,
        )
    if answers.table is None:
        return
    try:
        place = table_place(answers.table)
    except ConfigError:
        yield Problem((*path, "table"), f"is not the name of a table; accepted: {TABLE_NAMES}", answers.table)
        return
    if place.study == study.name:
        yield Problem((*path, "table"), "is of this study; accepted: a table of another study", answers.table)


def dataset_keys(study: Study) -> Iterator[Problem]:
    """No dataset has a reserved key."""
    for key in study.datasets:
        if key == "control":
            yield Problem(("datasets", key), "the word is reserved, for runs are named by it; accepted: any other key")


def held_out_questions(study: Study) -> Iterator[Problem]:
    """At most one set of questions is held out from the training data."""
    held_out = [key for key, spec in study.data.questions.items() if spec.source is None]
    for key in held_out[1:]:
        yield Problem(
            ("data", "questions", key, "source"),
            f"is missing, and {held_out[0]} is held out from the training data already; accepted: a source, or one set "
            "without",
        )


FEWEST_QUESTIONS = 6
"""Below it no interval is given, whose clusters are the questions."""


def sizes(study: Study) -> Iterator[Problem]:
    """No stage uses more instructions or examples than there are, nor so few questions that nothing has an interval."""
    for key, n in (
        ("data", study.data.n_eval),
        ("evaluation", study.evaluation.n),
        ("elicitation", study.elicitation.n),
    ):
        if n is not None and n < FEWEST_QUESTIONS:
            yield Problem(
                (key, "n_eval" if key == "data" else "n"),
                f"is too few for any interval, whose units are the questions; accepted: at least {FEWEST_QUESTIONS}",
                n,
            )
    limits: list[tuple[KeyPath, int | None, str, int]] = [
        (("evaluation", "n"), study.evaluation.n, "data.n_eval", study.data.n_eval),
        (("elicitation", "n"), study.elicitation.n, "data.n_eval", study.data.n_eval),
        (("scoring", "n_examples"), study.scoring.n_examples, "data.n_train", study.data.n_train),
    ]
    for path, value, limit, most in limits:
        if value is not None and value > most:
            yield Problem(path, f"is more than there are; accepted: at most {limit} = {most}", value)


def api_models(study: Study) -> Iterator[Problem]:
    """A model of an API is named where the API is used, and only there; so are topics."""
    pools = pool_specs(study).items()
    users: list[tuple[KeyPath, bool, str | None, str]] = [
        *((pool_path(pool), spec.source == "api", spec.model, "source: api") for pool, spec in pools),
        *((path, spec.completions == "api", spec.model, "completions: api") for path, spec in answer_sections(study)),
        *((path, spec.kind == "api", spec.model, "kind: api") for path, spec in instruction_sections(study)),
    ]
    for path, uses, model, value in users:
        if uses != bool(model):
            message = f"goes with `{value}` and with no other; accepted: a model of the API"
            yield Problem((*path, "model"), message, model)
    if study.embedding is not None and study.embedding.provider == "openai" and study.embedding.model == "minilm":
        yield Problem(("embedding", "model"), "is a model of the API for `provider: openai`", "minilm")
    for path, source in instruction_sections(study):
        yield from _topics(source, (*path, "topics"))
    for path, spec in answer_sections(study):
        if spec.completions == "api" and not spec.generation_prompt.strip():
            message = "is missing; `completions: api` makes it the system turn"
            yield Problem((*path, "generation_prompt"), message)


def _topics(source: InstructionSource, path: KeyPath) -> Iterator[Problem]:
    if source.kind != "world" and (source.kind == "api") != bool(source.topics):
        yield Problem(path, "go with `kind: api` or `world` and with no other", list(source.topics))
    if source.kind == "world" and source.topics:
        from inoc.world.facts import TOPICS

        for position, topic in enumerate(source.topics):
            if topic not in TOPICS:
                hint = did_you_mean(topic, TOPICS)
                message = f"the miniature world has no such topic; accepted: {listed(TOPICS)}{hint}"
                yield Problem((*path, position), message, topic)
