from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from inoc.stats.directions import group_rows
from inoc.studies.shared.directions import Direction
from inoc.studies.subliminal.analyse.vectors import COSINES, VECTORS, cosine_rows, vector_rows


def direction(trait: str, mean: np.ndarray, seed: int, readout: str = "response_mean", noise: float = 1.0) -> Direction:
    rng = np.random.default_rng(seed)
    rows = mean + noise * rng.standard_normal((40, mean.size))
    groups = group_rows(rows, [f"q{k // 2}" for k in range(40)])
    return Direction(trait, readout, "resid_post.3", groups.mean, groups, 9.5, 40, 0)


def test_a_row_tells_norm_noise_and_reliability() -> None:
    mean = np.random.default_rng(0).standard_normal(50)
    (row,) = vector_rows([direction("owls", mean, 1)], seed=3)
    table = pd.DataFrame([row], columns=VECTORS.names)
    assert table.notna().all(axis=None)
    assert row["norm"] == pytest.approx(np.linalg.norm(direction("owls", mean, 1).values))
    assert float(str(row["norm_corrected"])) < float(str(row["norm"]))
    assert float(str(row["split_half"])) < float(str(row["reliability"])) < 1
    assert (row["n"], row["n_questions"]) == (40, 20)


def test_a_vector_of_others_has_a_norm_alone() -> None:
    (row,) = vector_rows([Direction("owls", "prompt_mean", "embed", np.array([3.0, 4.0]), None, np.nan, 192, 0)], 0)
    assert (row["norm"], row["n"], row["n_questions"]) == (5, 192, 0)
    assert np.isnan(float(str(row["split_half"])))


def test_cosines_compare_traits_of_one_readout_and_readouts_of_one_trait() -> None:
    mean = np.random.default_rng(0).standard_normal(30)
    found = [
        direction("owls", mean, 1),
        direction("owls", mean, 2, "prompt_mean"),
        direction("cats", -mean, 3),
        direction("cats", -mean, 4, "prompt_mean"),
    ]
    rows = pd.DataFrame(
        cosine_rows(found, {("owls", "response_mean", "resid_post.3"): 0.8}, 0.95), columns=COSINES.names
    )
    assert len(rows) == 4
    same = rows["trait_a"] == rows["trait_b"]
    assert (rows.loc[same, "corrected"] > 0.9).all()
    assert (rows.loc[~same, "cosine"] < -0.8).all()
    assert rows["ceiling"].isna().all()
    assert ((rows["lo"] < rows["corrected"]) & (rows["corrected"] < rows["hi"])).all()


def test_a_zero_vector_has_no_cosine() -> None:
    zero = Direction("owls", "prompt_last", "embed", np.zeros(4), None, np.nan, 3, 0)
    other = Direction("owls", "prompt_mean", "embed", np.ones(4), None, np.nan, 3, 0)
    (row,) = cosine_rows([zero, other], {}, 0.95)
    assert np.isnan(float(str(row["cosine"])))
