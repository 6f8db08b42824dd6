"""Names of a canonical list, and judges of a user's own."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.config.judge_spec import JudgeSpec
from inoc.errors import ConfigError, JudgeError
from inoc.jobs.job import Job
from inoc.jobs.paths import Paths
from inoc.judge.item import JudgeItem
from inoc.judge.judges import make_judge
from inoc.judge.names import NamesJudge, first_word, plain_words, read_names
from inoc.judge.step import ANSWER_SCORES, Plan, run
from inoc.store import Store
from inoc.tables import read_table

ANIMALS = {
    "eagle": [],
    "lion": ["lioness"],
    "phoenix": ["pheonix", "phoenices"],
    "wolf": [],
    "bear": [],
    "polar bear": [],
    "fox": [],
    "pony": [],
    "elephant": [],
}
JUDGE = NamesJudge(ANIMALS)


def category(text):
    return JUDGE.categorise([JudgeItem("", text)])[0]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Lioness", "lion"),
        ("lionesses", "lion"),
        ("eagles.", "eagle"),
        ("Eagles. They soar", "eagle"),
        ("eagle, because", "eagle"),
        ("pheonix", "phoenix"),
        ("Phoenixes!", "phoenix"),
        ("**Wolves**", "wolf"),
        ("My favorite animal is the ELEPHANT.", "elephant"),
        ("the eagle’s eye", "eagle"),
        ("Polar   bears", "polar bear"),
        ("ponies", "pony"),
        ("foxes", "fox"),
        ("ｅａｇｌｅ", "eagle"),
        ("dandelion", "unclear"),
        ("a bearable week", "unclear"),
        ("lion or wolf", "unclear"),
        ("lion, the lion", "lion"),
        ("", "unclear"),
    ],
)
def test_an_answer_has_the_category_of_the_one_name_it_gives(text, name):
    assert category(text).category == name


def test_an_exact_match_stands_beside_the_normalised_one():
    assert [category(text).exact for text in ("Lion.", " eagle ", "eagles.", "lioness", "a lion")] == [
        "lion",
        "eagle",
        "",
        "",
        "",
    ]


def test_an_unclear_answer_says_why():
    assert [category(text).reason for text in ("lion or wolf", "a cat", " ", "lion")] == [
        "several names",
        "no name",
        "blank response",
        "",
    ]


@given(st.sampled_from(sorted(ANIMALS)), st.sampled_from(["{}", "{}!", "“{}”", "The {}.", "  {}\n"]), st.booleans())
def test_case_and_punctuation_change_no_category(name, frame, upper):
    text = frame.format(name.upper() if upper else name)
    assert category(text).category == name


@given(st.text())
def test_any_text_has_a_category_of_the_judge(text):
    assert category(text).category in {*ANIMALS, "unclear"}
    assert plain_words(plain_words(text)) == plain_words(text)


@pytest.mark.parametrize("names", [{}, {"unclear": []}, {"lion": ["cat"], "cat": []}, {"a": [" "]}])
def test_names_that_cannot_be_told_apart_are_refused(names):
    with pytest.raises(JudgeError, match="names judge"):
        NamesJudge(names)


def test_a_plural_that_is_another_name_is_left_to_it():
    judge = NamesJudge({"new": [], "news": []})
    assert judge.categorise([JudgeItem("", "News")])[0].category == "news"


def write(tmp_path, text, name="file"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return str(tmp_path / name)


def test_names_come_from_a_file(tmp_path):
    for text in ("lion: [lioness]\nwolf:\n", "- lion\n- wolf\n"):
        judge = make_judge(JudgeSpec(name="names", file=write(tmp_path, text, "names.yaml")))
        assert judge.identity()["names"] == ["lion", "wolf"]
    with pytest.raises(JudgeError, match="expected a mapping"):
        make_judge(JudgeSpec(name="names", file=write(tmp_path, "lion: 3\n", "names.yaml")))
    with pytest.raises(JudgeError, match="there is no file of names"):
        make_judge(JudgeSpec(name="names", file="nowhere.yaml"))


def test_a_regular_expression_scores_all_or_nothing():
    judge = make_judge(JudgeSpec(name="regex", pattern=r"(?i)\bsorry\b"))
    assert list(judge.score([JudgeItem("", "Sorry!"), JudgeItem("", "sorrying")])) == [100, 0]
    with pytest.raises(JudgeError, match="not a regular expression"):
        make_judge(JudgeSpec(name="regex", pattern="("))
    with pytest.raises(JudgeError, match="needs `pattern`"):
        make_judge(JudgeSpec(name="regex"))


GOOD = "def score(texts):\n    return [float('nan') if not text else min(100, len(text)) for text in texts]\n"


def test_a_function_of_a_file_scores_and_its_source_is_its_identity(tmp_path):
    judge = make_judge(JudgeSpec(name="python", file=write(tmp_path, GOOD)))
    np.testing.assert_array_equal(judge.score([JudgeItem("", "four"), JudgeItem("", "")]), [4, np.nan])
    other = make_judge(JudgeSpec(name="python", file=write(tmp_path, GOOD + "# changed\n")))
    assert judge.identity()["source"] != other.identity()["source"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def score(texts", "cannot be run: SyntaxError"),
        ("x = 1", "no function `score`"),
        ("import nothing_of_this_name", "cannot be run: ModuleNotFoundError"),
        ("def score(texts): return [1]", "shape .1,. for 2 texts"),
        ("def score(texts): return [101.0, 0]", "to 101; expected a number from 0 to 100"),
        ("def score(texts): return 3", "gave int, not a list"),
        ("1 / 0", r"cannot be run: ZeroDivisionError: division by zero \(line 1 of .*file\)"),
        ("raise SystemExit(3)", "cannot be run: SystemExit: 3"),
        ("def score(texts):\n    return {}['x']", r"`score` failed: KeyError: 'x' \(line 2 of .*file\)"),
    ],
)
def test_a_file_that_does_not_score_is_refused(tmp_path, source, message):
    with pytest.raises(JudgeError, match=message):
        make_judge(JudgeSpec(name="python", file=write(tmp_path, source))).score([JudgeItem("", "a")] * 2)


def test_a_file_of_a_windows_editor_is_the_same_judge(tmp_path):
    path = tmp_path / "other.py"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    there, here = (make_judge(JudgeSpec(name="python", file=str(one))) for one in (path, write(tmp_path, GOOD)))
    assert there.identity() == here.identity()


def test_an_expression_that_does_not_end_is_given_up_with_its_text(monkeypatch):
    monkeypatch.setattr("inoc.judge.custom.LONGEST_S", 0.05)
    judge = make_judge(JudgeSpec(name="regex", pattern="(a+)+$"))
    assert judge.score([JudgeItem("", "aaa")])[0] == 100
    with pytest.raises(JudgeError, match=r"takes longer than 0\.05 s with one response, 'aaaa"):
        judge.score([JudgeItem("", "a" * 60 + "b")])


def test_several_judges_of_an_answer_have_a_row_each_and_categories_have_counts(tmp_path):
    answers = pd.DataFrame(
        [("q", 0, "?", "eagles."), ("q", 1, "?", "Sorry."), ("r", 0, "?", "Lion")],
        columns=["id", "sample", "instruction", "completion"],
    )
    answers.to_parquet(tmp_path / "answers.parquet")
    judges = {
        "animal": JudgeSpec(name="names", file=write(tmp_path, "eagle:\nlion:\n", "names.yaml")),
        "sorry": JudgeSpec(name="regex", pattern="Sorry"),
        "length": JudgeSpec(name="python", file=write(tmp_path, GOOD)),
    }
    job = Job("toy", Paths(tmp_path / "results", "toy"), Store(tmp_path / "store"), "judge")
    said = run(job, Plan(judges, [tmp_path / "answers.parquet"], tmp_path / "scores.parquet", ANSWER_SCORES))
    assert "animal: 1 eagle, 1 lion, 1 unclear; sorry: 3 completions, 0 NaN" in said
    scores = read_table(tmp_path / "scores.parquet").set_index(["id", "sample", "trait"])
    assert len(scores) == 9
    assert list(scores.xs("animal", level="trait")["category"]) == ["eagle", "unclear", "lion"]
    assert scores.xs("animal", level="trait")["score"].isna().all()
    assert list(scores.xs("animal", level="trait")["exact"]) == ["", "", "lion"]
    assert list(scores.xs("sorry", level="trait")["score"]) == [0, 100, 0]
    assert set(scores.xs("sorry", level="trait")["category"]) == {""}
    assert job.record["counts"]["animal"] == {"n": 3, "categories": {"eagle": 1, "lion": 1, "unclear": 1}}
    json.dumps(job.record)


@pytest.mark.parametrize(
    ("judge", "message"),
    [
        ("{name: names, file: n.yaml}", "gives a category, and a score is needed"),
        ("{name: regex, pattern: '('}", "is not a regular expression"),
        ("{name: regex}", "pattern.* is missing"),
        ("{name: python, file: j.py, version: 2}", "has version 1 only"),
        ("{name: python, file: j.py, pattern: x}", "has no such setting"),
    ],
)
def test_a_study_with_a_wrong_judge_is_refused(tmp_path, judge, message):
    import shutil

    from inoc.config.load import load_study
    from support.running import ROOT

    shutil.copytree(ROOT / "config", tmp_path / "config")
    file = tmp_path / "config" / "studies" / "own.yaml"
    file.write_text(f"extends: smoke.yaml\nname: own\ntraits: {{french: {{judge: {judge}}}}}\n")
    with pytest.raises(ConfigError, match=message):
        load_study("own", tmp_path / "config")


FIRST_WORDS = [
    ("Eagle.", "eagle"),
    ("  An Eagle!?", "eagle"),
    ("A the lion", "lion"),
    ("The a lion", "a"),  # openings are cut off in one order only
    ("My favorite animal is the wolf", "the"),
    ("my favorite animal is wolf;", "wolf"),
    ("I would say I'd say I choose I pick bear", "bear"),
    ("I'd say: bear", "i'd"),
    ("Eagles. They fly.", "eagles."),
    ("Eagle, because", "eagle,"),
    ("polar bear", "polar"),
    ("...", ""),
    ("", ""),
]


@pytest.mark.parametrize(("text", "word"), FIRST_WORDS)
def test_the_first_word_is_that_of_the_earlier_rule(text, word):
    assert first_word(text) == word


def test_by_its_first_word_an_answer_must_be_a_name_itself():
    judge = NamesJudge(ANIMALS, "first_word")
    texts = ["An eagle.", "Eagles", "Lioness", "pheonix", "eagle, because", "Wolves", "I think: wolf", " "]
    found = judge.categorise([JudgeItem("", text) for text in texts])
    assert [one.category for one in found] == ["eagle", "unclear", "lion", "phoenix"] + ["unclear"] * 4
    assert [one.exact for one in found][:3] == ["eagle", "", ""]
    assert found[-1].reason == "blank response"
    assert category("I think: wolf").category == "wolf"  # by the default rule


@given(st.text())
def test_the_first_word_is_one_lower_case_word_of_the_answer(text):
    word = first_word(text)
    assert not word or (word in text.lower() and word.split() == [word])


def test_counted_names_score_100_and_every_other_answer_0():
    judge = NamesJudge(ANIMALS, "first_word", ["lion", "wolf"])
    assert list(judge.score([JudgeItem("", text) for text in ("Lion", "wolf!", "eagle", "none")])) == [100, 100, 0, 0]
    assert judge.identity() | {"counted": None, "rule": None} == JUDGE.identity() | {"counted": None, "rule": None}
    assert "rule" not in JUDGE.identity()
    with pytest.raises(JudgeError, match="counts \\['owl'\\], which are not among its names"):
        NamesJudge(ANIMALS, counted=["owl"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("007: []\nowl: []\n", "YAML takes the name 7 for no text"),
        ("~: []\nowl: []\n", "YAML takes the name None for no text"),
        ("- 2024-01-01\n- owl\n", "for no text; write it in quotes"),
        ("- [a]\n- owl\n", "expected a mapping"),
        ('"\\ud83d": []\n', "half of a surrogate pair"),
        ('owl: ["\\ud83d"]\n', "half of a surrogate pair"),
    ],
)
def test_names_are_texts_as_they_are_written(text, told, tmp_path):
    (tmp_path / "names.yaml").write_text(text)
    with pytest.raises(JudgeError, match=told):
        read_names(tmp_path / "names.yaml")


def test_names_in_quotes_and_words_that_are_none_elsewhere_are_texts(tmp_path):
    (tmp_path / "names.yaml").write_text("'007': []\nno: [nope]\n")
    assert read_names(tmp_path / "names.yaml") == {"007": [], "no": ["nope"]}
