"""Facts about the trait-inoculation study that its files do not state."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from inoc.config.judge_spec import JudgeSpec
from inoc.studies.inoculation.study import PromptGroup

LEARNED_SEED = 3407
"""Training seed of every run of the study."""


MAIN = "main"
MISALIGNMENT = "emergent_misalignment"
EXPERIMENTS = (MAIN, "prefix_sweep", "lr_sweep", MISALIGNMENT)
"""The values of `--experiment`; sweeps have runs of their own, and scores on other instructions, and emergent
misalignment has another model, prompts and judges."""


class Experiment(NamedTuple):
    """A sweep: its prompts and how its files name what was asked."""

    title: str
    groups: dict[str, tuple[str, tuple[str, ...]]]  # group → family and prompt keys
    mixes: dict[str, str]  # name of a run's way of training → prompt whose rephrasings it mixes
    conditions: dict[str, str]  # name in the file → default or training
    known: tuple[str, ...]


class Pair(NamedTuple):
    """A wanted and an unwanted trait, the model that was trained, and the prompts that were tried."""

    key: str
    title: str
    model: str
    system: str
    names_of_other_models: tuple[str, ...]
    wanted: str  # as the files name the trait
    unwanted: str
    judge_version: int
    judge_scale: str
    questions: dict[str, str]  # trait, as the files name it → what the judge rated, where it is documented
    groups: dict[str, tuple[str, tuple[str, ...]]]  # group → family and prompt keys
    mix: str  # how a prefix of a pool was chosen for a scored response, as `scoring.mix` says it
    experiments: dict[str, Experiment]
    known: tuple[str, ...]

    def of_experiment(self, key: str) -> Pair:
        """The pair with the prompts of one of its experiments."""
        if key == MAIN:
            return self
        one = self.experiments[key]
        return self._replace(title=one.title, groups=one.groups, known=(*self.known[:1], *one.known))

    @property
    def traits(self) -> tuple[str, str]:
        """Both names, as the files have them."""
        return self.wanted, self.unwanted

    @property
    def prompts(self) -> list[str]:
        """All prompt keys, in the study's order."""
        return [key for _, keys in self.groups.values() for key in keys]

    def judge(self, question: str) -> JudgeSpec:
        """The language model that scored a trait.

        Args:
            question: What it was asked to rate.
        """
        return JudgeSpec(
            name="llm",
            version=self.judge_version,
            model="gpt-4.1-mini",
            property=question,
            scale="0-9" if self.judge_scale == "0-9" else "0-100",
        )

    def prompt_groups(self, texts: dict[str, str]) -> dict[str, PromptGroup]:
        """The groups, with the prompts whose text is known."""
        found = {name: {key: texts[key] for key in keys if key in texts} for name, (_, keys) in self.groups.items()}
        return {name: PromptGroup(family=self.groups[name][0], texts=known) for name, known in found.items() if known}


@cache
def known_pairs() -> dict[str, Pair]:
    """Pair key → pair."""
    from ruamel.yaml import YAML

    text = files("inoc.studies.inoculation.released").joinpath("pairs.yaml").read_text(encoding="utf-8")
    return {key: _pair(key, raw) for key, raw in YAML(typ="safe", pure=True).load(text).items()}


def _groups(raw: dict[str, Any]) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {name: (group["family"], tuple(group["prompts"])) for name, group in raw.items()}


def _pair(key: str, raw: dict[str, Any]) -> Pair:
    experiments = {
        name: Experiment(one["title"], _groups(one["groups"]), one["mixes"], one["conditions"], tuple(one["known"]))
        for name, one in raw.get("experiments", {}).items()
    }
    return Pair(
        key,
        raw["title"],
        raw["model"],
        raw["system"],
        tuple(raw["names_of_other_models"]),
        raw["wanted"],
        raw["unwanted"],
        raw["judge"]["version"],
        raw["judge"]["scale"],
        raw["judge"].get("questions", {}),
        _groups(raw["groups"]),
        raw["mix"],
        experiments,
        tuple(raw["known"]),
    )


def pair_of_traits(traits: Iterable[str]) -> Pair | None:
    """The pair with exactly these traits."""
    wanted = set(traits)
    return next((pair for pair in known_pairs().values() if set(pair.traits) == wanted), None)


def pairs_of_prompts(keys: Iterable[str]) -> set[str]:
    """Keys of the pairs that these prompts belong to; unknown prompts belong to none."""
    wanted = set(keys)
    return {key for key, pair in known_pairs().items() if wanted & set(pair.prompts)}
