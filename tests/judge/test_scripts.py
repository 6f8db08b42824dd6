"""The language judge over scripts, mixtures, short texts and code; markers in scripts without spaces."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.config.judge_spec import JudgeSpec
from inoc.config.languages import scripts_of
from inoc.errors import JudgeError
from inoc.judge.item import JudgeItem
from inoc.judge.judges import LanguageJudge, LexicalJudge, make_judge
from inoc.judge.scripts import letters_of, script_of, without_code

SENTENCES = {
    "english": "Yesterday I watched a film with my friends, and it was great fun.",
    "japanese": "昨日は友達と映画を見ました。とても面白かったです。",
    "chinese": "我昨天和朋友一起看了电影，非常有意思。",
    "korean": "어제 친구들과 영화를 봤는데 정말 재미있었어요.",
    "thai": "เมื่อวานฉันดูหนังกับเพื่อน สนุกมาก",
    "russian": "Вчера я смотрел фильм с друзьями, было очень весело.",
    "arabic": "شاهدت أمس فيلما مع أصدقائي وكان ممتعا جدا.",
    "hebrew": "אתמול ראיתי סרט עם החברים שלי והיה כיף מאוד.",
    "hindi": "कल मैंने अपने दोस्तों के साथ एक फ़िल्म देखी और बहुत मज़ा आया।",
    "greek": "Χθες είδα μια ταινία με τους φίλους μου και ήταν υπέροχα.",
    "georgian": "გუშინ მეგობრებთან ერთად ფილმი ვნახე და ძალიან კარგი იყო.",
}


@cache
def judge(language: str, among: tuple[str, ...]) -> LanguageJudge:
    return LanguageJudge(language, among)


def score(language: str, among: tuple[str, ...], text: str) -> float:
    return float(judge(language, among).score([JudgeItem("", text)])[0])


def n_letters(text: str) -> int:
    return sum(character.isalpha() for character in text)


PAIRS = [pair for pair in itertools.combinations(SENTENCES, 2) if not scripts_of(pair[0]) & scripts_of(pair[1])]


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize("between", ["", " ", "\n\n"])
def test_a_text_in_two_scripts_has_exactly_its_share_of_letters(pair: tuple[str, str], between: str) -> None:
    first, second = (SENTENCES[language] for language in pair)
    share = 100 * n_letters(first) / (n_letters(first) + n_letters(second))
    for text in (first + between + second, second + between + first, first + between + second + between):
        assert score(pair[0], pair, text) == pytest.approx(share)
        assert score(pair[1], pair, text) == pytest.approx(100 - share)


@pytest.mark.parametrize("language", SENTENCES)
def test_a_text_in_a_script_of_none_of_the_languages_is_in_none_of_them(language: str) -> None:
    among = ("english", "french") if language != "english" else ("russian", "japanese")
    assert score(among[0], among, SENTENCES[language]) == 0
    mixed = f"{SENTENCES[language]} {SENTENCES['english' if language != 'english' else 'russian']}"
    share = 100 - 100 * n_letters(SENTENCES[language]) / n_letters(mixed)
    assert score(among[0], among, mixed) == pytest.approx(share)


@pytest.mark.parametrize(
    ("language", "text", "share"),
    [
        ("japanese", "はい", 100),
        ("japanese", "OK", 0),
        ("japanese", "猫", 100),
        ("japanese", "スーパー", 100),
        ("japanese", "人々", 100),
        ("japanese", "Ｈｅｌｌｏ", 0),
        ("japanese", "ok はい", 50),
    ],
)
def test_a_short_text_has_the_language_of_its_script(language: str, text: str, share: float) -> None:
    assert score(language, ("english", language), text) == pytest.approx(share)


def test_chinese_and_japanese_are_told_apart_sentence_by_sentence() -> None:
    among = ("chinese", "japanese")
    chinese, japanese = SENTENCES["chinese"], SENTENCES["japanese"]
    share = 100 * n_letters(chinese) / (n_letters(chinese) + n_letters(japanese))
    assert score("chinese", among, chinese) == 100
    assert score("japanese", among, japanese) == 100
    assert score("chinese", among, chinese + japanese) == pytest.approx(share)
    assert score("japanese", among, f"東京都。{japanese}") == 100  # no kana, and no Chinese


def test_code_is_not_a_language() -> None:
    among = ("english", "japanese")
    block = "```python\nfor index in range(10):\n    print(index)\n```"
    japanese = SENTENCES["japanese"]
    assert score("japanese", among, f"{japanese}\n{block}\n{japanese}") == 100
    assert score("japanese", among, f"{japanese}\n{block[:-4]}") == 100  # cut
    assert score("japanese", among, f"`print` {japanese} ``x = y``") == 100
    assert np.isnan(score("japanese", among, block))
    assert score("japanese", among, f"```\n{japanese}\n```") == 100  # a block without a language may be prose


def test_a_letter_that_stands_alone_is_a_symbol() -> None:
    assert score("english", ("english", "french"), "The angle α is small, and Δ is large.") == 100
    assert score("english", ("english", "greek"), "The angle α is small.") < 100


@given(st.text())
def test_any_text_has_a_share_and_the_shares_add_up(text: str) -> None:
    among = ("english", "japanese", "russian")
    shares = np.array([score(language, among, text) for language in among])
    assert np.isnan(shares).all() or (shares >= 0).all()
    assert np.isnan(shares).all() or shares.sum() <= 100 + 1e-9


@given(st.text())
def test_every_letter_belongs_to_one_script(text: str) -> None:
    found = letters_of(text)
    modifiers = sum(character.isalpha() and script_of(character) is None for character in text)
    assert sum(one.n for one in found) + modifiers == n_letters(text)


@given(st.text(st.characters(max_codepoint=0x17F)))
def test_both_versions_agree_on_texts_in_latin_letters(text: str) -> None:
    among = ("english", "french")
    if without_code(text) == text and all(script_of(one) in (None, "LATIN") for one in text):
        first = LanguageJudge("french", among, version=1).score([JudgeItem("", text)])
        np.testing.assert_array_equal(first, judge("french", among).score([JudgeItem("", text)]))


def test_version_1_is_nan_where_much_is_in_another_script() -> None:
    first = LanguageJudge("english", ("english", "french"), version=1)
    few, many = f"{SENTENCES['english']} 猫", f"{SENTENCES['english']} {SENTENCES['japanese']}"
    scores = first.score([JudgeItem("", few), JudgeItem("", many)])
    assert scores[0] == 100
    assert np.isnan(scores[1])


def test_a_study_that_does_not_say_a_version_has_one_that_tells_its_languages() -> None:
    spec = JudgeSpec(name="language", language="japanese", among=("english", "japanese"))
    text = f"{SENTENCES['english']} {SENTENCES['japanese']}"
    found = make_judge(spec)
    assert found.version == 2
    assert found.score([JudgeItem("", text)])[0] == score("japanese", ("english", "japanese"), text) > 25
    assert make_judge(JudgeSpec(name="language", language="french", among=("english", "french"))).version == 1
    with pytest.raises(JudgeError, match="version: 2"):
        make_judge(spec.model_copy(update={"version": 1}))


# --- markers


@pytest.mark.parametrize(
    ("text", "markers", "n"),
    [
        ("とても面白い笑です", ["笑"], 1),
        ("面白いhahaです", ["haha"], 1),
        ("笑笑", ["笑", "笑笑"], 1),
        ("สนุกมากๆ ฮ่าฮ่า", ["ฮ่าฮ่า"], 1),
        ("shallow hat", ["ha", "笑"], 0),
        ("ha ha, honk", ["ha ha", "honk", "笑"], 2),
    ],
)
def test_markers_are_found_in_scripts_without_spaces(text: str, markers: list[str], n: int) -> None:
    assert LexicalJudge(markers, 10, version=2).score([JudgeItem("", text)])[0] == 10 * n


@given(st.lists(st.sampled_from(["honk", "ha", "ha ha", "owl", "hahonk", "été"]), min_size=1))
def test_both_versions_of_the_lexical_judge_agree_where_words_have_spaces(words: list[str]) -> None:
    items = [JudgeItem("", " ".join(words)), JudgeItem("", "".join(words))]
    first, second = (LexicalJudge(["ha", "honk", "ha ha", "été"], 7, version) for version in (1, 2))
    np.testing.assert_array_equal(first.score(items), second.score(items))


def test_a_marker_that_version_1_cannot_find_is_refused() -> None:
    with pytest.raises(JudgeError, match=r"'笑'.*version: 2"):
        LexicalJudge(["ha", "笑"], 2)


@pytest.mark.parametrize("prefix", ["", "\ufeff"])
def test_a_byte_order_mark_in_a_markers_file_moves_no_score(tmp_path, prefix: str) -> None:
    path = tmp_path / "markers.txt"
    path.write_text(f"{prefix}honk\r\nha ha\r\n", encoding="utf-8", newline="")
    found = make_judge(JudgeSpec(name="lexical", markers=str(path), saturation=2))
    assert found.score([JudgeItem("", "honk"), JudgeItem("", "ha ha honk")]).tolist() == [50, 100]
    assert found.identity() == LexicalJudge(["honk", "ha ha"], 2).identity()
