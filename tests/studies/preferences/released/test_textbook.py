"""Tables with known reliability, through the verbs: imported as a release, and analysed."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from inoc.cli import main
from inoc.jobs.paths import Paths
from inoc.tables import read_table

SHROUT_FLEISS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])


def statistics(folder: Path, answers_NSK: np.ndarray) -> pd.Series:
    """Value of every statistic of answers, shape (tasks, seeds, samples), that a release holds as open-ended ones."""
    for seed in range(answers_NSK.shape[1]):
        rows = [
            {"task_id": f"alpaca_{task}", "task_origin": "alpaca", "semantic_valence_score": float(value)}
            for task, values in enumerate(answers_NSK[:, seed])
            for value in values
        ]
        (folder / "release").mkdir(exist_ok=True)
        (folder / "release" / f"model_rseed{seed}.json").write_text(json.dumps(rows), encoding="utf-8")
    (folder / "config").mkdir()
    (folder / "config" / "config.yaml").write_text("studies: [made]\n", encoding="utf-8")
    with contextlib.chdir(folder):
        main(["import", "preferences", "release", "--study", "made"])
        yaml, path = YAML(), Path("config") / "studies" / "made.yaml"
        study = yaml.load(path)
        study["reliability"] = {"informative": True}
        yaml.dump(study, path)
        main(["analyse", "made"])
    table = read_table(Paths(folder / "results", "made").table("reliability"))
    return table[table["origin"] == "all"].set_index("statistic")["value"]


def correlated(r: float, n_seeds: int, n_tasks: int = 12) -> np.ndarray:
    """Tasks × seeds, every two seeds of which correlate by exactly r."""
    rng = np.random.default_rng(0)
    basis, _ = np.linalg.qr(np.column_stack([np.ones(n_tasks), rng.normal(size=(n_tasks, n_seeds))]))
    wanted = np.full((n_seeds, n_seeds), r) + (1 - r) * np.eye(n_seeds)
    return basis[:, 1:] @ np.linalg.cholesky(wanted).T


def test_the_textbook_table_has_its_intraclass_correlations(tmp_path):
    found = statistics(tmp_path, SHROUT_FLEISS[:, :, None] / 10)
    assert found[["icc1", "icc2", "icc3"]].tolist() == pytest.approx([0.1657, 0.2898, 0.7148], abs=5e-5)
    assert found["variance_ratio"] == pytest.approx(0.3097, abs=5e-5)  # what an earlier study called ICC


def test_from_one_seed_to_five_by_spearman_and_brown(tmp_path):
    found = statistics(tmp_path, correlated(0.37, 5)[:, :, None])
    assert found["seed_r"] == pytest.approx(0.37)
    assert found["seed_r_full"] == pytest.approx(0.746, abs=5e-4)


def test_from_five_samples_back_to_one_by_spearman_and_brown(tmp_path):
    scatter = np.array([-0.2, -0.1, 0.0, 0.1, 0.2])
    found = statistics(tmp_path, correlated(0.82, 2)[:, :, None] + scatter)
    assert found["seed_r"] == pytest.approx(0.82)
    assert found["seed_r_single"] == pytest.approx(0.477, abs=5e-4)
