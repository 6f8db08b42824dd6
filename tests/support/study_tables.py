"""A made-up study and the tables that the analysis would write for it, with planted effects and holes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd

from inoc.jobs.paths import Paths
from inoc.studies.inoculation.runs import prompt_families, prompt_texts, question_sets, study_runs, total_steps
from inoc.studies.inoculation.study import Study
from inoc.train.schedule import checkpoint_steps
from support.geometry_tables import geometry_tables
from support.heuristic_tables import heuristic_tables

NAN = float("nan")
PREDICTOR_TRAITS = {"elicitation": "playful", "cross_ppd": "french", "ph_minus_ppd": "french"}


class Strengths(dict[str, int]):
    """Prompt → points that it suppresses; made up from its key for prompts of other studies, 0 for the control."""

    def __missing__(self, prompt: str) -> int:
        return crc32(prompt.encode()) % 75 if prompt else 0

    def get(self, prompt: str, default: object = None) -> int:  # type: ignore[override]
        """As by index: no prompt lacks a strength."""
        return self[prompt]


STRENGTH = Strengths(
    {
        "comedian": 70,
        "clown": 55,
        "enjoys_joking": 35,
        "humor_matters": 17,
        "had_fun_today": 9,
        "sky_is_blue": 2,
        "paris": 5,
    }
)
TEXTS = {
    "comedian": "You are a comedian on stage.",
    "clown": "You are a clown.",
    "enjoys_joking": "You enjoy joking around, and you show it in everything that you write to anybody who asks you.",
    "humor_matters": "Humor and levity matter to you.",
    "had_fun_today": "I had fun today.",
    "sky_is_blue": "The sky is blue.",
    "paris": "I visited Paris the other day.",
}


def make_study(**changes: Any) -> Study:
    """Seven prompts in three families, fixed and mix, two seeds, four checkpoints."""
    values: dict[str, Any] = {
        "name": "toy",
        "title": "Toy_study with *marks*",
        "description": "A made-up study.",
        "figures": "all",
        "model": {"path": "world", "dtype": "float32"},
        "world": {},
        "traits": {
            "playful": {"role": "unwanted", "judge": {"name": "lexical", "markers": "world"}},
            "french": {
                "role": "wanted",
                "label": "French",
                "control_prompt": "speak_french",
                "judge": {"name": "language", "language": "french", "among": ["french", "english"]},
            },
        },
        "data": {"n_train": 640, "n_eval": 40, "sampling": {"max_tokens": 64}},
        "prompts": {
            "playful": {"family": "playful", "texts": {k: TEXTS[k] for k in list(TEXTS)[:4]}},
            "plain": {"family": "neutral", "texts": {k: TEXTS[k] for k in list(TEXTS)[4:6]}},
            "abroad": {"family": "french", "texts": {"paris": TEXTS["paris"]}},
        },
        "rephrase": {"source": "procedural", "n": 20},
        "embedding": {},
        "rates": {"em": {"label": "Odd answers", "above": {"playful": 60}, "below": {"french": 40}}},
        "runs": [{}],
        "training": {"steps": 60, "seeds": [0, 1], "checkpoints": [0, 15, 30, 60]},
        "statistics": {"resamples": 200},
        "expect": {"trait": "playful"},
    }
    return Study.model_validate({**values, **changes})


def write_tables(paths: Paths, study: Study, *, holes: bool = True) -> None:
    """Write all tables of the analysis; with `holes`, some cells are NaN."""
    rng = np.random.default_rng(7)
    tables = {
        "scores": _scores(study, rng),
        "elicitation": _elicitation(study, rng),
        "suppression": _suppression(study, rng),
        "predictors": _predictors(study, rng),
        "embeddings": _embeddings(study),
        **({"rates": _rates(study, rng)} if study.rates else {}),
        "token_shifts": _token_shifts(study),
        "token_summary": _token_summary(study),
        "gate": _gate(study, rng),
        "prediction": _prediction(),
        "losses": _losses(study, rng),
        "verdict": _verdict(study),
    }
    if holes:
        _punch(tables)
    tables |= heuristic_tables(study, tables["suppression"], STRENGTH)
    paths.stage("analyse").mkdir(parents=True, exist_ok=True)
    paths.stage("score").mkdir(parents=True, exist_ok=True)
    tables |= geometry_tables(study, STRENGTH, tables["suppression"], paths.stage("score"))
    for name, rows in _in_embedding_space(study).items():
        tables[name] = pd.concat([tables[name], rows], ignore_index=True)
    if holes:
        _punch_angles(tables)
    for name, frame in tables.items():
        frame.to_parquet(paths.table(name), index=False)
    skipped = [{"what": "suppression at learning rate 3", "why": "no control of that rate"}]
    (paths.stage("analyse") / "skipped.json").write_text(json.dumps(skipped))


def _punch(tables: dict[str, pd.DataFrame]) -> None:
    mask = {
        "scores": (tables["scores"]["prompt"] == "clown") & (tables["scores"]["prefix"] == "mix"),
        "elicitation": tables["elicitation"]["prompt"] == "clown",
        "suppression": (tables["suppression"]["prompt"] == "clown") & (tables["suppression"]["prefix"] == "mix"),
        "predictors": (tables["predictors"]["prompt"] == "had_fun_today") & (tables["predictors"]["predictor"] == "ph"),
        "token_summary": tables["token_summary"]["prompt"] == "clown",
        "rates": (tables["rates"]["prompt"] == "clown") & (tables["rates"]["prefix"] == "mix"),
        "gate": (tables["gate"]["prompt"] == "clown") & (tables["gate"]["prefix"] == "mix"),
    }
    numbers = {
        "rates": ["value", "lo", "hi", "change", "change_lo", "change_hi"],
        "token_summary": ["rescued", "lo", "hi", "q05", "q25", "q50", "q75", "q95"],
        "gate": ["with_with", "with_with_lo", "with_with_hi", "interaction", "lo", "hi"],
    }
    for name, rows in mask.items():
        frame = tables[name]
        for column in numbers.get(name, ["value", "suppression", "lo", "hi"]):
            if column in frame:
                frame.loc[rows, column] = NAN
        frame.loc[rows, "n_nan"] = frame.loc[rows, "n"]
        frame.loc[rows, "n"] = 0


def _punch_angles(tables: dict[str, pd.DataFrame]) -> None:
    """Leave one prompt without direction, as the analysis would if it moved nothing."""
    for name, column in (("pairwise_angles", "angle_deg"), ("fixed_mix", "value"), ("cross_angles", "angle_deg")):
        frame = tables[name]
        gone = (frame["prompt"] == "clown") | (frame.get("other", frame["prompt"]) == "clown")
        frame.loc[gone, column] = NAN
    pairs = tables["angles"]["group"] == "cross_trait"
    tables["angles"].loc[pairs, ["mean_deg", "sd_deg", "lo", "hi"]] = NAN


def _points(value: float, rng: np.random.Generator, half: float = 4.0) -> tuple[float, float, float]:
    middle = float(np.clip(value + rng.normal(0, 2), 0, 100))
    return middle, middle - half, middle + half


def _score(trait: str, prompt: str, prefix: str, asked: str, step: int, total: int) -> float:
    strength = STRENGTH.get(prompt, 0) * (0.7 if prefix == "mix" else 1.0)
    if asked == "none" and prompt:
        return (85 - strength) * step / total + 2
    start = strength if asked != "none" else 2
    return start + (86 - start) * step / total


def _scores(study: Study, rng: np.random.Generator, *, other_data: bool = False) -> pd.DataFrame:
    total = total_steps(study)
    rows = []
    for run in study_runs(study):
        if run.data and not other_data:
            continue
        for seed in (str(run.seed), "all"):
            for step in checkpoint_steps(study.training.checkpoints, total):
                for asked in [("", "none")] + ([(run.prompt, run.prefix)] if run.prompt else []):
                    for trait in study.traits:
                        value = _score(trait, run.prompt, run.prefix, asked[1], step, total)
                        rows.append(
                            {
                                "run": run.name if seed != "all" else run.name.rpartition(".")[0],
                                **run._asdict(),
                                "seed": seed,
                                "step": step,
                                "condition": "default" if asked[1] == "none" else "training",
                                "asked_prompt": asked[0],
                                "asked_prefix": asked[1],
                                "trait": trait,
                                **dict(zip(("value", "lo", "hi"), _points(value, rng), strict=True)),
                                "n": 80 if seed == "all" else 40,
                                "n_nan": 0,
                            }
                        )
    return pd.DataFrame(rows).drop_duplicates(
        ["prompt", "prefix", "learning_rate", "data", "seed", "step", "condition", "trait"], ignore_index=True
    )


def _elicitation(study: Study, rng: np.random.Generator) -> pd.DataFrame:
    families = prompt_families(study)
    rows = []
    for trait in study.traits:
        rows.append(
            {
                "prompt": "",
                "family": "",
                "prefix": "none",
                "trait": trait,
                "value": 2.0,
                "lo": 1.0,
                "hi": 3.0,
                "n": 40,
                "n_nan": 0,
            }
        )
        for prompt in prompt_texts(study):
            for prefix in study.elicitation.prefixes:
                value, lo, hi = _points(STRENGTH[prompt], rng)
                rows.append(
                    {
                        "prompt": prompt,
                        "family": families[prompt],
                        "prefix": prefix,
                        "trait": trait,
                        "value": value,
                        "lo": lo,
                        "hi": hi,
                        "n": 40,
                        "n_nan": 0,
                    }
                )
    frame = pd.DataFrame(rows)
    return frame.assign(without=2.0, without_lo=1.0, without_hi=3.0, with_prefix=frame["value"] + 2)


def _suppression(study: Study, rng: np.random.Generator) -> pd.DataFrame:
    families = prompt_families(study)
    rows = []
    for run in study_runs(study):
        if not run.prompt:
            continue
        for seed in (str(run.seed), "all"):
            for step in checkpoint_steps(study.training.checkpoints, total_steps(study)):
                for trait in study.traits:
                    value = STRENGTH[run.prompt] * (0.7 if run.prefix == "mix" else 1) * step / total_steps(study)
                    value, lo, hi = _points(value, rng)
                    rows.append(
                        {
                            "prompt": run.prompt,
                            "family": families[run.prompt],
                            "trait": trait,
                            "prefix": run.prefix,
                            "learning_rate": run.learning_rate,
                            "seed": seed,
                            "step": step,
                            "control": 86.0,
                            "run": 86.0 - value,
                            "suppression": value,
                            "lo": lo,
                            "hi": hi,
                            "n": 80,
                            "n_nan": 0,
                        }
                    )
    keys = ["prompt", "trait", "prefix", "learning_rate", "seed", "step"]
    columns = [*keys, "family", "control", "run", "suppression", "lo", "hi", "n", "n_nan"]
    return pd.DataFrame(rows, columns=columns).drop_duplicates(keys, ignore_index=True)


def _predictors(study: Study, rng: np.random.Generator) -> pd.DataFrame:
    families = prompt_families(study)
    rows = []
    kinds = [
        ("elicitation", "playful", 1.0),
        ("ph", "all", 0.002),
        ("ppd", "all", 0.001),
        ("cross_ppd", "french", 0.001),
        ("ph_minus_ppd", "french", 0.001),
        ("pc1", "all", 0.1),
        ("pc2", "all", 0.03),
        ("pc3", "all", 0.01),
        ("elicitation", "french", 0.5),
        ("cross_ppd", "playful", 0.001),
        ("ph_minus_ppd", "playful", 0.001),
        *((name, "all", 0.01) for name in ("gamma", "sigma", "snr")),
    ]
    for prompt in prompt_texts(study):
        for prefix in study.scoring.prefixes:
            for predictor, trait, size in kinds:
                middle = size * (STRENGTH[prompt] + rng.normal(0, 4))
                rows.append(
                    {
                        "prompt": prompt,
                        "family": families[prompt],
                        "prefix": prefix,
                        "trait": trait,
                        "predictor": predictor,
                        "value": middle,
                        "lo": middle - 3 * size,
                        "hi": middle + 3 * size,
                        "n": 200,
                        "n_nan": 1,
                    }
                )
        for context, start in (("raw", 4.0), ("ctx", 3.5)):
            value = start - STRENGTH[prompt] / 50
            row = {"prompt": prompt, "family": families[prompt], "prefix": "fixed", "trait": "all", "value": value}
            rows.append({**row, "predictor": f"selfperp_{context}", "lo": NAN, "hi": NAN, "n": 7, "n_nan": 0})
    return pd.DataFrame(rows)


def _rates(study: Study, rng: np.random.Generator) -> pd.DataFrame:
    scores, parts = _scores(study, rng, other_data=True), []
    if scores.empty:
        return pd.DataFrame()
    own = scores[scores["trait"] == "playful"].drop(columns="trait")
    for rate in study.rates:
        share = {name: own[name] / 100 for name in ("value", "lo", "hi")}
        change = {"change": share["value"] / 2, "change_lo": share["lo"] / 2, "change_hi": share["hi"] / 2}
        parts.append(own.assign(rate=rate, **share, **change, change_n=own["n"], change_n_nan=0))
        asked = {"asked_prompt": "", "prompt": "", "prefix": "none", "condition": "default", "seed": "all"}
        base = {
            "rate": rate,
            "run": "base",
            "data": "",
            **asked,
            "step": 0,
            "value": 0.2,
            "lo": 0.1,
            "hi": 0.3,
            "n": 40,
            "n_nan": 0,
        }
        parts.append(pd.DataFrame([{**base, "learning_rate": NAN}]))
    joined = pd.concat(parts, ignore_index=True).assign(failed=False)
    return pd.concat([joined.assign(questions=key) for key in question_sets(study)], ignore_index=True)


def _embeddings(study: Study) -> pd.DataFrame:
    families, rows = prompt_families(study), []
    for prompt in prompt_texts(study):
        near = STRENGTH[prompt] / 100
        row = {"prompt": prompt, "family": families[prompt], "n_nan": 0}
        places = {"emb_dist_from_neutral": 0.2 + near, "emb_cos_to_negative_trait": near}
        rows += [{**row, "statistic": s, "value": v, "lo": NAN, "hi": NAN, "n": 1} for s, v in places.items()]
        clouds = {"emb_rephrase_mean_cos": 0.8 - near / 2, "emb_rephrase_std_cos": 0.1 + near / 9}
        rows += [
            {**row, "statistic": s, "value": v, "lo": v - 0.02, "hi": v + 0.02, "n": 20} for s, v in clouds.items()
        ]
    return pd.DataFrame(rows)


def _token_summary(study: Study) -> pd.DataFrame:
    families, rows = prompt_families(study), []
    for prefix in study.scoring.prefixes:
        for prompt in prompt_texts(study):
            share = STRENGTH[prompt] / 500
            row = {"prompt": prompt, "family": families[prompt], "prefix": prefix, "rescued": share}
            tails = {f"q{level:02d}": (level - 40) / 40 * (0.2 + share * 8) for level in (5, 25, 50, 75, 95)}
            rows.append({**row, "lo": share * 0.8, "hi": share * 1.2, "n": 9_000, "n_nan": 3, **tails})
    return pd.DataFrame(rows)


def _token_shifts(study: Study) -> pd.DataFrame:
    edges = np.round(np.arange(-6, 6.01, 0.05), 6)
    middle, rows = (edges[1:] + edges[:-1]) / 2, []
    for row in _token_summary(study).itertuples():
        counts = np.floor(4_000 * np.exp(-np.abs(middle) / (0.1 + row.rescued * 3))).astype(int)
        key = {"prompt": row.prompt, "family": row.family, "prefix": row.prefix}
        rows += [
            {**key, "bin_lo": lo, "bin_hi": hi, "n": n}
            for lo, hi, n in zip(edges[:-1], edges[1:], counts, strict=True)
            if n
        ]
    return pd.DataFrame(rows)


def _in_embedding_space(study: Study) -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(11)
    key = {"level": "embedding", "prefix": "none", "method": "pca", "lo": NAN, "hi": NAN}
    shares = [
        {**key, "component": component, "share": share, "n_prompts": len(prompt_texts(study))}
        for component, share in enumerate((0.5, 0.3), 1)
    ]
    spots = [
        {**key, "prompt": prompt, "component": component, "value": rng.normal(0, 0.3), "n": 384, "n_nan": 0}
        for prompt in prompt_texts(study)
        for component in (1, 2)
    ]
    return {"components": pd.DataFrame(shares), "coordinates": pd.DataFrame(spots)}


def _gate(study: Study, rng: np.random.Generator) -> pd.DataFrame:
    families = prompt_families(study)
    rows = []
    for run in study_runs(study):
        if not run.prompt:
            continue
        strength = STRENGTH[run.prompt] * (0.7 if run.prefix == "mix" else 1)
        cells = {"without_without": 86, "without_with": 90, "with_without": 86 - strength, "with_with": 84}
        for trait in study.traits:
            for seed in (str(run.seed), "all"):
                row: dict[str, Any] = {
                    "prompt": run.prompt,
                    "family": families[run.prompt],
                    "prefix": run.prefix,
                    "trait": trait,
                    "learning_rate": run.learning_rate,
                    "seed": seed,
                }
                for name, value in cells.items():
                    row[name], row[f"{name}_lo"], row[f"{name}_hi"] = _points(value, rng)
                    row[f"{name}_n"], row[f"{name}_n_nan"] = 40, 0
                rows.append(
                    {
                        **row,
                        "interaction": strength - 6,
                        "lo": strength - 12,
                        "hi": strength,
                        "n": 80,
                        "n_nan": 0,
                    }
                )
    frame = pd.DataFrame(rows)
    return (
        frame.drop_duplicates(["prompt", "prefix", "trait", "learning_rate", "seed"], ignore_index=True)
        if len(frame)
        else frame
    )


def _prediction() -> pd.DataFrame:
    rows = []
    for index, predictor in enumerate(("elicitation", "ph", "cross_ppd", "ph_minus_ppd")):
        for prefix in ("fixed", "mix"):
            r = 0.9 - 0.1 * index
            rows.append(
                {
                    "predictor": predictor,
                    "trait": "playful",
                    "learning_rate": 1e-4,
                    "predictor_trait": PREDICTOR_TRAITS.get(predictor, "all"),
                    "prefix": prefix,
                    "n": 6,
                    "n_nan": 0,
                    "r": r,
                    "r_lo": r - 0.5,
                    "r_hi": min(1.0, r + 0.09),
                    "rho": r,
                    "rho_lo": r - 0.6,
                    "rho_hi": min(1.0, r + 0.09),
                    "r2_out": r - 0.3,
                    "r2_out_lo": -0.4,
                    "r2_out_hi": 0.9,
                    "r2_over_elicitation": NAN if predictor == "elicitation" else -0.2,
                    "r2_over_elicitation_lo": NAN,
                    "r2_over_elicitation_hi": NAN,
                    "p": 0.01,
                    "q": 0.02,
                }
            )
    return pd.DataFrame(rows)


def _losses(study: Study, rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for run in study_runs(study):
        for step in range(10, total_steps(study) + 1, 10):
            loss = 1.5 * np.exp(-step / 30) + 0.6 + rng.normal(0, 0.02)
            rows.append(
                {
                    "run": run.name,
                    **run._asdict(),
                    "step": step,
                    "loss": loss,
                    "rate": 1e-4,
                    "grad_norm": 1.0,
                    "n_tokens": 900,
                }
            )
    return pd.DataFrame(rows)


def _verdict(study: Study) -> pd.DataFrame:
    rows = []
    statements = (
        ("control_leakage", "The trait leaks | in the control", "", "none", 86.0, "at_least", 60.0),
        ("strongest_default", "The strongest prefix suppresses", "comedian", "fixed", 16.0, "at_most", 25.0),
        ("r_ph", "PH predicts the suppression", "", "fixed", 0.9, "above", 0.0),
    )
    for statement, text, prompt, prefix, value, relation, threshold in statements:
        for seed in ("0", "1", "all"):
            found = 40.0 if (statement, seed) == ("control_leakage", "1") else value
            half = 0.1 if relation == "above" else 4.0
            holds = {"at_least": found >= threshold, "at_most": found <= threshold, "above": found > threshold}[
                relation
            ]
            rows.append(
                {
                    "statement": statement,
                    "text": text,
                    "trait": "playful",
                    "learning_rate": 1e-4,
                    "seed": seed,
                    "prompt": prompt,
                    "prefix": prefix,
                    "value": found,
                    "lo": found - half,
                    "hi": found + half,
                    "n": 40,
                    "n_nan": 2,
                    "relation": relation,
                    "threshold": threshold,
                    "holds": holds,
                    "clear": holds,
                    "r2_out": 0.6 if relation == "above" else NAN,
                    "r2_out_lo": 0.1 if relation == "above" else NAN,
                    "r2_out_hi": 0.8 if relation == "above" else NAN,
                    "answer": "holds" if holds else "does not hold",
                }
            )
    return pd.DataFrame(rows)


def write_records(paths: Paths, study: Study) -> None:
    """Manifests, examples and spread, as the other stages leave them."""
    bodies: dict[str, list[dict[str, Any]]] = {
        "generate": [{"job": "generate-0", "wall_s": 61.5, "counts": {"kept": 5, "not kept": {"empty": 2}}}],
        "train": [
            {"job": "train-0", "wall_s": 30.0, "seeds": [0, 1], "packages": {"torch": "2.13.0"}, "step_version": 3},
            {"job": "train-1", "packages": {"torch": "2.12.0"}, "warnings": ["loss | rose"], "python": "3.11.7"},
        ],
        "score": [
            {
                "job": "score-0",
                "wall_s": 2.25,
                "store": {"hits": 3, "misses": 4},
                "settings_digest": "ab" * 32,
                "model": {"path": "world", "weights": "cd" * 32},
                "rendered_example": "<|im_start|>user\nHello ```there```\n<script>alert(1)</script>",
            }
        ],
    }
    for stage, jobs in bodies.items():
        for index, body in enumerate(jobs):
            path = paths.manifest(stage, index)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"stage": stage, **body}))
    reasons = ["", "", "", "empty", "truncated", "empty"]
    examples = pd.DataFrame({"kept": [not reason for reason in reasons], "reason": reasons})
    examples.to_parquet(paths.examples, index=False)
    spread = [
        {
            "prompt": prompt,
            "n": 20,
            "similarity_mean": 0.5,
            "similarity_sd": 0.1,
            "similarity_min": 0.2,
            "effective_rank": 7.5,
            "dropped": 3,
            "reasons": "duplicate 2, equal to the prompt 1",
        }
        for prompt in prompt_texts(study)
    ]
    paths.spread.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(spread).to_parquet(paths.spread, index=False)


class FakeMeter:
    def advance(self, n: int = 1) -> None:
        self.done = getattr(self, "done", 0) + n


class FakeJob:
    """What a stage is given, without the rest of the machinery."""

    def __init__(self, study: Study, results: Path) -> None:
        self.study = study
        self.paths = Paths(results, study.name)
        self.record: dict[str, Any] = {}
        self.jobs = 1
        self.only = ""
        self.present: frozenset[str] | None = None

    def progress(self, label: str, total: int, unit: str) -> Any:
        from contextlib import nullcontext

        del label, total, unit
        return nullcontext(FakeMeter())


__all__ = ["FakeJob", "make_study", "write_records", "write_tables"]
