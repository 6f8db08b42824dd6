"""`inoc.score`, `inoc.judge` and `inoc.read` for texts of one's own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import inoc
from inoc.chat.messages import Chat
from inoc.chat.render import render
from inoc.config.models import ModelSpec, SystemTurn
from inoc.engines.scoring import float32_logprobs
from inoc.engines.transformers import TransformersEngine
from inoc.errors import ConfigError, DataError, JudgeError

TEXTS = [("Where does the owl live?", "In a house."), ("Why?", "Because it can."), ("So?", "")]


@pytest.fixture
def model(tiny_folder):
    return {"path": str(tiny_folder), "dtype": "float32"}


def test_scores_are_log_probabilities_of_each_response_behind_each_prefix(model, tiny_model):
    found = inoc.score(model, TEXTS, ["", "Be kind."])
    assert list(found["text"]) == [0, 1, 2, 0, 1, 2]
    engine = TransformersEngine(tiny_model)
    for row in found.itertuples():
        asked, answer = TEXTS[row.text]
        chat = Chat(SystemTurn(), f"{row.prefix} {asked}".strip(), answer)
        exact = float32_logprobs(engine.causal, *render(engine.tokenizer, [chat], "exclude"))
        np.testing.assert_allclose(row.logprobs, exact, atol=1e-4)
        assert row.n_tokens == len(exact)
        assert np.isnan(row.mean) if not len(exact) else row.mean == pytest.approx(exact.mean(), abs=1e-4)


def test_a_prefix_can_be_the_system_turn(model):
    as_system = inoc.score(model, TEXTS[:1], ["Be kind."], placement="system")
    given = inoc.score({**model, "system": {"kind": "text", "text": "Be kind."}}, TEXTS[:1])
    assert as_system["mean"][0] == given["mean"][0]


def test_texts_are_pairs_or_a_frame(model):
    frame = pd.DataFrame(TEXTS, columns=["instruction", "completion"])
    pd.testing.assert_frame_equal(inoc.score(model, frame), inoc.score(ModelSpec.model_validate(model), TEXTS))


def test_activations_are_read_at_named_sites(model):
    found = inoc.read(model, TEXTS, ["embed", "resid_post.0"], ["prompt_last", "response_mean"])
    assert {site: value.shape for site, value in found.items()} == {"embed": (3, 2, 64), "resid_post.0": (3, 2, 64)}
    assert np.isnan(found["embed"][2, 1]).all()
    assert np.isfinite(found["embed"][:, 0]).all()
    other = inoc.read(model, TEXTS, "embed", "prompt_last", prefix="Be kind.")
    assert other["embed"].shape == (3, 1, 64)


def test_texts_are_judged_in_their_order():
    found = inoc.judge(["yes", "no", "yes"], {"name": "regex", "pattern": "y"})
    assert list(found.columns) == ["text", "judge", "judge_version", "score"]
    assert list(found["score"]) == [100, 0, 100]


@pytest.mark.parametrize("texts", ["a text", [1], [("a",)], [("a", None)], pd.DataFrame({"completion": ["a"]})])
def test_what_is_no_text_is_refused(texts):
    with pytest.raises(DataError, match=r"texts.*accepted"):
        inoc.judge(texts, {"name": "regex", "pattern": "y"})


def test_wrong_settings_are_named(model):
    with pytest.raises(ConfigError, match=r"judge\.name"):
        inoc.judge(["a"], "regexp")
    with pytest.raises(JudgeError, match="needs `pattern`"):
        inoc.judge(["a"], "regex")
    with pytest.raises(ConfigError, match=r"model\.dtype"):
        inoc.score({**model, "dtype": "float8"}, TEXTS)
    with pytest.raises(ConfigError, match=r"inoc\.load"):
        inoc.score("world", TEXTS)
    with pytest.raises(ConfigError, match="at least one"):
        inoc.score(model, TEXTS, [])
    with pytest.raises(ConfigError, match="response_mean"):
        inoc.read(model, TEXTS, ["embed"], ["response_men"])
