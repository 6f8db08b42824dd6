"""The tables of statistics, from simulated measurements with a planted truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from inoc.stats.correlation import pearson
from inoc.stats.reliability import spearman_brown
from inoc.studies.preferences.analyse.consistency import consistency_rows
from inoc.studies.preferences.analyse.contexts import context_rows
from inoc.studies.preferences.analyse.fits import fits_of, utilities_table
from inoc.studies.preferences.analyse.statistics import statistics
from inoc.studies.preferences.compared import as_comparisons
from inoc.studies.preferences.inputs import Measured
from inoc.tables import write_table
from support.preferences import comparisons, completions, rankings, ratings, study_of, tasks_of


def utilities(n: int = 30, seed: int = 0, spread: float = 1.0) -> tuple[dict[str, float], dict[str, str]]:
    tasks, origins = tasks_of(n)
    rng = np.random.default_rng(seed)
    shift = {"maths": 0.5, "poems": 0.0, "chats": -0.5}
    return {task: float(rng.normal(0, spread) + shift[origins[task]] * spread) for task in tasks}, origins


def everything(seed: int = 0, refused: frozenset[str] = frozenset()) -> tuple[Measured, dict[str, float]]:
    mu, origins = utilities(seed=seed)
    rated = pd.concat(
        [
            ratings(mu, origins, seed=seed),
            ratings(mu, origins, "likert", noise=1.5, seed=seed),
            ratings(dict.fromkeys(mu, 0.0), origins, rater="b", completer="b", seed=seed),
        ]
    )
    found = Measured(
        rated,
        comparisons(mu, origins, 250, position=0.4, refused=refused, seed=seed),
        rankings(mu, origins, 150, seed),
        completions(origins, refused),
        origins,
    )
    return found, mu


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[dict[str, pd.DataFrame], dict[str, float]]:
    refused = frozenset(f"chats_{number:03d}" for number in (2, 5, 8, 11, 14))
    found, mu = everything(refused=refused)
    tables = statistics(found, study_of(reliability={"informative": True}), [])
    for name, (schema, rows) in tables.items():  # every table has its schema
        write_table(rows, schema, tmp_path_factory.mktemp("tables") / f"{name}.parquet", csv=True)
    return {name: rows for name, (_, rows) in tables.items()}, mu


def of(table: pd.DataFrame, **where: str) -> pd.DataFrame:
    for name, value in where.items():
        table = table[table[name] == value]
    return table


def one(table: pd.DataFrame, **where: str) -> pd.Series:
    found = of(table, **where)
    assert len(found) == 1, found
    return found.iloc[0]


def test_utilities_of_choices_and_rankings_are_recovered_with_their_position(made):
    tables, mu = made
    for fit in ("choice/a", "order/a"):
        rows = of(tables["utilities"], fit=fit).set_index("item")
        rows = rows[rows["n_comparisons"] > rows["n_refused"]]
        assert np.corrcoef(rows["mu"], pd.Series(mu)[rows.index])[0, 1] > 0.85
    choice = one(tables["fits"], fit="choice/a")
    assert choice["position_lo"] < 0.4 < choice["position_hi"]
    assert choice["n_refused"] > 0
    assert set(of(tables["utilities"], fit="choice/a")["origin"]) == {"maths", "poems", "chats"}


def test_reliability_says_which_instrument_is_noise(made):
    tables, _ = made
    table = tables["reliability"]
    good = one(table, instrument="stars", rater="a", origin="all", statistic="seed_r")
    noise = one(table, instrument="stars", rater="b", origin="all", statistic="seed_r")
    assert good["lo"] > 0.5
    assert noise["lo"] < 0 < noise["hi"]
    full = one(table, instrument="stars", rater="a", origin="all", statistic="seed_r_full")
    assert full["value"] == pytest.approx(spearman_brown(good["value"], 3))
    assert {"icc1", "icc2", "icc3", "kl_uniform", "kl_share", "entropy", "informative_r"} <= set(table["statistic"])
    assert one(table, instrument="choice", origin="all", statistic="split_pairs_full")["value"] > 0.7
    assert one(table, instrument="choice", origin="all", statistic="first_chosen")["lo"] > 0.5
    refused = one(table, instrument="choice", origin="all", statistic="refused")
    assert refused["value"] > 0.2
    assert one(table, instrument="choice", origin="all", statistic="answered")["value"] == pytest.approx(
        1 - refused["value"]
    )
    assert set(of(table, instrument="stars", rater="a")["origin"]) == {"all", "maths", "poems", "chats"}


def test_instruments_are_compared_within_and_between_origins(made):
    tables, _ = made
    table = of(tables["instrument_correlations"], first="likert/a", second="stars/a")
    r = one(table, origin="all", statistic="pearson")
    assert 0.3 < r["value"] < one(table, origin="all", statistic="disattenuated")["value"]
    assert one(table, origin="within", statistic="pearson")["n"] == 30
    assert one(table, origin="between", statistic="pearson")["n"] == 3
    assert one(table, origin="all", statistic="rma_slope")["value"] > 0
    stated = of(tables["instrument_correlations"], kinds="rating-utility")
    assert {"stars/a", "likert/a", "stars/b"} == set(stated["first"])


def test_refused_tasks_are_compared_with_the_others(made):
    tables, _ = made
    table = of(tables["refusals"], of="task", source="a")
    assert one(table, measure="", origin="all", statistic="rate")["value"] == pytest.approx(5 / 30)
    assert one(table, measure="", origin="chats", statistic="rate")["value"] == 0.5
    mine = of(table, measure="stars/a")
    assert one(mine, origin="all", statistic="auc")["n"] == 30
    assert {"adjusted", "chats"} <= set(mine["origin"])
    assert sum(one(mine, origin="all", statistic=f"rate_q{number}")["n"] for number in (1, 2, 3, 4)) == 30
    assert of(table, measure="stars/b").empty  # model b did not refuse; its completions are unknown
    asked = of(tables["refusals"], of="question", measure="choice/a")
    assert one(asked, origin="all", statistic="pearson")["n"] > 10


def test_every_model_of_comparisons_is_a_fit_and_the_first_is_the_main_one():
    found, _ = everything()
    study = study_of(fit={"models": ["bradley_terry", "case_v"], "position": "origin_pairs", "penalties": [0.01, 1.0]})
    fits = fits_of(found, study)
    assert [one.name for one in fits] == ["choice/a", "choice/a/case_v", "order/a"]
    assert [one.main for one in fits] == [True, False, True]
    assert len(fits[0].positions) == 6
    assert fits[0].fit["lambda"] in (0.01, 1.0)


def test_rankings_have_online_ratings_beside_those_of_plackett_and_luce():
    mu, origins = utilities()
    measured = Measured(rankings=rankings(mu, origins, 60), origins=origins)
    fits = fits_of(measured, study_of(fit={"online": True}))
    assert [(one.name, one.main, one.fit["model"]) for one in fits] == [
        ("order/a", True, "plackett_luce"),
        ("order/a/online", False, "online"),
    ]
    plain, online = (one.utilities.set_index("item") for one in fits)
    assert np.corrcoef(plain["mu"], online["mu"])[0, 1] > 0.9
    assert (online["lo"] < online["hi"]).all()
    assert [one.name for one in fits_of(measured, study_of())] == ["order/a"]


def test_exact_probabilities_have_the_intervals_of_pairs_and_drawn_answers_those_of_drawing():
    mu, origins = utilities()
    exact = Measured(comparisons=comparisons(mu, origins, 120, exact=True), origins=origins)
    drawn = Measured(comparisons=comparisons(mu, origins, 120), origins=origins)

    def widths(measured: Measured, how: str) -> pd.Series:
        table = fits_of(measured, study_of(fit={"models": ["case_v"], "intervals": how}))[0].utilities
        return table["hi"] - table["lo"]

    pd.testing.assert_series_equal(widths(exact, "auto"), widths(exact, "pairs"))
    assert widths(exact, "auto").max() < 0.1 * widths(exact, "information").min()  # they follow the model
    pd.testing.assert_series_equal(widths(drawn, "auto"), widths(drawn, "information"))


def test_reduced_bias_is_for_drawn_answers_and_leaves_exact_ones_as_they_are():
    tasks, origins = tasks_of(10)
    utility = dict(zip(tasks, np.linspace(-2, 2, 10), strict=True))
    spreads = {}
    for bias in ("kept", "reduced"):
        study = study_of(fit={"models": ["case_v"], "bias": bias})
        for exact in (True, False):
            rows = comparisons(utility, origins, 25, exact=exact)
            table = fits_of(Measured(comparisons=rows, origins=origins), study)[0].utilities
            spreads[bias, exact] = float(table["mu"].std())
    assert spreads["reduced", True] == spreads["kept", True]
    assert spreads["reduced", False] < 0.9 * spreads["kept", False]


def test_exact_questions_count_once_and_as_shares():
    mu, origins = utilities()
    rows = comparisons(mu, origins, 120, exact=True)
    seeds = pd.concat([rows.assign(seed=seed) for seed in range(5)])
    once, often = as_comparisons(rows, origins), as_comparisons(seeds, origins)
    assert once is not None
    assert often is not None
    assert often.weight.sum() == pytest.approx(once.weight.sum())
    assert once.weight.sum() == pytest.approx(len(rows.drop_duplicates(["task_a", "task_b"])))
    exact = utilities_table(fits_of(Measured(comparisons=rows, origins=origins), study_of()))
    drawn = utilities_table(fits_of(Measured(comparisons=rows.assign(p_a=np.nan), origins=origins), study_of()))
    truth = pd.Series(mu)
    r = [np.corrcoef(table.set_index("item")["mu"], truth[table["item"]])[0, 1] for table in (exact, drawn)]
    assert r[0] > r[1]


def test_the_planted_design_is_covered_and_nothing_is_found_where_nothing_is():
    """Of 200 data sets, shares of data sets have a standard error of 1.5 points, and that of tasks one of 0.5."""
    inside, positions, none, found = [], [], [], []
    study = study_of(fit={"models": ["case_v"]})
    for seed in range(200):
        mu, origins = utilities(15, seed=seed)
        for position, held in ((0.6, positions), (0.0, none)):
            rows = comparisons(mu, origins, 200, position=position, seed=seed)
            one_fit = fits_of(Measured(comparisons=rows, origins=origins), study)[0]
            truth = pd.Series(mu)[one_fit.utilities["item"]].to_numpy()
            truth = truth - truth.mean()
            inside.append(((one_fit.utilities["lo"] <= truth) & (truth <= one_fit.utilities["hi"])).mean())
            held.append(one_fit.fit["position_lo"] <= position <= one_fit.fit["position_hi"])
        noise = ratings(dict.fromkeys(mu, 0.0), origins, seed=seed)
        values = noise.groupby("task")["value"].mean()
        found.append(pearson(values.to_numpy(), pd.Series(mu)[values.index].to_numpy()).p < 0.05)
    assert 0.93 <= np.mean(inside) <= 0.97
    assert 0.93 <= np.mean(positions) <= 0.97
    assert 0.93 <= np.mean(none) <= 0.97  # false positives: 3 to 7 %
    assert 0.03 <= np.mean(found) <= 0.07


def test_contexts_are_compared_on_the_same_tasks():
    mu, origins = utilities(40)
    cells = tuple(
        (first, second, 0.8 * (first == "warm") + 0.2 * (second == "warm"))
        for first in ("none", "warm")
        for second in ("none", "warm")
    )
    rows = ratings({task: value / 2 for task, value in mu.items()}, origins, contexts=cells)
    mentions = frozenset(["maths_000", "poems_001"])
    found = Measured(ratings=rows, completions=completions(origins, frozenset(), mentions), origins=origins)
    table = of(context_rows(found, 0.95, drop_mentions=True), origin="all")
    cell = of(table, context_completion="warm", context_measurement="none")
    assert one(cell, statistic="difference")[["n", "n_nan"]].tolist() == [38, 2]
    assert one(cell, statistic="difference")["lo"] > 0.4
    shares = [one(cell, statistic=name)["value"] for name in ("higher", "tie", "lower")]
    assert sum(shares) == pytest.approx(1)
    assert shares[0] > 0.6
    effects = of(table, statistic="main_effect").set_index(["context_completion", "context_measurement"])["value"]
    assert effects[("warm", "all")] > effects[("all", "warm")] > 0
    kept = of(context_rows(found, 0.95, drop_mentions=False), origin="all")
    assert one(of(kept, context_completion="warm", context_measurement="none"), statistic="difference")["n"] == 40
    assert context_rows(Measured(ratings=ratings(mu, origins), origins=origins), 0.95, drop_mentions=True).empty


def test_consistency_is_comparable_between_models_by_the_scale_alone():
    mu, origins = utilities(60)
    noise = {"a": 0.3, "b": 1.2}
    rows = pd.concat([ratings(mu, origins, rater=who, completer=who, noise=one_) for who, one_ in noise.items()])
    rows = pd.concat([rows, ratings(mu, origins, "likert", noise=0.5)])
    table = consistency_rows(Measured(ratings=rows, origins=origins))
    means = table.groupby(["rater", "rule"])["score"].mean()
    assert means["a", "scale"] > means["b", "scale"] + 0.1
    assert set(table["rule"]) == {"scale", "earlier_own_percentile", "earlier_pooled"}
    assert of(table, rater="all")["task"].nunique() == 60


def test_an_empty_study_has_empty_tables():
    assert all(rows.empty for _, rows in statistics(Measured(), study_of(), []).values())


def test_the_order_of_rows_does_not_matter():
    found, _ = everything()
    rng = np.random.default_rng(0)
    mixed = Measured(
        found.ratings.iloc[rng.permutation(len(found.ratings))],
        found.comparisons,
        found.rankings.iloc[rng.permutation(len(found.rankings))],
        found.completions.iloc[rng.permutation(len(found.completions))],
        found.origins,
    )
    study = study_of(fit={"models": ["case_v"]})
    first, second = statistics(found, study, []), statistics(mixed, study, [])
    for name in ("reliability", "utilities", "instrument_correlations", "refusals", "consistency"):
        a, b = first[name][1].reset_index(drop=True), second[name][1].reset_index(drop=True)
        pd.testing.assert_frame_equal(a, b, rtol=1e-6, atol=1e-6, check_dtype=False)
