"""From probabilities and sampled answers to rows: every category has its place, and none is a score but the first."""

from __future__ import annotations

import numpy as np
import pytest

from inoc.studies.preferences.analyse.polarity import polarity_rows, reversed_pairs
from inoc.studies.preferences.answers import (
    Sampled,
    comparison_rows,
    exact_answers,
    open_rows,
    ranking_rows,
    rating_rows,
    sampled_answers,
)
from inoc.studies.preferences.asked import asked_of
from inoc.studies.preferences.inputs import COMPARISONS, RANKINGS, RATINGS, Measured
from inoc.studies.preferences.tasks import Task
from inoc.tables import to_arrow
from support.preferences import study_of

TASKS = [Task(f"t{at}", f"Do thing {at}.", "maths") for at in range(6)]
ORIGINS = {task.id: task.origin for task in TASKS}


def rows_of(study, key, shares):
    asked = asked_of(study, TASKS, key, "a")
    return exact_answers(study, asked, {one.id: shares(one) for one in asked})


def test_an_exact_rating_has_its_expectation_and_draws_that_scatter_as_samples_would(tmp_path):
    study = study_of(seeds=tuple(range(400)), models={"a": {}})
    given = rows_of(study, "stars", lambda one: [0.1, 0.0, 0.2, 0.0, 0.4, 0.2])
    frame = rating_rows(study, given, ORIGINS)
    to_arrow(frame, RATINGS, tmp_path / "x")
    assert frame["expectation"].to_numpy() == pytest.approx((0.1 * 1 + 0.2 * 3 + 0.4 * 5) / 0.7)
    assert frame["mass"].to_numpy() == pytest.approx(0.7)
    assert frame["p_refused"].to_numpy() == pytest.approx(0.2)
    share = frame["category"].value_counts(normalize=True)
    assert share["answered"] == pytest.approx(0.7, abs=0.02)
    assert share["refused"] == pytest.approx(0.2, abs=0.02)
    assert share["unclear"] == pytest.approx(0.1, abs=0.02)
    assert frame.loc[frame["category"] != "answered", "value"].isna().all()
    assert set(frame.loc[frame["category"] == "answered", "value"]) == {1.0, 3.0, 5.0}


def test_a_rating_whose_low_end_is_good_is_turned_around():
    study = study_of(instruments={"tedium": {"template": "tedium_1_5"}}, models={"a": {}})
    given = rows_of(study, "tedium", lambda one: [1.0, 0, 0, 0, 0, 0])
    frame = rating_rows(study, given, ORIGINS)
    assert set(frame["answer"]) == {"1"}
    assert set(frame["value"]) == {5.0}


def test_what_was_not_measured_has_failed():
    study = study_of(models={"a": {}})
    frame = rating_rows(study, rows_of(study, "stars", lambda one: [np.nan] * 6), ORIGINS)
    assert set(frame["category"]) == {"failed"}
    assert frame[["value", "expectation"]].isna().all().all()


def test_a_comparison_knows_its_order_and_is_in_terms_of_what_was_shown_first(tmp_path):
    study = study_of(models={"a": {}})
    frame = comparison_rows(study, rows_of(study, "choice", lambda one: [0.6, 0.2, 0.1]), ORIGINS)
    to_arrow(frame, COMPARISONS, tmp_path / "x")
    assert frame["p_a"].to_numpy() == pytest.approx(0.75)
    own = frame[~frame["task_a"].str.startswith("@")]
    for _, pair in own.groupby("pair"):
        assert set(pair["order"]) == {"ab", "ba"}
        assert set(pair["task_a"]) == set(pair["task_b"])
    assert (own["order"] == np.where(own["task_a"] <= own["task_b"], "ab", "ba")).all()


def test_refused_and_unclear_comparisons_choose_nothing():
    study = study_of(models={"a": {}}, instruments={"choice": {"template": "simple_preference", "method": "sample"}})
    asked = asked_of(study, TASKS, "choice", "a")
    texts = ["A", "I can't help with that.", "Both.", "", "B"]
    answers = {(one.id, 0): Sampled(texts[at % 5], "stop") for at, one in enumerate(asked)}
    frame = comparison_rows(study, sampled_answers(study, asked, answers), ORIGINS)
    assert frame["category"].head(5).tolist() == ["answered", "refused", "unclear", "failed", "answered"]
    assert frame["choice"].head(5).tolist() == ["a", "", "", "", "b"]
    assert frame["p_a"].isna().all()


@pytest.mark.parametrize(("thinking", "category"), [("on", "failed"), ("off", "answered")])
def test_a_model_whose_tokens_end_while_it_thinks_has_said_nothing(thinking, category):
    """A template may open the reasoning itself, so that no tag tells it from an answer."""
    study = study_of(
        models={"a": {}},
        model={"path": "x", "thinking": thinking},
        instruments={"stars": {"template": "stated_1_5", "method": "sample"}},
    )
    asked = [one for one in asked_of(study, TASKS, "stars", "a") if not one.anchored][:2]
    answers = {(one.id, 0): Sampled("I would give it 4", "length") for one in asked}
    frame = rating_rows(study, sampled_answers(study, asked, answers), ORIGINS)
    assert set(frame["category"]) == {category}
    ended = {key: Sampled("Hm, 2?</think>4", "length") for key in answers}
    assert set(rating_rows(study, sampled_answers(study, asked, ended), ORIGINS)["value"]) == {4.0}


def test_a_judge_reads_only_what_the_rules_find_unclear():
    study = study_of(models={"a": {}}, instruments={"stars": {"template": "stated_1_5", "method": "sample"}})
    asked = [one for one in asked_of(study, TASKS, "stars", "a") if not one.anchored][:5]
    given = [("4", "2"), ("Rather nice", "4"), ("Hm", "refused"), ("Hm", "unclear"), ("9", "4")]
    answers = {(one.id, 0): Sampled(text, "stop", judged) for one, (text, judged) in zip(asked, given, strict=True)}
    frame = rating_rows(study, sampled_answers(study, asked, answers), ORIGINS)
    assert frame["category"].tolist() == ["answered", "answered", "refused", "unclear", "failed"]
    assert frame["value"].tolist()[:2] == [4.0, 4.0]


def test_a_ranking_gives_every_task_its_place(tmp_path):
    study = study_of(models={"a": {}})
    asked = [one for one in asked_of(study, TASKS, "order", "a") if not one.anchored]
    answers = {(one.id, 0): Sampled("E, D, C, B, A" if at else "Hm", "stop") for at, one in enumerate(asked)}
    frame = ranking_rows(study, asked, answers, ORIGINS)
    to_arrow(frame, RANKINGS, tmp_path / "x")
    assert (frame.loc[frame["category"] == "unclear", "position"] == -1).all()
    read = frame[frame["category"] == "answered"]
    assert (read["position"] + read["shown"] == 4).all()


def test_an_answer_in_words_has_the_tone_that_a_judge_gives_it():
    study = study_of(
        models={"a": {}},
        instruments={"words": {"template": "describe_feeling"}},
        parsing={"tone": {"name": "regex", "pattern": "joy"}},
    )
    asked = [one for one in asked_of(study, TASKS, "words", "a") if not one.anchored][:4]
    texts = ["A joy.", "It was dull.", "As an AI, I don't have feelings.", ""]
    answers = {(one.id, 0): Sampled(text, "stop") for one, text in zip(asked, texts, strict=True)}
    tones = {(one.id, 0): 100.0 if at == 0 else 0.0 for at, one in enumerate(asked)}
    frame = open_rows(study, asked, answers, tones, ORIGINS)
    assert frame["category"].tolist() == ["answered", "answered", "refused", "failed"]
    assert frame["value"].tolist()[:2] == [1.0, -1.0]


def anchors_rated(study, better_labels, noise, seed):
    """Answers about anchors: good ones answered with `better_labels`, in the mean."""
    rng = np.random.default_rng(seed)

    def shares(one):
        good = one.tasks[0].startswith("@good")
        centre = better_labels if good else 6 - better_labels
        weights = np.exp(-0.5 * ((np.arange(1, 6) - centre - rng.normal(0, noise)) / 0.8) ** 2)
        return [*(0.97 * weights / weights.sum()), 0.01]

    asked = [one for one in asked_of(study, TASKS, "stars", "a") if one.anchored]
    frame = rating_rows(study, exact_answers(study, asked, {one.id: shares(one) for one in asked}), ORIGINS)
    return polarity_rows(Measured(ratings=frame), study)


def test_a_reversed_template_is_caught_and_an_upright_one_is_not():
    study = study_of(models={"a": {}})
    assert anchors_rated(study, 4.5, 0.2, 0)["verdict"].tolist() == ["upright"]
    wrong = anchors_rated(study, 1.5, 0.2, 0)
    assert wrong["verdict"].tolist() == ["reversed"]
    assert reversed_pairs(wrong) == {("a", "stars")}


def test_an_instrument_that_tells_nothing_is_rarely_called_reversed():
    study = study_of(models={"a": {}})
    verdicts = [anchors_rated(study, 3.0, 1.0, seed)["verdict"].iloc[0] for seed in range(400)]
    assert 0.003 <= np.mean([one == "reversed" for one in verdicts]) <= 0.05
    assert np.mean([one == "undecided" for one in verdicts]) >= 0.9


def test_a_choice_of_the_bad_anchors_in_both_orders_is_caught():
    study = study_of(models={"a": {}})

    def shares(one):
        return [0.1, 0.8, 0.05] if one.tasks[0].startswith("@good") else [0.8, 0.15, 0.0]

    asked = [one for one in asked_of(study, TASKS, "choice", "a") if one.anchored]
    frame = comparison_rows(study, exact_answers(study, asked, {one.id: shares(one) for one in asked}), ORIGINS)
    # All pairs say the same, so the interval has no width, and the verdict is that of the value.
    found = polarity_rows(Measured(comparisons=frame), study)
    assert found["verdict"].tolist() == ["reversed"]
    assert found["value"].iloc[0] == pytest.approx(2 * np.mean([1 / 9, 0.15 / 0.95]) - 1)
