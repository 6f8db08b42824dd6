"""Made-up tables of heuristics and of the classifier, for the study of `study_tables`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from inoc.studies.inoculation.runs import prompt_families, prompt_texts, total_steps
from inoc.studies.inoculation.study import Study

NAN = float("nan")
SAME_AS = {"HB6": "H11 of the fixed prefix − 0.01 · HB2"}
KEYS = ["H1", "H2", "H4", "H11", "HA4", "HB6"]


def heuristic_tables(study: Study, suppression: pd.DataFrame, strength: dict[str, int]) -> dict[str, pd.DataFrame]:
    """`heuristic_values` and `outcomes` that fit the table `suppression`, holes included, and `heuristics`.

    Args:
        study: The study.
        suppression: Its table.
        strength: Prompt → points that it suppresses.
    """
    rng = np.random.default_rng(11)
    return {
        "heuristic_values": _values(study, strength, rng),
        "outcomes": _outcomes(study, suppression),
        "heuristics": _tests(study, rng),
    }


def _values(study: Study, strength: dict[str, int], rng: np.random.Generator) -> pd.DataFrame:
    families = prompt_families(study)
    rows = []
    for prompt in prompt_texts(study):
        for prefix in study.scoring.prefixes:
            for trait in study.traits:
                own = families[prompt] in (trait, "neutral")
                for place, key in enumerate(KEYS):
                    value = strength.get(prompt, 5) / 10**place + rng.normal(0, 5 / 10**place)
                    if key == "H4" and not own:
                        value = NAN
                    named = {"prompt": prompt, "family": families[prompt], "prefix": prefix, "trait": trait}
                    rows.append({**named, "own": own, "heuristic": key, "value": value})
    columns = ["prompt", "family", "prefix", "trait", "own", "heuristic", "value"]
    return pd.DataFrame(rows, columns=columns)


def _outcomes(study: Study, suppression: pd.DataFrame) -> pd.DataFrame:
    last = suppression[(suppression["seed"] == "all") & (suppression["step"] == total_steps(study))]
    key = ["prompt", "prefix", "trait", "learning_rate"]
    numbers = ["suppression", "lo", "hi", "n", "n_nan"]
    known = last.set_index(key)[numbers]
    rows = last[[*key, "family", *numbers]].copy()
    rows["own"] = (rows["family"] == rows["trait"]) | (rows["family"] == "neutral")
    pair = dict(zip(study.traits, list(study.traits)[::-1], strict=True))
    rows["other_trait"] = rows["trait"].map(pair)
    cross = known.reindex(pd.MultiIndex.from_frame(rows.assign(trait=rows["other_trait"])[key]))
    fixed, mix = (known.reindex(pd.MultiIndex.from_frame(rows.assign(prefix=name)[key])) for name in ("fixed", "mix"))
    for name in numbers:
        end = {"suppression": ""}.get(name, f"_{name}")
        rows[f"cross{end}"] = cross[name].to_numpy()
    gap = fixed["suppression"].to_numpy(float) - mix["suppression"].to_numpy(float)
    rows["gap"], rows["gap_lo"], rows["gap_hi"] = gap, gap - 3, gap + 3
    rows["gap_n"] = np.where(np.isnan(gap), 0, 80)
    rows["gap_n_nan"] = np.where(np.isnan(gap), 80, 0)
    return rows.assign(failed=rows["suppression"].isna()).reset_index(drop=True)


def _tests(study: Study, rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for protocol in ("fair", "published"):
        for target in ("own", "own_fixed", "own_mix", "own_gap", "off"):
            for key in KEYS:
                r = float(rng.uniform(-0.8, 0.95))
                row: dict[str, Any] = {"heuristic": key, "target": target, "protocol": protocol, "seed": "all"}
                row |= {"n": 8, "n_nan": 1, "n_prompts": 6, "r": r, "r_lo": r - 0.2, "r_hi": min(1.0, r + 0.2)}
                row |= {"p": 0.02, "q": 0.01 if abs(r) > 0.5 else 0.4, "rho": r, "r2_out": r - 0.5}
                row |= {"r2_lo": r - 0.9, "r2_hi": r - 0.1, "r2_over_elicitation": 0.0}
                rows.append({**row, "learning_rate": study.training.learning_rate, "same_as": SAME_AS.get(key, "")})
    return pd.DataFrame(rows)
