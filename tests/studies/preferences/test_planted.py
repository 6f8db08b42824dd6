"""What the miniature is given to like: the probabilities that it is taught, and what the analysis finds of them.

The designs are those of `mini_preferences`: its tasks and topics, its planted preferences, its pairs.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from inoc.config.load import load_study
from inoc.stats.utilities.fit import Settings, fit
from inoc.stats.utilities.intervals import information_intervals
from inoc.stats.utilities.outcomes import tally
from inoc.stats.utilities.pairs import pair_intervals
from inoc.studies.preferences.analyse.contexts import CONTEXTS
from inoc.studies.preferences.analyse.fits import fits_of, fits_table, utilities_table
from inoc.studies.preferences.analyse.planted import planted_rows
from inoc.studies.preferences.analyse.planted_orders import orders_reach
from inoc.studies.preferences.analyse.polarity import POLARITY
from inoc.studies.preferences.answers import comparison_rows, exact_answers
from inoc.studies.preferences.asked import asked_of, groups
from inoc.studies.preferences.inputs import RATINGS, Measured, empty
from inoc.studies.preferences.planted import (
    DISLIKED,
    LIKED,
    REFUSAL,
    choice_probability,
    documents,
    items_of,
    order_probability,
    rating_place,
    rating_probabilities,
)
from inoc.studies.preferences.selecting import replayed, tracks
from inoc.studies.preferences.study import PlantedSpec, Study
from inoc.studies.preferences.tasks import Task
from support.comparisons import strayed

ROOT = Path(__file__).parents[3]
CASE_V = Settings("case_v")
UTILITIES = st.lists(st.floats(-2, 2), min_size=2, max_size=4)


@pytest.fixture(scope="module")
def mini() -> Study:
    study = load_study("mini_preferences", ROOT / "config")
    assert isinstance(study, Study)
    return study


class Design:
    """A choice of the miniature, answered as planted by a rater without noise.

    Args:
        study: The study.
        instrument: The choice; of an active one, the pairs of the selection on planted probabilities.
    """

    def __init__(self, study: Study, instrument: str) -> None:
        assert study.planted is not None
        self.spec = study.planted
        self.study = study.model_copy(update={"seeds": (0,), "samples": 1})
        items = items_of(study, self.spec)
        self.utility = {one.task.id: one.utility for one in items}
        self.refused = {one.task.id for one in items if one.refused}
        self.origins = {one.task.id: one.task.origin for one in items}
        tasks: list[Task] = [one.task for one in items]
        asked = asked_of(self.study, tasks, instrument, "mini")
        for track in tracks(self.study, "mini", "choose"):
            if track.instrument == instrument:
                asked = [*asked, *replayed(self.study, tasks, track, self._exact).asked]
        self.asked = [one for one in asked if not one.tasks[0].startswith("@")]
        self.first = np.array([self.utility[one.tasks[0]] for one in self.asked])
        self.second = np.array([self.utility[one.tasks[1]] for one in self.asked])
        self.is_refused = np.array([bool(self.refused & set(one.tasks)) for one in self.asked])

    def _exact(self, asked: list) -> pd.DataFrame:
        shares = {}
        for one in asked:
            p = choice_probability(self.spec, self.utility[one.tasks[0]] - self.utility[one.tasks[1]])
            refuses = self.spec.refusal if self.refused & set(one.tasks) else 0.0
            shares[one.id] = [(1 - refuses) * p, (1 - refuses) * (1 - p), refuses]
        return comparison_rows(self.study, exact_answers(self.study, asked, shares), self.origins)

    def exact(self) -> Measured:
        """Every probability as planted."""
        return Measured(comparisons=self._exact(self.asked), origins=self.origins)

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Utilities in units of the spread, of mean 0, of the tasks that are not refused; and their pairs by place."""
        tasks = sorted(set(self.utility) - self.refused)
        mu = np.array([self.utility[task] for task in tasks]) / self.spec.spread
        place = {task: at for at, task in enumerate(tasks)}
        asked = {tuple(sorted(one.tasks)) for one in self.asked if not self.refused & set(one.tasks)}
        return mu - mu.mean(), np.array([[place[one], place[other]] for one, other in sorted(asked)])


@pytest.mark.parametrize("instrument", ["liking", "wish", "nicer"])
def test_of_the_planted_probabilities_the_planted_position_and_utilities_are_found(mini, instrument):
    design = Design(mini, instrument)
    found = fits_of(design.exact(), mini)[0]
    # The penalty draws it towards 0 by a little.
    assert found.fit["position"] == pytest.approx(design.spec.position / design.spec.spread, abs=0.01)
    mu = found.utilities.set_index("item")["mu"].drop(index=list(design.refused), errors="ignore")
    planted = pd.Series(design.utility)[mu.index] / design.spec.spread
    assert np.corrcoef(mu, planted)[0, 1] > 0.999
    assert np.polyfit(planted, mu, 1)[0] == pytest.approx(1, abs=0.05)


def test_positions_are_compared_with_the_planted_one_by_wording_and_over_all_wordings(mini):
    parts = [Design(mini, instrument).exact().comparisons for instrument in ("liking", "nicer", "pick")]
    # One wording is less sure of everything, so its position is smaller.
    z = norm.ppf(parts[1]["p_a"].clip(1e-9, 1 - 1e-9))
    parts[1] = parts[1].assign(p_a=norm.cdf(0.5 * z))
    measured = Measured(comparisons=pd.concat(parts, ignore_index=True), origins=Design(mini, "nicer").origins)
    study = mini.model_copy(update={"probes": {}, "steering": None})
    fits = fits_of(measured, study)
    nothing = {"ratings": empty(RATINGS), "polarity": empty(POLARITY), "contexts": empty(CONTEXTS)}
    own = {"comparisons": measured.comparisons, "utilities": utilities_table(fits), "fits": fits_table(fits)}
    found = planted_rows(study, {**nothing, **own})
    wordings = found[found["check"] == "position"].set_index("instrument")
    assert wordings["found"].to_dict() == pytest.approx({"liking": 0.6, "nicer": 0.3, "pick": 0.6}, abs=0.01)
    assert wordings.loc["nicer", "holds"] == "no"
    over = found[found["check"] == "position, all wordings"].iloc[0]
    assert over[["instrument", "rater", "n"]].tolist() == ["", "mini", 3]
    assert over["found"] == pytest.approx(wordings["found"].mean())
    assert over["lo"] < over["found"] < over["hi"]


@pytest.mark.parametrize("instrument", ["liking", pytest.param("nicer", marks=pytest.mark.long)])
def test_the_planted_design_is_covered_and_no_position_is_found_where_none_is(mini, instrument):
    """Of a model that strays from what it was taught, pair by pair.

    Of 200 data sets, the share of utilities has a standard error of 0.5 points. That of position terms has one of 1.5
    points, so it is held to three of these; `tests/stats/utilities/test_pairs.py` has more data sets of other designs.
    """
    mu, pairs = Design(mini, instrument).pairs()
    rng, inside, positions, none = np.random.default_rng(1), [], [], []
    for _ in range(200):
        for position, held in ((0.6, positions), (0.0, none)):
            one = strayed(mu, pairs, rng, position, pair=0.25, order=0.15)
            truth, bounds = fit(one.expected, CASE_V), pair_intervals(fit(one.outcomes, CASE_V))
            shown = ~np.isnan(bounds.lo)  # a task in a single pair has none
            inside.append(np.mean(((bounds.lo <= truth.mu) & (truth.mu <= bounds.hi))[shown]))
            held.append(bounds.position_lo <= truth.position <= bounds.position_hi)
    print(f"utilities {np.mean(inside):.3f}, position {np.mean(positions):.3f}, none {np.mean(none):.3f}")
    assert 0.93 <= np.mean(inside) <= 0.97
    assert 0.905 <= np.mean(positions) <= 0.995
    assert 0.905 <= np.mean(none) <= 0.995


@pytest.mark.parametrize("position", [0.6, 0.0])
def test_drawn_answers_of_the_planted_design_are_covered_with_a_penalty(mini, position):
    """Four answers to each question; with hardly any penalty, utilities and positions come out too large."""
    design, rng = Design(mini, "liking"), np.random.default_rng(0)
    tasks = sorted(design.utility)
    mu = np.array([design.utility[task] for task in tasks]) / design.spec.spread
    mu -= mu.mean()
    place = {task: at for at, task in enumerate(tasks)}
    asked = np.tile([[place[task] for task in one.tasks] for one in design.asked], (4, 1))
    is_refused = np.tile([bool(design.refused & set(one.tasks)) for one in design.asked], 4)
    inside, positions, sizes = [], [], []
    for _ in range(200):
        first, second = asked[~is_refused | (rng.random(len(asked)) > design.spec.refusal)].T
        won = np.where(rng.random(first.size) < norm.cdf((mu[first] - mu[second] + position) / 2**0.5), 1, -1)
        outcomes = tally(len(tasks), first, second, won, np.ones(first.size), ordered=True)
        bounds = information_intervals(fit(outcomes, Settings("case_v", penalty=0.1)))
        inside.append(np.mean((bounds.lo <= mu) & (mu <= bounds.hi)))
        positions.append(bounds.position_lo <= position <= bounds.position_hi)
        if len(sizes) < 20:
            sizes.append(fit(outcomes, CASE_V).mu.std() / mu.std())
    print(f"utilities {np.mean(inside):.3f}, position {np.mean(positions):.3f}, too large by {np.mean(sizes):.2f}")
    assert 0.93 <= np.mean(inside) <= 0.97
    assert 0.93 <= np.mean(positions) <= 0.97  # false positives, without a position: 3 to 7 %
    assert np.mean(sizes) > 1.1


@given(utilities=UTILITIES, spread=st.floats(0.2, 2))
@settings(max_examples=30, deadline=None)
def test_probabilities_of_all_orders_sum_to_one_and_two_tasks_are_a_choice(utilities, spread):
    orders = list(itertools.permutations(utilities))
    assert sum(order_probability(order, spread) for order in orders) == pytest.approx(1, abs=1e-4)
    pair = PlantedSpec(utilities={}, spread=spread)
    first, second = utilities[:2]
    assert order_probability((first, second), spread) == pytest.approx(
        choice_probability(pair, first - second), abs=1e-4
    )


def test_probabilities_of_orders_and_ratings_are_the_shares_of_many_draws():
    rng = np.random.default_rng(1)
    utilities, spec = (0.3, -0.2, 0.9), PlantedSpec(utilities={}, spread=0.5)
    moments = rng.normal(utilities, spec.spread, size=(200_000, 3))
    in_order = (moments[:, 0] > moments[:, 1]) & (moments[:, 1] > moments[:, 2])
    assert order_probability(utilities, spec.spread) == pytest.approx(in_order.mean(), abs=0.003)
    places = np.bincount([rating_place(value, 5) for value in moments[:20_000, 2]], minlength=5) / 20_000
    np.testing.assert_allclose(rating_probabilities(spec, 0.9, 5), places, atol=0.015)


def test_every_document_has_the_probabilities_of_all_its_answers(mini):
    assert mini.planted is not None
    study = mini.model_copy(update={"planted": mini.planted.model_copy(update={"documents": 3_000})})
    texts = documents(study)
    asked = [text for text in texts if text.odds]
    assert 0.88 < len(asked) / len(texts) < 0.96  # the others are tasks that are done
    for text in asked:
        shares = dict(text.odds)
        assert len(shares) == len(text.odds)
        assert sum(shares.values()) == pytest.approx(1, abs=1e-4)
        assert shares[text.response] > 0
    by_answer = {LIKED: 0.0, "A": 0.0, REFUSAL: 0.0}
    said = dict.fromkeys(by_answer, 0)
    for text in asked:
        for answer in by_answer:
            by_answer[answer] += dict(text.odds).get(answer, 0.0)
            said[answer] += text.response == answer
    for answer, expected in by_answer.items():
        assert said[answer] == pytest.approx(expected, rel=0.15)
    assert any(DISLIKED in dict(text.odds) for text in asked)


def test_a_rater_with_noise_is_taught_answers_at_random_in_part(mini):
    assert mini.planted is not None
    study = mini.model_copy(update={"planted": mini.planted.model_copy(update={"documents": 2_000})})
    hasty = [text for text in documents(study) if "hurry" in text.system and "first (A)" not in text.user]
    noise = mini.planted.noisy["hasty"]
    for text in hasty:
        shares = {answer: share for answer, share in text.odds if answer != REFUSAL}
        total = sum(shares.values())
        assert min(shares.values()) >= noise * total / len(shares) - 1e-4
    assert hasty


def orders(study: Study, spread: float, seed: int) -> tuple[pd.DataFrame, dict[str, float]]:
    """Orders of the miniature's groups without refused tasks, drawn with a spread; and the utilities."""
    assert study.planted is not None
    items = items_of(study, study.planted)
    utility = {one.task.id: one.utility for one in items if not one.refused}
    rng, rows = np.random.default_rng(seed), []
    for number, group in enumerate(groups([one.task.id for one in items], study.instruments["order"].ranking)):
        if utility.keys() >= set(group):
            for draw in study.seeds:
                drawn = np.array([utility[task] for task in group]) + rng.normal(0, spread, len(group))
                place = np.argsort(np.argsort(-drawn))
                rows += [(str(number), draw, 0, task, at, "answered") for task, at in zip(group, place, strict=True)]
    return pd.DataFrame(rows, columns=["group", "seed", "sample", "task", "position", "category"]), utility


def test_orders_of_a_model_that_answers_as_planted_hold_and_those_of_a_noisy_one_do_not(mini):
    """Single orders of three cannot reach 0.95 with so few of them, however well the model has learnt."""
    spread = mini.planted.spread
    reach = orders_reach(*orders(mini, spread, 0), spread)
    assert 0.88 < reach.mean() < 0.94
    assert np.mean(reach >= 0.95) < 0.1
    for noise, held in ((spread, True), (4 * spread, False)):
        rows, utility = orders(mini, noise, 1)
        rows = rows.assign(instrument="order", rater="mini", completer="", origin="", shown=0, status="ok")
        fits = fits_of(Measured(rankings=rows, origins=dict.fromkeys(utility, "")), mini)
        nothing = {"ratings": empty(RATINGS), "polarity": empty(POLARITY), "contexts": empty(CONTEXTS)}
        none = {"comparisons": Design(mini, "nicer").exact().comparisons.head(0), "rankings": rows}
        study = mini.model_copy(update={"probes": {}, "steering": None})
        tables = {**nothing, **none, "utilities": utilities_table(fits), "fits": fits_table(fits)}
        found = planted_rows(study, tables).query("check == 'utilities'").iloc[0]
        assert found["holds"] == ("yes" if held else "no")
        assert found["planted"] == pytest.approx(reach.mean())
