from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.linear_model import LinearRegression

from analyse.reference import FOLDER, dataset, needs_reference
from inoc.analyse.heuristics import HEURISTICS, judge_heuristics, read_values, table_values
from inoc.cli import main
from inoc.errors import DataError
from inoc.stats.bootstrap import Resampler

RESAMPLER = Resampler(200, 0)


def made_up(n: int = 6) -> pd.DataFrame:
    """Prompts of three families, both traits and prefixes, with every column."""
    rng = np.random.default_rng(0)
    rows = []
    families = ["playful", "french", "neutral"]
    for family, place, role, prefix in itertools.product(
        families, range(n), ["negative", "positive"], ["fixed", "mix"]
    ):
        trait = "Playful" if role == "negative" else "French"
        own = family in (trait.lower(), "neutral")
        row = {
            "experiment": "one",
            "prompt_key": f"{family}{place}",
            "prompt_family": family,
            "trait_role": role,
            "trait_name": trait,
            "prefix_type": prefix,
            "suppression": rng.normal(30, 10),
            "sv2_truncated_fixed": float(place) + len(family),
            "emb_cos_to_neg_trait": rng.normal(),
            "emb_cos_to_pos_trait": rng.normal(),
        }
        for one in HEURISTICS:
            for column in (one.column.format(trait=trait.lower()), one.mix_column):
                if column and column not in row:
                    row[column] = rng.normal() if own or one.key not in ("H3", "H4") else np.nan
        rows.append(row)
    return pd.DataFrame(rows)


def judged(table: pd.DataFrame, protocol: str) -> pd.DataFrame:
    rows, _ = judge_heuristics(table_values(table, "here"), protocol, RESAMPLER)  # type: ignore[arg-type]
    return pd.DataFrame(rows).set_index(["heuristic", "target"])


def test_published_values_follow_role_and_prefix() -> None:
    table = made_up()
    frame = table_values(table, "here").frame
    mix, positive = (table["prefix_type"] == "mix").to_numpy(), (table["trait_role"] == "positive").to_numpy()
    sign = np.where(positive, -1, 1)
    assert np.array_equal(frame["H9b"], table["sv2_truncated_fixed"] * sign)
    assert np.array_equal(
        frame["H9a"], np.where(positive, table["emb_cos_to_neg_trait"], table["emb_cos_to_pos_trait"])
    )
    assert np.array_equal(frame["HA2"], np.where(mix, table["ha2_filter_mix"], table["ha2_filter"]))
    h4 = np.where(positive, table["pc1_tok_french"], table["pc1_tok_playful"])
    assert np.array_equal(frame["H4"], h4, equal_nan=True)
    z = {key: stats.zscore(frame[key], ddof=1, nan_policy="omit") for key in ("H1", "H4", "H5", "H6")}
    expected = z["H1"] + z["H4"] + z["H5"] - np.where(mix, z["H6"], 0)
    assert np.allclose(frame["H7"], expected, equal_nan=True)


@pytest.mark.parametrize("key", ["H1", "H3", "H7", "H9b", "HA3"])
def test_published_rows_are_all_that_a_heuristic_has(key: str) -> None:
    table = made_up()
    frame, found = table_values(table, "here").frame, judged(table, "published")
    for target, rows in (("all", frame), ("fixed", frame.query("prefix == 'fixed'"))):
        both = rows[[key, "suppression"]].dropna()
        oracle = stats.pearsonr(both[key], both["suppression"])
        row = found.loc[(key, target)]
        interval = oracle.confidence_interval()
        assert [row["r"], row["p"], row["r_lo"], row["r_hi"]] == pytest.approx([*oracle, *interval])
        assert row["rho"] == pytest.approx(stats.spearmanr(both[key], both["suppression"])[0])
        assert row["n"] == len(both)
    mix = frame.query("prefix == 'mix'")
    fixed = frame.query("prefix == 'fixed'").set_index(["prompt", "role"])["suppression"]
    gap = mix.assign(y=[fixed[p, r] for p, r in zip(mix["prompt"], mix["role"], strict=True)] - mix["suppression"])
    both = gap[[key, "y"]].dropna()
    assert found.loc[(key, "gap"), "r"] == pytest.approx(stats.pearsonr(both[key], both["y"])[0])


def test_cross_equals_all_for_what_no_trait_enters() -> None:
    table = made_up()
    table["ph_combined"] = pd.factorize(table["prompt_key"])[0] ** 1.5
    found = judged(table, "published")
    assert found.loc[("H2", "cross"), "r"] == pytest.approx(found.loc[("H2", "all"), "r"])
    assert found.loc[("H1", "cross"), "r"] != pytest.approx(found.loc[("H1", "all"), "r"])


def test_fair_rows_are_the_same_for_all_and_own_is_apart_from_off() -> None:
    table = made_up()
    table.loc[3, "ha3_topk_mix"] = np.nan  # an own mix row, so gone for all
    found = judged(table, "fair").reset_index()
    assert set(found.groupby("target")["n"].nunique()) == {1}
    n = found.groupby("target")["n"].first()
    missing = table.loc[3]
    own = missing["trait_name"].lower() == missing["prompt_family"]
    assert (n["own"], n["off"], n["own_fixed"]) == (48 - own, 24 - (not own), 24)
    assert "H3" not in set(found.query("target == 'off'")["heuristic"])
    assert "H3" in set(found.query("target == 'own'")["heuristic"])


def test_fair_r_is_that_of_its_rows() -> None:
    table = made_up()
    frame, found = table_values(table, "here").frame, judged(table, "fair")
    own = frame[(frame["family"] == frame["trait"].str.lower()) | (frame["family"] == "neutral")]
    rows = own[own["prefix"] == "fixed"]
    row = found.loc[("HB3", "own_fixed")]
    assert row["r"] == pytest.approx(stats.pearsonr(rows["HB3"], rows["suppression"])[0])
    assert row["r_lo"] < row["r"] < row["r_hi"]
    assert row["n_prompts"] == 18


def test_q_is_over_the_whole_protocol() -> None:
    found = judged(made_up(), "fair")
    assert found["q"].to_numpy() == pytest.approx(stats.false_discovery_control(found["p"]))


def test_leave_trait_out_fits_on_the_other_trait() -> None:
    table = made_up()
    frame, found = table_values(table, "here").frame, judged(table, "fair")
    own = frame[(frame["family"] == frame["trait"].str.lower()) | (frame["family"] == "neutral")]
    y = own["suppression"].to_numpy()
    error = {"mean": 0.0, "H1": 0.0, "HA4": 0.0}
    for trait in ("Playful", "French"):
        out = (own["trait"] == trait).to_numpy()
        error["mean"] += ((y[out] - y[~out].mean()) ** 2).sum()
        for key in ("H1", "HA4"):
            line = LinearRegression().fit(own.loc[~out, [key]], y[~out])
            error[key] += ((y[out] - line.predict(own.loc[out, [key]])) ** 2).sum()
    row = found.loc[("HA4", "own")]
    assert row["r2_trait_out"] == pytest.approx(1 - error["HA4"] / error["mean"])
    assert row["r2_trait_over_elicitation"] == pytest.approx(1 - error["HA4"] / error["H1"])
    assert row["r2_trait_lo"] < row["r2_trait_out"] < row["r2_trait_hi"]
    assert found.loc[("H1", "own"), "r2_trait_over_elicitation"] == 0
    assert set(found["n_traits"]) == {2}


def test_leave_trait_out_needs_two_traits() -> None:
    table = made_up()
    one = table[(table["trait_name"] == "Playful")].reset_index(drop=True)
    rows, skipped = judge_heuristics(table_values(one, "here"), "fair", RESAMPLER)
    found = pd.DataFrame(rows)
    assert found[["r2_trait_out", "r2_trait_lo", "r2_trait_over_elicitation"]].isna().all(axis=None)
    assert found["r2_out"].notna().all()
    assert ("leave-trait-out R² against own", "only one trait has rows") in skipped


def test_intervals_of_r_and_rho_draw_prompts_and_not_rows() -> None:
    """Rows of a prompt that repeat one another narrow the published interval and not the fair one."""
    table = made_up()
    for name in ("suppression", "ph_combined"):
        table[name] = table.groupby(["prompt_key", "trait_role"])[name].transform("first")
    found = {protocol: judged(table, protocol).loc["H2"] for protocol in ("fair", "published")}
    width = {
        (protocol, target, name): found[protocol].loc[target, f"{name}_hi"] - found[protocol].loc[target, f"{name}_lo"]
        for protocol, target in (("fair", "own"), ("fair", "own_fixed"), ("published", "all"), ("published", "fixed"))
        for name in ("r", "rho")
    }
    for name in ("r", "rho"):
        assert width["fair", "own", name] == pytest.approx(width["fair", "own_fixed", name])
        assert width["published", "all", name] < 0.8 * width["published", "fixed", name]


def test_a_heuristic_that_nobody_has_takes_no_row_from_the_others() -> None:
    table = made_up()
    values = table_values(table, "here")
    values.frame["H5"] = np.nan
    rows, skipped = judge_heuristics(values, "fair", RESAMPLER)
    found = pd.DataFrame(rows)
    assert "H5" not in set(found["heuristic"])
    assert set(found.query("target == 'own'")["n"]) == {48}
    assert ("heuristic H5", "no row has a value of it") in skipped


def test_a_heuristic_that_few_rows_have_is_left_out_and_named() -> None:
    values = table_values(made_up(), "here")
    values.frame.loc[values.frame["family"] != "french", "H5"] = np.nan
    rows, skipped = judge_heuristics(values, "fair", RESAMPLER)
    found = pd.DataFrame(rows)
    assert set(found.query("target == 'own'")["n"]) == {48}
    assert "H5" not in set(found.query("target == 'own'")["heuristic"])
    assert "H5" in set(found.query("target == 'off'")["heuristic"])
    assert ("H5 against own", "fewer than 50% of the rows have it") in skipped


@pytest.mark.parametrize("seed", range(2))
def test_published_and_fair_differ_in_their_rows(seed: int) -> None:
    """The three differences: pooled on and off rows, a cross column that repeats `all`, rows taken as independent."""
    table = made_up()
    rng = np.random.default_rng(seed)
    table["suppression"] = rng.normal(30, 10, len(table))
    of_prompt = dict(zip(table["prompt_key"].unique(), rng.normal(size=table["prompt_key"].nunique()), strict=True))
    table["ph_combined"] = table["prompt_key"].map(of_prompt)
    published, fair = judged(table, "published"), judged(table, "fair")
    own, off = fair.xs("own", level="target")["n"].iloc[0], fair.xs("off", level="target")["n"].iloc[0]
    for key in fair.index.get_level_values("heuristic").unique():
        pooled = own if key in ("H3", "H4", "H7") else own + off
        assert published.loc[(key, "all"), "n"] == pooled
        same = np.isclose(published.loc[(key, "cross"), "r"], published.loc[(key, "all"), "r"])
        assert same == (key == "H2"), key
    assert published.loc[("H2", "all"), "n"] == 4 * published.loc[("H2", "all"), "n_prompts"]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("suppression", "many", "line 4, column suppression: 'many' is not a number"),
        ("trait_role", "both", "line 4, column trait_role .*accepted: negative, positive"),
        ("prefix_type", "none", "line 4, column prefix_type .*accepted: fixed, mix"),
        ("ha2_filter", "x", "line 4, column ha2_filter: 'x' is not a number"),
    ],
)
def test_a_wrong_cell_is_named(tmp_path: Path, column: str, value: str, message: str) -> None:
    table = made_up().astype(object)
    table.loc[2, column] = value
    table.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match=message):
        read_values(tmp_path / "t.csv")


def test_a_missing_column_and_a_row_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\['trait_role'\] are missing"):
        table_values(made_up().drop(columns="trait_role"), "here")
    with pytest.raises(DataError, match=r"line 74.*is there already"):
        table_values(pd.concat([made_up(), made_up().head(1)], ignore_index=True), "here")
    with pytest.raises(DataError, match="not a readable CSV"):
        read_values(tmp_path / "absent.csv")


def test_a_heuristic_without_column_is_left_out_and_listed() -> None:
    found = table_values(made_up().drop(columns=["emb_rephrase_std_cos", "ha3_topk", "ha3_topk_mix"]), "here")
    assert {skip.what for skip in found.skipped} == {"heuristic H6", "heuristic HA3", "heuristic H7"}
    assert "HA3" not in found.heuristics


def test_the_verb_writes_the_table_of_a_file(tmp_path: Path) -> None:
    made_up().to_csv(tmp_path / "t.csv", index=False)
    main(
        ["analyse", "heuristics", str(tmp_path / "t.csv"), "--protocol", "published", "--out", str(tmp_path / "o.csv")]
    )
    found = pd.read_csv(tmp_path / "o.csv")
    wanted = ["heuristic", "target", "protocol", "n", "r", "r_lo", "r_hi", "rho", "r2_out", "p", "q"]
    assert list(found.columns[: len(wanted)]) == wanted
    assert set(found["protocol"]) == {"published"}
    assert len(found) == 23 * 5


def test_the_verb_says_what_it_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["heuristics"], ["mini", "table.csv"]):
        with pytest.raises(SystemExit) as stopped:
            main(["analyse", *arguments])
        assert stopped.value.code == 1
    assert "inoc analyse heuristics TABLE.csv" in capsys.readouterr().err


@needs_reference
def test_the_released_table_has_the_published_rows() -> None:
    values = read_values(FOLDER / "slides" / "data" / "dataset.csv")
    found = pd.DataFrame(judge_heuristics(values, "published", RESAMPLER)[0]).set_index(["heuristic", "target"])
    counts = {key: found.loc[(key, "all"), "n"] for key in ("H1", "H3", "H4", "H11")}
    assert counts == {"H1": 192, "H3": 108, "H4": 108, "H11": 192}
    table = dataset()
    fixed = table[table["prefix_type"] == "fixed"]
    r = stats.pearsonr(fixed["ha4_grad_mag"], fixed["suppression"])[0]
    assert found.loc[("HA4", "fixed"), "r"] == pytest.approx(r, abs=1e-12)
    assert found.loc[("H2", "cross"), "r"] == pytest.approx(found.loc[("H2", "all"), "r"], abs=1e-12)


@needs_reference
def test_redundant_heuristics_repeat_what_they_are_said_to() -> None:
    table = dataset()
    assert np.allclose(table["hb6_sim_residual"], table["h11_mean_abs_diff"] - 0.01 * table["hb2_sim_loss_decay"])
    assert np.allclose(table["hb4_strength_x_coherence"], table["ph_combined"] * table["hb1_pc1_var_frac"])
    difference = table["h11_mean_abs_diff"] - table["h14_mean_signed_tok_diff"]
    assert np.allclose(table["h12_abs_minus_signed"], difference)
    assert np.corrcoef(table["hb2_sim_loss_decay"], table["ha4_grad_mag"])[0, 1] > 0.999
