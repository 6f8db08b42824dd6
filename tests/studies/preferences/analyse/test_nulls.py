"""Where nothing was planted, every test of the kind finds something in 3 to 7 of 100 data sets."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from inoc.studies.preferences.analyse.contexts import context_rows
from inoc.studies.preferences.analyse.fits import fits_of
from inoc.studies.preferences.analyse.instrument_correlations import correlation_rows
from inoc.studies.preferences.analyse.measures import Measure
from inoc.studies.preferences.analyse.polarity import polarity_rows
from inoc.studies.preferences.analyse.refusals import refusal_rows, task_refusals
from inoc.studies.preferences.inputs import COMPARISONS, RANKINGS, Measured
from support.preferences import comparisons, completions, ratings, study_of, tasks_of

pytestmark = pytest.mark.long
SETS = 400
TASKS, ORIGINS = tasks_of(30)
CELLS = tuple((one, other, 0.0) for one in ("none", "warm") for other in ("none", "cold"))


def measure(name: str, values: np.ndarray) -> Measure:
    return Measure(
        name, "rating", name, "a", "a", pd.Series(values, index=TASKS, dtype=float), pd.Series(dtype=float), np.nan
    )


def excluded(rows: pd.DataFrame, null: float = 0.0) -> list[bool]:
    known = rows.dropna(subset=["lo", "hi"])
    return list((known["lo"] > null) | (known["hi"] < null))


def assert_rarely(found: list[bool], fewest: int = SETS) -> None:
    assert len(found) >= fewest
    assert 0.03 <= np.mean(found) <= 0.07


def test_contexts_without_an_effect_have_none():
    differences, main = [], []
    for seed in range(SETS):
        rng = np.random.default_rng(seed)
        mu = dict(zip(TASKS[:12], rng.normal(0, 1, 12), strict=True))
        # One origin, so that nothing but all of them is computed.
        rows = context_rows(
            Measured(ratings=ratings(mu, dict.fromkeys(mu, "one"), contexts=CELLS, seeds=1, noise=0.8, seed=seed)),
            0.95,
            drop_mentions=False,
        )
        differences += excluded(rows[rows["statistic"] == "difference"])
        main += excluded(rows[rows["statistic"] == "main_effect"])
    assert_rarely(differences)
    assert_rarely(main)


def test_refusals_of_tasks_that_have_nothing_to_do_with_preferences_are_not_found_to():
    """With what origins differ in, and refusals that differ between origins, only the adjusted one is free of both."""
    plain, ranks, adjusted = [], [], []
    for seed in range(SETS):
        rng = np.random.default_rng(seed)
        refused = frozenset(task for task in TASKS if rng.random() < 0.3)
        flags = task_refusals(completions(ORIGINS, refused))
        rows = refusal_rows(Measured(origins=ORIGINS), [measure("stars", rng.normal(0, 1, 30))], flags, 0.95)
        rows = rows[(rows["measure"] != "") & (rows["origin"] == "all")]
        plain += list(rows.loc[rows["statistic"] == "pearson", "p"] < 0.05)
        ranks += list(rows.loc[rows["statistic"] == "mann_whitney_u", "p"] < 0.05)
        shifts = {"maths": 1.5, "poems": 0.0, "chats": -1.5}
        shares = {"maths": 0.6, "poems": 0.3, "chats": 0.1}
        refused = frozenset(task for task in TASKS if rng.random() < shares[ORIGINS[task]])
        values = rng.normal(0, 1, 30) + [shifts[ORIGINS[task]] for task in TASKS]
        rows = refusal_rows(
            Measured(origins=ORIGINS), [measure("stars", values)], task_refusals(completions(ORIGINS, refused)), 0.95
        )
        adjusted += list(rows.loc[rows["origin"] == "adjusted", "p"] < 0.05)
    for found in (plain, ranks, adjusted):
        assert_rarely(found)


def test_refusals_of_comparisons_at_random_have_nothing_to_do_with_utilities():
    found, adjusted = [], []
    for seed in range(SETS):
        rng = np.random.default_rng(seed)
        pairs = [(one, other) for at, one in enumerate(TASKS) for other in rng.choice(TASKS[:at], min(at, 3), False)]
        frame = pd.DataFrame(pairs, columns=["task_a", "task_b"]).assign(instrument="choice", rater="a", seed=0)
        frame["category"] = np.where(rng.random(len(frame)) < 0.2, "refused", "answered")
        measured = Measured(comparisons=frame.reindex(columns=COMPARISONS.names), origins=ORIGINS)
        rows = refusal_rows(measured, [measure("choice", rng.normal(0, 1, 30))], {}, 0.95)
        found += list(rows.loc[rows["origin"] == "all", "p"] < 0.05)
        adjusted += list(rows.loc[rows["origin"] == "adjusted", "p"] < 0.05)
    assert_rarely(found)
    assert_rarely(adjusted)


@pytest.mark.parametrize(
    ("origin", "statistic"),
    [("all", "pearson"), ("all", "spearman"), ("within", "pearson"), ("between", "pearson"), ("maths", "pearson")],
)
def test_instruments_that_have_nothing_in_common_are_not_found_to_agree(origin, statistic):
    tests, intervals = [], []
    halves = {task: f"{kind}{at % 2}" for at, (task, kind) in enumerate(ORIGINS.items())}
    origins = halves if origin == "between" else ORIGINS  # three means say nothing
    for seed in range(SETS):
        rng = np.random.default_rng(seed)
        one, other = measure("stars", rng.normal(0, 1, 30)), measure("likert", rng.normal(0, 1, 30))
        rows = correlation_rows([one, other], origins, 5, 0.95)
        own = rows[(rows["origin"] == origin) & (rows["statistic"] == statistic)]
        tests += list(own["p"] < 0.05)
        intervals += excluded(own)
    assert_rarely(tests)
    assert_rarely(intervals)


def test_instruments_that_share_the_means_of_origins_are_not_found_to_agree_within_them():
    found = []
    for seed in range(SETS):
        rng = np.random.default_rng(seed)
        shared = [{"maths": 2.0, "poems": 0.0, "chats": -2.0}[ORIGINS[task]] for task in TASKS]
        one, other = measure("stars", rng.normal(0, 1, 30) + shared), measure("likert", rng.normal(0, 1, 30) + shared)
        rows = correlation_rows([one, other], ORIGINS, 5, 0.95)
        found += list(rows.loc[rows["origin"] == "within", "p"] < 0.05)
    assert_rarely(found)


def rated_anchors(rng: np.random.Generator) -> Measured:
    utility = {f"{side}:{at}": 0.0 for side in ("@good", "@bad") for at in range(8)}
    frame = ratings(utility, dict.fromkeys(utility, ""), seeds=1, noise=1.2, seed=int(rng.integers(10**9)))
    return Measured(ratings=frame)


def compared_anchors(rng: np.random.Generator) -> Measured:
    good, bad = np.array([f"@good:{at}" for at in range(8)]), np.array([f"@bad:{at}" for at in range(8)])
    p_good = rng.normal(0.5, 0.15, 8).clip(0, 1)
    turned = pd.DataFrame({"task_a": bad, "task_b": good, "p_a": 1 - p_good + 0.1})
    frame = pd.concat([pd.DataFrame({"task_a": good, "task_b": bad, "p_a": p_good + 0.1}), turned])
    frame = frame.assign(rater="a", instrument="choice", category="answered", choice="a", pair=[*range(8), *range(8)])
    return Measured(comparisons=frame.reindex(columns=COMPARISONS.names))


def ranked_anchors(rng: np.random.Generator) -> Measured:
    rows = [
        ("a", "order", str(group), f"{side}:{at}", int(place), "answered")
        for group in range(16)
        for at, (side, place) in enumerate(zip(("@good", "@bad", "@good"), rng.permutation(3), strict=True))
    ]
    frame = pd.DataFrame(rows, columns=["rater", "instrument", "group", "task", "position", "category"])
    return Measured(rankings=frame.reindex(columns=RANKINGS.names))


@pytest.mark.parametrize("anchors", [rated_anchors, compared_anchors, ranked_anchors])
def test_an_instrument_without_a_direction_is_called_upright_or_reversed_rarely(anchors):
    study = study_of(polarity={"margin": 0.0})
    found = [str(polarity_rows(anchors(np.random.default_rng(seed)), study)["verdict"].iloc[0]) for seed in range(SETS)]
    assert_rarely([verdict != "undecided" for verdict in found])
    assert 0.01 <= np.mean([verdict == "reversed" for verdict in found]) <= 0.045


@pytest.mark.parametrize("exact", [False, True])
def test_no_position_term_of_a_pair_of_origins_is_found_where_there_is_none(exact):
    study = study_of(fit={"models": ["case_v"], "position": "origin_pairs"})
    found = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        mu = dict(zip(TASKS[:18], rng.normal(0, 0.7, 18), strict=True))
        rows = comparisons(mu, ORIGINS, 360, position=0.0, seed=seed)
        if exact:
            rows = noisy_probabilities(rows, mu, rng)
        positions = fits_of(Measured(comparisons=rows, origins=ORIGINS), study)[0].positions
        found += [not row["lo"] <= 0 <= row["hi"] for row in positions if row["n"] >= 30]
    assert_rarely(found, fewest=300)


def noisy_probabilities(rows: pd.DataFrame, mu: dict[str, float], rng: np.random.Generator) -> pd.DataFrame:
    """Each question's probability, with a residual of its pair and one of its order."""
    from scipy.special import ndtr

    rows = rows.drop_duplicates(["task_a", "task_b"])
    pair = {name: rng.normal(0, 0.4) for name in sorted(set(rows["pair"]))}
    turned = np.where(rows["task_a"] < rows["task_b"], 1, -1)
    x = (
        rows["task_a"].map(mu)
        - rows["task_b"].map(mu)
        + turned * rows["pair"].map(pair)
        + rng.normal(0, 0.3, len(rows))
    )
    return rows.assign(p_a=ndtr(x / np.sqrt(2)), category="answered", mass=1.0)
