"""Rows of students with other numbers, and the teachers of students of distributions."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.chat.messages import Chat
from inoc.config.models import SystemTurn
from inoc.engines.sampling import BASE
from inoc.jobs.paths import Paths
from inoc.studies.subliminal import plans
from inoc.studies.subliminal.asking import Adapter
from inoc.studies.subliminal.checks import study_problems
from inoc.studies.subliminal.data import number_prompts
from inoc.studies.subliminal.students import StudentRows, changed
from inoc.studies.subliminal.study import Study
from inoc.train.teacher import NUMBERS

VALUES = {
    "kind": "subliminal",
    "name": "toy",
    "title": "Toy",
    "model": {"path": "world", "dtype": "float32", "system": {"kind": "none"}},
    "world": {"content": "favorites"},
    "other": {
        "model": {"path": "world", "dtype": "float32"},
        "world": {"content": "favorites", "seed": 1},
    },
    "entities": ["owl"],
    "template": "You love the {singular}.",
    "teachers": {"owl": {"entity": "owl"}, "neutral": {"neutral": True}},
    "numbers": {"source": "world", "n_prompts": 5},
    "students": {"soft": {"targets": "distribution", "numbers": "relabelled"}},
}


def study(**changes):
    value = dict(VALUES)
    for section, change in changes.items():
        value[section] = change
    return Study.model_validate(value)


lists = st.lists(st.lists(st.integers(0, 999), min_size=1, max_size=6), min_size=1, max_size=8)


@given(lists, st.integers(0, 99))
def test_relabelled_numbers_are_a_permutation_of_those_that_occur(numbers, seed):
    answers = [", ".join(map(str, one)) for one in numbers]
    found, renamed = changed(answers, "relabelled", np.random.default_rng(seed))
    occurring = {number for one in answers for number in re.findall(r"\d+", one)}
    assert set(renamed) == set(renamed.values()) == occurring
    assert found == [re.sub(r"\d+", lambda match: renamed[match[0]], one) for one in answers]


@given(lists, st.integers(0, 99))
def test_shuffled_numbers_are_as_frequent_as_before_and_have_no_names(numbers, seed):
    answers = [", ".join(map(str, one)) for one in numbers]
    found, renamed = changed(answers, "shuffled", np.random.default_rng(seed))
    count = lambda texts: Counter(re.findall(r"\d+", " ".join(texts)))  # noqa: E731
    assert count(found) == count(answers)
    assert renamed == {}


def test_the_prompts_of_the_world_are_those_of_its_seed():
    assert len(set(number_prompts(study()))) == 5
    assert number_prompts(study()) == number_prompts(study(numbers={"source": "world", "n_prompts": 9}))[:5]


@pytest.mark.parametrize("base", ["own", "other"])
def test_a_teacher_reads_its_own_rows_and_a_student_of_another_base_has_the_studys_model_as_teacher(
    monkeypatch, tmp_path, tiny_model, base
):
    system = SystemTurn(kind="text", text="You love the owl.")
    rows = StudentRows([Chat(SystemTurn(), "Q", "2 1")], [Chat(system, "Q", "1 2")], {"1": "2", "2": "1"})
    adapter = Adapter("digest", tmp_path)
    monkeypatch.setattr(plans, "adapters_of_teachers", lambda *_: {"owl": adapter})

    class OneModel:
        paths = Paths(tmp_path, "toy")

        def model(self, _):
            return tiny_model

    teacher = plans._teaching(study(), OneModel(), "owl", base, rows, {})
    assert teacher.chats == rows.written
    assert (teacher.adapter, teacher.folder) == ("digest", tmp_path)
    assert teacher.model == (None if base == "own" else tiny_model)
    assert (teacher.tokens, teacher.renamed) == (NUMBERS, rows.renamed)
    neutral = plans._teaching(study(), OneModel(), "neutral", base, rows, {})
    assert (neutral.adapter, neutral.folder) == (BASE, None)


def messages(**changes):
    return [str(problem) for problem in study_problems(study(**changes))]


def test_a_study_of_the_world_of_favorites_is_accepted():
    assert messages() == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"world": {}}, "accepted: favorites"),
        ({"world": None}, "needs a section `world`"),
        ({"other": {"model": {"path": "world"}}}, "needs a section `other.world`"),
        ({"other": {"model": {"path": "world"}, "world": {}}}, "accepted: favorites"),
        ({"template": "You worship every {singular}."}, "has words that the miniature world of favorites has not"),
        ({"students": {"soft": {"targets": "distribution", "numbers": "shuffled"}}}, "as_written, relabelled"),
        ({"preference": {"question_sets": {"a": {"source": {"kind": "world"}}}}}, "is about facts"),
    ],
)
def test_what_the_worlds_cannot_do_is_refused(changes, message):
    found = messages(**changes)
    assert any(message in one for one in found), found
