"""Which runs a study trains, at which steps it saves them, and how their completions are asked for.

Pure functions of the study, so that the workflow, the verbs and the analysis agree without talking to each other.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from typing import NamedTuple

from inoc.config.models import RephraseSpec, RunSpec, Schedule, Study
from inoc.errors import ConfigError


class Run(NamedTuple):
    """One fine-tuning."""

    prompt: str  # key; empty for a control
    prefix: str  # none, fixed, mix or another pool
    learning_rate: float
    seed: int
    data: str = ""  # key of another dataset that it is trained on, without a prefix; empty for the study's own

    @property
    def name(self) -> str:
        """Unique in its study, and safe as a folder name."""
        who = self.prompt or self.data or "control"
        return f"{who}.{self.prefix}.lr{self.learning_rate:g}.seed{self.seed}"

    @property
    def is_control(self) -> bool:
        """Trained without a prefix on what the runs with one are trained on."""
        return self.prefix == "none" and not self.data


class Asked(NamedTuple):
    """How a question is asked: with which prompt's prefix, fixed or from a pool; empty and `none` without."""

    prompt: str
    prefix: str


PLAIN = Asked("", "none")


def prompt_texts(study: Study) -> dict[str, str]:
    """Prompt key → text, over all groups, in the file's order."""
    return {key: text for group in study.prompts.values() for key, text in group.texts.items()}


def prompt_families(study: Study) -> dict[str, str]:
    """Prompt key → family: a trait key, or `neutral`."""
    return {key: group.family for group in study.prompts.values() for key in group.texts}


def prefix_kinds(study: Study) -> list[str]:
    """What a prompt can be put before a question as: its own text, or a text of one of its pools."""
    return ["fixed", *pool_specs(study)]


def pool_specs(study: Study) -> dict[str, RephraseSpec]:
    """Pool → how it is made."""
    return {"mix": study.rephrase, **study.pools}


def pool_prompts(study: Study, pool: str) -> list[str]:
    """The prompts that have a pool: all for `mix`, and for another those that something is asked or trained with."""
    every = list(prompt_texts(study))
    if pool in ("mix", *study.elicitation.prefixes, *study.scoring.prefixes):
        return every
    trained = {run.prompt for run in study_runs(study) if run.prefix == pool}
    return [prompt for prompt in every if prompt in trained]


def trained_datasets(study: Study) -> list[str]:
    """The other datasets that some run is trained on, in the file's order."""
    trained = {run.data for run in study_runs(study)}
    return [key for key in study.datasets if key in trained]


def question_sets(study: Study) -> list[str]:
    """The sets of evaluation questions; the first is the one that all but the rates is about."""
    return list(study.data.questions) or ["held_out"]


def held_out_set(study: Study) -> str | None:
    """The set whose questions are held out from the training data; None if there is none."""
    questions = study.data.questions
    return next((key for key, spec in questions.items() if spec.source is None), None) if questions else "held_out"


def study_runs(study: Study) -> list[Run]:
    """All runs, each once, controls first within their block."""
    return list(dict.fromkeys(run for spec in study.runs for run in _block(study, spec)))


def _block(study: Study, spec: RunSpec) -> list[Run]:
    chosen = run_prompts(study, spec)
    rates = spec.learning_rates or (study.training.learning_rate,)
    seeds = spec.seeds if spec.seeds is not None else study.training.seeds
    plain = [Run("", "none", rate, seed, spec.data or "") for rate in rates for seed in seeds]
    if spec.data:
        return plain
    treated = [Run(*parts) for parts in itertools.product(chosen, spec.prefixes, rates, seeds)]
    return [*(plain if spec.control else []), *treated]


def run_prompts(study: Study, spec: RunSpec) -> list[str]:
    """The prompt keys of one block of runs, in the study's order."""
    if not spec.prompts and not spec.groups:
        return list(prompt_texts(study))
    wanted = set(spec.prompts)
    for group in spec.groups:
        wanted |= set(study.prompts[group].texts)
    return [key for key in prompt_texts(study) if key in wanted]


def total_steps(study: Study) -> int:
    """Optimiser steps of every run, on whichever data: as configured, or whole batches in the epochs."""
    training = study.training
    return training.steps or max(1, int(study.data.n_train * training.epochs) // training.batch_size)


def checkpoint_steps(schedule: Schedule | Sequence[int], total: int) -> list[int]:
    """Steps at which the adapter is saved, ascending, always with the last one.

    Args:
        schedule: `ends` is {0, total}. `dense` is 0, then every 5 to 50, every 10 to 100, every 20 to 240, then 250.
            `powers_of_two` is 0, 1, 2, 4, … . A list is taken as it is.
        total: The last step.

    Raises:
        ConfigError: If a listed step is past the last one.
    """
    match schedule:
        case "ends":
            steps = [0]
        case "dense":
            steps = [0, *range(5, 51, 5), *range(60, 101, 10), *range(120, 241, 20), 250]
        case "powers_of_two":
            steps = [0, *(2**power for power in range(total.bit_length()))]
        case _:
            steps = [int(step) for step in schedule]
            past = [step for step in steps if step > total]
            if past:
                msg = f"checkpoints {past} are past the last step {total}; accepted: 0 to {total}"
                raise ConfigError(msg)
    return sorted({step for step in steps if step <= total} | {total})


def asked_of(study: Study, run: Run, step: int) -> list[Asked]:
    """How the completions of one checkpoint are asked for.

    Without a prefix; with the prefix of the training; and, for the last step of a control run, with every prefix
    that some run was trained with, which is the missing cell of the gate.
    """
    ways = [PLAIN] if "default" in study.evaluation.conditions else []
    if run.prefix != "none":
        return ways + ([Asked(run.prompt, run.prefix)] if "training" in study.evaluation.conditions else [])
    if study.evaluation.gate and run.is_control and step == total_steps(study):
        trained = (other for other in study_runs(study) if other.prefix != "none")
        ways += dict.fromkeys(Asked(other.prompt, other.prefix) for other in trained)
    return ways


def condition(run: Run | None, asked: Asked) -> str:
    """`default`, `training` or `other`, for a run asked in a given way; the base model (None) has no training."""
    if asked == PLAIN:
        return "default"
    return "training" if run is not None and asked == Asked(run.prompt, run.prefix) else "other"


def shard_of(identity: str, shards: int) -> int:
    """Stable shard of an identity: by its hash, never by its position, so that a new one moves no other."""
    return int(hashlib.sha256(identity.encode()).hexdigest(), 16) % shards
