"""Runs of a study, their checkpoints, and the ways of asking for completions.

Pure functions of the study, so that the workflow, the verbs and the analysis agree without talking to each other.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

from inoc.chat.messages import PLAIN, Asked, Framing
from inoc.config.models import RephraseSpec
from inoc.generate.sets import set_names
from inoc.jobs.shards import shard_of
from inoc.studies.inoculation.study import RunSpec, Study


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


def framing(study: Study) -> Framing:
    """Placement of prefixes in the chats of a study."""
    return Framing(study.model.system, study.placement, study.separator)


def prompt_texts(study: Study) -> dict[str, str]:
    """Prompt key → text, over all groups, in the file's order."""
    return {key: text for group in study.prompts.values() for key, text in group.texts.items()}


def prompt_families(study: Study) -> dict[str, str]:
    """Prompt key → family: a trait key, or `neutral`."""
    return {key: group.family for group in study.prompts.values() for key in group.texts}


def prefix_kinds(study: Study) -> list[str]:
    """Kinds of prefix of a prompt: its own text, or texts of one of its pools."""
    return ["fixed", *pool_specs(study)]


def pool_specs(study: Study) -> dict[str, RephraseSpec]:
    """Pool → its specification."""
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
    return set_names(study.data)


def study_runs(study: Study) -> list[Run]:
    """All runs, each once, controls first within their block."""
    return list(dict.fromkeys(run for spec in study.runs for run in _block(study, spec)))


def most_runs(study: Study) -> int:
    """Number of combinations in all blocks of runs, without making them; runs that two blocks share count twice."""
    total = 0
    for spec in study.runs:
        rates, seeds = spec.learning_rates or (0.0,), spec.seeds or study.training.seeds
        chosen = len(prompt_texts(study)) if not spec.prompts and not spec.groups else len(run_prompts(study, spec))
        total += len(rates) * len(seeds) * (1 if spec.data else 1 + chosen * len(spec.prefixes))
    return total


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
    """Number of optimiser steps of every run, on any data: as configured, or whole batches in the epochs."""
    training = study.training
    return training.steps or max(1, int(study.data.n_train * training.epochs) // training.batch_size)


def asked_of(study: Study, run: Run, step: int) -> list[Asked]:
    """Ways of asking for the completions of one checkpoint.

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


def shard_texts(study: Study, shard: int, n: int) -> dict[str, str]:
    """Prompt key → text, of one of `n` shards of prompts."""
    return {key: text for key, text in prompt_texts(study).items() if shard_of(key, n) == shard}


def shard_runs(study: Study, shard: int, n: int) -> list[Run]:
    """The runs of one of `n` shards of runs."""
    return [run for run in study_runs(study) if shard_of(run.name, n) == shard]


def summary(study: Study) -> str:
    """One line on the amount of work of a study."""
    runs = f"{len(study_runs(study))} runs of {total_steps(study)} steps"
    return (
        f"{len(prompt_texts(study))} prompts, {runs}, {study.data.n_train} training examples, "
        f"{study.data.n_eval} evaluation instructions"
    )
