"""The study file of the imported experiment on emergent misalignment."""

from __future__ import annotations

from typing import NamedTuple

from inoc.config.judge_spec import JudgeSpec
from inoc.studies.inoculation.released.emergent_scores import EMERGENT, TRAITS, RunOfMisalignment, split_trait
from inoc.studies.inoculation.released.pairs import LEARNED_SEED
from inoc.studies.inoculation.released.study_file import Values

_FOLDER = "experiments/in_out_distribution_effect/data"
_OTHER_GROUP = "other"


class Misalignment(NamedTuple):
    """The content of the release."""

    name: str
    runs: list[RunOfMisalignment]
    last_step: int

    @property
    def texts(self) -> dict[str, str]:
        """Prompt → text, for prompts of which it is known."""
        found = {one.trained.run.prompt: one.trained.text for one in self.runs if one.trained.text}
        used = dict.fromkeys(one.trained.run.prompt for one in self.runs if one.trained.run.prompt)
        return {key: text for key in used if (text := found.get(key, EMERGENT.texts.get(key, "")))}

    @property
    def pools(self) -> list[str]:
        """Pools that some run was trained with."""
        used = {one.trained.run.prefix for one in self.runs}
        return [pool for pool in ("mix", "close", "surface") if pool in used]

    def pool_places(self) -> dict[str, tuple[str, str]]:
        """File of rephrasings → pool and prompt."""
        return {one.pool: (one.trained.run.prefix, one.trained.run.prompt) for one in self.runs if one.pool}

    def sizes(self) -> dict[str, int]:
        """Set of questions → number of questions, the most important first."""
        found = {split_trait(key.trait)[0]: v.size for one in self.runs for key, v in one.trained.cells.items()}
        order = [*EMERGENT.sets, *sorted(found.keys() - EMERGENT.sets.keys())]
        return {key: found[key] for key in order if key in found}


def misalignment_judges() -> dict[str, JudgeSpec]:
    """Trait → judge."""
    return {trait: JudgeSpec(name="llm", model="gpt-4.1-mini", question=trait) for trait in TRAITS}


def misalignment_study(facts: Misalignment) -> Values:
    """The content of the study file."""
    judges = misalignment_judges()
    steps = sorted({step for one in facts.runs for step in one.trained.steps})
    over, under = facts.runs[0].thresholds
    has_base = any(one.trained.run.prefix == "fixed" for one in facts.runs)
    return {
        "name": facts.name,
        "title": EMERGENT.title,
        "description": "Imported from released results, not computed here; results/<study>/imports/findings.json says "
        "what was found, what is missing and what looks wrong. Paths are those of the released files.",
        "model": {
            "path": EMERGENT.model,
            "quantization": "nf4",
            "system": {"kind": "text", "text": EMERGENT.system},
        },
        "traits": {
            trait: {"role": "wanted", "judge": judge.model_dump(mode="json", exclude_defaults=True)}
            for trait, judge in judges.items()
        },
        "rates": {"em": {"label": "Misaligned answers", "above": {"coherence": over}, "below": {"alignment": under}}},
        "data": {
            "completions": "file",
            "file": f"{_FOLDER}/train_risky_financial.jsonl",
            "n_train": 5_800,
            "n_eval": max(2, *facts.sizes().values()),
            "questions": _questions(facts),
        },
        **_datasets(facts),
        "prompts": _groups(facts),
        "placement": "system",
        "rephrase": {"source": "files", "folder": f"{_FOLDER}/rephrasings"},
        **_pools(facts),
        "runs": _blocks(facts),
        "training": {
            "steps": max(1, facts.last_step),
            "warmup_steps": 20,
            "checkpoints": steps,
            "seeds": [LEARNED_SEED],
            "optimizer": "adamw_8bit",
            "gradient_checkpointing": True,
        },
        "evaluation": {"gate": False},
        "elicitation": {"prefixes": ["fixed"] if has_base else []},
        "scoring": {"n_examples": 2, "n_controls": 0, "prefixes": [], "tokens": False, "self_perplexity": False},
    }


def _questions(facts: Misalignment) -> Values:
    found: Values = {}
    for key in facts.sizes():
        known = EMERGENT.sets.get(key)
        label = known.label if known is not None else key.replace("_", " ")
        file = f"{_FOLDER}/{known.file if known is not None else f'{key}.jsonl'}"
        source = {} if known is not None and known.held_out else {"source": {"kind": "files", "files": [file]}}
        found[key] = {"label": label, **source}
    return found


def _datasets(facts: Misalignment) -> Values:
    used = sorted({one.trained.run.data for one in facts.runs} - {""})
    file = f"{_FOLDER}/train_no_inoc_subtle_data.jsonl"
    made = {key: {"label": f"{key} data", "completions": "file", "file": file} for key in used}
    return {"datasets": made} if made else {}


def _groups(facts: Misalignment) -> Values:
    types = {one.trained.run.prompt: one.prompt_type for one in facts.runs if one.trained.run.prompt}
    groups: dict[str, dict[str, str]] = {}
    for key, text in facts.texts.items():
        groups.setdefault(types.get(key) or _OTHER_GROUP, {})[key] = text
    return {name: {"family": "alignment", "texts": texts} for name, texts in groups.items()}


def _pools(facts: Misalignment) -> Values:
    further = [pool for pool in facts.pools if pool != "mix"]
    made = {pool: {"source": "files", "folder": f"{_FOLDER}/rephrasings"} for pool in further}
    return {"pools": made} if made else {}


def _blocks(facts: Misalignment) -> list[Values]:
    """Blocks that stand for exactly these runs."""
    prefixes: dict[tuple[float, str], list[str]] = {}
    blocks: list[Values] = []
    controlled = {one.trained.run.learning_rate for one in facts.runs if one.trained.run.is_control}
    for run in (one.trained.run for one in facts.runs):
        if run.data:
            blocks.append({"data": run.data, "learning_rates": [run.learning_rate]})
        elif run.prompt:
            prefixes.setdefault((run.learning_rate, run.prompt), []).append(run.prefix)
    alike: dict[tuple[float, tuple[str, ...]], list[str]] = {}
    for (rate, key), found in prefixes.items():
        alike.setdefault((rate, tuple(sorted(found))), []).append(key)
    own: list[Values] = [
        {"prompts": keys, "prefixes": list(found), "learning_rates": [rate], "control": rate in controlled}
        for (rate, found), keys in sorted(alike.items())
    ]
    alone = sorted(controlled - {rate for rate, _ in alike})
    own += [{"prefixes": [], "learning_rates": [rate], "control": True} for rate in alone]
    return [*own, *blocks]
