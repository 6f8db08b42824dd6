"""Made-up releases: every format, and what goes wrong in files."""

from __future__ import annotations

import contextlib
import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from inoc.cli import main
from inoc.jobs.paths import Paths
from inoc.studies.preferences.released.tables import key_of, origin_of
from inoc.tables import read_table

TASKS = [f"{prefix}_{number}" for prefix in ("alpaca", "wildchat", "competition_math") for number in range(8)]


def dump(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value) if path.suffix == ".json" else yaml.safe_dump(value, sort_keys=False)
    path.write_text(text, encoding="utf-8")


def choices(n: int = 300, seed: int = 0) -> list[dict[str, str]]:
    rng = np.random.default_rng(seed)
    mu = dict(zip(TASKS, rng.normal(size=len(TASKS)), strict=True))
    rows = []
    for _ in range(n):
        a, b = rng.choice(TASKS, 2, replace=False)
        choice = "refusal" if rng.random() < 0.1 else "a" if rng.normal() < mu[a] - mu[b] else "b"
        rows.append({"task_a": str(a), "task_b": str(b), "choice": choice})
    return rows


def write_run(folder: Path, mu: np.ndarray, sigma: np.ndarray, strength: float = 1.0) -> None:
    folder.mkdir(parents=True)
    frame = pd.DataFrame({"task_id": TASKS[: len(mu)], "mu": mu, "sigma": sigma})
    frame.to_csv(folder / "thurstonian_0abc1234.csv", index=False)
    loss = 120.0
    fit = {
        "neg_log_likelihood": loss + strength * float((np.log(sigma) ** 2).sum()),
        "history": {"loss": [170.0, loss]},
    }
    dump(folder / "thurstonian_0abc1234.yaml", {**fit, "n_comparisons": 300, "gradient_norm": 3.0, "converged": True})
    tags = {"order": "canonical", "seed": "0"}
    dump(folder / "config.yaml", {"template_name": "my_choice", "model_short": "model-1b", "template_tags": tags})
    dump(folder / "active_learning.yaml", {"n_tasks": len(mu), "rank_correlations": [0.0, 0.97], "pair_agreement": 0.9})


def write_release(root: Path) -> None:
    rng = np.random.default_rng(1)
    dump(root / "raw" / "measurements_one.yaml", choices())
    dump(root / "raw" / "list.json", choices(100, 2))
    counts = [
        {"item_a": "alpaca_0", "item_b": "alpaca_1", "a": 3, "b": 1},
        {"item_a": "alpaca_1", "item_b": "alpaca_2", "a": 2, "b": 2},
    ]
    dump(root / "raw" / "counts.json", counts)
    first, second = rng.normal(size=24), rng.normal(size=24)
    first[0] = second[0] = 0.0
    write_run(root / "results" / "experiments" / "exp" / "run_a", first, np.exp(rng.normal(0, 0.3, 24)))
    write_run(root / "results" / "experiments" / "exp" / "run_b", second, np.exp(rng.normal(0, 0.3, 24)))
    dump(
        root / "refusal_cache.json",
        {task: {"is_refusal": n % 4 == 0, "refusal_type": "none"} for n, task in enumerate(TASKS)},
    )
    dump(root / "scores_my_rating_001.json", {task: float(rng.choice([-1, 1])) for task in TASKS})
    scores = {"scores": {task: 0.5 + n / 100 for n, task in enumerate(TASKS)}, "percentiles": {"50": 0.6}}
    dump(root / "consistency" / "data" / "consistency_model.json", scores)
    (root / "notes.md").write_text("nothing", encoding="utf-8")


def run(folder: Path, release: Path, *options: str, analyse: bool = True) -> Paths:
    (folder / "config").mkdir(parents=True, exist_ok=True)
    (folder / "config" / "config.yaml").write_text("studies: [made]\n", encoding="utf-8")
    with contextlib.chdir(folder):
        main(["import", "preferences", str(release), "--study", "made", *options])
        if analyse:
            main(["analyse", "made"])
    return Paths(folder / "results", "made")


def findings(paths: Paths, level: str) -> list[dict[str, str]]:
    text = (paths.stage("imports") / "findings.json").read_text(encoding="utf-8")
    return [one for one in json.loads(text) if one["level"] == level]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Paths:
    folder = tmp_path_factory.mktemp("made")
    write_release(folder / "release")
    return run(folder, folder / "release")


def test_every_format_is_read_and_analysed(made):
    tables = {path.stem: read_table(path) for path in made.stage("analyse").glob("*.parquet")}
    fits = tables["fits"].set_index("fit")
    assert {"exp/run_a", "exp/run_b", "measurements_one/unknown", "list/unknown", "counts/unknown"} == set(fits.index)
    assert fits.loc["exp/run_a", "lambda"] == pytest.approx(1, abs=1e-9)
    assert fits.loc["measurements_one/unknown", "n_refused"] > 10
    assert np.isnan(fits.loc["counts/unknown", "position"])  # counts do not say what was shown first
    assert fits.loc["counts/unknown", "n_comparisons"] == 8
    assert tables["instrument_correlations"].query("first == 'exp/run_a' and second == 'exp/run_b'")["n"].max() == 24
    assert (tables["refusals"]["source"] == "refusal_cache").any()
    assert tables["selection_history"]["rank_correlation"].tolist() == [0.0, 0.97] * 2
    assert tables["consistency"]["rule"].unique().tolist() == ["earlier_half_scale"]
    assert (tables["reliability"]["statistic"] == "kl_share").any()  # of the two labels of the score map
    found = {one["topic"]: one["text"] for one in findings(made, "found")}
    assert found["comparisons"] == "3 files"
    assert found["run"] == "2 files"
    with contextlib.chdir(made.stage("analyse").parents[2]):
        main(["config", "check", "made"])


def test_findings_say_what_is_wrong(made):
    warnings = {one["topic"]: one["text"] for one in findings(made, "warning")}
    assert "gradient above 1" in warnings["run"]
    assert any("notes.md" in one["text"] for one in findings(made, "left_out"))


def test_concatenated_fits_are_refused_with_the_reason(tmp_path):
    mu = np.r_[0.0, np.arange(1.0, 12), 0.0, np.arange(1.0, 12)]
    write_run(tmp_path / "release" / "pooled", mu, np.ones(24))
    dump(tmp_path / "release" / "comparisons.yaml", choices())
    paths = run(tmp_path, tmp_path / "release", analyse=False)
    (left,) = [one for one in findings(paths, "left_out") if one["topic"] == "run"]
    assert "2 utilities are exactly 0 (rows 1, 13)" in left["text"]
    assert not (paths.stage("imports") / "fits.parquet").exists()


def test_the_meaning_of_a_must_be_said_where_orders_differ(tmp_path):
    rows = [{**one, "order": number % 2} for number, one in enumerate(choices())]
    dump(tmp_path / "release" / "trials.json", {"pairs": [], "trials": rows})
    dump(tmp_path / "release" / "others.yaml", choices(50))
    paths = run(tmp_path, tmp_path / "release", analyse=False)
    (left,) = [one for one in findings(paths, "left_out") if one["topic"] == "comparisons"]
    assert "--a-means item" in left["text"]
    shares = {}
    for meaning in ("item", "first"):
        paths = run(tmp_path, tmp_path / "release", "--a-means", meaning, "--replace", analyse=False)
        table = read_table(paths.stage("imports") / "comparisons.parquet")
        own = table[table["instrument"] == "trials"]
        shares[meaning] = (own["choice"] == "a").to_numpy()
        assert own["task_a"].tolist() == [one["task_b"] if one["order"] else one["task_a"] for one in rows]
    answered = np.array([one["choice"] != "refusal" for one in rows])
    turned = np.array([one["order"] == 1 for one in rows])
    np.testing.assert_array_equal(shares["item"] == shares["first"], ~(answered & turned))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("broken.yaml", "- [", "not readable as YAML"),
        ("broken.json", "[{", "JSON"),
        ("run/thurstonian_1.csv", "task_id,mu,sigma\na,0,1\nb,high,1\n", "which is no number"),
        ("run/thurstonian_1.csv", "task_id,mu,sigma\na,0,1\na,1,1\n", "is there twice"),
        ("same.yaml", "- {task_a: x, task_b: x, choice: a}\n", "compared with itself"),
        ("judge.json", '[{"prompt_id": 1, "judgment": {}, "steered_coefficient": 1}]', "is of another form"),
    ],
)
def test_a_bad_file_is_left_out_and_named(tmp_path, name, text, said):
    path = tmp_path / "release" / name
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    dump(tmp_path / "release" / "good.yaml", choices(60))
    paths = run(tmp_path, tmp_path / "release", analyse=False)
    assert any(said in one["text"] for one in findings(paths, "left_out"))
    assert len(read_table(paths.stage("imports") / "comparisons.parquet")) == 60


def test_nothing_to_import_is_an_error(tmp_path, capsys):
    (tmp_path / "release").mkdir()
    for path, said in ((tmp_path / "release", "nothing in it"), (tmp_path / "absent", "there is no folder")):
        with pytest.raises(SystemExit):
            run(tmp_path, path, analyse=False)
        assert said in capsys.readouterr().err


def test_names_of_origins_and_keys():
    assert [origin_of(one) for one in ("competition_math_3", "stresstest_0_1_value2", "my_set_12", "7")] == [
        "math",
        "stress_test",
        "my_set",
        "unknown",
    ]
    assert [key_of(one) for one in ("Gemma-3.27b", "3way", "--")] == ["gemma_3_27b", "k_3way", "k_"]


@pytest.mark.parametrize("quoted", [False, True])
def test_ids_are_texts_even_if_they_look_like_numbers_or_like_nothing(tmp_path, quoted):
    release = tmp_path / "release"
    write_release(release)
    path = release / "results" / "experiments" / "exp" / "run_a" / "thurstonian_0abc1234.csv"
    frame = pd.read_csv(path)
    ids = ["007", "NA", "null", "1e5", *frame["task_id"].iloc[4:]]
    frame["task_id"] = ids
    quoting = csv.QUOTE_NONNUMERIC if quoted else csv.QUOTE_MINIMAL
    path.write_bytes(frame.to_csv(index=False, quoting=quoting, lineterminator="\r\n").encode("utf-8-sig"))
    paths = run(tmp_path, release, analyse=False)
    stored = read_table(paths.stage("imports") / "utilities.parquet")
    assert {"007", "NA", "null", "1e5"} <= set(stored["item"])
