"""The tables of components and angles of a made-up study, computed from made-up log-probabilities of its prompts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from inoc.stats.bootstrap import Resampler
from inoc.studies.inoculation.analyse.dimensions import dimensions
from inoc.studies.inoculation.analyse.geometry import geometry
from inoc.studies.inoculation.analyse.heuristic_values import fixed_mix_rows
from inoc.studies.inoculation.analyse.inputs import read_means, shifts
from inoc.studies.inoculation.analyse.predictors import decompose
from inoc.studies.inoculation.analyse.produce import SCHEMAS
from inoc.studies.inoculation.analyse.rows import frame, joined
from inoc.studies.inoculation.runs import prompt_texts
from inoc.studies.inoculation.study import Study
from inoc.tables import LOGPROBS, write_table

N_EXAMPLES, N_TOKENS = 30, 2


def geometry_tables(
    study: Study, strength: Mapping[str, float], suppression: pd.DataFrame, folder: Path
) -> dict[str, pd.DataFrame]:
    """Components, coordinates, angles, their tests, and fixed against mix.

    Args:
        study: Its prompts and prefixes.
        strength: Prompt → how far it moves the responses.
        suppression: Table of the analysis.
        folder: For the log-probabilities.
    """
    path = folder / "logprobs-0.parquet"
    write_table(_logprobs(study, strength), LOGPROBS, path)
    found, resampler = shifts(read_means([path])), Resampler(20, 0)
    decomposed, placed = decompose(study, found, resampler), geometry(study, found, [path], resampler)
    tested = dimensions(study, placed.grams, suppression.to_dict("records"))
    rows = {
        "components": [{**row, "energy": row["share"]} for row in decomposed.components] + placed.components,
        "coordinates": decomposed.coordinates + placed.coordinates,
        "angles": placed.angles,
        "dimension_tests": tested.tests,
        "cross_angles": tested.angles,
        "cross_angle_tests": tested.angle_tests,
        "fixed_mix": fixed_mix_rows(study, found).rows,
    }
    tables = {name: frame(part, SCHEMAS[name]) for name, part in rows.items()}
    return {**tables, "pairwise_angles": joined(placed.pairwise_angles, SCHEMAS["pairwise_angles"])}


def _logprobs(study: Study, strength: Mapping[str, float]) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    base = rng.normal(-1, 0.3, (N_EXAMPLES, N_TOKENS))
    direction, other = rng.uniform(0.5, 1.5, (N_EXAMPLES, N_TOKENS)), rng.normal(0, 1, (N_EXAMPLES, N_TOKENS))
    ways = [("", "none"), *((key, prefix) for key in prompt_texts(study) for prefix in study.scoring.prefixes)]
    rows = []
    for prompt, prefix in ways:
        size = strength.get(prompt, 0) / 100 * (0.6 if prefix == "mix" else 1)
        noise = rng.normal(0, 0.1, (N_EXAMPLES, N_TOKENS))
        moved = size * direction + len(prompt) / 100 * other + noise if prompt else 0.0
        for index, tokens in enumerate(base + moved):
            key = {"prompt": prompt, "prefix": prefix, "dataset": "train", "example_id": f"e{index:02d}"}
            rows.append({**key, "prefix_text": "", "n_tokens": N_TOKENS, "mean": tokens.mean(), "logprobs": tokens})
    return pd.DataFrame(rows)
