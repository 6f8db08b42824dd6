"""Rows that one study wrote are data of another one, in both directions."""

from __future__ import annotations

import pandas as pd
import pytest

from inoc.errors import DataError
from inoc.jobs.paths import Paths
from inoc.sample.answers import ANSWERS
from inoc.studies.likelihood_shift.data import dataset_rows
from inoc.studies.shared.answers import NUMBERS
from inoc.studies.subliminal.data import teacher_rows
from inoc.studies.subliminal.runs import BASES, part_of
from inoc.tables import write_table
from support.little_subliminal import little_study
from support.scored_study import make_study


def write(paths: Paths, part: str) -> None:
    texts = {"owl:row000000": "1, 2, 3", "owl:row000001": "no numbers", "cat:row000000": "4, 5"}
    frame = pd.DataFrame({"id": list(texts), "sample": 0, "adapter": "base", "vector": "", "coefficient": 0.0})
    frame = frame.assign(instruction="Go on.", completion=list(texts.values()), n_tokens=3, finish="stop")
    write_table(frame, ANSWERS, paths.part("sample", part, 0) / "answers.parquet")


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("numbers", ["row000000"]),
        ("numbers_other", ["row000000"]),  # of a teacher of another base model
        ("datasets", ["row000000", "row000001"]),
    ],
)
def test_rows_of_another_study_are_a_dataset_and_numbers_are_filtered(tmp_path, part, expected):
    write(Paths(tmp_path, "numbers_study"), part)
    study = make_study(2, 2, tmp_path)
    spec = study.datasets["d0"].model_copy(update={"file": None, "table": "numbers_study/sample:owl"})
    study = study.model_copy(update={"datasets": {"d0": spec}})
    assert dataset_rows(study, Paths(tmp_path, "made"), "d0", {}).ids == expected


def test_rows_of_another_study_are_those_of_a_teacher(tiny_folder, tmp_path):
    write(Paths(tmp_path, "wrote"), "datasets")
    study = little_study(tiny_folder, tmp_path / "given", splits={}, students={})
    given = study.teachers["owl"].model_copy(update={"file": None, "table": "wrote/sample:owl"})
    study = study.model_copy(update={"teachers": {"owl": given}})
    found = teacher_rows(study, Paths(tmp_path, "little"), "owl", {})
    assert found.ids == ["row000000", "row000001"]
    assert found.kept_ids == ["row000000"]


def test_tables_of_every_base_model_are_known():
    assert set(NUMBERS) == {part_of("numbers", base) for base in BASES}


def test_a_table_that_is_not_there_is_named(tiny_folder, tmp_path):
    study = little_study(tiny_folder, tmp_path / "given", splits={}, students={})
    given = study.teachers["owl"].model_copy(update={"file": None, "table": "none/sample:owl"})
    study = study.model_copy(update={"teachers": {"owl": given}})
    with pytest.raises(DataError, match="there is no table 'none/sample:owl'"):
        teacher_rows(study, Paths(tmp_path, "little"), "owl", {})
