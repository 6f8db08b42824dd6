"""Rates over seeds, shares of the teacher's shift, and the cells of single students."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from inoc.stats.crossed import crossed_interval
from inoc.studies.subliminal.analyse.rates import imported_rates, pooled_rate
from inoc.studies.subliminal.analyse.step import SCHEMAS, preference_tables
from inoc.studies.subliminal.figures.entries import ENTRIES
from support.made_subliminal import made_shares, made_study

CONTRACT = {
    "filter": "teacher reason n",
    "preferences": "student epoch seed entity question_set method rate lo hi n n_unclear",
    "transfer": "teacher entity matched difference ratio lo hi p q",
    "vectors": "trait readout site norm split_half n",
    "steering": "trait site coefficient trait_score coherence lo hi n n_incoherent",
    "projections": "dataset vector site mean sd d lo hi n_pairs",
}


@pytest.fixture(scope="module")
def made():
    study = made_study(("bear", "owl"))
    shares = made_shares(study, np.random.default_rng(0))
    rows = preference_tables(study, shares, {})
    return shares, {name: pd.DataFrame(found, columns=SCHEMAS[name].names) for name, found in rows.items()}


@pytest.mark.parametrize(("name", "columns"), CONTRACT.items())
def test_tables_have_the_columns_that_others_rely_on(name, columns):
    assert set(columns.split()) <= set(SCHEMAS[name].names)


def test_a_rate_of_several_seeds_has_the_interval_of_seeds_and_questions(made):
    shares, tables = made
    row = tables["rates"].query("student == 'same.owl' and entity == 'owl' and method == 'sample' and is_last").iloc[0]
    subjects = ["same.owl.seed0", "same.owl.seed1"]
    own = shares[shares["subject"].isin(subjects) & (shares["entity"] == "owl") & (shares["method"] == "sample")]
    table = own[own["epoch"] == 3].pivot_table(index="subject", columns="question", values="value").to_numpy()
    expected = crossed_interval(table, 0.95)
    assert (row["rate"], row["n_seeds"], row["n"]) == (pytest.approx(expected.value), 2, 240)
    assert (row["lo"], row["hi"]) == pytest.approx((max(expected.lo, 0), min(expected.hi, 1)))


def test_a_rate_of_one_subject_is_that_of_the_table_preferences(made):
    _, tables = made
    one = tables["rates"].query("student == 'untrained'").set_index(["base", "entity", "method"])
    each = tables["preferences"].query("student == 'untrained'").set_index(["base", "entity", "method"])
    np.testing.assert_array_equal(one[["rate", "lo", "hi"]], each.loc[one.index, ["rate", "lo", "hi"]])


def test_questions_that_one_seed_lacks_are_missing_there_alone():
    frames = [
        pd.DataFrame({"question": [0, 1, 2], "value": [0.2, 0.4, 0.6], "exact": np.nan, "n": 1}),
        pd.DataFrame({"question": [0, 2], "value": [0.3, 0.5], "exact": np.nan, "n": 1}),
    ]
    found = pooled_rate(frames, 0.95)
    assert found.value == pytest.approx(0.4)
    assert (found.n, found.n_nan) == (5, 1)


def test_rates_of_imports_are_over_seeds_or_as_they_were(made):
    _, tables = made
    rows = tables["preferences"].query("method == 'sample'").to_dict("records")
    found = pd.DataFrame(imported_rates(rows, 0.95), columns=SCHEMAS["rates"].names)
    assert set(found["n_seeds"]) == {1, 2}
    both = found.merge(tables["rates"], on=["student", "base", "epoch", "entity", "method"], suffixes=("", "_own"))
    assert both["rate"].to_numpy() == pytest.approx(both["rate_own"].to_numpy())


def test_a_share_is_the_contrast_over_the_teacher_s_own(made):
    _, tables = made
    strength = tables["strength"].query("method == 'choose' and scale == 'log_ratio'").set_index(["group", "teacher"])
    assert strength["share"].to_numpy() == pytest.approx((strength["contrast"] / strength["shift"]).to_numpy())
    matched = tables["matched"].query("method == 'choose' and scale == 'log_ratio' and choice == 'each' and is_last")
    again = matched.set_index(["group", "teacher"])["contrast"]
    assert strength["contrast"].to_numpy() == pytest.approx(again.loc[strength.index].to_numpy())
    whole = strength.loc[("same", "all")]
    assert whole["lo"] < whole["share"] < whole["hi"]
    assert not strength.loc[("same", "all"), "is_control"]
    assert strength.loc[("another", "all"), "is_control"]


def test_the_cells_of_a_group_average_to_its_contrast(made):
    _, tables = made
    cells = tables["cells"].query("method == 'choose' and scale == 'log_ratio' and group == 'same'")
    matched = tables["matched"].query("method == 'choose' and scale == 'log_ratio' and choice == 'each' and is_last")
    whole = matched[(matched["group"] == "same") & (matched["teacher"] == "all")].iloc[0]
    assert cells["contrast"].mean() == pytest.approx(whole["contrast"])
    assert (int(cells["is_above"].sum()), len(cells)) == (whole["n_above"], whole["n_cells"])


def test_figures_show_rates_over_seeds():
    needs = {entry.name: entry.needs for entry in ENTRIES}
    assert needs["preferences_choose"] == needs["epochs_sample"] == ("rates",)
