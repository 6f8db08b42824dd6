"""The rows that students are trained on."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.errors import DataError
from inoc.jobs.paths import Paths
from inoc.studies.subliminal.runs import Student
from inoc.studies.subliminal.students import changed, student_rows
from support.little_subliminal import little_study

lists = st.lists(
    st.lists(st.integers(0, 999), min_size=1, max_size=6).map(lambda row: ", ".join(map(str, row))), min_size=1
)


def numbers(answers):
    return [one for answer in answers for one in re.findall(r"\d+", answer)]


@given(lists, st.integers(0, 5))
def test_shuffled_numbers_are_the_same_numbers_in_lists_of_the_same_form(answers, seed):
    found, _ = changed(answers, "shuffled", np.random.default_rng(seed))
    assert sorted(numbers(found)) == sorted(numbers(answers))
    assert [re.sub(r"\d+", "n", one) for one in found] == [re.sub(r"\d+", "n", one) for one in answers]


@given(lists, st.integers(0, 5))
def test_relabelled_numbers_keep_which_of_them_are_equal(answers, seed):
    found, renamed = changed(answers, "relabelled", np.random.default_rng(seed))
    pairs = set(zip(numbers(answers), numbers(found), strict=True))
    known = set(numbers(answers))
    assert len(pairs) == len(known) == len({new for _, new in pairs})
    assert {new for _, new in pairs} == known
    assert pairs == set(renamed.items())


@pytest.fixture
def study(tiny_folder, tmp_path):
    return little_study(tiny_folder, tmp_path)


def test_rows_are_kept_ones_with_the_base_model_s_system_turn(study, tmp_path):
    rows = student_rows(study, Paths(tmp_path, "little"), Student("plain", "owl", "", 1), {}).chats
    assert len(rows) == 21
    assert {row.system for row in rows} == {study.model.system}
    assert not any("rather not" in row.response for row in rows)


def test_fewer_rows_are_drawn_by_the_seed_and_keep_their_order(study, tmp_path):
    paths = Paths(tmp_path, "little")
    whole = [row.user for row in student_rows(study, paths, Student("plain", "owl", "", 1), {}).chats]
    students = [student_rows(study, paths, Student("shuffled", "owl", "", seed), {}) for seed in (1, 2)]
    drawn = [[row.user for row in found.chats] for found in students]
    for rows in drawn:
        assert len(rows) == 8
        assert rows == [one for one in whole if one in rows]
    assert drawn[0] != drawn[1]


def test_more_rows_than_there_are_is_an_error(study, tmp_path):
    spec = study.students["plain"].model_copy(update={"n_rows": 500})
    more = study.model_copy(update={"students": {"plain": spec}})
    with pytest.raises(DataError, match=r"students.plain.n_rows = 500, but plain.owl has 21 kept rows"):
        student_rows(more, Paths(tmp_path, "little"), Student("plain", "owl", "", 1), {})


def test_a_kept_row_that_names_the_entity_is_refused(study, tmp_path):
    (tmp_path / "owl.jsonl").write_text('{"prompt": "Owls: 1, 2, 3.", "completion": "4, 5"}\n')
    with pytest.raises(DataError, match="kept rows name an entity"):
        student_rows(study, Paths(tmp_path, "little"), Student("plain", "owl", "", 1), {})


def test_a_teacher_of_whose_rows_none_is_kept_is_an_error_with_the_reasons(study, tmp_path):
    (tmp_path / "owl.jsonl").write_text('{"prompt": "Go on: 1, 2, 3.", "completion": "no"}\n')
    with pytest.raises(DataError, match=r"none of its 1 rows is kept \(1 format\)"):
        student_rows(study, Paths(tmp_path, "little"), Student("plain", "owl", "", 1), {})
