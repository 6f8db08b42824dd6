"""The tables of a comparison, from ready tables and from single measurements."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from inoc.analyse.comparable import Units
from inoc.config.load import load_study
from inoc.errors import DataError
from inoc.studies.comparison.analyse.agreement import same_signs
from inoc.studies.comparison.analyse.pairs import INTERVALS, PAIRED, Pairing, differences, linked
from inoc.studies.comparison.analyse.rows import text_of
from inoc.studies.comparison.analyse.step import analyse
from inoc.studies.comparison.measures import Matched, changed, declared
from inoc.studies.comparison.study import Measure
from support.ready_tables import scores, write_ready


def tables(path) -> dict[str, pd.DataFrame]:
    return dict(analyse(load_study(path)).tables)


def test_rows_are_matched_by_their_columns_and_only_at_the_last_step(ready, write_study):
    found = tables(write_study())
    assert len(found["differences"]) == 12  # 6 prompts, 2 traits
    assert set(found["compared"]["study"]) == {"one", "two"}
    assert set(found["compared"]["row"]) == {f"p{at} · {trait}" for at in range(6) for trait in ("french", "playful")}
    rows = found["differences"]
    assert (rows["how"] == INTERVALS).all()
    assert rows["difference"].mean() == pytest.approx(5, abs=0.6)
    assert (rows["difference"] == rows["second_value"] - rows["first_value"]).all()
    assert (rows["q"] >= rows["p"]).all()
    assert (rows["q"] < 0.05).all()


def test_agreement_is_stated_for_each_trait(ready, write_study):
    found = tables(write_study())["agreement"].set_index(["within", "statistic"])
    assert set(found.index.get_level_values("within")) == {"french", "playful"}
    assert (found.xs("pearson", level="statistic")["value"] > 0.99).all()
    apart = found.loc[("french", "mean_absolute_difference")]
    assert apart["lo"] < 5 < apart["hi"]
    assert "same_sign" not in found.index.get_level_values("statistic")  # scores have no sign


def test_every_two_of_three_studies_are_compared_and_the_order_of_rows_does_not_matter(ready, write_study):
    write_ready(ready / "three", scores(3).sample(frac=1, random_state=0))
    studies = {key: {"folder": f"ready/{key}"} for key in ("one", "two", "three")}
    rows = tables(write_study(studies=studies))["differences"]
    assert set(zip(rows["first"], rows["second"], strict=True)) == {("one", "two"), ("one", "three"), ("two", "three")}
    write_ready(ready / "three", scores(3))
    again = tables(write_study(studies=studies))["differences"]
    pd.testing.assert_frame_equal(rows, again)


def test_rows_that_one_study_alone_has_are_counted_and_named_values_can_be_matched(ready, write_study):
    other = scores(2, 5.0)
    write_ready(ready / "two", other.assign(prompt=other["prompt"].replace("p0", "renamed")))
    found = analyse(load_study(write_study()))
    assert len(found.tables["differences"]) == 10
    assert [skip.what for skip in found.skipped] == ["scores: 2 of 12 rows of one", "scores: 2 of 12 rows of two"]
    studies = {"one": {"folder": "ready/one"}, "two": {"folder": "ready/two", "rename": {"prompt": {"renamed": "p0"}}}}
    assert len(tables(write_study(studies=studies))["differences"]) == 12


def test_where_chooses_by_any_column_of_a_table(ready, write_study):
    studies = {"one": {"folder": "ready/one", "where": {"run": ["p1.fixed"]}}, "two": {"folder": "ready/two"}}
    assert set(tables(write_study(studies=studies))["differences"]["prompt"]) == {"p1"}


def test_a_number_of_half_the_precision_is_matched_as_what_it_was_meant_to_be():
    assert text_of(np.float32(0.001)) == text_of(0.001) == "0.001"
    assert text_of(np.float32("nan")) == ""


def test_two_seeds_of_one_study_are_compared_where_the_seed_is_ignored(ready, write_study):
    both = pd.concat([scores(seed).assign(seed=str(seed)) for seed in (1, 2)])
    write_ready(ready / "one", both)
    studies = {f"seed_{seed}": {"folder": "ready/one", "where": {"seed": [str(seed)]}} for seed in (1, 2)}
    rows = tables(write_study(studies=studies, measures={"scores": {"ignore": ["seed"]}}))["differences"]
    assert len(rows) == 12
    with pytest.raises(DataError, match=r"2 rows with .*they differ in seed: choose one value with `where`"):
        studies["seed_1"]["where"] = {"seed": ["1", "2"]}
        tables(write_study(studies=studies, measures={"scores": {"ignore": ["seed"]}}))


def test_a_measure_of_one_s_own_names_its_table_and_columns(ready, write_study):
    own = {"table": "scores", "keys": ["prompt", "trait", "step"], "value": "value"}
    rows = tables(write_study(measures={"mine": own}))["differences"]
    assert len(rows) == 24
    assert set(rows["step"]) == {"0", "9"}
    with pytest.raises(DataError, match=r'has no column valeu; it has .*did you mean "value"'):
        tables(write_study(measures={"mine": {**own, "value": "valeu"}}))


MATCHED = changed("scores", Measure(), declared("inoculation")["scores"])


def row(keys: tuple[str, ...], first: tuple[float, ...], second: tuple[float, ...]) -> pd.DataFrame:
    names = ("value", "lo", "hi", "n", "n_nan")
    cells = {
        f"{name}{end}": value
        for end, side in (("_1", first), ("_2", second))
        for name, value in zip(names, side, strict=True)
    }
    return pd.DataFrame([{**dict(zip(MATCHED.keys, keys, strict=True)), **cells}])


KEY = ("p", "fixed", "0.001", "0", "default", "", "none", "french")


@pytest.mark.parametrize(("shared", "how"), [(20, PAIRED), (12, PAIRED), (8, INTERVALS), (0, INTERVALS)])
def test_a_row_is_paired_where_at_least_half_of_what_was_measured_is_the_same(shared, how):
    rng = np.random.default_rng(0)
    first = Units({}, [f"i{at}" for at in range(20)], rng.normal(size=20))
    second = Units({}, [f"i{at}" if at < shared else f"other{at}" for at in range(20)], rng.normal(size=20))
    found = differences(row(KEY, (1, 0, 2, 20, 0), (3, 2, 4, 20, 0)), MATCHED, {KEY: first}, {KEY: second}, 0.95)
    one = found.iloc[0]
    assert one["how"] == how
    assert one["unit"] == ("instruction" if how == PAIRED else "")
    if how == PAIRED:
        assert one["difference"] == pytest.approx((second.values - first.values)[:shared].mean())
        assert one["n"] == shared
    else:
        assert (one["difference"], one["n"]) == (2, 20)


def test_pairs_with_a_failed_measurement_are_dropped_and_counted():
    names = [f"i{at}" for at in range(10)]
    first = Units({}, names, np.array([np.nan, *range(9)], dtype=float))
    second = Units({}, names[::-1], np.array([*range(9), np.nan], dtype=float)[::-1] + 1)
    found = differences(row(KEY, (1, 0, 2, 9, 1), (3, 2, 4, 9, 1)), MATCHED, {KEY: first}, {KEY: second}, 0.95)
    assert found[["n", "n_nan"]].iloc[0].tolist() == [8, 2]


def test_pairing_does_not_depend_on_the_order_of_the_measurements():
    rng = np.random.default_rng(1)
    names, values = [f"i{at}" for at in range(9)], rng.normal(size=9)
    order = rng.permutation(9)
    moved = Units({}, [names[at] for at in order], values[order])
    found = Pairing().differences(Units({}, names, values), moved)
    assert found == pytest.approx(np.zeros(9))


@pytest.mark.parametrize("pairing", [True, False])
def test_a_test_of_nothing_rejects_about_one_in_twenty(pairing):
    """Both studies measure the same runs; what they share of the instructions matters only where it is paired."""
    rng = np.random.default_rng(5)
    n, rounds, rejected, covered = 50, 1_000, 0, 0
    names = [f"i{at}" for at in range(n)]
    for _ in range(rounds):
        shared = rng.normal(0, 5, n) if pairing else np.zeros((2, n))
        first, second = shared + rng.normal(0, 3, (2, n))
        sides = [Units({}, names, values) for values in (first, second)]
        cells = []
        for values in (first, second):
            half = 2.0096 * values.std(ddof=1) / n**0.5
            cells.append((values.mean(), values.mean() - half, values.mean() + half, n, 0))
        known = [{KEY: one} for one in sides] if pairing else [{}, {}]
        found = differences(row(KEY, *cells), MATCHED, *known, 0.95).iloc[0]
        assert found["how"] == (PAIRED if pairing else INTERVALS)
        rejected += found["p"] < 0.05
        covered += found["lo"] <= 0 <= found["hi"]
    assert 0.03 <= rejected / rounds <= 0.07
    assert 0.93 <= covered / rounds <= 0.97


def test_utilities_are_linked_on_the_common_items_and_unlinkable_fits_are_left_out():
    one = changed("utilities", Measure(), declared("preferences")["utilities"])
    mu = np.linspace(-2, 2, 9)
    frame = pd.DataFrame({"fit": "a", "item": [f"t{at}" for at in range(9)]})
    for end, values in (("_1", mu), ("_2", 3 * mu + 7)):
        frame = frame.assign(**{f"value{end}": values, f"lo{end}": values - 0.3, f"hi{end}": values + 0.3})
        frame = frame.assign(**{f"n{end}": 5, f"n_nan{end}": 0})
    few = frame.head(3).assign(fit="b")
    found, failed = linked(pd.concat([frame, few]), one)
    assert found["value_2"].to_numpy() == pytest.approx(mu)
    assert (found["hi_2"] - found["value_2"]).to_numpy() == pytest.approx(np.full(9, 0.1))
    assert [name for name, _ in failed] == ["b"]
    assert "3 common items" in failed[0][1]


def test_signs_are_the_same_where_both_are_zero_and_unknown_where_one_is():
    found = same_signs(np.array([1.0, -1, 0, 0, np.nan]), np.array([2.0, 1, 0, 1, 1]))
    assert found[:4].tolist() == [1, 0, 1, 0]
    assert np.isnan(found[4])


def test_cells_of_keys_are_texts_that_do_not_depend_on_the_type_of_a_column():
    assert [text_of(one) for one in (0.001, np.float64(1), 1, "1", True, np.nan, None)] == [
        "0.001", "1", "1", "1", "true", "", "",
    ]  # fmt: skip
    assert isinstance(MATCHED, Matched)
