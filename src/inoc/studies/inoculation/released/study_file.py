"""The study file of imported results: what their files say, and what is known of the study."""

from __future__ import annotations

from typing import NamedTuple

from inoc.config.judge_spec import JudgeSpec
from inoc.stats.means import Floats
from inoc.studies.inoculation.released.logprobs import Pass
from inoc.studies.inoculation.released.pairs import LEARNED_SEED, Pair
from inoc.studies.inoculation.released.scores import Elicited, Trained

NOMINAL_STEPS = 312
"""Whole batches in one epoch of the study's training, where no score says how far runs went."""

Values = dict[str, object]

_EMBEDDING = {"provider": "openai", "model": "text-embedding-3-large"}
"""The model whose statistics stand in the study's table."""


class Facts(NamedTuple):
    """The content of a release that the study file is made of."""

    name: str
    pair: Pair
    texts: dict[str, str]  # prompt → text
    runs: list[Trained]
    elicited: list[Elicited]
    passes: list[Pass]
    control_prompts: dict[str, str]
    whole: set[str]  # traits with whole-numbered scores
    last_step: int | None
    models: dict[str, JudgeSpec]  # trait, as the files name it → the language model that scored it
    note: str = ""  # what a reader has to know of all numbers
    published: frozenset[str] = frozenset()  # of `self_perplexity` and `embedding`, those that the study's table has

    def judges(self) -> dict[str, JudgeSpec]:
        """Trait key → judge: a language detector where all scores are whole, else the study's language model."""
        found = {}
        for trait in self.pair.traits:
            language = trait.lower()
            detected = trait == self.pair.wanted and trait in self.whole
            found[language] = (
                JudgeSpec(name="language", language=language, among=("english", language))
                if detected
                else self.models[trait]
            )
        return found


def study_values(facts: Facts) -> Values:
    """The content of the study file."""
    pair = facts.pair
    n_eval = max((values.size for values in _all_scores(facts)), default=200)
    train = [one for one in facts.passes if one.dataset == "train"]
    others = [one for one in facts.passes if one.dataset != "train"]
    values: Values = {
        "name": facts.name,
        "title": pair.title,
        "description": "Imported from released results, not computed here; results/<study>/imports/findings.json says "
        "what was found, what is missing and what looks wrong. Paths are those of the released files."
        + (f" {facts.note}" if facts.note else ""),
        "model": {"path": pair.model, "system": {"kind": "text", "text": pair.system}},
        "traits": {
            trait.lower(): {
                "role": role,
                "judge": facts.judges()[trait.lower()].model_dump(mode="json", exclude_defaults=True),
                **_given("control_prompt", facts.control_prompts.get(trait.lower())),
            }
            for role, trait in (("wanted", pair.wanted), ("unwanted", pair.unwanted))
        },
        "data": {"completions": "file", "file": "data/train.jsonl", "n_train": 10_000, "n_eval": n_eval},
        "prompts": {
            name: {"family": group.family, "texts": dict(group.texts)}
            for name, group in pair.prompt_groups(facts.texts).items()
        },
        "rephrase": {"source": "files", "folder": "data/rephrasings"},
        "runs": _blocks(facts.runs),
        "training": _training(facts),
        "evaluation": {"gate": False},
        "elicitation": {"prefixes": ["fixed"] if any(one.prompt for one in facts.elicited) else []},
        "scoring": {
            "n_examples": max((one.mean.size for one in train), default=2),
            "n_controls": max((one.mean.size for one in others), default=0),
            "prefixes": [one for one in ("fixed", "mix") if one in {found.prefix for found in train}],
            "mix": pair.mix,
            "end_of_turn": "include",
            "tokens": any(one.tokens is not None for one in facts.passes),
            "self_perplexity": "self_perplexity" in facts.published,
        },
        **({"embedding": dict(_EMBEDDING)} if "embedding" in facts.published else {}),
    }
    return values


def _given(key: str, value: object) -> Values:
    return {} if value is None else {key: value}


def _all_scores(facts: Facts) -> list[Floats]:
    scores = [values for run in facts.runs for values in run.cells.values()]
    return [*scores, *(values for one in facts.elicited for values in one.values.values())]


def _blocks(runs: list[Trained]) -> list[Values]:
    """Blocks that stand for exactly these runs."""
    prefixes: dict[tuple[float, str], list[str]] = {}
    for run in runs:
        prefixes.setdefault((run.run.learning_rate, run.run.prompt), []).append(run.run.prefix)
    controlled = {run.run.learning_rate for run in runs if run.run.prefix == "none"}
    alike: dict[tuple[float, tuple[str, ...]], list[str]] = {}
    for (rate, key), found in prefixes.items():
        if key:
            alike.setdefault((rate, tuple(sorted(found))), []).append(key)
    blocks: list[Values] = [
        {"prompts": keys, "prefixes": list(found), "learning_rates": [rate], "control": rate in controlled}
        for (rate, found), keys in sorted(alike.items())
    ]
    alone = sorted(controlled - {rate for rate, _ in alike})
    blocks += [{"prefixes": [], "learning_rates": [rate], "control": True} for rate in alone]
    return blocks


def _training(facts: Facts) -> Values:
    steps = sorted({step for run in facts.runs for step in run.steps})
    last = facts.last_step or NOMINAL_STEPS
    rates = sorted({run.run.learning_rate for run in facts.runs})
    return {
        **({"learning_rate": rates[0]} if len(rates) == 1 else {}),
        "steps": last,
        "checkpoints": steps or "ends",
        "seeds": [LEARNED_SEED],
        "optimizer": "adamw_8bit",
        "gradient_checkpointing": True,
    }
