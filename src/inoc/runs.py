"""Which runs a study trains, at which steps it saves them, and how their completions are asked for.

Pure functions of the study, so that the workflow, the verbs and the analysis agree without talking to each other.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from typing import NamedTuple

from inoc.config.models import RunSpec, Schedule, Study
from inoc.errors import ConfigError


class Run(NamedTuple):
    """One fine-tuning."""

    prompt: str  # key; empty for a control
    prefix: str  # none, fixed or mix
    learning_rate: float
    seed: int

    @property
    def name(self) -> str:
        """Unique in its study, and safe as a folder name."""
        return f"{self.prompt or 'control'}.{self.prefix}.lr{self.learning_rate:g}.seed{self.seed}"


class Asked(NamedTuple):
    """How a question is asked: with which prompt's prefix, fixed or mixed; empty and `none` without."""

    prompt: str
    prefix: str


PLAIN = Asked("", "none")


def prompt_texts(study: Study) -> dict[str, str]:
    """Prompt key → text, over all groups, in the file's order."""
    return {key: text for group in study.prompts.values() for key, text in group.texts.items()}


def prompt_families(study: Study) -> dict[str, str]:
    """Prompt key → family: a trait key, or `neutral`."""
    return {key: group.family for group in study.prompts.values() for key in group.texts}


def study_runs(study: Study) -> list[Run]:
    """All runs, each once, controls first within their block."""
    return list(dict.fromkeys(run for spec in study.runs for run in _block(study, spec)))


def _block(study: Study, spec: RunSpec) -> list[Run]:
    chosen = run_prompts(study, spec)
    rates = spec.learning_rates or (study.training.learning_rate,)
    seeds = spec.seeds if spec.seeds is not None else study.training.seeds
    controls = [Run("", "none", rate, seed) for rate in rates for seed in seeds] if spec.control else []
    treated = [Run(*parts) for parts in itertools.product(chosen, spec.prefixes, rates, seeds)]
    return controls + treated


def run_prompts(study: Study, spec: RunSpec) -> list[str]:
    """The prompt keys of one block of runs, in the study's order."""
    if not spec.prompts and not spec.groups:
        return list(prompt_texts(study))
    wanted = set(spec.prompts)
    for group in spec.groups:
        wanted |= set(study.prompts[group].texts)
    return [key for key in prompt_texts(study) if key in wanted]


def total_steps(study: Study) -> int:
    """Optimiser steps of every run: as configured, or whole batches in the epochs."""
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
    if study.evaluation.gate and step == total_steps(study):
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
