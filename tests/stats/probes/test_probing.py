from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inoc.stats.probes.baselines import random_like, shuffled
from inoc.stats.probes.folds import codes, fold_numbers, merged, train_k_splits, within_splits
from inoc.stats.probes.labels import precision_weights
from inoc.stats.probes.logistic import Observed
from inoc.stats.probes.probing import ALL, Labels, Probed, Settings, by_origin, origin_reference, probe, splits_of

GRID = tuple(float(10.0**k) for k in range(-3, 4))


def _labels(y: np.ndarray, origins: list[str] | None = None, groups: np.ndarray | None = None) -> Labels:
    names = origins or ["one"] * len(y)
    own = np.arange(len(y), dtype=np.int64) if groups is None else groups
    return Labels(np.asarray(y, dtype=np.float64), np.ones(len(y)), names, own)


def _value(found: Probed, metric: str, protocol: str = "within", fold: str = ALL) -> float:
    (own,) = [one for one in found.found if (one.protocol, one.fold, one.metric) == (protocol, fold, metric)]
    return own.measure.value


def test_a_planted_direction_is_found_out_of_sample() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((150, 40))
    y = x[:, 3] * 2 + rng.standard_normal(150)
    found = probe(x, _labels(y), Settings(penalties=GRID, permutations=39, resamples=200))
    assert _value(found, "r2") > 0.5
    assert _value(found, "p") == pytest.approx(1 / 40)
    (r2,) = [one.measure for one in found.found if (one.fold, one.metric) == (ALL, "r2")]
    assert r2.lo < r2.value < r2.hi
    (null,) = [one.measure for one in found.shuffled if one.metric == "r2"]
    assert null.hi < r2.lo


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(3, 6), st.integers(8, 40))
def test_a_label_that_is_constant_within_a_group_has_no_held_out_r2(seed: int, n_groups: int, d: int) -> None:
    """Although activations give the group away, and folds of rows would find it nearly without error."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_groups), 8)
    x = rng.standard_normal((n_groups, d))[groups] * 10 + rng.standard_normal((len(groups), d)) * 0.1
    y = rng.standard_normal(n_groups)[groups]
    origins = [f"origin {one}" for one in groups]
    protocols = ("within", "held_out_origin")
    how = Settings(penalties=GRID, outer=n_groups, inner=n_groups, protocols=protocols, resamples=0)
    found = probe(x, _labels(y, origins, groups), how)
    for one in found.found:
        if one.metric in ("r2", "r", "r_within") and one.fold != ALL:
            assert np.isnan(one.measure.value)
        if one.metric == "r_within":
            assert np.isnan(one.measure.value)


def test_a_label_that_is_constant_within_a_group_has_no_r2_on_average() -> None:
    values, leaky = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        groups = np.repeat(np.arange(10), 6)
        x = rng.standard_normal((10, 20))[groups] + rng.standard_normal((60, 20)) * 0.05
        y = rng.standard_normal(10)[groups]
        how = Settings(penalties=GRID, outer=5, inner=4, resamples=0)
        values.append(_value(probe(x, _labels(y, groups=groups), how), "r2"))
        leaky.append(_value(probe(x, _labels(y), how), "r2"))
    assert np.mean(values) <= 0
    assert np.mean(leaky) > 0.9  # as it would be with folds of rows


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 8), st.sampled_from("abc")), min_size=6, max_size=40),
    st.integers(2, 6),
    st.integers(0, 99),
)
def test_duplicated_rows_never_sit_on_both_sides(rows: list[tuple[int, int, str]], folds: int, seed: int) -> None:
    """Neither those of a group nor those with the same text, in any protocol, nor in inner folds."""
    groups = merged([f"g{one}" for one, _, _ in rows], [f"Text  {text}" for _, text, _ in rows])
    origins = [origin for *_, origin in rows]
    labels = _labels(np.arange(len(rows)), origins, groups)
    how = Settings(outer=folds, protocols=("within", "held_out_origin", "train_k"), train_origins=1, seed=seed)
    for own in splits_of(labels, how).values():
        for split in own:
            for column in (0, 1):
                train, test = ({rows[at][column] for at in side} for side in (split.train, split.test))
                assert not train & test
            inner = fold_numbers(groups[split.train], 3, seed)
            for column in (0, 1):
                folds_of: dict[int, set[int]] = {}
                for row, fold in zip(split.train, inner, strict=True):
                    folds_of.setdefault(int(rows[row][column]), set()).add(int(fold))
                assert all(len(one) == 1 for one in folds_of.values())


def test_texts_that_differ_by_case_and_spaces_are_one() -> None:
    assert merged(["a", "b", "c"], ["Do  it.", "do it.", "Other"]).tolist() == [0, 0, 1]


def test_every_row_is_held_out_once() -> None:
    rows = np.concatenate([split.test for split in within_splits(codes(["a", "b", "a", "c", "d"]), 3, 0)])
    assert sorted(rows) == [0, 1, 2, 3, 4]


def test_choices_of_origins_are_bounded() -> None:
    origins = [f"{one}" for one in range(20)]
    splits = train_k_splits(origins, np.arange(20), 10, 7, 0)
    assert len({split.name for split in splits}) == 7
    assert all(len(split.train) == 10 for split in splits)


def test_the_means_of_origins_know_nothing_within_them() -> None:
    rng = np.random.default_rng(1)
    origins = [f"o{one}" for one in np.repeat(np.arange(4), 25)]
    y = np.repeat([0.0, 1, 2, 5], 25) + rng.standard_normal(100)
    labels, how = _labels(y, origins), Settings(protocols=("within", "held_out_origin"), resamples=50)
    reference = origin_reference(labels, how)
    found = by_origin(labels, how, reference)
    values = {(one.protocol, one.metric): one.measure.value for one in found if one.fold == ALL}
    assert values["within", "r2"] > 0.6
    # Below 0, as a row that is held out moves the mean of the others away from itself.
    assert -0.5 < values["within", "r_within"] < 0.05
    assert values["held_out_origin", "r2"] < 0
    x = rng.standard_normal((100, 10)) + np.repeat(rng.standard_normal((4, 10)) * 3, 25, axis=0)
    probed = probe(x, labels, replace(how, penalties=GRID), reference)
    assert _value(probed, "r2") > 0.4
    assert _value(probed, "r2_beyond_origin") < 0.1


def _without_signal(study: str, seed: int) -> tuple[np.ndarray, Labels]:
    """Activations and labels of 42 tasks that have nothing in common but their origins and groups."""
    rng = np.random.default_rng([list(STUDIES).index(study), seed])
    groups = np.repeat(np.arange(12), 4) if study in ("topics", "topics held out") else np.arange(42)
    origin = groups % 3
    n = len(groups)
    x = rng.standard_normal((n, 20)) + rng.standard_normal((3, 20))[origin] * 2
    y = rng.standard_normal(n)
    if study in ("within", "held out"):
        y += rng.standard_normal(3)[origin] * 2
    if len(np.unique(groups)) < n:
        x, y = x * 0.3 + rng.standard_normal((12, 20))[groups], y * 0.3 + rng.standard_normal(12)[groups]
    labels = _labels(y, [f"o{one}" for one in origin], groups.astype(np.int64))
    if study == "weighted":
        se = rng.uniform(0.1, 5, n)
        y = y + rng.standard_normal(n) * se
        labels = replace(labels, y=y, weights=precision_weights(y, se))
    if study == "classes":
        labels = replace(labels, y=(y > 0.4).astype(np.float64))
    if study == "pairs":
        a, b = rng.integers(0, n, (2, 400))
        a, b = a[a != b], b[a != b]
        share = (rng.random(len(a)) < 1 / (1 + np.exp(y[b] - y[a]))).astype(np.float64)
        labels = replace(labels, outcomes=Observed(a, b, share, np.ones(len(a))))
    return x, labels


LONG = ("weighted", "topics held out", "classes", "pairs")
STUDIES = {
    "plain": ("within", "p"),
    "weighted": ("within", "p"),
    "within": ("within", "p_within"),
    "topics": ("within", "p_within"),
    "held out": ("held_out_origin", "p_within"),
    "topics held out": ("held_out_origin", "p_within"),
    "classes": ("within", "p"),
    "pairs": ("within", "p"),
}
"""Study → protocol and test."""


@pytest.mark.parametrize(
    "study", [pytest.param(one, marks=pytest.mark.long) if one in LONG else one for one in STUDIES]
)
def test_tests_of_probes_are_positive_in_5_percent_of_studies_without_signal(study: str) -> None:
    """Activations differ by origin; labels do too for the tests within origins, which have to see through that.

    Labels that are weighted have errors of very different size; tasks of a topic have like labels and like activations.
    """
    protocol, metric = STUDIES[study]
    positive = 0
    for seed in range(200):
        x, labels = _without_signal(study, seed)
        method = {"classes": "logistic", "pairs": "pairs"}.get(study, "ridge")
        grid = (1.0,) if method != "ridge" else (0.01, 1.0, 100.0)
        how = Settings(
            method, penalties=grid, outer=4, inner=3, permutations=19, resamples=0, seed=seed, protocols=(protocol,)
        )
        positive += _value(probe(x, labels, how), metric, protocol) <= 0.05
    assert 6 <= positive <= 14, positive


def test_shuffles_keep_the_labels_of_a_group_together() -> None:
    groups = np.repeat(np.arange(9), 4)
    for order in shuffled(groups, None, 20, 0):
        assert sorted(order) == list(range(36))
        assert all(len(set(groups[order[groups == one]])) == 1 for one in range(9))
    origins = groups % 3
    for order in shuffled(groups, origins, 20, 0):
        assert (origins[order] == origins).all()
        assert all(len(set(groups[order[groups == one]])) == 1 for one in range(9))
    uneven = np.array([0, 1, 1, 2, 2, 2, 2, 5])
    first = [tuple(order) for order in shuffled(uneven, None, 50, 0)]
    assert all(sorted(one) == list(range(8)) for one in first)
    assert len(set(first)) > 40
    single = np.random.default_rng(3)
    assert (shuffled(np.arange(30), None, 1, 3)[0] == single.permutation(30)).all()


def test_a_planted_direction_is_found_by_the_tests_of_every_method() -> None:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((90, 12))
    utility = x[:, 0] * 2
    origins = [f"o{at % 3}" for at in range(90)]
    a, b = rng.integers(0, 90, (2, 900))
    a, b = a[a != b], b[a != b]
    share = (rng.random(len(a)) < 1 / (1 + np.exp(utility[b] - utility[a]))).astype(float)
    every = {
        "ridge": _labels(utility + rng.standard_normal(90), origins),
        "logistic": _labels((utility + rng.standard_normal(90) > 0).astype(float), origins),
        "pairs": replace(_labels(utility, origins), outcomes=Observed(a, b, share, np.ones(len(a)))),
    }
    for method, labels in every.items():
        protocols = ("within", "held_out_origin", "train_k")
        how = Settings(method, penalties=(0.1,), permutations=19, resamples=0, protocols=protocols, train_origins=1)  # type: ignore[arg-type]
        found = probe(x, labels, how)
        tests = {(one.protocol, one.metric): one.measure.value for one in found.found if one.metric.startswith("p")}
        del tests["within", "penalty"], tests["held_out_origin", "penalty"], tests["train_k", "penalty"]
        assert set(tests) == {("within", "p"), ("within", "p_within"), ("held_out_origin", "p_within")}
        assert set(tests.values()) == {1 / 20}
        assert bool(found.shuffled) == (method == "ridge")


def test_random_activations_have_the_same_mean_and_spread_and_know_nothing() -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal((400, 8)) * np.arange(1, 9) + 3
    other = random_like(x, 0)
    np.testing.assert_allclose(other.mean(axis=0), x.mean(axis=0), atol=1.3)
    np.testing.assert_allclose(other.std(axis=0), x.std(axis=0), rtol=0.15)
    found = probe(other, _labels(x[:, 0]), Settings(penalties=GRID, resamples=0))
    assert _value(found, "r2") < 0.02


def test_classes_and_pairs_are_measured() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((120, 10))
    utility = x[:, 0] * 2
    labels = _labels((utility + rng.standard_normal(120) > 0).astype(float))
    found = probe(x, labels, Settings("logistic", penalties=GRID, resamples=50))
    assert _value(found, "auc") > 0.85
    assert _value(found, "accuracy") > 0.75
    a, b = rng.integers(0, 120, (2, 2000))
    a, b = a[a != b], b[a != b]
    share = (rng.random(len(a)) < 1 / (1 + np.exp(utility[b] - utility[a]))).astype(float)
    pairs = replace(_labels(utility), outcomes=Observed(a, b, share, np.ones(len(a))))
    found = probe(x, pairs, Settings("pairs", penalties=GRID, resamples=50))
    assert _value(found, "accuracy") > 0.75
    assert _value(found, "r") > 0.9
    assert not [one for one in found.found if one.metric == "r2"]  # scores have no scale


def test_refused_and_answered_tasks_are_measured_apart() -> None:
    rng = np.random.default_rng(4)
    x = rng.standard_normal((80, 6))
    labels = replace(_labels(x[:, 0]), refused=(np.arange(80) % 4 == 0).astype(float))
    found = probe(x, labels, Settings(penalties=GRID, resamples=0))
    assert _value(found, "r", fold="refused") > 0.9
    (n,) = [one.measure.n for one in found.found if (one.fold, one.metric) == ("answered", "r")]
    assert n == 60
