"""What the parts of a study must agree on: every check that needs more than one field.

A check is a function of the study that yields problems. It names the sections that it reads, so that it can
be left out while one of them is malformed, and the rest of the file is still checked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator

from inoc.config.document import KeyPath, Problem, listed
from inoc.config.languages import all_in_latin
from inoc.config.models import SCALE_VERSIONS, AnswerSpec, InstructionSource, JudgeSpec, Sampling
from inoc.errors import ConfigError, did_you_mean
from inoc.studies.inoculation.runs import pool_specs, prefix_kinds, prompt_texts, run_prompts, study_runs, total_steps
from inoc.studies.inoculation.study import RunSpec, Study
from inoc.train.schedule import checkpoint_steps

RESERVED_TRAITS = ("neutral", "train", "all")
"""Words that stand beside trait keys in tables, and so cannot be one."""
RESERVED_POOLS = ("none", "fixed", "mix", "all", "own", "base")
"""Words that stand beside keys of further pools in tables, and so cannot be one."""

_JUDGE_FIELDS = {
    "language": ("language", "among"),
    "lexical": ("markers", "saturation"),
    "llm": ("model", "question", "property", "language", "scale", "temperature"),
}
_QUESTION_FIELDS = {"property": "property", "language": "language"}


def study_problems(study: Study, sections: Collection[str] | None = None) -> list[Problem]:
    """Everything that the parts of a study disagree on.

    Args:
        study: The study.
        sections: Names of its well-formed sections; checks that read another one are left out. None: all are.
    """
    return [
        problem
        for needed, check in _CHECKS
        if sections is None or set(needed) <= set(sections)
        for problem in check(study)
    ]


def _traits(study: Study) -> Iterator[Problem]:
    for key, trait in study.traits.items():
        path: KeyPath = ("traits", key)
        if key in RESERVED_TRAITS:
            yield Problem(path, f"the word is reserved; accepted: any key but {listed(RESERVED_TRAITS)}")
        if trait.judge is None:
            yield Problem((*path, "judge"), f"the trait has no judge; accepted: a judge named {listed(_JUDGE_FIELDS)}")
        else:
            yield from _judge(trait.judge, (*path, "judge"))


def _judge(judge: JudgeSpec, path: KeyPath) -> Iterator[Problem]:
    own = _JUDGE_FIELDS[judge.name]
    for field in sorted(judge.model_fields_set - {"name", "version", *own}):
        yield Problem(
            (*path, field),
            f"the judge `{judge.name}` has no such setting; accepted: {listed(own)}",
            getattr(judge, field),
        )
    # A question of the llm judge may have a setting of its own, and no other question has that.
    others = {name for question, name in _QUESTION_FIELDS.items() if question != judge.question}
    for field in others & judge.model_fields_set if judge.name == "llm" else ():
        yield Problem((*path, field), f"goes with `question: {field}` and with no other", getattr(judge, field))
    for field in own:
        value = getattr(judge, field)
        if judge.name == "llm" and field in others:
            continue
        if value is None or value in ((), "") or (isinstance(value, str) and not value.strip()):
            description = type(judge).model_fields[field].description
            yield Problem((*path, field), f"is missing. {description}", value)
    if judge.name == "llm" and judge.version != SCALE_VERSIONS[judge.scale]:
        yield Problem(
            (*path, "version"),
            f"`scale: {judge.scale}` is version {SCALE_VERSIONS[judge.scale]} of the judge; accepted: that",
            judge.version,
        )
    if judge.name != "llm" and judge.version > 2:
        yield Problem((*path, "version"), f"the judge `{judge.name}` has the versions 1 and 2", judge.version)
    if judge.name == "language" and judge.version == 1 and not all_in_latin(judge.among):
        yield Problem(
            (*path, "version"),
            "version 1 takes a text in several scripts for one language; accepted: 2, where one of `among` is not "
            "written in Latin letters",
            judge.version,
        )
    if judge.name == "language" and judge.language and judge.among and judge.language not in judge.among:
        hint = did_you_mean(judge.language, judge.among)
        yield Problem(
            (*path, "language"),
            f"is not in `among`; accepted: {listed(judge.among)}{hint}",
            judge.language,
        )


def _families(study: Study) -> Iterator[Problem]:
    accepted = [*study.traits, "neutral"]
    for name, group in study.prompts.items():
        if group.family not in accepted:
            yield Problem(
                ("prompts", name, "family"),
                f"is neither a trait nor `neutral`; accepted: {listed(accepted)}{did_you_mean(group.family, accepted)}",
                group.family,
            )


def _prompts(study: Study) -> Iterator[Problem]:
    groups_of_key: dict[str, list[str]] = defaultdict(list)
    first_with_text: dict[str, str] = {}
    for name, group in study.prompts.items():
        for key, text in group.texts.items():
            path: KeyPath = ("prompts", name, "texts", key)
            groups_of_key[key].append(name)
            if len(groups_of_key[key]) > 1:
                yield Problem(
                    path,
                    f"the key is also in group {groups_of_key[key][0]}; accepted: a key of its own",
                    text,
                )
            if not text.strip():
                yield Problem(path, "the text is blank; accepted: a text with a visible character", text)
            elif text in first_with_text:
                yield Problem(
                    path,
                    f"the prompt {first_with_text[text]} has the same text, and would be counted twice; "
                    "accepted: a text that no other prompt has",
                    text,
                )
            first_with_text.setdefault(text, key)


def _run_names(study: Study) -> Iterator[Problem]:
    accepted = {"prompts": list(prompt_texts(study)), "groups": list(study.prompts)}
    for index, spec in enumerate(study.runs):
        for kind, known in accepted.items():
            for position, key in enumerate(getattr(spec, kind)):
                if key not in known:
                    yield Problem(
                        ("runs", index, kind, position),
                        f"there is no {kind.removesuffix('s')} of this key; accepted: {listed(known)}"
                        f"{did_you_mean(key, known)}",
                        key,
                    )


def _prefixes(study: Study) -> Iterator[Problem]:
    known = prefix_kinds(study)
    places: list[tuple[KeyPath, tuple[str, ...]]] = [
        *((("runs", index, "prefixes"), spec.prefixes) for index, spec in enumerate(study.runs)),
        (("elicitation", "prefixes"), study.elicitation.prefixes),
        (("scoring", "prefixes"), study.scoring.prefixes),
    ]
    for path, prefixes in places:
        for position, prefix in enumerate(prefixes):
            if prefix not in known:
                hint = did_you_mean(prefix, known)
                yield Problem((*path, position), f"accepted: {listed(known)}, or a key of `pools`{hint}", prefix)


def _run_data(study: Study) -> Iterator[Problem]:
    for index, spec in enumerate(study.runs):
        if spec.data is None:
            continue
        if spec.data not in study.datasets:
            hint = did_you_mean(spec.data, study.datasets)
            message = f"there is no dataset of this key; accepted: {listed(study.datasets)}{hint}"
            yield Problem(("runs", index, "data"), message, spec.data)
        if spec.prompts or spec.groups or ("prefixes" in spec.model_fields_set and spec.prefixes):
            yield Problem(
                ("runs", index, "data"),
                "runs on another dataset have no prefix; accepted: no `prompts`, `groups` or `prefixes` in this block",
                spec.data,
            )


def _own_runs(study: Study) -> Iterator[tuple[int, RunSpec]]:
    """Blocks of runs on the study's own data, with their index."""
    return ((index, spec) for index, spec in enumerate(study.runs) if spec.data is None)


def _run_pairs(study: Study, spec: RunSpec) -> set[tuple[float, int]]:
    rates = spec.learning_rates or (study.training.learning_rate,)
    return {(rate, seed) for rate in rates for seed in spec.seeds or study.training.seeds}


def _controls(study: Study) -> Iterator[Problem]:
    if any(True for _ in _run_names(study)) or not any(spec.control for _, spec in _own_runs(study)):
        return
    controlled = {pair for _, spec in _own_runs(study) if spec.control for pair in _run_pairs(study, spec)}
    for index, spec in _own_runs(study):
        without = sorted(_run_pairs(study, spec) - controlled) if spec.prefixes and run_prompts(study, spec) else []
        if without:
            pairs = listed(f"learning rate {rate:g} with seed {seed}" for rate, seed in without)
            yield Problem(
                ("runs", index, "control"),
                f"no block trains a control for {pairs}, so these runs cannot be compared; accepted: `true` "
                "here or in a block of the same learning rates and seeds, or `false` in every block",
                spec.control,
            )


def _distinct_names(study: Study) -> Iterator[Problem]:
    if any(True for _ in _run_names(study)):
        return
    first: dict[str, float] = {}
    for run in study_runs(study):
        if first.setdefault(run.name, run.learning_rate) != run.learning_rate:
            yield Problem(
                ("runs",),
                f"the learning rates {first[run.name]!r} and {run.learning_rate!r} give one run name, "
                f"{run.name}; accepted: learning rates that differ in their first six digits",
            )


def _no_runs_of_nothing(study: Study) -> Iterator[Problem]:
    if any(True for _ in _run_names(study)):
        return
    for index, spec in _own_runs(study):
        if not spec.control and not (spec.prefixes and run_prompts(study, spec)):
            yield Problem(("runs", index), "the block trains nothing; accepted: a prefix with a prompt, or a control")


def _pools(study: Study) -> Iterator[Problem]:
    for key in study.pools:
        if key in RESERVED_POOLS:
            message = f"the word is reserved; accepted: any key but {listed(RESERVED_POOLS)}"
            yield Problem(("pools", key), message)
    for pool, spec in pool_specs(study).items():
        if spec.source != "files" or spec.folder or not prompt_texts(study):
            continue
        readers = {
            "runs": any(pool in run.prefixes and not run.data for run in study.runs),
            "scoring.prefixes": pool in study.scoring.prefixes,
            "elicitation.prefixes": pool in study.elicitation.prefixes,
        }
        asking = [name for name, asks in readers.items() if asks]
        if asking:
            yield Problem(
                (*_pool_path(pool), "folder"),
                f"is missing, and `{pool}` is asked for by {listed(asking)}; "
                f"accepted: a folder with `<prompt>.jsonl`, or no `{pool}` there",
            )


def _pool_path(pool: str) -> KeyPath:
    return ("rephrase",) if pool == "mix" else ("pools", pool)


def _answers(study: Study) -> Iterator[tuple[KeyPath, AnswerSpec]]:
    """Every dataset, with its place in the file."""
    yield ("data",), study.data
    for key, spec in study.datasets.items():
        yield ("datasets", key), spec


def _sources(study: Study) -> Iterator[tuple[KeyPath, InstructionSource]]:
    """Everything that instructions come from, with its place in the file."""
    yield ("data", "instructions"), study.data.instructions
    for key, spec in study.data.questions.items():
        if spec.source is not None:
            yield ("data", "questions", key, "source"), spec.source


def _api_models(study: Study) -> Iterator[Problem]:
    pools = pool_specs(study).items()
    users: list[tuple[KeyPath, bool, str | None, str]] = [
        *((_pool_path(pool), spec.source == "api", spec.model, "source: api") for pool, spec in pools),
        *((path, spec.completions == "api", spec.model, "completions: api") for path, spec in _answers(study)),
        *((path, spec.kind == "api", spec.model, "kind: api") for path, spec in _sources(study)),
    ]
    for path, uses, model, value in users:
        if uses != bool(model):
            message = f"goes with `{value}` and with no other; accepted: a model of the API"
            yield Problem((*path, "model"), message, model)
    if study.embedding is not None and study.embedding.provider == "openai" and study.embedding.model == "minilm":
        yield Problem(("embedding", "model"), "is a model of the API for `provider: openai`", "minilm")
    for path, source in _sources(study):
        yield from _topics(source, (*path, "topics"))
    for path, spec in _answers(study):
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


def _questions(study: Study) -> Iterator[Problem]:
    held_out = [key for key, spec in study.data.questions.items() if spec.source is None]
    for key in held_out[1:]:
        yield Problem(
            ("data", "questions", key, "source"),
            f"is missing, and {held_out[0]} is held out from the training data already; accepted: a source, or one set "
            "without",
        )


def _world(study: Study) -> Iterator[Problem]:
    if study.world is not None:
        if study.world.heads % 2 or study.world.hidden_size % study.world.heads:
            yield Problem(
                ("world", "heads"),
                f"accepted: an even number that divides hidden_size = {study.world.hidden_size}",
                study.world.heads,
            )
        return
    users: list[tuple[KeyPath, bool, str]] = [
        (("model", "path"), study.model.path == "world", "world"),
        *(((*path, "kind"), source.kind == "world", "world") for path, source in _sources(study)),
        *(
            ((*_pool_path(pool), "source"), spec.source == "procedural", "procedural")
            for pool, spec in pool_specs(study).items()
        ),
        *(
            (("traits", key, "judge", "markers"), trait.judge.markers == "world", "world")
            for key, trait in study.traits.items()
            if trait.judge is not None
        ),
    ]
    for path, uses, value in users:
        if uses:
            yield Problem(path, "needs a section `world`; add one, `world: {}` for its defaults", value)


def _system_turn(study: Study) -> Iterator[Problem]:
    system = study.model.system
    if (system.kind == "text") != bool(system.text.strip()):
        yield Problem(
            ("model", "system", "text"),
            f"goes with `kind: text` and with no other; kind = {system.kind!r}",
            system.text,
        )


def _data(study: Study) -> Iterator[Problem]:
    for path, answers in _answers(study):
        if (answers.completions == "file") != (answers.file is not None):
            yield Problem(
                (*path, "file"),
                f"goes with `completions: file` and with no other; completions = {answers.completions!r}",
                answers.file,
            )
        if answers.completions != "sample" and "generation_turn" in answers.model_fields_set:
            yield Problem(
                (*path, "generation_turn"),
                f"goes with `completions: sample` and with no other; completions = {answers.completions!r}",
                answers.generation_turn,
            )
    for path, source in _sources(study):
        # Completions that are given bring instructions of their own; then files are only needed for fresh ones.
        optional = path == ("data", "instructions") and study.data.completions == "file" and not source.files
        if not optional and (source.kind == "files") != bool(source.files):
            yield Problem(
                (*path, "files"),
                f"go with `kind: files` and with no other; kind = {source.kind!r}",
                list(source.files),
            )


def _datasets(study: Study) -> Iterator[Problem]:
    for key in study.datasets:
        if key == "control":
            yield Problem(("datasets", key), "the word is reserved, for runs are named by it; accepted: any other key")


def _sizes(study: Study) -> Iterator[Problem]:
    limits: list[tuple[KeyPath, int | None, str, int]] = [
        (("evaluation", "n"), study.evaluation.n, "data.n_eval", study.data.n_eval),
        (("elicitation", "n"), study.elicitation.n, "data.n_eval", study.data.n_eval),
        (("scoring", "n_examples"), study.scoring.n_examples, "data.n_train", study.data.n_train),
    ]
    for path, value, limit, most in limits:
        if value is not None and value > most:
            yield Problem(path, f"is more than there are; accepted: at most {limit} = {most}", value)


def _batches(study: Study) -> Iterator[Problem]:
    batch, micro = study.training.batch_size, study.training.micro_batch_size
    if batch % micro:
        divisors = listed(str(size) for size in range(1, batch + 1) if batch % size == 0)
        yield Problem(
            ("training", "micro_batch_size"),
            f"does not divide batch_size = {batch}; accepted: {divisors}",
            micro,
        )


def _engines(study: Study) -> Iterator[Problem]:
    """Completions that are set against one another, or sampled by one job, come from one engine."""
    elicited, evaluated = study.elicitation.sampling.engine, study.evaluation.sampling.engine
    if study.runs and elicited != evaluated:
        yield Problem(
            ("elicitation", "sampling", "engine"),
            f"the untrained model would be sampled by another engine than the trained ones; accepted: {evaluated}, "
            "as in evaluation.sampling",
            elicited,
        )
    data, controls = study.data.sampling.engine, study.scoring.control_sampling.engine
    if study.data.completions == "sample" and study.scoring.n_controls and data != controls:
        yield Problem(
            ("scoring", "control_sampling", "engine"),
            f"differs from the engine of the training completions, and `generate` samples both; accepted: {data}, "
            "as in data.sampling",
            controls,
        )
    for key, spec in study.datasets.items():
        first = data if study.data.completions == "sample" else controls
        if spec.completions == "sample" and spec.sampling.engine != first:
            yield Problem(
                ("datasets", key, "sampling", "engine"),
                f"differs from the engine of the other completions that `generate` samples; accepted: {first}",
                spec.sampling.engine,
            )


def _quantized(study: Study) -> Iterator[Problem]:
    """Others quantise in ways of their own, and what is sampled must be the model that was trained and scored."""
    samplings: list[tuple[KeyPath, Sampling]] = [
        *((path, answers.sampling) for path, answers in _answers(study)),
        (("elicitation",), study.elicitation.sampling),
        (("evaluation",), study.evaluation.sampling),
    ]
    for section, sampling in samplings:
        if study.model.quantization and sampling.engine != "transformers":
            yield Problem(
                (*section, "sampling", "engine"),
                f"does not compute with `model.quantization: {study.model.quantization}`; accepted: transformers",
                sampling.engine,
            )


def _lengths(study: Study) -> Iterator[Problem]:
    """A completion of any length that is sampled can be trained on."""
    longest = study.training.max_length
    for path, answers in _answers(study):
        most = answers.sampling.max_tokens
        if study.runs and answers.completions == "sample" and longest <= most:
            yield Problem(
                ("training", "max_length"),
                f"has no room for a prompt before a completion of {'.'.join(map(str, path))}.sampling.max_tokens = "
                f"{most}; accepted: more than that by the longest prompt",
                longest,
            )


def _checkpoints(study: Study) -> Iterator[Problem]:
    total = total_steps(study)
    schedule = study.training.checkpoints
    try:
        checkpoint_steps(schedule, total)
    except ConfigError:
        yield Problem(
            ("training", "checkpoints"),
            f"some are past the last step; accepted: 0 to {total}",
            list(schedule),
        )


def _rates(study: Study) -> Iterator[Problem]:
    for key, rate in study.rates.items():
        if not rate.above and not rate.below:
            yield Problem(("rates", key), "has no condition; accepted: `above` or `below` with a trait and a score")
        for side, limits in (("above", rate.above), ("below", rate.below)):
            for trait in limits:
                if trait not in study.traits:
                    hint = did_you_mean(trait, study.traits)
                    known = f"there is no trait of this key; accepted: {listed(study.traits)}{hint}"
                    yield Problem(("rates", key, side, trait), known)


def _expectation(study: Study) -> Iterator[Problem]:
    if study.expect is None:
        return
    if study.expect.trait not in study.traits:
        yield Problem(
            ("expect", "trait"),
            f"there is no trait of this key; accepted: {listed(study.traits)}"
            f"{did_you_mean(study.expect.trait, study.traits)}",
            study.expect.trait,
        )
    if not any(spec.control for _, spec in _own_runs(study)):
        yield Problem(("expect",), "needs a control run; accepted: runs with `control: true`")


_CHECKS: tuple[tuple[tuple[str, ...], Callable[[Study], Iterator[Problem]]], ...] = (
    (("traits",), _traits),
    (("prompts",), _prompts),
    (("prompts", "traits"), _families),
    (("runs", "prompts"), _run_names),
    (("runs", "rephrase", "pools", "elicitation", "scoring"), _prefixes),
    (("runs", "datasets"), _run_data),
    (("runs", "prompts"), _no_runs_of_nothing),
    (("runs", "prompts", "training"), _controls),
    (("runs", "prompts", "training"), _distinct_names),
    (("rephrase", "pools", "prompts", "runs", "scoring", "elicitation"), _pools),
    (("world", "model", "data", "rephrase", "pools", "traits"), _world),
    (("rephrase", "pools", "data", "datasets", "embedding"), _api_models),
    (("model",), _system_turn),
    (("data", "datasets"), _data),
    (("data",), _questions),
    (("datasets",), _datasets),
    (("data", "evaluation", "elicitation", "scoring"), _sizes),
    (("elicitation", "evaluation", "runs", "data", "datasets", "scoring"), _engines),
    (("model", "data", "datasets", "elicitation", "evaluation"), _quantized),
    (("training",), _batches),
    (("training", "data", "datasets", "runs"), _lengths),
    (("training", "data"), _checkpoints),
    (("rates", "traits"), _rates),
    (("expect", "traits", "runs"), _expectation),
)
