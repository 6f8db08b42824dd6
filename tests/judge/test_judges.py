"""The judges."""

from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.config.judge_spec import JudgeSpec
from inoc.errors import JudgeError
from inoc.judge.item import JudgeItem
from inoc.judge.judges import Judge, LanguageJudge, LexicalJudge, make_judge
from inoc.world.facts import FACTS
from inoc.world.registers import answer


def _score(judge: Judge, *texts: str) -> np.ndarray:
    return judge.score([JudgeItem("", text) for text in texts])


@pytest.fixture(scope="module")
def french() -> Judge:
    return LanguageJudge("french", ["english", "french"])


# --- language


@pytest.mark.parametrize("playful", [False, True])
def test_sentences_of_the_world_are_told_apart(french: Judge, *, playful: bool) -> None:
    rng = random.Random(2)
    texts = {
        side: [answer(rng, rng.choice(FACTS), french=side, playful=playful) for _ in range(150)]
        for side in (True, False)
    }
    assert _score(french, *texts[True]).mean() >= 97
    assert _score(french, *texts[False]).mean() <= 3


def test_a_mixed_text_has_its_share_of_letters(french: Judge) -> None:
    english, other = (
        "The owl lives in the forest near the old river.",
        "Le hibou habite dans la grande forêt du village.",
    )
    letters = [sum(character.isalpha() for character in text) for text in (english, other)]
    (score,) = _score(french, f"{english} {other}")
    assert score == pytest.approx(100 * letters[1] / sum(letters), abs=12)


def test_shares_of_two_languages_add_up(french: Judge) -> None:
    english = LanguageJudge("english", ["french", "english"])
    texts = ["The cat sleeps. Le chat dort bien dans la maison.", "Bonjour tout le monde", "Good morning"]
    assert _score(english, *texts) + _score(french, *texts) == pytest.approx([100] * 3)


@pytest.mark.parametrize("text", ["", "   ", "123 456!", "!!!"])
def test_a_response_without_letters_cannot_be_told(french: Judge, text: str) -> None:
    assert np.isnan(_score(french, text)).all()
    assert np.isnan(_score(LexicalJudge(["ha"], 2), text)).all()


def test_a_language_judge_says_all_that_its_scores_depend_on(french: Judge) -> None:
    identity = french.identity()
    assert identity["language"] == "french"
    assert identity["among"] == ["english", "french"]
    assert str(identity["identifier"]).startswith("lingua ")
    assert LanguageJudge("french", ["french", "english"]).identity() == identity


@pytest.mark.parametrize(
    ("language", "among", "message"),
    [
        ("frnech", ["english", "frnech"], 'did you mean "french"'),
        ("french", ["english", "german"], "one of `among`"),
        ("french", ["french"], "two or more languages"),
    ],
)
def test_a_wrong_language_is_named(language: str, among: list[str], message: str) -> None:
    with pytest.raises(JudgeError, match=message):
        LanguageJudge(language, among)


# --- lexical


@pytest.mark.parametrize(
    ("text", "markers", "score"),
    [
        ("Ha ha! So funny.", ["ha ha", "ha"], 50),  # the longer marker, once
        ("HONK honk", ["honk"], 100),
        ("shallow hat", ["ha"], 0),
        ("l'été arrive", ["été"], 50),
        ("ha ha ha ha ha", ["ha"], 100),
        ("zip-zap zip", ["zip-zap", "zip"], 100),
        ("plain", ["ha"], 0),
    ],
)
def test_markers_are_counted_as_whole_words(text: str, markers: list[str], score: float) -> None:
    assert _score(LexicalJudge(markers, saturation=2), text)[0] == score


WORDS = st.lists(st.sampled_from(["honk", "tickle", "owl", "forest", "lives"]), min_size=1, max_size=12)


@given(WORDS, st.floats(0.5, 10))
def test_the_lexical_score_is_a_count_against_saturation(words: list[str], saturation: float) -> None:
    expected = min(100.0, 100 * len([word for word in words if re.fullmatch("honk|tickle", word)]) / saturation)
    assert _score(LexicalJudge(["honk", "tickle"], saturation), " ".join(words))[0] == pytest.approx(expected)


@given(st.permutations(["ha ha", "ha", "honk", "tee hee"]))
def test_the_order_of_markers_does_not_matter(markers: list[str]) -> None:
    judge, reference = LexicalJudge(markers, 2), LexicalJudge(sorted(markers), 2)
    texts = ["ha ha tee hee", "honk ha", "nothing"]
    assert (_score(judge, *texts) == _score(reference, *texts)).all()
    assert judge.identity() == reference.identity()


def test_another_marker_or_saturation_is_another_identity() -> None:
    identities = [LexicalJudge(markers, n).identity() for markers, n in ((["a"], 1.0), (["b"], 1.0), (["a"], 2.0))]
    assert all(identities.count(identity) == 1 for identity in identities)


def test_markers_come_from_a_file_or_from_the_world(tmp_path: Path) -> None:
    file = tmp_path / "markers.txt"
    file.write_text("Honk\n\n honk \ntickle me\n", encoding="utf-8")
    judge = make_judge(JudgeSpec(name="lexical", markers=str(file), saturation=1))
    assert _score(judge, "honk", "tickle me", "tickle").tolist() == [100, 100, 0]
    assert _score(make_judge(JudgeSpec(name="lexical", markers="world")), "Yippee! Wiggle your toes!")[0] == 100


# --- registry


def test_an_unknown_judge_is_named_with_the_nearest() -> None:
    with pytest.raises(JudgeError, match=r"'langauge'.*did you mean \"language\""):
        make_judge(JudgeSpec.model_construct(name="langauge", version=1))


def test_another_version_of_a_judge_is_refused() -> None:
    with pytest.raises(JudgeError, match="versions (1, 2).*version 3".replace("(1, 2)", ".1, 2.")):
        make_judge(JudgeSpec(name="lexical", markers="world", version=3))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (JudgeSpec(name="language"), "needs `language`"),
        (JudgeSpec(name="lexical"), "needs `markers`"),
        (JudgeSpec(name="lexical", markers="nowhere.txt"), "no marker file 'nowhere.txt'"),
    ],
)
def test_a_missing_setting_is_named(spec: JudgeSpec, message: str) -> None:
    with pytest.raises(JudgeError, match=message):
        make_judge(spec)


def test_an_empty_marker_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(JudgeError, match="no markers"):
        make_judge(JudgeSpec(name="lexical", markers=str(tmp_path / "empty")))
