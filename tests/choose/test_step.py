from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from inoc.choose.plan import Plan
from inoc.choose.step import read_choices, run, units, write_choices
from inoc.engines.candidates import Choice, candidate, scale, unmeasured
from inoc.engines.choices import Chooser, Questions
from inoc.engines.transformers import TransformersEngine
from inoc.errors import ConfigError
from inoc.jobs import chats
from inoc.vectors.steering import Steering
from inoc.vectors.vector import Vector
from support.reading import a_job, chats_of

SETS = [scale(1, 5), (candidate("A"), candidate("B"))]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(chats, "BLOCK", 3)


def a_plan(tiny_model, root, n=8, **changes):
    plain = {
        "study": "toy",
        "model": tiny_model,
        "ids": [f"q{at}" for at in range(n)],
        "chats": chats_of(n),
        "candidates": [SETS[at % 2] for at in range(n)],
        "folder": root / "out",
    }
    return Plan(**{**plain, **changes})


def test_tables_hold_the_probabilities_of_all_candidates(tiny_model, tmp_path):
    job = a_job(tmp_path, "choose-0")
    assert "8 questions" in run(job, a_plan(tiny_model, tmp_path))
    engine = TransformersEngine(tiny_model)
    questions = Questions(engine.tokenizer).ask(chats_of(8), [SETS[at % 2] for at in range(8)])
    expected = Chooser(engine.causal, engine.stops).submit(questions, 4096)()
    choices = pd.read_parquet(tmp_path / "out" / "choices.parquet").set_index("id")
    rows = pd.read_parquet(tmp_path / "out" / "candidates.parquet")
    for at, one in enumerate(expected):
        own = rows[rows["id"] == f"q{at}"]
        assert list(own["candidate"]) == [each.name for each in SETS[at % 2]]
        np.testing.assert_allclose(own["logprob"], one.logprobs, atol=1e-5)
        np.testing.assert_allclose(own["share"].sum(), 1.0)
        found = choices.loc[f"q{at}"]
        assert found["mass"] == pytest.approx(one.mass, rel=1e-4)
        assert found["best"] == SETS[at % 2][one.best()].name
        assert found["n_candidates"] == len(SETS[at % 2])
        assert np.isnan(found["expectation"]) == bool(at % 2)
        if not at % 2:
            assert found["expectation"] == pytest.approx(one.expectation(SETS[0]), rel=1e-4)
    assert job.record["rendered_example"].endswith("assistant\n")


def test_what_is_in_the_store_is_not_measured_again(tiny_model, tmp_path):
    run(a_job(tmp_path), a_plan(tiny_model, tmp_path))
    again = a_job(tmp_path)
    run(again, a_plan(tiny_model, tmp_path, n=6))
    assert again.computed == 0


def test_values_of_candidates_change_no_key_and_spellings_and_endings_do(tiny_model, tmp_path):
    def key(**changes):
        return units(a_job(tmp_path), a_plan(tiny_model, tmp_path, n=2, **changes))[0].key

    letters = (candidate("A"), candidate("B"))
    plain = key(candidates=[letters] * 2)
    assert plain == key(candidates=[(candidate("A", 1.0), candidate("B", 2.0))] * 2)
    assert plain != key(candidates=[(candidate("A"), candidate("C"))] * 2)
    assert plain != key(candidates=[letters] * 2, whole=True)
    assert plain == key(candidates=[letters] * 2, chats=[chat._replace(response="") for chat in chats_of(2)])


def test_a_choice_that_was_not_measured_stays_nan_in_the_store(tmp_path):
    given = [unmeasured(3, "no logprobs"), Choice((-1.0, -np.inf, -2.0), 0.5)]
    write_choices(tmp_path, given, "text")
    (nan, whole) = read_choices(tmp_path)
    assert np.isnan(nan.logprobs).all()
    assert np.isnan(nan.mass)
    assert (nan.reason, whole) == ("no logprobs", given[1])


def test_questions_that_are_only_asked_with_steering_are_refused(tiny_model, tmp_path):
    vector = Vector("v", np.ones(64), "embed", "weights")
    with pytest.raises(ConfigError, match="Add 0"):
        run(a_job(tmp_path), a_plan(tiny_model, tmp_path, steerings=[Steering(vector, 2.0)] * 8))


def test_ids_and_candidates_must_fit_the_chats(tiny_model, tmp_path):
    for changes in ({"ids": ["x"] * 8}, {"candidates": [SETS[0]] * 7}):
        with pytest.raises(ConfigError, match="for 8 chats"):
            run(a_job(tmp_path), a_plan(tiny_model, tmp_path, **changes))
    with pytest.raises(ConfigError, match="belongs to the candidates"):
        run(a_job(tmp_path), a_plan(tiny_model, tmp_path, candidates=[(candidate("a"), candidate("A"))] * 8))
