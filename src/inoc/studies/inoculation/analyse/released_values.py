"""Numbers of prompts that a release states and nothing here can compute: embeddings' statistics, values by token.

An import keeps the released table beside its findings. What the study's own tables have is never replaced by it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from inoc.stats.means import NAN, Estimate
from inoc.studies.inoculation.analyse.heuristic_file import Values, read_values
from inoc.studies.inoculation.analyse.rows import Row, families, interval
from inoc.studies.inoculation.study import Study

STATISTICS = {
    "emb_rephrase_mean_cos": "emb_rephrase_mean_cos",
    "emb_rephrase_std_cos": "emb_rephrase_std_cos",
    "emb_rephrase_min_cos": "emb_rephrase_min_cos",
    "emb_rephrase_eff_rank": "emb_rephrase_eff_rank",
    "emb_dist_from_neutral": "emb_dist_from_neutral",
    "emb_cos_to_neg_trait": "emb_cos_to_negative_trait",
    "emb_cos_to_pos_trait": "emb_cos_to_positive_trait",
}
"""Column of a released table → statistic of `embeddings`."""


def released_table(imports: Path) -> Path | None:
    """The released table of an import, if it has one.

    Args:
        imports: The study's folder `imports`.
    """
    path = imports / "dataset.csv"
    return path if path.is_file() else None


def released_embeddings(study: Study, path: Path) -> list[Row]:
    """Rows of `embeddings`; the statistics are given, without the vectors, and so have no interval."""
    table = pd.read_csv(path)
    rows: list[Row] = []
    for prompt, family in families(study).items():
        own = table[table["prompt_key"] == prompt]
        for column, statistic in STATISTICS.items():
            known = own[column].dropna() if column in own else own["prompt_key"].iloc[:0]
            if len(known):
                estimate = Estimate(float(known.iloc[0]), NAN, NAN, 1, 0)
                rows.append({"prompt": prompt, "family": family, "statistic": statistic, **interval(estimate)})
    return rows


def with_released(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Fill heuristics that a frame has no value of with those of a released table.

    Args:
        frame: One row for each prompt, trait and prefix, with `role`.
        path: The released table.

    Returns:
        The frame; a heuristic of which it has any value stays as it is. H7 is left to be made of the others.
    """
    if frame.empty:
        return frame
    values: Values = read_values(path)
    keys = ["prompt", "role", "prefix"]
    stated = values.frame.drop_duplicates(keys).set_index(keys)
    places = pd.MultiIndex.from_frame(frame[keys])
    found = frame.copy()
    for key in values.heuristics:
        if key != "H7" and (key not in found or found[key].isna().all()):
            found[key] = stated[key].reindex(places).to_numpy(dtype=np.float64)
    return found
