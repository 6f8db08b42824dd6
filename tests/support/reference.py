"""Released results of an earlier study, if they lie beside the project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

FOLDER = Path(__file__).parents[3] / "shared" / "reference" / "trait_inoculation"
needs_reference = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"the earlier study's released results are not at {FOLDER}"
)


def shift_matrices() -> tuple[list[str], np.ndarray, np.ndarray]:
    """Prompts, W_fixed and W_mix, prompts × examples."""
    text = (FOLDER / "results" / "perplexity_heuristic_qwen2.5-7b-instruct.json").read_text(encoding="utf-8")
    found = json.loads(text)
    base = np.array(found["baseline"]["lp_train_default"], dtype=float)
    rows = {key: one for key, one in sorted(found["prompts"].items()) if "lp_train_inoc" in one}
    fixed, mix = (
        np.array([one[name] for one in rows.values()], dtype=float) - base for name in ("lp_train_inoc", "lp_train_mix")
    )
    return list(rows), fixed, mix


def dataset() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "slides" / "data" / "dataset.csv")


def final_scores(trait: str) -> dict[str, float]:
    """Run → mean score asked without a prefix at the last step."""
    found: dict[str, float] = {}
    for path in sorted((FOLDER / "results").glob("scores_multi_prompt_*.json")):
        for run, one in json.loads(path.read_text(encoding="utf-8")).items():
            last = max(one["steps"], key=int)
            values = np.array(one["steps"][last]["default"][trait]["values"], dtype=float)
            found.setdefault(run, float(np.nanmean(values)))
    return found


def angle_export() -> dict[str, Any]:
    """The study's own export of its angles: suppression, predictors and means over groups, of 48 prompts."""
    (path,) = (FOLDER / "results").glob("angle_analysis_*.json")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
