from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from inoc.stats.crossed import crossed_interval
from inoc.stats.shares import wilson
from inoc.studies.likelihood_shift.inputs import COUNTS
from inoc.studies.shared.students import dose_rows, pooled_rows, rate_of, rate_over_seeds, student_rows


def counts(
    rates: list[float], rng: np.random.Generator, n_seeds: int = 3, n_questions: int = 20, spread: float = 0.0
) -> pd.DataFrame:
    """Five answers to each question after two epochs, by students on the parts of a split.

    Args:
        rates: Of each part.
        rng: Source of all draws.
        n_seeds: Seeds of each part.
        n_questions: Questions, the same for all.
        spread: SD between questions, and half of it between students.
    """
    questions = rng.normal(0, spread, n_questions)
    rows = []
    for k, rate in enumerate(rates, start=1):
        for seed in range(n_seeds):
            at = np.clip(rate + questions + rng.normal(0, spread / 2), 0, 1)
            for epoch in (1, 2):
                for question, hits in enumerate(rng.binomial(5, at)):
                    head = {"student": f"s.q{k}", "split": "s", "part": f"q{k}", "dataset": "d", "epoch": float(epoch)}
                    more = {"step": 10 * epoch, "seed": seed, "target": "t", "question": str(question)}
                    rows.append({**head, **more, "hits": int(hits), "n": 5, "n_nan": 0})
    return pd.DataFrame(rows, columns=COUNTS.names)


def test_each_student_has_one_last_and_one_best_epoch() -> None:
    table = pd.DataFrame(student_rows(counts([0.2, 0.5], np.random.default_rng(0)), 0.95))
    assert len(table) == 2 * 3 * 2
    each = table.groupby(["student", "seed"])[["is_last", "is_best"]].sum()
    assert (each == 1).all(axis=None)
    assert (table.loc[table["is_last"], "epoch"] == 2).all()
    best = table[table["is_best"]].set_index(["student", "seed"])["rate"]
    assert (best >= table.groupby(["student", "seed"])["rate"].max() - 1e-12).all()
    assert set(table["n_questions"]) == {20}


def test_answers_that_could_not_be_judged_are_counted() -> None:
    found = counts([0.5], np.random.default_rng(0), n_seeds=1)
    found.loc[found["question"] == "3", ["hits", "n", "n_nan"]] = [0, 0, 5]
    table = pd.DataFrame(student_rows(found, 0.95))
    assert set(table["n"]) == {95}
    assert set(table["n_nan"]) == {5}


def test_rates_of_unknown_questions_have_wilsons_interval() -> None:
    table = pd.DataFrame({"question": [""], "hits": [22], "n": [100], "n_nan": [0]})
    assert rate_of(table, 0.95) == wilson(22, 100)


def test_questions_that_differ_widen_the_interval_of_a_rate() -> None:
    alike = pd.DataFrame({"question": list("abcdefghij"), "hits": [1] * 10, "n": [2] * 10, "n_nan": [0] * 10})
    apart = alike.assign(hits=[0, 2] * 5)
    narrow, wide = rate_of(alike, 0.95), rate_of(apart, 0.95)
    assert narrow == wilson(10, 20)
    assert (wide.value, wide.n) == (0.5, 20)
    assert wide.hi - wide.lo > 1.3 * (narrow.hi - narrow.lo)


@pytest.mark.parametrize("spread", [0.0, 0.15])
def test_intervals_of_rates_hold_them(spread: float) -> None:
    rng = np.random.default_rng(1)
    held = []
    for _ in range(400):
        at = np.clip(rng.normal(0.4, spread, 20), 0, 1)
        table = pd.DataFrame({"question": [str(k) for k in range(20)], "hits": rng.binomial(5, at), "n": 5, "n_nan": 0})
        found = rate_of(table, 0.95)
        held.append(found.lo <= 0.4 <= found.hi)
    assert 0.92 < np.mean(held) < 0.99


def test_rates_over_seeds_have_one_row_for_each_part_and_epoch() -> None:
    found = counts([0.2, 0.5], np.random.default_rng(0))
    table = pd.DataFrame(pooled_rows(found, 0.95)).set_index(["part", "epoch"])
    assert len(table) == 2 * 2
    assert set(table["n_seeds"]) == {3}
    assert table["is_last"].tolist() == [epoch == 2 for _, epoch in table.index]
    sums = found.groupby(["part", "epoch"])[["hits", "n"]].sum()
    assert table["rate"].to_numpy() == pytest.approx((sums["hits"] / sums["n"])[table.index].to_numpy())
    dose = pd.DataFrame(dose_rows(found, 0.95))
    rates = dose[dose["statistic"] == "rate"].set_index("part")
    for name, bound in (("lo", "lo"), ("hi", "hi"), ("rate", "value")):
        assert table.xs(2, level="epoch")[name].to_numpy() == pytest.approx(rates[bound].to_numpy())


def test_one_seed_has_the_interval_of_its_questions() -> None:
    found = counts([0.4], np.random.default_rng(0), n_seeds=1, spread=0.2)
    last = found[found["epoch"] == 2]
    assert rate_over_seeds(last, 0.95) == rate_of(last, 0.95)


def test_seeds_that_all_agree_have_the_interval_of_their_answers() -> None:
    found = counts([0.0], np.random.default_rng(0))
    last = found[found["epoch"] == 2]
    assert rate_over_seeds(last, 0.95) == wilson(0, 300)


def test_seeds_whose_questions_are_not_known_are_the_unit() -> None:
    table = pd.DataFrame({"seed": [0, 1, 2], "question": "", "hits": [10, 50, 90], "n": 100, "n_nan": 0})
    found = rate_over_seeds(table, 0.95)
    assert (found.value, found.n, found.lo, found.hi) == (0.5, 300, 0.0, 1.0)  # 0.5 ± 4.30 · 0.23


@pytest.mark.parametrize(("spread", "n_seeds"), [(0.0, 2), (0.15, 2), (0.15, 5)])
def test_intervals_over_seeds_and_questions_hold_the_rate(spread: float, n_seeds: int) -> None:
    rng = np.random.default_rng(6)
    held = []
    for _ in range(300):
        table = counts([0.4], rng, n_seeds=n_seeds, spread=spread)
        found = rate_over_seeds(table[table["epoch"] == 2], 0.95)
        held.append(found.lo <= 0.4 <= found.hi)
    assert np.mean(held) > 0.92


def slope(table: pd.DataFrame) -> pd.Series:
    found = pd.DataFrame(dose_rows(table, 0.95)).set_index("statistic")
    assert found.loc["rate", "part"].tolist() == [f"q{k}" for k in range(1, 6)]
    return found.loc["slope"]


def test_a_dose_response_is_found_and_has_its_slope() -> None:
    rng = np.random.default_rng(2)
    found = [slope(counts([0.2, 0.3, 0.4, 0.5, 0.6], rng, spread=0.1)) for _ in range(60)]
    assert np.mean([one["value"] for one in found]) == pytest.approx(0.1, abs=0.01)
    assert np.mean([one["p"] < 0.05 for one in found]) > 0.9
    assert {one["n_seeds"] for one in found} == {3}


@pytest.mark.parametrize("n_seeds", [1, 3])
def test_without_a_dose_response_few_slopes_are_significant(n_seeds: int) -> None:
    rng = np.random.default_rng(3)
    found = [slope(counts([0.4] * 5, rng, n_seeds=n_seeds, spread=0.0)) for _ in range(200)]
    assert np.mean([one["p"] < 0.05 for one in found]) < 0.075


def test_the_largest_part_less_the_smallest_is_paired_by_seed_and_question() -> None:
    table = counts([0.1, 0.9], np.random.default_rng(4))
    found = pd.DataFrame(dose_rows(table, 0.95)).set_index("statistic").loc["top_minus_bottom"]
    last = table[table["epoch"] == 2]
    rates = last.groupby("part")["hits"].sum() / last.groupby("part")["n"].sum()
    assert found["value"] == pytest.approx(rates["q2"] - rates["q1"])
    assert found["n"] == 60


def test_probabilities_have_no_error_of_answers() -> None:
    """Their rates once had the interval of so many answers, however well seeds and questions agreed."""
    table = counts([0.1, 0.1], np.random.default_rng(4), n_seeds=2)
    table["hits"] = np.where(table["seed"] == 0, 0.09, 0.11)
    table["n"] = 1
    exact, drawn = (
        pd.DataFrame(dose_rows(table, 0.95, answers=answers)).set_index("statistic").loc["rate"]
        for answers in (False, True)
    )
    assert exact["value"].to_numpy() == pytest.approx(0.1)
    expected = crossed_interval(np.repeat([[0.09], [0.11]], 20, axis=1), 0.95)
    assert exact["lo"].to_numpy() == pytest.approx(max(0.0, expected.lo))
    assert exact["hi"].to_numpy() == pytest.approx(expected.hi)
    assert drawn["hi"].to_numpy() == pytest.approx(max(expected.hi, wilson(4, 40).hi))


def test_of_halves_the_top_is_the_larger_dose() -> None:
    table = counts([0.1, 0.9], np.random.default_rng(4)).replace({"part": {"q1": "bottom", "q2": "top"}})
    found = pd.DataFrame(dose_rows(table, 0.95)).set_index("statistic")
    assert found.loc["rate", "part"].tolist() == ["bottom", "top"]
    assert found.loc["top_minus_bottom", "value"] > 0.7


def test_no_students_have_no_rows() -> None:
    empty = pd.DataFrame(columns=COUNTS.names)
    assert student_rows(empty, 0.95) == []
    assert dose_rows(empty, 0.95) == []
