"""The report: claims with their intervals, and whether they hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from inoc.report.page import html, markdown, page_values
from inoc.report.words import NO_BREAK
from inoc.studies.subliminal.analyse.matched import Matrix, permutation_p
from inoc.studies.subliminal.analyse.names import TABLES
from inoc.studies.subliminal.sections import contents
from inoc.studies.subliminal.sections.carriers import carrier_words
from inoc.studies.subliminal.sections.evaluations import evaluation_table
from inoc.studies.subliminal.sections.front import headline, verdict_words
from inoc.studies.subliminal.sections.persona import ratio_words
from inoc.studies.subliminal.sections.results import preference_table, strength_table
from support.made_subliminal import made_study, write_tables


def test_transfer_holds_with_the_own_base_model_and_the_controls_show_none(tmp_path):
    study = made_study()
    words = "\n".join(contents(study, write_tables(tmp_path, study))["verdict"])
    assert "**Holds:** students of Same initial weights come to share their own teacher's preference" in words
    assert "**Undecided:** students of Another initialisation, a control, carry nothing over" in words
    assert "above zero in 10 of 10 cells of entity × seed (5 teachers, 2 seeds)" in words


def test_the_first_table_has_a_row_for_each_group_by_one_method_and_the_results_have_the_other(tmp_path):
    study = made_study()
    found = contents(study, write_tables(tmp_path, study))
    assert len(found["headline"].table.rows) == len({row[0] for row in found["headline"].table.rows})
    assert found["headline"].after.startswith("By exact probabilities")
    mechanism = next(section for section in found["results"] if section.heading == "Mechanism")
    assert [block.heading for block in mechanism.blocks] == [
        "Groups of students, by exact probabilities",
        "Groups of students, by sampled answers",
    ]
    assert all(block.table.rows for block in mechanism.blocks)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    paths = write_tables(tmp_path_factory.mktemp("made"), made_study())
    return {name: pd.read_parquet(paths.table(name)) for name in TABLES}


def verdict_of_group(tables, label="Same initial weights", group="same", **values):
    matched = tables["matched"].copy()
    matched.loc[matched["group"] == group, list(values)] = list(values.values())
    words = verdict_words(made_study(), {**tables, "matched": matched})
    return next(one for one in words if f"students of {label}" in one)


def test_a_transfer_fails_if_it_is_shown_to_be_negligible_or_the_other_way_round(tables):
    assert verdict_of_group(tables, p=0.4, null_p=0.01).startswith("**Does not hold:**")
    assert verdict_of_group(tables, p=0.01, contrast=-0.3).startswith("**Does not hold:**")
    outlier = verdict_of_group(tables, p=0.01, contrast=0.15, lo=-0.05, hi=0.35)
    assert outlier.startswith("**Undecided:**")
    assert "the interval of their mean contrast holds 0" in outlier
    unknown = verdict_of_group(tables, p=0.4, null_p=0.6)
    assert unknown.startswith("**Undecided:**")
    assert "is not shown to stay within" in unknown
    assert "so few students" not in unknown


@pytest.mark.parametrize(("teachers", "seeds"), [(2, 1), (2, 2), (2, 3), (3, 1)])
def test_students_that_are_too_few_for_a_small_p_are_said_to_be(tables, teachers, seeds):
    found = verdict_of_group(tables, p=1.0, null_p=0.6, n_teachers=teachers, n_seeds=seeds)
    assert found.startswith("**Undecided:**")
    assert "no permutation of so few students has p ≤ 0.05" in found


@pytest.mark.parametrize(("teachers", "seeds"), [(2, 4), (3, 2), (4, 1)])
def test_the_fewest_students_that_are_enough_can_give_a_small_p(teachers, seeds):
    names = [f"animal{k}" for k in range(teachers)]
    effects = np.zeros((teachers, teachers, seeds, 3)) + 5.0 * np.eye(teachers)[:, :, None, None]
    effects += np.random.default_rng(0).normal(0, 0.1, effects.shape)
    assert permutation_p(Matrix(names, names, effects), np.random.default_rng(1)) <= 0.05


def verdict_of_control(tables, **values):
    return verdict_of_group(tables, "Another initialisation, a control", "another", **values)


def test_a_control_holds_only_if_its_contrast_is_shown_to_be_negligible(tables):
    shown = verdict_of_control(tables, null_p=0.01, null_lo=-0.02, null_hi=0.03)
    assert shown.startswith("**Holds:**")
    assert "stays within ±0.05 nats by two one-sided tests (90 % interval −0.020 to 0.030, p = 0.01" in shown
    transfer = verdict_of_control(tables, null_p=0.6, p=0.001)
    assert transfer.startswith("**Does not hold:**")
    unknown = verdict_of_control(tables, null_p=0.2, p=0.8)
    assert unknown.startswith("**Undecided:**")
    assert "is not shown to stay within" in unknown


def test_a_contrast_beside_its_share_has_its_own_interval(tables):
    """It once had that of the share."""
    study = made_study()
    rows = strength_table(study, tables, "choose").rows
    contrasts = {row[0]: row[4] for row in headline(study, tables).table.rows}
    assert rows
    assert [row[3] for row in rows] == [contrasts[row[0]] for row in rows]


def test_the_page_has_every_section_and_can_be_shown(tmp_path):
    study = made_study()
    paths = write_tables(tmp_path, study)
    text = markdown(page_values(contents(study, paths), paths))
    assert html(text, study.title, paths.stage("report"))
    for heading in ("Numbers", "Preferences", "Transfer", "Mechanism", "Splits", "Methods"):
        assert f"# {heading}" in text


def test_a_study_of_which_nothing_is_there_still_gives_a_page(tmp_path):
    study = made_study()
    paths = write_tables(tmp_path, study)
    for path in paths.stage("analyse").iterdir():
        path.unlink()
    text = markdown(page_values(contents(study, paths), paths))
    assert "Nothing could be concluded" in text


def carriers_of(*rows):
    head = {"entity": "owl", "family": "hard", "question_set": "main", "method": "choose", "n_seeds": 2}
    names = ("comparison", "selector", "role", "difference", "lo", "hi")
    return pd.DataFrame([{**head, **dict(zip(names, row, strict=True))} for row in rows])


def test_the_verdict_says_which_rule_selects_the_carriers_after_what_it_does_to_neutral_rows():
    own = ("lls_minus_projection", np.nan, "own", 0.9, 0.8, 1.0)
    tops = ("top_minus_bottom", "lls", "own", 0.5, 0.4, 0.6)
    net = ("own_minus_neutral", "lls", np.nan, 0.5, 0.4, 0.6)
    rules = ("lls_minus_projection", np.nan, np.nan, 0.5, 0.3, 0.7)
    (word,) = carrier_words(carriers_of(own, tops, net, rules), "choose")
    assert word.startswith("**Holds:** likelihood shift selects rows that carry owl (hard) better than projection")
    assert f"50.0{NO_BREAK}[30.0,{NO_BREAK}70.0] points of own less neutral rows" in word
    (word,) = carrier_words(carriers_of(("lls_minus_projection", "", "", -0.5, -0.7, -0.3)), "choose")
    assert "projection selects rows that carry owl (hard) better than likelihood shift" in word
    (word,) = carrier_words(carriers_of(own).assign(n_seeds=1), "choose")
    assert "neutral rows were not divided by both" in word
    assert "one student stands behind each part" in word
    for lo, hi in ((-0.1, 1.1), (np.nan, np.nan)):
        (word,) = carrier_words(carriers_of((*own[:4], lo, hi)), "choose")
        assert word.startswith("**Undecided:** whether likelihood shift or projection selects")
    assert carrier_words(carriers_of(tops, net), "choose") == carrier_words(pd.DataFrame(), "choose") == []
    assert len(carrier_words(carriers_of(own).assign(method="exact"), "choose")) == 1


def test_a_release_s_students_are_shown_by_the_bare_word_and_by_all_forms_with_the_best_epoch_apart():
    head = {
        "student": "run_lion.top",
        "group": "run",
        "teacher": "lion",
        "part": "top",
        "entity": "lion",
        "n": 100,
    }
    rates = [("exact", 1, 0.1), ("exact", 2, 0.2), ("sample", 1, 0.5), ("sample", 2, 0.4)]
    table = evaluation_table(
        pd.DataFrame(
            [
                {**head, "method": method, "epoch": epoch, "rate": rate, "lo": 0, "hi": 1, "is_last": epoch == 2}
                for method, epoch, rate in rates
            ]
        )
    )
    (row,) = table.rows
    assert row[:5] == ["run", "lion", "top", "lion", "2"]
    assert [cell.partition(NO_BREAK)[0] for cell in row[5:8]] == ["20.0", "40.0", "50.0"]
    assert row[7].endswith("epoch 1")
    assert evaluation_table(pd.DataFrame()).rows == []


def test_the_best_epoch_stands_apart_from_the_last_one_and_is_named(tables):
    rates = tables["rates"]
    chosen = rates[rates["method"].eq("choose") & rates["group"].eq("same") & rates["teacher"].eq("owl")]
    own = chosen[chosen["entity"].eq("owl") & chosen["part"].eq("")]
    best = own.loc[own["rate"].idxmax()]
    row = next(row for row in preference_table(made_study(), tables, "choose").rows if row[1] == "owl")
    assert row[5].endswith(f", epoch {best['epoch']}")
    assert row[5].startswith(f"{100 * best['rate']:.1f}")
    assert row[4].startswith(f"{100 * own.loc[own['is_last'].astype(bool), 'rate'].iloc[0]:.1f}")


def test_ratios_of_published_rates_are_summed_up_where_several_entities_were_compared():
    ratios = [0.5, 1.2, 1.6, 2.0, 4.0]
    many = pd.DataFrame(
        {"comparison": "animal − baseline", "ratio": ratios, "apart": [False, False, False, True, True]}
    )
    few = pd.DataFrame({"comparison": "high − low", "ratio": [3.0], "apart": [True]})
    (words,) = ratio_words(pd.concat([many, few]))
    assert words == (
        "animal − baseline, 5 entities: median ratio 1.60, at least 2 for 2, below 1 for 1; published intervals are "
        "apart for 2."
    )
    assert list(ratio_words(pd.DataFrame())) == []
