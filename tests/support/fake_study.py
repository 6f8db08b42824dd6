"""A made-up study with planted effects, and the tables that the earlier stages would have left for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.store import Store
from inoc.studies.inoculation.runs import Run, asked_of, condition, prompt_texts, study_runs, total_steps
from inoc.studies.inoculation.study import Study
from inoc.tables import EMBEDDINGS, LOGPROBS, LOSSES, SCORES, SELF_PERPLEXITY, write_table
from inoc.train.schedule import checkpoint_steps
from support.jobs import StudyJob

NAN = float("nan")
STRENGTH = {"clown": 70.0, "witty": 50.0, "fun": 25.0, "not_clown": 30.0, "sky": 4.0, "cats": 2.0, "paris": 10.0}
"""Points that training with the fixed prefix takes from the playfulness of an answer asked without it."""
MIX_SHARE = 0.5
N_EVAL, N_TRAIN, N_CONTROLS = 12, 30, 10


def make_study(**changes: Any) -> Study:
    values: dict[str, Any] = {
        "name": "toy",
        "title": "A made-up study",
        "model": {"path": "world", "dtype": "float32"},
        "world": {},
        "traits": {
            "playful": {"role": "unwanted", "judge": {"name": "lexical", "markers": "world"}},
            "french": {
                "role": "wanted",
                "control_prompt": "Answer in French.",
                "judge": {"name": "language", "language": "french", "among": ["french", "english"]},
            },
        },
        "data": {"n_train": N_TRAIN, "n_eval": N_EVAL},
        "prompts": {
            "strong": {"family": "playful", "texts": {key: key for key in ("clown", "witty", "fun", "not_clown")}},
            "neutral": {"family": "neutral", "texts": {"sky": "sky", "cats": "cats"}},
            "french": {"family": "french", "texts": {"paris": "paris"}},
        },
        "runs": [{}],
        "training": {"steps": 8, "seeds": [0, 1], "checkpoints": [0, 4, 8], "learning_rate": 1e-3},
        "statistics": {"resamples": 200, "max_nan": 0.2},
        "scoring": {"n_examples": N_TRAIN, "n_controls": N_CONTROLS},
        "embedding": {},
        "rates": {"mixed_up": {"above": {"playful": 40}, "below": {"french": 60}}},
        "expect": {"trait": "playful"},
    }
    return Study.model_validate({**values, **changes})


def elicit_scores(study: Study) -> pd.DataFrame:
    """Without a prefix about 3 points, with one about its strength."""
    rng = np.random.default_rng(1)
    ways = [("", "none"), *((key, prefix) for key in prompt_texts(study) for prefix in study.elicitation.prefixes)]
    rows = []
    for prompt, prefix in ways:
        for trait in study.traits:
            for index in range(N_EVAL):
                level = STRENGTH.get(prompt, 0.0) * (trait == "playful") + 3 + rng.normal(0, 1)
                rows.append(_row(("base", "", "none", NAN, -1, ""), 0, (prompt, prefix), index, trait, level))
    return _frame(rows, "other").assign(condition=lambda f: np.where(f["asked_prompt"] == "", "default", "other"))


def evaluate_scores(study: Study) -> pd.DataFrame:
    """The control leaks 80 points at the last step; a prefix takes its strength away where it is not asked with."""
    rng = np.random.default_rng(2)
    rows, total = [], total_steps(study)
    hardness = rng.normal(0, 5, N_EVAL)
    for run in study_runs(study):
        for step in checkpoint_steps(study.training.checkpoints, total):
            for asked in asked_of(study, run, step):
                share = 1.0 if run.prefix == "fixed" else MIX_SHARE
                taken = STRENGTH[run.prompt] * share if run.prompt and asked.prompt != run.prompt else 0.0
                for trait in study.traits:
                    for index in range(N_EVAL):
                        level = (80 - taken) * step / total + hardness[index] + run.seed + rng.normal(0, 2)
                        row = _row((run.name, *run), step, asked, index, trait, level)
                        rows.append({**row, "condition": condition(run, asked)})
    return _frame(rows, "default")


def _row(
    run: tuple[Any, ...], step: int, asked: tuple[str, str], index: int, trait: str, score: float
) -> dict[str, Any]:
    names = ("run", *Run._fields)
    return {
        **dict(zip(names, run, strict=True)),
        "step": step,
        "asked_prompt": asked[0],
        "asked_prefix": asked[1],
        "instruction_id": f"i{index:02d}",
        "trait": trait,
        "judge": "lexical" if trait == "playful" else "language",
        "judge_version": 1,
        "score": score,
    }


def _frame(rows: list[dict[str, Any]], fallback: str) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    return frame if "condition" in frame else frame.assign(condition=fallback)


def logprobs(study: Study) -> pd.DataFrame:
    """Shifts of about strength / 500 nats on training responses, and small ones on the controls."""
    rng = np.random.default_rng(3)
    single = [key for key, trait in study.traits.items() if trait.control_prompt]
    sizes = {"train": N_TRAIN, "neutral": N_CONTROLS} | dict.fromkeys(single, N_CONTROLS)
    ways = [("", "none"), *((key, prefix) for key in prompt_texts(study) for prefix in study.scoring.prefixes)]
    base = {dataset: rng.normal(-1.0, 0.3, size) for dataset, size in sizes.items()}
    direction = {dataset: rng.uniform(0.5, 1.5, size) for dataset, size in sizes.items()}
    rows = []
    for prompt, prefix in ways:
        for dataset, size in sizes.items():
            strength = STRENGTH.get(prompt, 0.0) / 500 * (MIX_SHARE if prefix == "mix" else 1)
            moved = strength * direction[dataset] * (1.0 if dataset == "train" else -0.2)
            mean = base[dataset] + (moved + rng.normal(0, 0.005, size) if prompt else 0.0)
            for index in range(size):
                rows.append(
                    {
                        "prompt": prompt,
                        "prefix": prefix,
                        "dataset": dataset,
                        "example_id": f"{dataset}{index:03d}",
                        "prefix_text": prompt,
                        "n_tokens": 2,
                        "mean": mean[index],
                        "logprobs": [mean[index], mean[index]],
                    }
                )
    return pd.DataFrame(rows)


def embedding_table(study: Study) -> pd.DataFrame:
    """Prompts along a line of strength with some noise; rephrasings around them."""
    rng = np.random.default_rng(5)
    line, rows = rng.normal(0, 1, 8), []
    for prompt in prompt_texts(study):
        vector = (line * STRENGTH[prompt] / 70 + rng.normal(0, 0.4, 8)).astype(np.float32)
        rows.append(
            {"prompt": prompt, "n": 6, "effective_rank": 3.5, "cosines": list(rng.uniform(0, 1, 6)), "vector": vector}
        )
    return pd.DataFrame(rows)


def self_perplexity_table(study: Study) -> pd.DataFrame:
    """Between 2 and 5 nats, higher by itself than in a chat."""
    rng = np.random.default_rng(6)
    rows = []
    for prompt in prompt_texts(study):
        for context, low in (("raw", 3.0), ("ctx", 2.0)):
            values = -rng.uniform(low, low + 2, 5)
            row = {"prompt": prompt, "context": context, "n_tokens": 5, "nll": -values.mean(), "logprobs": list(values)}
            rows.append(row)
    return pd.DataFrame(rows)


def losses(study: Study) -> pd.DataFrame:
    rows = [
        {
            "run": run.name,
            **run._asdict(),
            "step": step,
            "loss": 2 / step,
            "rate": 1e-3,
            "grad_norm": 1.0,
            "n_tokens": 9,
        }
        for run in study_runs(study)
        for step in (8, 4)
    ]
    return pd.DataFrame(rows)


class Tables:
    """The tables of a fake study; change them before `job` writes them."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.elicit, self.evaluate = elicit_scores(study), evaluate_scores(study)
        self.logprobs, self.losses = logprobs(study), losses(study)
        self.embeddings, self.self_perplexity = embedding_table(study), self_perplexity_table(study)

    def job(self, folder: Path, shards: int = 1) -> StudyJob:
        """Write everything, rows in a scrambled order, and give the job of the analysis."""
        paths = Paths(folder, self.study.name)
        rng = np.random.default_rng(4)
        write_table(self.elicit.sample(frac=1, random_state=rng), SCORES, paths.scores("elicit"))
        write_table(self.evaluate.sample(frac=1, random_state=rng), SCORES, paths.scores("evaluate"))
        write_table(self.embeddings.sample(frac=1, random_state=rng), EMBEDDINGS, paths.embeddings)
        order = self.logprobs["prompt"].map({key: place for place, key in enumerate(["", *STRENGTH])})
        runs = pd.factorize(self.losses["run"])[0]
        for shard in range(shards):
            scored = self.logprobs[order % shards == shard].sample(frac=1, random_state=rng)
            write_table(scored, LOGPROBS, paths.logprobs(shard))
            alone = self.self_perplexity[self.self_perplexity["prompt"].isin(set(scored["prompt"]))]
            write_table(alone, SELF_PERPLEXITY, paths.self_perplexity(shard))
            write_table(self.losses[runs % shards == shard], LOSSES, paths.losses(shard))
        split = Shards(score=shards, train=shards)
        return StudyJob(self.study.name, paths, Store(folder / "store"), "analyse", of=self.study, split=split)
