from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from inoc.studies.preferences.analyse.dose_response import DOSE_RESPONSE, Bounds, dose_rows
from inoc.studies.preferences.analyse.imported_trials import imported_trials, summary_rows
from inoc.studies.preferences.analyse.steering_slopes import STEERING_SLOPES, slope_rows, strictest_p
from inoc.studies.preferences.analyse.vectors import Named, _cosine
from inoc.studies.preferences.steering_trials import TRIAL

BOUNDS = Bounds(50.0, 0.75)
DOSES = (-1.0, 0.0, 1.0)


def made(rng, effects: dict[str, float], n: int = 30, doses=DOSES) -> pd.DataFrame:
    """Choices of pairs in both orders, each vector with an effect per unit of the coefficient."""
    rows = []
    pairs = [(f"t{k}", f"t{(k + step) % n}") for k in range(n) for step in (1, 3)]
    for pair in pairs:
        for first, second in (pair, pair[::-1]):
            plain = 0.5 + 0.1 * rng.standard_normal()
            head = ("resid_post.0", "both", "differential")
            rows.append(("none", *head, 0.0, first, second, plain, 0.1, 90.0))
            for vector, effect in effects.items():
                for dose in doses:
                    if dose != 0:
                        value = plain + effect * dose + 0.02 * rng.standard_normal()
                        coherence = 30.0 if abs(dose) > 1.5 else 90.0
                        rows.append((vector, *head, dose, first, second, value, 0.1, coherence))
    return pd.DataFrame(rows, columns=list(TRIAL))


@pytest.fixture
def trials():
    random = {f"random {k + 1}": 0.01 * (-1) ** k for k in range(20)}
    combined = {f"combination {k + 1}": 0.012 * (k - 10) for k in range(20)}
    effects = {"probe:liking": 0.2, "shuffled:liking": 0.06, **random, **combined}
    return made(np.random.default_rng(3), effects)


def slopes(trials: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(slope_rows(trials, BOUNDS, 0.95), columns=STEERING_SLOPES.names)


def test_a_planted_effect_is_steeper_than_all_random_vectors_and_shuffled_labels_do_nothing(trials):
    found = slopes(trials)
    own = found[(found["vector"] == "probe:liking") & (found["answers"] == "all")].iloc[0]
    assert own["slope"] == pytest.approx(0.2, abs=0.01)
    assert own["lo"] < 0.2 < own["hi"]
    assert (own["kind"], own["beyond"], own["n_random"], own["null_p"]) == ("own", 20, 20, pytest.approx(1 / 21))
    assert (own["n"], own["n_nan"]) == (120, 0)
    assert (own["beyond_combinations"], own["n_combinations"]) == (20, 20)
    assert (own["combination_p"], strictest_p(own.to_dict())) == (pytest.approx(1 / 21), pytest.approx(1 / 21))


def test_what_any_combination_of_activations_does_is_no_effect_of_labels(trials):
    """Shuffled labels move answers more than all random vectors, but no more than combinations of activations."""
    found = slopes(trials)
    null = found[(found["vector"] == "shuffled:liking") & (found["answers"] == "all")].iloc[0]
    assert null["kind"] == "shuffled"
    assert null["beyond"] == 20
    assert null["null_p"] < 0.05
    assert strictest_p(null.to_dict()) == null["combination_p"] > 0.05
    assert null["combination_lo"] < null["slope"] < null["combination_hi"]
    without = slopes(trials[~trials["vector"].str.startswith("combination")])
    bare = without[(without["vector"] == "shuffled:liking") & (without["answers"] == "all")].iloc[0]
    assert strictest_p(bare.to_dict()) == bare["null_p"]
    assert bare["n_combinations"] == 0


def test_every_vector_has_the_unsteered_answers_at_0(trials):
    found = pd.DataFrame(dose_rows(trials, BOUNDS, 0.95), columns=DOSE_RESPONSE.names)
    zero = found[(found["coefficient"] == 0) & (found["answers"] == "all")]
    assert len(zero) == 42
    assert zero["mean"].nunique() == 1
    own = found[(found["vector"] == "probe:liking") & (found["answers"] == "all")].set_index("coefficient")
    assert own["mean"].loc[1.0] - own["mean"].loc[0.0] == pytest.approx(0.2, abs=0.01)
    assert own["difference"].loc[1.0] == pytest.approx(own["mean"].loc[1.0] - own["mean"].loc[0.0])
    assert own["difference_hi"].loc[1.0] - own["difference_lo"].loc[1.0] < own["hi"].loc[1.0] - own["lo"].loc[1.0]
    assert own[["difference", "difference_lo", "difference_hi"]].loc[0.0].tolist() == [0.0] * 3
    assert own["n_lost"].loc[1.0] == pytest.approx(12.0)
    assert own["kept"].loc[1.0] == pytest.approx(0.9)


def test_incoherent_answers_are_counted_and_the_usable_coefficients_end_before_them():
    trials = made(np.random.default_rng(0), {"probe:liking": 0.2}, doses=(-2.0, -1.0, 0.0, 1.0, 2.0))
    found = slopes(trials).set_index("answers")
    assert found.loc["all", ["usable_lo", "usable_hi"]].tolist() == [-1.0, 1.0]
    doses = pd.DataFrame(dose_rows(trials, BOUNDS, 0.95), columns=DOSE_RESPONSE.names)
    ends = doses[doses["coefficient"] == 2.0].set_index("answers")
    assert ends.loc["all", "n_incoherent"] == 120
    assert (ends.loc["all", "n"], ends.loc["coherent", "n"]) == (120, 0)
    assert np.isnan(ends.loc["coherent", "mean"])


def test_imported_orders_are_compared_with_the_control_of_the_same_pair_in_their_folder():
    rows = [
        ("run/probe.json", "p1", "original", "control", 0.0, 0, "a", 1.0),
        ("run/probe.json", "p1", "original", "boost_a", 5.0, 0, "b", 0.0),
        ("run/random.json", "p1", "original", "boost_a", 5.0, 0, "a", 1.0),
        ("other/random.json", "p1", "original", "boost_a", 5.0, 0, "a", 1.0),
    ]
    names = ["source", "item", "ordering", "condition", "coefficient", "sample", "answer", "value"]
    found = imported_trials(pd.DataFrame(rows, columns=names))
    assert set(found["second"]) == {"p1 original"}  # orders of other pairs have nothing in common with it
    shown = list(zip(found["target"], found["vector"], found["value"], strict=True))
    assert shown == [
        ("random: boost_a", "random boost a", 1.0),  # of another folder, which has no unsteered answers
        ("probe: boost_a", "none", 1.0),
        ("probe: boost_a", "probe", 0.0),
        ("probe: boost_a", "random", 1.0),
    ]
    table = pd.DataFrame(dose_rows(found, BOUNDS, 0.95), columns=DOSE_RESPONSE.names)
    known = table[(table["answers"] == "all") & (table["coefficient"] == 5.0)].set_index(["target", "vector"])
    assert known.loc[("probe: boost_a", "probe"), ["kind", "difference"]].tolist() == ["own", -1.0]
    assert known.loc[("probe: boost_a", "random"), ["kind", "difference"]].tolist() == ["random", 0.0]
    assert np.isnan(known.loc[("random: boost_a", "random boost a"), "difference"])


def test_published_means_without_their_answers_have_no_interval():
    numbers = [("-1", 2.0, 30), ("0", 3.0, 40), ("1", 3.5, 20)]
    rows = [
        ("run/steering.json", "steering", dose, name, value)
        for dose, mean, n in numbers
        for name, value in (("mean", mean), ("sd", 1.0), ("n", n))
    ]
    columns = ["source", "section", "group", "statistic", "value"]
    rows.append(("run/steering.json", "steering", "all", "slope", 9.0))
    found = pd.DataFrame(list(summary_rows(pd.DataFrame(rows, columns=columns))), columns=DOSE_RESPONSE.names)
    assert found["coefficient"].tolist() == [-1.0, 0.0, 1.0]
    assert found["difference"].tolist() == [-1.0, 0.0, 0.5]
    assert found["n_answers"].tolist() == [30, 40, 20]
    assert found[["lo", "hi", "difference_lo", "kept"]].isna().all(axis=None)


@pytest.mark.parametrize("text", ["task", "pair", "differential"])
def test_steering_that_does_nothing_is_found_in_3_to_7_percent_of_200_simulated_studies(text):
    """Tasks react to the vector by themselves, in all of their pairs, without a common direction.

    Where the two texts are steered in opposite directions, the reaction of the second one counts against the first.
    """
    found = []
    sign = {"task": 0.0, "pair": 1.0, "differential": -1.0}[text]
    for study in range(200):
        rng = np.random.default_rng([7, study])
        moved = rng.standard_normal((24, 3)) * 0.05
        rows = []
        for at_first in range(24):
            for at_second in ((at_first + 1) % 24, (at_first + 5) % 24) if sign else (-1,):
                turned = sign < 0 and rng.random() < 0.5
                first, second = (at_second, at_first) if turned else (at_first, at_second)
                plain = 0.5 + 0.1 * rng.standard_normal()
                for at, dose in enumerate(DOSES):
                    value = plain + moved[first, at] + (sign * moved[second, at] if sign else 0.0)
                    value += 0.02 * rng.standard_normal()
                    vector = "none" if dose == 0 else "probe:liking"
                    other = f"t{second}" if sign else ""
                    rows.append((vector, "s", "both", "all", dose, f"t{first}", other, value, 0.0, np.nan))
        frame = pd.DataFrame(rows, columns=list(TRIAL))
        found.append(slope_rows(frame, BOUNDS, 0.95)[0]["p"] < 0.05)
    assert 0.03 <= np.mean(found) <= 0.07


@pytest.mark.parametrize("paired", [False, True])
def test_directions_without_meaning_share_something_with_others_in_3_to_7_percent_of_200_simulated_studies(paired):
    """Refusals, or the sides of a concept's pairs, that activations say nothing about; wide directions in common."""
    positive = 0
    scale = np.exp(-np.arange(15) / 2)
    for study in range(200):
        rng = np.random.default_rng([8, study])
        task, other = rng.standard_normal((40, 15)) * scale + 5, rng.standard_normal(15) * scale
        first, second = task[:15], task[15:]
        if paired:
            first, second = (task + rng.standard_normal((40, 15)) * scale for _ in range(2))
        made = Named("made", first.mean(axis=0) - second.mean(axis=0), first, second, paired=paired)
        positive += _cosine(made, Named("probe", other), study)["p"] <= 0.05
    assert 6 <= positive <= 14, positive
