"""The released files of an earlier study, imported and analysed by the verbs, against values that are known of them.

What is fitted to comparisons at that study's own settings is in `tests/prefer/test_reference.py`.
"""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

from inoc.tables import read_table
from support.released_preferences import FOLDER, Tables, needs_reference, one, pick, released

pytestmark = needs_reference


@pytest.fixture
def paths(released_paths):
    return released_paths


@pytest.fixture
def tables(released_tables):
    return released_tables


def correlation(tables: Tables, first: str, second: str, statistic: str = "pearson", origin: str = "all") -> pd.Series:
    """Of two fits, whose names contain what is given, whichever comes first."""
    table = tables["instrument_correlations"]
    table = table[(table["statistic"] == statistic) & (table["origin"] == origin)]
    for a, b in ((first, second), (second, first)):
        found = table[table["first"].str.contains(a, regex=False) & table["second"].str.contains(b, regex=False)]
        if len(found):
            assert len(found) == 1, found.to_string()
            return found.iloc[0]
    raise AssertionError(f"{first} and {second} have no correlation")


SIMPLE, ENJOY = "week5_gemma3_al_v3/simple_preference", "week5_gemma3_al_v3/enjoy_most"


def test_comparisons_are_counted(tables):
    own = pick(tables["comparisons"], instrument="villain_eval_500")
    assert own["choice"].value_counts().to_dict() == {"b": 8677, "a": 8577, "": 58}
    assert own["pair"].nunique() == 3749
    assert own.groupby("pair")["task_a"].nunique().max() == 1  # every pair in one order only
    fit = one(tables["fits"], fit="villain_eval_500/unknown")
    assert fit[["n_items", "n_pairs", "n_comparisons", "n_refused"]].tolist() == [500, 3745, 17254, 58]
    # Four of the pairs were always refused.
    pilot = pick(tables["comparisons"], instrument="combined_patch_results")
    assert (len(pilot), int((pilot["choice"] == "a").sum())) == (450, 265)


def test_trials_with_an_order_are_turned_to_what_was_shown(tables):
    table = pick(tables["reliability"], instrument="baseline_pairwise")
    chosen = one(table, statistic="first_chosen")
    assert chosen[["value", "n"]].tolist() == [pytest.approx(0.6015532669, abs=1e-9), 5923]
    effect = one(table, statistic="position_effect")
    assert abs(effect["value"]) == pytest.approx(0.0997816, abs=1e-7)
    assert effect["n"] == 298
    assert one(table, statistic="content_size")["value"] == pytest.approx(0.2082721, abs=1e-7)
    assert one(table, statistic="position_exceeds_content")["value"] == pytest.approx(0.53, abs=5e-3)
    assert one(tables["fits"], fit="baseline_pairwise/unknown")["position_lo"] > 0


def test_split_halves_say_less_than_the_stop_rule(tables):
    table = pick(tables["reliability"], instrument="villain_eval_500")
    assert one(table, statistic="split_pairs")["value"] == pytest.approx(0.90, abs=0.03)
    assert one(table, statistic="split_samples")["value"] > 0.98
    rounds = tables["selection_history"]
    last = rounds[rounds["fit"].str.startswith("week2_stability_v1")].groupby("fit")["rank_correlation"].last()
    assert sorted(round(value, 3) for value in last) == [0.976, 0.981, 0.985]


def test_the_penalty_of_a_stored_fit_follows_from_its_values(tables):
    fits = tables["fits"].set_index("fit")["lambda"].dropna()
    stored = fits[fits.index.str.contains("/") & ~fits.index.str.endswith("/unknown")]
    assert (np.abs(stored - 1) < 1e-9).sum() == 9
    old = stored[stored.index.str.startswith("week2")]
    assert len(old) == 15
    assert np.abs(old).max() < 1e-9


def test_two_wordings_of_a_choice(tables):
    r = correlation(tables, SIMPLE, ENJOY)
    assert r[["value", "n"]].tolist() == [pytest.approx(0.4941180868, abs=1e-9), 500]
    assert r["p"] == pytest.approx(3.86e-32, rel=2e-3)
    assert correlation(tables, SIMPLE, ENJOY, "spearman")["value"] == pytest.approx(0.5007475070, abs=1e-9)
    assert correlation(tables, SIMPLE, ENJOY, "weighted")["value"] == pytest.approx(0.5326769960, abs=1e-9)
    for name, share in ((SIMPLE, 0.2224), (ENJOY, 0.2447)):
        assert released(tables, name, "all", "explained")["value"] == pytest.approx(share, abs=5e-5)


def test_mean_utilities_by_origin(tables):
    expected = {"bailbench": 0.6713, "wildchat": 0.4446, "stress_test": 0.3738, "alpaca": -0.4528, "math": -0.9188}
    for origin, value in expected.items():
        assert released(tables, SIMPLE, origin, "mean_utility")["value"] == pytest.approx(value, abs=5e-5)


def test_repeats_of_one_instrument_hardly_agree(tables):
    run = "week2_stability_v1/pairwise_revealed_llama-3.1-8b_regex_canonical_cseed0_rseed"
    pairs = {(0, 1): 0.2115, (0, 2): 0.1082, (1, 2): 0.1889}
    found = sorted(correlation(tables, f"{run}{a}", f"{run}{b}")["value"] for a, b in pairs)
    np.testing.assert_allclose(found, sorted(pairs.values()), atol=5e-5)


def test_wordings_of_another_run_do_not_agree(tables):
    run = "week2_probe_5/post_task_revealed_00"
    found = sorted(correlation(tables, f"{run}{a}", f"{run}{b}")["value"] for a, b in ((1, 2), (1, 3), (2, 3)))
    np.testing.assert_allclose(found, sorted([-0.0739, -0.0534, 0.0203]), atol=5e-5)


def test_the_order_decides(tables):
    qwen, llama = "qwen-2.5-7b-instruct_regex_", "revealed_choice_001_llama-3.1-8b_regex_"
    large = tables["instrument_correlations"]
    large = large[large["n"] >= 100]
    table = {**tables, "instrument_correlations": large}
    same = [correlation(table, f"{qwen}{order}_seed0", f"{qwen}{order}_seed1")["value"] for order in ORDERS]
    assert sorted(same) == pytest.approx([0.9696, 0.9723], abs=5e-5)
    crossed = [correlation(table, f"{qwen}canonical_seed0", f"{qwen}reversed_seed{b}")["value"] for b in (0, 1)]
    assert sorted(crossed) == pytest.approx([-0.681, -0.664], abs=5e-4)
    same = [correlation(table, f"{llama}{order}_seed0", f"{llama}{order}_seed1")["value"] for order in ORDERS]
    assert sorted(same) == pytest.approx([0.796, 0.944], abs=5e-4)
    crossed = [
        correlation(table, f"{llama}canonical_seed{a}", f"{llama}reversed_seed{b}")["value"]
        for a in (0, 1)
        for b in (0, 1)
    ]
    assert (min(crossed), max(crossed)) == pytest.approx((0.701, 0.792), abs=5e-4)


ORDERS = ("canonical", "reversed")


def test_temperatures_and_bounds(tables, paths):
    r = correlation(tables, "temperature_sweep/temp_03", "temperature_sweep/temp_10")
    assert r["value"] == pytest.approx(0.880405, abs=5e-7)
    stored = read_table(paths.stage("imports") / "fits.parquet").set_index("fit")["at_bounds"]
    counts = stored[stored.index.str.startswith("temperature_sweep")]
    assert sorted(counts) == [123, 127]


REFUSED, OTHER = "refusal_cache_gemma3_al_500", "refusal_cache_gemma3_al_v2_enjoy_most"


def refusal(tables: Tables, measure: str, source: str, origin: str, statistic: str) -> pd.Series:
    table = tables["refusals"]
    table = table[(table["source"] == source) & (table["origin"] == origin) & (table["statistic"] == statistic)]
    return one(table[table["measure"].str.contains(measure, regex=False)])


def test_refused_tasks_are_liked_more_because_of_their_origin(tables):
    assert refusal(tables, SIMPLE, REFUSED, "all", "mean_refused")[["value", "n"]].tolist() == [
        pytest.approx(0.7849, abs=5e-5),
        90,
    ]
    assert refusal(tables, SIMPLE, REFUSED, "all", "mean_others")["value"] == pytest.approx(-0.1435, abs=5e-5)
    r = refusal(tables, SIMPLE, REFUSED, "all", "pearson")
    assert (r["value"], r["p"]) == (pytest.approx(0.2194653066, abs=1e-9), pytest.approx(7.21e-7, rel=1e-2))
    u = refusal(tables, SIMPLE, REFUSED, "all", "mann_whitney_u")
    assert (u["value"], u["p"]) == (24746, pytest.approx(3.93e-7, rel=1e-2))
    quarters = [refusal(tables, SIMPLE, REFUSED, "all", f"rate_q{number}")["value"] for number in (1, 2, 3, 4)]
    assert quarters == pytest.approx([0.08, 0.136, 0.208, 0.296])
    expected = {"bailbench": 0.276177, "stress_test": -0.011488, "wildchat": -0.028773, "adjusted": 0.079428}
    for origin, value in expected.items():
        assert refusal(tables, SIMPLE, REFUSED, origin, "pearson")["value"] == pytest.approx(value, abs=1e-6)


def test_refusals_under_the_other_wording(tables):
    assert refusal(tables, ENJOY, OTHER, "all", "pearson")["value"] == pytest.approx(0.053407, abs=1e-6)
    assert refusal(tables, ENJOY, OTHER, "all", "mann_whitney_u")["p"] == pytest.approx(0.268, abs=5e-4)
    assert refusal(tables, ENJOY, OTHER, "adjusted", "pearson")["value"] == pytest.approx(-0.012876, abs=1e-6)


def test_a_judge_of_refusals_against_itself(tables):
    found = released(tables, REFUSED, OTHER, "kappa")
    assert (found["value"], found["n"]) == (pytest.approx(0.8135, abs=5e-5), 500)
    assert released(tables, REFUSED, OTHER, "agreement")["value"] == pytest.approx(0.944)


def test_before_the_task_refused_ones_are_chosen_least(tables):
    table = tables["refusals"]
    table = table[(table["of"] == "question") & table["measure"].str.contains("ranked_tasks_020426")]
    assert one(table, origin="all", statistic="pearson")["value"] == pytest.approx(-0.734249, abs=1e-6)
    assert one(table, origin="adjusted", statistic="pearson")["value"] == pytest.approx(-0.467958, abs=1e-6)
    assert one(table, origin="all", statistic="pearson")["n"] == 100


def test_the_published_refusals_within_bailbench_are_consistent(tables):
    found = released(tables, "refusal_preference_stats", "bailbench", "p_of_r")
    assert (found["value"], found["p"]) == (pytest.approx(-0.81397, abs=1e-5), pytest.approx(2.9146e-16, rel=1e-3))
    assert released(tables, "refusal_preference_stats", "bailbench", "auc_of_u")["value"] == pytest.approx(
        0.091, abs=5e-4
    )


@pytest.mark.parametrize(
    ("template", "origin", "probe"),
    [
        ("001", 0.2982, 0.4022),
        ("003", 0.7028, 0.6872),
        ("007", 0.2466, 0.4977),
        ("010", 0.2781, 0.5961),
        ("011", 0.2871, 0.3502),
    ],
)
def test_the_origin_alone_foresees_ratings(tables, template, origin, probe):
    source = f"post_task_qualitative_{template}/"
    assert released(tables, source, "origin", "r_squared")["value"] == pytest.approx(origin, abs=5e-5)
    assert released(tables, source, "probe, layer 16", "r_squared")["value"] == pytest.approx(probe, abs=5e-5)


def test_harmful_requests_are_rated_lowest(tables):
    for template, value in (("001", -0.818), ("003", -0.935), ("007", -0.948), ("010", -0.922)):
        rows = tables["released"]
        rows = rows[rows["source"].str.contains(f"post_task_qualitative_{template}/", regex=False)]
        means = rows[rows["statistic"] == "mean_rating"].set_index("of")["value"]
        assert means["bailbench"] == pytest.approx(value, abs=5e-4)
        assert means.idxmin() == "bailbench"


def test_templates_of_ratings_agree_differently(tables):
    name = "post_task_qualitative_0"
    for first, second, value, n in (
        ("07", "10", 0.723523, 997),
        ("01", "03", 0.611569, 583),
        ("01", "11", 0.122834, 405),
    ):
        r = correlation(tables, f"{name}{first}/", f"{name}{second}/")
        assert (r["value"], r["n"]) == (pytest.approx(value, abs=1e-6), n)


def test_nine_tasks_are_no_evidence(tables):
    table = tables["ratings"]
    table = table[table["instrument"].str.startswith("open_ended")]
    seeds = table.groupby(["task", "seed"])["value"].mean().unstack().dropna()
    assert len(seeds) == 9
    r = one(tables["released"], of="seeds 0, 1", statistic="seed_correlation")
    assert r["value"] == pytest.approx(-0.1587857159, abs=1e-9)
    assert (r["lo"], r["hi"], r["p"], r["n"]) == (
        pytest.approx(-0.74, abs=5e-3),
        pytest.approx(0.56, abs=5e-3),
        pytest.approx(0.68, abs=5e-3),
        9,
    )
    first = one(tables["released"], of="seeds 0, 1, first sample", statistic="seed_correlation")
    assert first["value"] == pytest.approx(0.5106, abs=5e-5)
    own = pick(tables["reliability"], instrument=table["instrument"].iloc[0], origin="all")
    assert one(own, statistic="icc1")["value"] == pytest.approx(-0.0366, abs=5e-5)


def test_settings_that_two_runs_must_share(tables):
    source = "sensitivity_post_task_qualitative"
    expected = {"phrasing": 0.067899, "scale": 0.067899, "response_format": 0.107893, "rating_seed": -0.0158}
    for name, value in expected.items():
        assert released(tables, source, name, "same_setting")["value"] == pytest.approx(value, abs=1e-6)
    assert released(tables, source, "all", "intercept")["value"] == pytest.approx(0.518323, abs=1e-6)
    assert released(tables, source, "all", "r_squared")["value"] == pytest.approx(0.673631, abs=1e-6)
    mean = released(tables, source, "other seed alone", "mean_correlation")
    assert (mean["value"], mean["n"]) == (pytest.approx(0.8115, abs=5e-5), 4)


def test_published_seed_correlations(tables):
    plain = "plots/seed_sensitivity_stability_v1"
    assert released(tables, plain, "stated", "mean_correlation")["value"] == pytest.approx(0.4426, abs=5e-5)
    informative = "seed_sensitivity_old_experiments_stability_v1"
    assert released(tables, informative, "stated", "mean_correlation")["value"] == pytest.approx(0.2250, abs=5e-5)
    bench = released(tables, plain, "by_origin BAILBENCH", "mean_correlation")
    assert (bench["value"], bench["n"]) == (pytest.approx(0.80, abs=5e-3), 8)
    binary = [
        released(tables, source, "by_template qualitative_binary", "mean_correlation")["value"]
        for source in (plain, informative)
    ]
    assert binary == pytest.approx([0.488, -0.412], abs=5e-4)


def test_discrimination_by_model(tables):
    expected = {"llama-3.3-70b": (1.023, 0.900), "gemma-3-27b": (1.314, 0.944), "qwen3-32b": (1.599, 0.634)}
    for model, (kl, ratio) in expected.items():
        assert released(tables, "discrimination_cells", model, "kl_mean")["value"] == pytest.approx(kl, abs=5e-4)
        assert released(tables, "discrimination_cells", model, "icc_mean")["value"] == pytest.approx(ratio, abs=5e-4)
    beyond = released(tables, "discrimination_cells", "compressed_anchors_1_5|qwen3-32b", "kl_beyond_ln_k")
    assert beyond["value"] == 5.614


def test_models_rate_their_own_completions_like_others(tables):
    def cell(of: str, statistic: str) -> float:
        return float(released(tables, "metrics_020326", of, statistic)["value"])

    assert (cell("self", "icc_mean"), cell("self", "icc_sd")) == pytest.approx((0.3719, 0.2983), abs=5e-5)
    assert (cell("cross", "icc_mean"), cell("cross", "icc_sd")) == pytest.approx((0.3914, 0.2700), abs=5e-5)
    for statistic, value, t, p in (("icc", -0.0194, -0.70, 0.53), ("mean", 0.0314, 1.25, 0.30)):
        assert cell("self-cross", f"{statistic}_difference") == pytest.approx(value, abs=5e-5)
        assert cell("self-cross", f"{statistic}_difference_t") == pytest.approx(t, abs=5e-3)
        paired = released(tables, "metrics_020326", "self-cross", f"{statistic}_difference")
        assert paired["p"] == pytest.approx(p, abs=5e-3)


def test_three_rules_of_consistency(tables):
    def cell(source: str, rater: str, statistic: str) -> float:
        return float(released(tables, source, rater, statistic)["value"])

    pooled = "data/task_consistency.json"
    assert cell(pooled, "all", "earlier_pooled_mean") == pytest.approx(0.8000330, abs=5e-8)
    assert cell(pooled, "all", "earlier_pooled_share_above_0.7") == pytest.approx(0.965)
    tops = [cell(pooled, "all", f"earlier_pooled_top_{name}") for name in ("intra", "inter")]
    assert tops == pytest.approx([0.2076607853, 0.1929995894], abs=1e-9)
    for rater, mean, above_7, above_9, top, half in (
        ("gemma2", 0.8702797, 0.85, 0.575, 0.195095, 0.9493844),
        ("qwen_think", 0.6546731, 0.390, 0.067, 0.245121, 0.8323607),
    ):
        own = f"task_data/data/consistency_{rater}.json"
        assert cell(own, rater, "earlier_own_percentile_mean") == pytest.approx(mean, abs=5e-8)
        assert cell(own, rater, "earlier_own_percentile_share_above_0.7") == pytest.approx(above_7, abs=5e-4)
        assert cell(own, rater, "earlier_own_percentile_share_above_0.9") == pytest.approx(above_9, abs=5e-4)
        assert cell("both rules", rater, "earlier_own_percentile_top") == pytest.approx(top, abs=5e-7)
        third = f"consistency/data/consistency_{rater}.json"
        assert cell(third, rater, "earlier_half_scale_mean") == pytest.approx(half, abs=5e-8)
    r = released(tables, "consistency", "gemma2, qwen_think", "pearson")
    assert (r["value"], r["n"], r["p"]) == (pytest.approx(0.061593, abs=1e-6), 195, pytest.approx(0.39, abs=5e-3))
    assert released(tables, "consistency", "gemma2, qwen_think", "spearman")["value"] == pytest.approx(
        0.084441, abs=1e-6
    )


def test_the_one_task_without_consistency_was_misread(tables, paths):
    zero = tables["consistency"].query("rule == 'earlier_pooled' and score == 0")
    assert len(zero) == 1
    findings = json.loads((paths.stage("imports") / "findings.json").read_text(encoding="utf-8"))
    (found,) = [one for one in findings if one["level"] == "warning" and one["topic"] == "consistency"]
    assert zero["task"].iloc[0] in found["text"]


def test_percentiles_of_stored_scores_are_linear(tables):
    found = tables["consistency"]
    files = sorted((FOLDER / "src" / "task_data").rglob("consistency_*.json"))
    for path in files:
        stored = json.loads(path.read_text(encoding="utf-8"))
        rater = re.sub(r"\W+", "_", path.stem.removeprefix("consistency_"))
        rule = "earlier_half_scale" if path.parent.parent.name == "consistency" else "earlier_own_percentile"
        scores = found.loc[(found["rater"] == rater) & (found["rule"] == rule), "score"]
        assert len(scores) == len(stored["scores"])
        for percent, expected in stored["percentiles"].items():
            assert np.percentile(scores, float(percent)) == pytest.approx(expected, abs=1e-12)
    assert len(files) > 2


def test_the_wording_decides_what_is_said(tables):
    own = tables["ratings"][tables["ratings"]["rater"] == "llama_3_1_8b"]
    wording = own.assign(end=own["instrument"].str.replace(r"^[a-z]+_", "", regex=True))
    means = wording.groupby("end")["value"].mean()
    assert [means["yes_no"], means["good_bad"], means["positive_negative"]] == pytest.approx(
        [0.2444, 0.6698, 0.8131], abs=5e-5
    )
    framing = own.assign(begin=own["instrument"].str.split("_").str[0]).groupby("begin")["value"].mean()
    assert [framing["honest"], framing["standard"]] == pytest.approx([0.3007, 0.6936], abs=5e-5)


def test_online_ratings_believe_too_much(tables):
    r = correlation(tables, "ranking_basic_cseed0_regex_seed0", "ranking_basic_cseed0_regex_seed1")
    assert (r["value"], r["n"]) == (pytest.approx(0.0155, abs=5e-5), 200)
    found = [released(tables, f"regex_seed{seed}", "all", "believed_reliability")["value"] for seed in (0, 1)]
    assert found == pytest.approx([0.49, 0.39], abs=6e-3)


def test_steering_from_published_means(tables):
    line = released(tables, "steering_statistics", "all", "slope")
    assert (line["value"], line["p"], line["n"]) == (
        pytest.approx(-0.0851603892, abs=1e-9),
        pytest.approx(2.05e-26, rel=5e-3),
        707,
    )
    assert released(tables, "steering_statistics", "all", "intercept")["value"] == pytest.approx(0.5660320093, abs=1e-9)
    assert released(tables, "steering_statistics", "all", "r_squared")["value"] == pytest.approx(0.1483106, abs=1e-7)
    assert released(tables, "steering_statistics", "ends", "cohens_d")["value"] == pytest.approx(-1.0670950, abs=1e-7)


def test_steered_ratings_by_task(tables):
    for name, slope, t, n in (
        ("ternary_generation", 1.002652102e-04, 20.109347, 200),
        ("ternary_task_tokens", 1.001441849e-05, 4.390068, 196),
    ):
        found = released(tables, name, "tasks", "slope")
        assert (found["value"], found["n"]) == (pytest.approx(slope, rel=1e-9), n)
        assert released(tables, name, "tasks", "slope_t")["value"] == pytest.approx(t, abs=1e-6)


@pytest.mark.parametrize(
    ("source", "of", "how", "value", "t"),
    [
        ("probe_rerun", "boost_a at +2641", "by_pair", 8.820346, 4.458368),
        ("probe_rerun", "diff_ab at +2641", "by_pair", 7.409812, 2.770032),
        ("probe_rerun", "diff_ab at +2641", "within_order", 8.059163, 3.1379),
        ("random_seed100", "boost_a at +2641", "by_pair", 5.638528, 2.969074),
        ("random_seed100", "diff_ab at +2641", "by_pair", -2.521645, -1.253914),
        ("phase4_random", "random_diff_ab_ridge_L49 at +8006.73", "by_order", 1.383616, 3.248147),
        ("phase4_random", "random_diff_ab_ridge_L49 at -8006.73", "by_order", 1.097561, 2.993704),
    ],
)
def test_steered_choices(tables, source, of, how, value, t):
    assert released(tables, source, of, how)["value"] == pytest.approx(value, abs=1e-6)
    assert released(tables, source, of, f"{how}_t")["value"] == pytest.approx(t, abs=1e-4)


def test_the_control_and_pooled_shifts_of_steered_choices(tables):
    assert released(tables, "phase4_random", "control", "first_chosen")["value"] == pytest.approx(0.558362, abs=2e-4)
    found = [released(tables, "random_seed100", f"{one} at +2641", "pooled")["value"] for one in ("boost_a", "diff_ab")]
    assert found == pytest.approx([6.600975, -1.205229], abs=1e-6)


def test_a_judge_in_both_orders(tables):
    found = released(tables, "judge", "self_referential_framing", "asymmetry")
    assert (found["value"], found["p"]) == (pytest.approx(0.6), pytest.approx(0.003418, abs=1e-6))
    signed = released(tables, "judge", "self_referential_framing", "asymmetry_signed_rank")
    assert signed["p"] == pytest.approx(0.001709, abs=1e-6)
    counts = [released(tables, "judge", "self_referential_framing", name)["value"] for name in ("up", "tie", "down")]
    assert counts == [12, 17, 1]
    places = [
        released(tables, "judge", "self_referential_framing", f"{one}_preferred")["value"]
        for one in ("first", "second")
    ]
    assert places == [63, 24]
