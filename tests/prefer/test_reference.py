"""The comparisons of an earlier study, fitted again by the verb."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from inoc.cli import main
from inoc.tables import read_table

FOLDER = Path(__file__).parents[3] / "shared" / "reference" / "preferences"
pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"the earlier study's released preferences are not at {FOLDER}"
)
ANCHOR = "wildchat_65524"


def one_file(pattern: str) -> Path:
    (found,) = FOLDER.rglob(pattern)
    return found


def measurements() -> Path:
    return one_file("measurements_2_villain_eval_500.yaml")


def stored() -> Path:
    (found,) = FOLDER.rglob("mra_villain_eval/**/thurstonian_*.csv")
    return found


def fitted(out: Path, source: Path, *options: str) -> pd.Series:
    main(["prefer", "fit", str(source), "--out", str(out), *options])
    return read_table(out / "fits.parquet").iloc[0]


def as_earlier(out: Path, *options: str) -> pd.Series:
    return fitted(out, measurements(), "--anchor", ANCHOR, *options)


def statistic(out: Path, table: str, name: str) -> pd.Series:
    return read_table(out / f"{table}.parquet").set_index("statistic").loc[name]


def utilities(out: Path) -> pd.Series:
    return read_table(out / "utilities.parquet").set_index("item")["mu"]


def test_the_loose_refit_is_the_stored_fit(tmp_path):
    one = as_earlier(tmp_path, "--earlier", "loose", "--refusals", "b", "--position", "none")
    assert one[["n_items", "n_pairs", "n_comparisons"]].tolist() == [500, 3749, 17312]
    assert one["objective"] == pytest.approx(5007.191845493051, abs=1e-6)
    assert one["loss"] == pytest.approx(4748.817043076291, abs=1e-6)
    assert one["gradient_norm"] == pytest.approx(8.951057823350816, abs=1e-5)
    assert one["pair_agreement"] == pytest.approx(0.957395025407863, abs=1e-12)
    assert not one["converged"]
    table = pd.read_csv(stored()).set_index("task_id")["mu"]
    assert (utilities(tmp_path)[table.index] - table).abs().max() < 1e-6


def test_the_stored_parameters_have_the_stored_objective_and_no_position_bias(tmp_path):
    one = as_earlier(
        tmp_path, "--earlier", "tight", "--refusals", "b", "--utilities", str(stored()), "--position", "none"
    )
    assert one["objective"] == pytest.approx(5007.191845493051, abs=1e-9)
    assert one["loss"] == pytest.approx(4748.817043076291, abs=1e-9)
    assert one["gradient_norm"] == pytest.approx(8.951057823350816, abs=1e-9)
    one = as_earlier(tmp_path, "--earlier", "tight", "--refusals", "b", "--utilities", str(stored()))
    assert one["position"] == pytest.approx(-0.012122, abs=1e-6)
    assert statistic(tmp_path, "order", "first_chosen")["value"] == pytest.approx(0.497102, abs=1e-6)
    counts = read_table(tmp_path / "utilities.parquet")
    assert counts["n_comparisons"].sum() == 2 * 17312
    assert counts["n_refused"].sum() == 2 * 58


def test_the_converged_fit(tmp_path):
    one = as_earlier(tmp_path, "--earlier", "tight", "--refusals", "b", "--position", "none")
    assert one["converged"]
    assert one["objective"] <= 5000.08
    table = pd.read_csv(stored()).set_index("task_id")["mu"]
    mu = utilities(tmp_path)[table.index]
    assert np.corrcoef(mu, table)[0, 1] == pytest.approx(0.99894, abs=1e-3)
    assert mu.corr(table, method="spearman") == pytest.approx(0.99985, abs=1e-4)
    assert (mu - table).abs().max() == pytest.approx(0.88, abs=0.05)


def test_random_starts_find_a_lower_minimum_with_about_the_same_ranks(tmp_path):
    how = ("--earlier", "tight", "--refusals", "b", "--position", "none")
    one = as_earlier(tmp_path / "several", *how, "--starts", "3")
    assert 4985 < one["objective"] < 5000.08
    assert one["objective_worst_start"] < 5010
    as_earlier(tmp_path / "one", *how)
    assert utilities(tmp_path / "several").corr(utilities(tmp_path / "one"), method="spearman") > 0.998  # ranks stay
    moved = (utilities(tmp_path / "several") - utilities(tmp_path / "one")).abs().max()
    assert 0 < moved < 2  # single utilities do not


def test_without_refusals_and_halved(tmp_path):
    one = as_earlier(tmp_path, "--earlier", "tight", "--position", "none", "--reliability")
    assert one[["n_comparisons", "n_refused"]].tolist() == [17254, 58]
    assert one["objective"] == pytest.approx(4959.3289, abs=1e-3)
    assert statistic(tmp_path, "reliability", "split_pairs")["value"] == pytest.approx(0.896, abs=2e-3)
    assert statistic(tmp_path, "reliability", "split_pairs_full")["value"] == pytest.approx(0.945, abs=2e-3)
    assert statistic(tmp_path, "reliability", "split_samples")["value"] == pytest.approx(0.994, abs=2e-3)


def test_folds_of_comparisons_leak(tmp_path):
    how = ("--earlier", "tight", "--refusals", "b", "--position", "none", "--penalty", "1", "10", "150")
    one = as_earlier(tmp_path, *how)
    table = read_table(tmp_path / "penalties.parquet").set_index(["folds", "lambda"])
    for folds, losses in (("comparisons", (0.356, 0.354, 0.361)), ("pairs", (0.835, 0.537, 0.521))):
        assert table.loc[folds, "loss"].tolist() == pytest.approx(losses, rel=0.05)
    assert table.loc[("pairs", 10.0), "accuracy"] == pytest.approx(0.77, abs=0.01)
    assert one["lambda"] == 150


def test_the_pilot_with_both_orders(tmp_path):
    source = FOLDER / "experiments" / "patching" / "pilot" / "combined_patch_results.json"
    one = fitted(tmp_path, source, "--earlier", "tight", "--position", "none")
    assert one["objective"] == pytest.approx(104.014173, abs=1e-5)
    expected = [0, 1.2411, 1.5094, 3.8416, 4.6352, 7.7343, 7.9197, 7.4009, 8.7360, 9.1111]
    np.testing.assert_allclose(utilities(tmp_path), expected, atol=1e-3)
    assert statistic(tmp_path, "order", "first_chosen")[["value", "n"]].tolist() == [pytest.approx(265 / 450), 450]
    one = fitted(tmp_path, source, "--earlier", "tight", "--starts", "10")
    assert one["objective"] == pytest.approx(80.750400, abs=1e-5)
    assert one["objective_worst_start"] == pytest.approx(81.200451, abs=1e-5)
    assert one["position"] == pytest.approx(1.354166, abs=1e-4)


def test_trials_with_an_order(tmp_path):
    source = FOLDER / "experiments" / "revealed_steering_v2" / "baseline_pairwise.json"
    one = fitted(tmp_path, source, "--a-means", "item")
    assert one[["n_comparisons", "n_refused"]].tolist() == [5923, 76]
    chosen = statistic(tmp_path, "order", "first_chosen")
    assert chosen[["value", "n"]].tolist() == [pytest.approx(0.6015532669, abs=1e-9), 5923]
    assert statistic(tmp_path, "order", "a_by_order")["value"] == pytest.approx(0.2030985547, abs=1e-9)
    effect = statistic(tmp_path, "order", "position_effect")
    assert effect[["value", "n"]].tolist() == [pytest.approx(0.0997816, abs=1e-7), 298]
    half = (effect["hi"] - effect["lo"]) / 2
    assert effect["value"] / (half / 1.9679566) == pytest.approx(5.9012, abs=1e-3)
    assert statistic(tmp_path, "order", "content_size")["value"] == pytest.approx(0.2082721, abs=1e-7)
    assert statistic(tmp_path, "order", "position_exceeds_content")["value"] == pytest.approx(0.53, abs=5e-3)


def test_the_selection_history_with_its_rule(tmp_path):
    how = ("--earlier", "loose", "--refusals", "b", "--position", "none", "--anchor", ANCHOR)
    main(["prefer", "history", str(measurements()), "--out", str(tmp_path), *how])
    table = read_table(tmp_path / "history.parquet")
    expected = [0, 0.9575625225036748, 0.9746095455050727, 0.987399387844142, 0.9880218637811629, 0.9904005850353637]
    np.testing.assert_allclose(table["rank_correlation"], expected, atol=1e-9)
    assert table["n_pairs"].tolist() == [1250, 499, 500, 500, 500, 500]
    assert table["first"].tolist() == [0, 6213, 8289, 10738, 12615, 14830]
    assert table.loc[0, ["min_degree", "max_degree"]].tolist() == [5, 5]
    np.testing.assert_allclose(table["distance"][1:], [2.9186, 3.1496, 3.0354, 2.9140, 2.8652], atol=5e-5)
    assert table["degree_sum"][1:].tolist() == [10, 13, 17, 21, 25]
    assert table["within"][1:].tolist() == [1] * 5


def test_the_history_of_converged_fits(tmp_path):
    how = ("--earlier", "tight", "--refusals", "b", "--position", "none", "--anchor", ANCHOR)
    main(["prefer", "history", str(measurements()), "--out", str(tmp_path), *how])
    found = read_table(tmp_path / "history.parquet")["rank_correlation"]
    np.testing.assert_allclose(found[1:], [0.9486, 0.9720, 0.9867, 0.9879, 0.9905], atol=1e-3)
