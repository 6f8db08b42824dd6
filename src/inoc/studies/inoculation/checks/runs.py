"""Checks of training runs."""

from __future__ import annotations

from collections.abc import Iterator

from inoc.config import checks
from inoc.config.document import Problem, listed
from inoc.config.limits import MOST_STEPS
from inoc.errors import ConfigError, did_you_mean
from inoc.studies.inoculation.checks.data import answer_sections
from inoc.studies.inoculation.runs import most_runs, prompt_texts, run_prompts, study_runs, total_steps
from inoc.studies.inoculation.study import RunSpec, Study
from inoc.train.schedule import checkpoint_steps


def run_keys(study: Study) -> Iterator[Problem]:
    """Prompts and groups of runs exist."""
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


MOST_RUNS = 100_000
"""Runs of a study, which are made one by one wherever they are counted or named."""


def too_many_runs(study: Study) -> Iterator[Problem]:
    """The lists of the blocks have no more combinations than can be gone through."""
    if any(True for _ in run_keys(study)):
        return
    number = most_runs(study)
    if number > MOST_RUNS:
        yield Problem(
            ("runs",),
            f"the blocks have {number} combinations of their lists; accepted: at most {MOST_RUNS}. Split the study",
        )


def run_datasets(study: Study) -> Iterator[Problem]:
    """Runs on another dataset name one that exists, and have no prefix."""
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


def own_runs(study: Study) -> Iterator[tuple[int, RunSpec]]:
    """Blocks of runs on the study's own data, with their index."""
    return ((index, spec) for index, spec in enumerate(study.runs) if spec.data is None)


def _run_pairs(study: Study, spec: RunSpec) -> set[tuple[float, int]]:
    rates = spec.learning_rates or (study.training.learning_rate,)
    return {(rate, seed) for rate in rates for seed in spec.seeds or study.training.seeds}


def run_controls(study: Study) -> Iterator[Problem]:
    """Every learning rate and seed has a control run, unless no block has one."""
    if any(True for _ in run_keys(study)) or not any(spec.control for _, spec in own_runs(study)):
        return
    controlled = {pair for _, spec in own_runs(study) if spec.control for pair in _run_pairs(study, spec)}
    for index, spec in own_runs(study):
        without = sorted(_run_pairs(study, spec) - controlled) if spec.prefixes and run_prompts(study, spec) else []
        if without:
            pairs = listed(f"learning rate {rate:g} with seed {seed}" for rate, seed in without)
            yield Problem(
                ("runs", index, "control"),
                f"no block trains a control for {pairs}, so these runs cannot be compared; accepted: `true` "
                "here or in a block of the same learning rates and seeds, or `false` in every block",
                spec.control,
            )


def distinct_run_names(study: Study) -> Iterator[Problem]:
    """No two learning rates give the same run name."""
    if any(True for _ in run_keys(study)):
        return
    first: dict[str, float] = {}
    for run in study_runs(study):
        if first.setdefault(run.name, run.learning_rate) != run.learning_rate:
            yield Problem(
                ("runs",),
                f"the learning rates {first[run.name]!r} and {run.learning_rate!r} give one run name, "
                f"{run.name}; accepted: learning rates that differ in their first six digits",
            )


def empty_blocks(study: Study) -> Iterator[Problem]:
    """Every block has at least one run."""
    if any(True for _ in run_keys(study)):
        return
    for index, spec in own_runs(study):
        if not spec.control and not (spec.prefixes and run_prompts(study, spec)):
            yield Problem(("runs", index), "the block trains nothing; accepted: a prefix with a prompt, or a control")


def micro_batches(study: Study) -> Iterator[Problem]:
    """The micro-batch size divides the batch size."""
    yield from checks.micro_batches(study.training, ("training",))


def moves(study: Study) -> Iterator[Problem]:
    """No run is a single step of a warm-up."""
    yield from checks.moves(study.training, total_steps(study), ("training",))


def checkpoints(study: Study) -> Iterator[Problem]:
    """No checkpoint lies past the last step."""
    total = total_steps(study)
    if total > MOST_STEPS:
        epochs = study.training.epochs
        yield Problem(
            ("training", "epochs"), f"gives {total} steps; accepted: what gives {MOST_STEPS} or fewer", epochs
        )
    schedule = study.training.checkpoints
    try:
        checkpoint_steps(schedule, total)
    except ConfigError:
        yield Problem(
            ("training", "checkpoints"),
            f"some are past the last step; accepted: 0 to {total}",
            list(schedule),
        )


def lengths(study: Study) -> Iterator[Problem]:
    """The maximum length leaves room for a prompt before the longest completion that can be sampled and trained on."""
    longest = study.training.max_length
    for path, answers in answer_sections(study):
        most = answers.sampling.max_tokens
        if study.runs and answers.completions == "sample" and longest <= most:
            yield Problem(
                ("training", "max_length"),
                f"has no room for a prompt before a completion of {'.'.join(map(str, path))}.sampling.max_tokens = "
                f"{most}; accepted: more than that by the longest prompt",
                longest,
            )
