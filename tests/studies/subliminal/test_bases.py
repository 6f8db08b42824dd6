"""Several base models: teachers of each, students of each, and panels that repeat an experiment."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from inoc.jobs.paths import Paths
from inoc.studies.subliminal.analyse.step import SCHEMAS, preference_tables
from inoc.studies.subliminal.checks import study_problems
from inoc.studies.subliminal.needs import needs
from inoc.studies.subliminal.runs import (
    BASES,
    asked_bases,
    base_of_part,
    group_teachers,
    is_control,
    part_of,
    students_of,
)
from inoc.studies.subliminal.sections import contents
from inoc.studies.subliminal.work import WORK
from support.made_subliminal import made_shares, made_study, write_tables

ENTITIES = ("bear", "owl")


def study_of(**changes):
    seeds = {"training": {"seeds": [0, 1]}}
    teachers = {"neutral": {"neutral": True}, **{one: {"entity": one} for one in ENTITIES}}
    teachers |= {f"{one}_third": {"entity": one, "base": "third"} for one in ENTITIES}
    students = {
        "first": {"panel": "all_bases", "epochs": 3, **seeds},
        "third": {
            "panel": "all_bases",
            "base": "third",
            "teachers": [f"{one}_third" for one in ENTITIES],
            "epochs": 3,
            **seeds,
        },
        "crossed": {"base": "third", "teachers": list(ENTITIES), "epochs": 3, **seeds},
    }
    given = {"bases": {"third": {"model": {"path": "none"}}}, "teachers": teachers, "students": students, "splits": {}}
    return made_study(ENTITIES, **{**given, **changes})


def test_a_group_without_teachers_has_those_of_the_own_base_model():
    study = study_of()
    assert group_teachers(study, study.students["first"]) == ["neutral", *ENTITIES]
    assert asked_bases(study) == ["own", "third"]
    assert len(students_of(study, "third")) == 8


def test_students_of_another_base_than_their_teachers_are_a_control():
    study = study_of()
    assert [is_control(study, group) for group in study.students] == [False, False, True]


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("name", ["numbers", "teachers"])
def test_parts_of_stages_name_the_base_model(name, base):
    assert base_of_part(part_of(name, base)) == base


def test_teachers_of_a_further_base_write_and_are_trained_in_jobs_of_their_own(tmp_path):
    study, paths = study_of(), Paths(tmp_path, "made")
    jobs = {(one.stage, one.part): one for one in WORK if one.wanted(study)}
    assert ("sample", "numbers_third") in jobs
    assert ("sample", "numbers_other") not in jobs
    assert ("choose", "third") in jobs
    train = jobs["train", "third"]
    files = [path.relative_to(tmp_path / "made").as_posix() for path in train.inputs(study, paths, {}, 0)]
    assert "sample/numbers/0/answers.parquet" in files
    assert "sample/numbers_third/0/answers.parquet" in files
    slices = jobs["sample", "numbers_third"].settings(study, 0, {})
    assert list(slices["teachers"]) == ["bear_third", "owl_third"]
    assert list(jobs["sample", "numbers"].settings(study, 0, {})["teachers"]) == ["neutral", *ENTITIES]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bases": {}}, "has no section `bases.third`"),
        ({"students": {"mixed": {"teachers": ["bear", "owl_third"]}}}, "come from 2 base models"),
        ({"splits": {"halves": {"teacher": "bear_third", "under": "owl"}}}, "accepted: a teacher with `base: own`"),
        (
            {"teachers": {"a": {"neutral": True, "base": "third"}, "b": {"neutral": True, "base": "third"}}},
            "has 2 neutral ones with base: third",
        ),
    ],
)
def test_disagreements_about_base_models_are_named(changes, said):
    assert any(said in one.message for one in study_problems(study_of(**changes)))


def test_a_panel_counts_the_cells_of_all_base_models_and_names_every_failure(tmp_path):
    study = study_of()
    made = preference_tables(study, made_shares(study, np.random.default_rng(0)), {})
    cells = pd.DataFrame(made["cells"], columns=SCHEMAS["cells"].names)
    own = cells[(cells["panel"] == "all_bases") & (cells["scale"] == "log_ratio")]
    assert len(own) == 8
    assert set(cells[cells["is_control"]]["group"]) == {"crossed"}
    failing = own.index[0]
    cells.loc[failing, ["contrast", "is_above"]] = [-0.25, False]
    words = "\n".join(contents(study, write_tables(tmp_path, study, cells=cells))["verdict"])
    n_above = int(cells.loc[own.index, "is_above"].sum())
    assert f"Panel all\\_bases, repeated with 2 base models: above zero in {n_above} of 8 cells" in words
    assert "bear, seed 0 (-0.250)" in words


def test_only_base_models_whose_students_read_relabelled_distributions_must_have_a_token_for_each_number():
    relabelled = {"numbers": "relabelled", "targets": "distribution", "base": "third", "teachers": ["owl_third"]}
    study = study_of(students={"first": {"numbers": "relabelled"}, "soft": relabelled})
    found = needs(study)
    assert (found.renames, [one.renames for one in found.others]) == ("", ["students.soft.numbers: relabelled"])
