"""Made-up probes and vectors of a release, and what goes wrong in them."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest

from inoc.cli import main
from inoc.config.load import load_study
from inoc.jobs.paths import Paths
from inoc.tables import read_table
from inoc.vectors.files import load_vectors


def dump(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def fold(group: str, r2: float, n: int) -> dict[str, object]:
    numbers = {"r2": r2, "r2_adjusted": r2 + 0.1, "mse": 0.5, "mse_adjusted": 0.45, "pearson_r": 0.6, "n_samples": n}
    return {"eval_dataset": group, "probes": [{"id": "0001", "layer": 4, "eval_metrics": numbers}]}


def answers(rng: np.random.Generator, moves: float, *, control: bool) -> list[dict[str, object]]:
    """Choices of 12 pairs in both orders, with and without steering, of which one is lost."""
    rows: list[dict[str, object]] = []
    for pair in range(12):
        for ordering in ("original", "swapped"):
            for condition, dose in (("control", 0.0), ("diff_ab", -9.0), ("diff_ab", 9.0)):
                if dose or control:
                    said = ["a" if one < 0.5 + moves * np.sign(dose) else "b" for one in rng.random(10)]
                    said[0] = "parse_fail" if dose > 0 and not pair else said[0]
                    given = {"pair_id": f"pair_{pair}", "ordering": ordering, "condition": condition}
                    rows.append({**given, "coefficient": dose, "responses": said})
    return rows


@pytest.fixture(scope="module")
def paths(tmp_path_factory) -> Paths:
    root = tmp_path_factory.mktemp("release")
    rng = np.random.default_rng(0)
    shared = rng.standard_normal(32)
    folder = root / "release" / "one" / "probes"
    folder.mkdir(parents=True)
    for k in (1, 2):
        values = np.append(shared + rng.standard_normal(32), 40.0 + k)
        np.save(folder / f"probe_000{k}.npy", values.astype(np.float32))
    np.save(root / "release" / "layer_9.npy", np.eye(32)[0])
    np.save(root / "release" / "broken.npy", np.array([1.0, np.nan]))
    listed = [{"id": f"000{k}", "file": f"probes/probe_000{k}.npy", "layer": 4, "cv_r2_mean": 0.3} for k in (1, 2)]
    dump(root / "release" / "one" / "manifest.json", {"probes": listed})
    dump(root / "release" / "held.json", {"folds": [fold("maths", 0.2, 10), fold("poems", -0.4, 30)]})
    empty = {"probe_id": "0001", "layer": 4, "eval_dataset": "maths"}
    leaking = {"r2": 0.8, "r2_adjusted": 0.8, "mse": 0.1, "pearson_r": 0.9, "n_samples": 40}
    dump(root / "release" / "all.json", {"folds": [{**empty, "metrics": leaking}]})
    for name, moves in (("probe", 0.3), ("random_1", 0.0)):
        steered = {"results": answers(rng, moves, control=name == "probe"), "coefficients": [-9, 9]}
        dump(root / "release" / "run" / f"{name}.json", {**steered, "direction_type": name})
    numbers = {"coefficients": [-1.0, 0.0, 1.0], "means": [1.0, 2.0, 2.5], "stds": [0.5] * 3}
    dump(root / "release" / "steering_statistics.json", {**numbers, "n_per_condition": [9, 10, 8], "slope": 0.75})
    with contextlib.chdir(root):
        (root / "config").mkdir()
        (root / "config" / "config.yaml").write_text("studies: [imported]\n", encoding="utf-8")
        main(["import", "preferences", "release", "--study", "imported"])
        main(["analyse", "imported"])
        main(["figures", "imported"])
    return Paths(root / "results", "imported")


def test_an_intercept_is_told_apart_by_an_odd_length_and_its_layer_by_the_manifest(paths):
    vectors = {one.name: one for one in load_vectors(paths.stage("imports") / "vectors.safetensors")}
    assert {name: (len(one.values), one.site) for name, one in vectors.items()} == {
        "layer_9": (32, "resid_post.9"),
        "one/probes/probe_0001": (32, "resid_post.4"),
        "one/probes/probe_0002": (32, "resid_post.4"),
    }
    stored = read_table(paths.stage("imports") / "stored_vectors.parquet").set_index("vector")
    assert stored.loc["one/probes/probe_0001", "last"] == pytest.approx(41.0)
    assert np.isnan(stored.loc["layer_9", "last"])


def test_a_cosine_that_holds_the_intercept_is_beside_the_right_one(paths):
    found = read_table(paths.table("released"))
    own = found[found["of"] == "one/probes/probe_0001, one/probes/probe_0002"].set_index("statistic")["value"]
    assert own["cosine_with_intercept"] > 0.9 > own["cosine"]


def test_evaluations_are_averaged_plainly_and_by_their_tasks(paths):
    found = read_table(paths.table("released"))
    own = found[found["of"] == "held_out, layer 4"].set_index("statistic")["value"]
    assert own["r_squared_mean"] == pytest.approx(-0.1)
    assert own["r_squared_weighted"] == pytest.approx((0.2 * 10 - 0.4 * 30) / 40)
    assert (found["of"] == "training_included, layer 4").any()


def test_what_cannot_be_right_is_reported(paths):
    said = json.loads((paths.stage("imports") / "findings.json").read_text())
    text = json.dumps(said)
    assert "stands behind the direction" in text
    assert "those of their training included" in text
    assert "one row of finite numbers" in text


def test_an_import_has_the_figures_of_what_it_has_of_the_inside(paths):
    with contextlib.chdir(paths.stage("analyse").parents[2]):
        study = load_study("imported")
    assert study.released == ("probes", "directions", "steering")
    folder = paths.stage("figures")
    for name in ("dose", "kept", "probe_layers", "probe_protocols", "probe_cosines"):
        assert (folder / f"{name}.svg").is_file(), name
    assert not (folder / "probe_baselines.svg").exists()
    shown = read_table(paths.table("dose_response"))
    shown = shown[(shown["answers"] == "all") & (shown["coefficient"] != 0)]
    found = {(row.target, row.vector, row.kind, row.coefficient): row for row in shown.itertuples()}
    probe = found["probe: diff_ab", "probe", "own", 9.0]
    assert probe.difference_lo > 0
    assert (probe.n, probe.n_lost, probe.n_answers) == (24, 2, 240)
    random = found["probe: diff_ab", "random 1", "random", 9.0]
    assert random.difference_lo < 0 < random.difference_hi
    summary = next(row for key, row in found.items() if key[0] == "steering_statistics" and key[3] == 1.0)
    assert (summary.mean, summary.difference, summary.n_answers) == (2.5, 0.5, 8)


def test_means_over_held_out_groups_stand_in_for_all_of_them(paths):
    found = read_table(paths.table("probes"))
    own = found[(found["metric"] == "r2") & (found["fold"] == "mean of groups")].iloc[0]
    assert (own["value"], own["n"], own["protocol"]) == (pytest.approx(-0.1), 40, "held_out_origin")
