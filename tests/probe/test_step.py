"""The stage, on activations that were written by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from inoc.errors import ConfigError, DataError
from inoc.jobs.job import Job
from inoc.jobs.paths import Paths
from inoc.probe.files import probe_vector, skipped_probes
from inoc.probe.plan import Plan, Target
from inoc.probe.step import run
from inoc.read.step import shard_path
from inoc.stats.probes.logistic import Observed
from inoc.stats.probes.probing import Settings
from inoc.store import Store

N, WIDTH = 60, 16
SITES, READOUT = ("resid_post.0", "resid_post.1"), "prompt_last"
HOW = Settings(
    penalties=(1e-3, 1e-1, 10.0), permutations=19, resamples=50, protocols=("within", "held_out_origin", "train_k")
)


def _target(folder: Path, **given: object) -> Target:
    """Labels that follow the first dimension of the second site, and have nothing to do with the first site."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((N, WIDTH)).astype(np.float32)
    other = rng.standard_normal((N, WIDTH)).astype(np.float32)
    other[7] = np.nan
    folders = []
    for shard, rows in enumerate((np.arange(40), np.arange(40, N))):
        path = folder / str(shard)
        path.mkdir(parents=True, exist_ok=True)
        arrays = {f"{SITES[0]}/{READOUT}": other[rows], f"{SITES[1]}/{READOUT}": values[rows]}
        save_file(arrays, shard_path(path, 0), {"ids": json.dumps([f"prompt|t{row}" for row in rows])})
        folders.append(path)
    y = values[:, 0] * 2 + rng.normal(0, 0.5, N)
    y[3] = np.nan
    plain = {
        "name": "liking",
        "target": "stars",
        "folders": folders,
        "chats": [[f"prompt|t{row}"] for row in range(N)],
        "tasks": [f"t{row}" for row in range(N)],
        "texts": [f"text {'word ' * (row % 5)}{row}" for row in range(N)],
        "origins": [("maths", "poems", "chats")[row % 3] for row in range(N)],
        "groups": [f"t{row}" for row in range(N)],
        "y": y.astype(np.float64),
        "se": np.full(N, 0.5),
        "refused": (np.arange(N) % 7 == 0).astype(np.float64),
        "sites": SITES,
        "readouts": (READOUT,),
        "settings": HOW,
    }
    return Target(**{**plain, **given})  # type: ignore[arg-type]


def _run(folder: Path, *targets: Target, **given: object) -> Path:
    paths = Paths(folder, "made")
    job = Job("made", paths, Store(folder / "store"), "probe")
    plan = Plan(targets=targets, folder=paths.stage("probe"), model="weights", refits=20)
    run(job, replace(plan, **given))  # type: ignore[arg-type]
    return paths.stage("probe")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("probe")
    target = _target(place / "read")
    pairs = np.random.default_rng(1).integers(0, N, (2, 600))
    pairs = pairs[:, (pairs[0] != pairs[1]) & ~np.isin(pairs, 3).any(axis=0)]
    share = (target.y[pairs[0]] > target.y[pairs[1]]).astype(np.float64)
    chosen = Observed(pairs[0], pairs[1], share, np.ones(len(share)))
    return _run(
        place,
        target,
        replace(target, name="refusal", target="refused", y=target.refused, settings=replace(HOW, method="logistic")),
        replace(target, name="pairs", pairs=chosen, settings=replace(HOW, method="pairs", protocols=("within",))),
    )


def _value(folder: Path, metric: str, **where: str) -> float:
    table = pd.read_parquet(folder / "probes.parquet")
    given = {"probe": "liking", "protocol": "within", "fold": "all", "baseline": "", "metric": metric, **where}
    for name, value in given.items():
        table = table[table[name] == value]
    assert len(table) == 1
    return float(table["value"].iloc[0])


def test_a_label_is_found_where_it_is_and_nowhere_else(folder: Path) -> None:
    assert _value(folder, "r2", site="resid_post.1") > 0.8
    assert _value(folder, "r2", site="resid_post.1", protocol="held_out_origin") > 0.8
    assert _value(folder, "p", site="resid_post.1") == pytest.approx(0.05)
    assert _value(folder, "r2", site="resid_post.0") < 0.2
    assert _value(folder, "accuracy", probe="pairs", site="resid_post.1") > 0.85


def test_baselines_stand_beside_every_probe(folder: Path) -> None:
    table = pd.read_parquet(folder / "probes.parquet")
    for probe in ("liking", "refusal", "pairs"):
        own = table[(table["probe"] == probe) & (table["fold"] == "all") & (table["protocol"] == "within")]
        assert set(own["baseline"]) == {"", "origin", "length", "refused", "words", "shuffled", "random"}
    assert _value(folder, "r2", site="resid_post.1", baseline="shuffled") < 0.1
    assert _value(folder, "r2", site="resid_post.1", baseline="random") < 0.1
    assert 0.8 < _value(folder, "r2_ceiling", protocol="", site="") < 1


def test_tasks_without_a_label_or_activations_are_left_out(folder: Path) -> None:
    table = pd.read_parquet(folder / "predictions.parquet")
    own = table[(table["probe"] == "liking") & (table["protocol"] == "within")]
    assert set(own[own["site"] == "resid_post.1"]["task"]) == {f"t{row}" for row in range(N)} - {"t3"}
    assert set(own[own["site"] == "resid_post.0"]["task"]) == {f"t{row}" for row in range(N)} - {"t3", "t7"}


def test_vectors_point_to_higher_labels_and_hold_no_intercept(folder: Path) -> None:
    vector = probe_vector(folder, "liking", "resid_post.1", READOUT)
    assert len(vector.values) == WIDTH
    assert vector.values[0] / vector.norm > 0.9
    fits = pd.read_parquet(folder / "fits.parquet").set_index("vector")
    assert np.isfinite(fits.loc[vector.name, "intercept"])
    assert fits.loc[vector.name, "activation_norm"] == pytest.approx(vector.activation_norm)
    null = probe_vector(folder, "liking", "resid_post.1", READOUT, shuffled=True)
    assert abs(null.values[0] / null.norm) < 0.7
    with pytest.raises(DataError, match="liking"):
        probe_vector(folder, "likking", "resid_post.1", READOUT)


def test_pairs_and_labels_have_one_direction(folder: Path) -> None:
    table = pd.read_parquet(folder / "cosines.parquet")
    own = table[(table["site"] == "resid_post.1") & (table["origin_a"] == "") & (table["origin_b"] == "")]
    found = {frozenset((row.probe_a, row.probe_b)): row for row in own.itertuples()}
    pairs = found[frozenset(("liking", "pairs"))]
    assert pairs.cosine > 0.9
    assert pairs.p < 0.05
    assert found[frozenset(("liking", "refusal"))].p > 0.05
    origins = table[(table["probe_a"] == "liking") & (table["probe_b"] == "liking")]
    assert {"chats", "maths", "poems"} <= set(origins["origin_b"])


def test_a_second_run_writes_the_same(tmp_path: Path) -> None:
    target = _target(tmp_path / "read", settings=replace(HOW, protocols=("within",)))
    first, second = (_run(tmp_path / name, target) for name in ("a", "b"))
    for name in ("probes", "predictions", "cosines", "fits"):
        pd.testing.assert_frame_equal(
            pd.read_parquet(first / f"{name}.parquet"), pd.read_parquet(second / f"{name}.parquet")
        )


def test_a_constant_label_is_skipped_with_its_reason(tmp_path: Path) -> None:
    paths = Paths(tmp_path, "made")
    job = Job("made", paths, Store(tmp_path / "store"), "probe")
    target = _target(tmp_path / "read", y=np.ones(N))
    run(job, Plan(targets=[target], folder=paths.stage("probe"), model="weights", refits=5))
    assert "the same for all tasks" in str(job.record["skipped"])
    assert len(skipped_probes(paths.stage("probe"))) == 2  # at both sites
    assert pd.read_parquet(paths.stage("probe") / "probes.parquet").empty


def test_a_chat_that_was_not_read_is_named(tmp_path: Path) -> None:
    target = _target(tmp_path / "read", chats=[["prompt|absent"]] * N)
    with pytest.raises(DataError, match="absent"):
        _run(tmp_path, target)


def test_two_probes_of_one_name_are_refused(tmp_path: Path) -> None:
    target = _target(tmp_path / "read")
    with pytest.raises(ConfigError, match="name of its own"):
        _run(tmp_path, target, target)
