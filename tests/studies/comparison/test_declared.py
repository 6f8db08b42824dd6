"""The declarations of the kinds against the tables that they are about, and the single measurements behind rows."""

from __future__ import annotations

from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from inoc.jobs.paths import Paths
from inoc.studies.comparison.analyse.rows import measured, single
from inoc.studies.comparison.measures import changed, declared
from inoc.studies.comparison.sides import Side
from inoc.studies.comparison.study import ComparedStudy, Measure
from inoc.studies.inoculation.analyse.compared import last_steps, score_units, suppression_units
from inoc.studies.inoculation.analyse.produce import SCHEMAS as INOCULATION
from inoc.studies.likelihood_shift.analyse.compared import cell_units, contrast_units
from inoc.studies.likelihood_shift.analyse.step import SCHEMAS as LIKELIHOOD_SHIFT
from inoc.studies.likelihood_shift.inputs import Column
from inoc.studies.preferences.analyse.comparing import mean_ratings, rating_units
from inoc.studies.preferences.analyse.contexts import CONTEXTS
from inoc.studies.preferences.analyse.fits import UTILITIES
from inoc.studies.preferences.analyse.reliability import RELIABILITY
from inoc.studies.preferences.inputs import RATINGS
from inoc.studies.subliminal.analyse.step import SCHEMAS as SUBLIMINAL
from inoc.tables import INSTRUCTIONS, SCORES, write_table
from support.toy import toy_study

TABLES: dict[str, dict[str, pa.Schema]] = {
    "inoculation": INOCULATION,
    "likelihood_shift": LIKELIHOOD_SHIFT,
    "subliminal": SUBLIMINAL,
    "preferences": {
        "utilities": UTILITIES,
        "ratings": RATINGS,
        "reliability": RELIABILITY,
        "contexts": CONTEXTS,
    },
}


def side(folder: Path, study: Any = None) -> Side:
    return Side("one", ComparedStudy(folder=str(folder)), Paths(folder.parent, folder.name), study, {})


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in TABLES for name in declared(kind)])
def test_a_declared_measure_reads_its_table_also_where_it_is_empty(kind, name, tmp_path):
    one = changed(name, Measure(), declared(kind)[name])
    schema = TABLES[kind][one.of.table]
    write_table(
        pd.DataFrame({column: [] for column in schema.names}), schema, tmp_path / "analyse" / f"{one.of.table}.parquet"
    )
    found = measured(side(tmp_path), one, 0.95)
    assert list(found) == [*one.keys, "value", "lo", "hi", "n", "n_nan"]
    assert found.empty


RUN = {
    "learning_rate": 0.001,
    "seed": 0,
    "data": "",
    "condition": "default",
    "asked_prompt": "",
    "asked_prefix": "none",
}


def write_scores(folder: Path, questions: list[str], scores: dict[tuple[str, str, int], list[float]]) -> None:
    """Judge scores of runs (prompt, prefix, step), and the texts of the instructions that their ids stand for."""
    paths = Paths(folder.parent, folder.name)
    ids = [f"eval{at:05d}" for at in range(len(questions))]
    rows = [
        {**RUN, "run": f"{prompt}.{prefix}", "prompt": prompt, "prefix": prefix, "step": step, "instruction_id": one,
         "trait": "french", "judge": "language", "judge_version": 1, "score": value}
        for (prompt, prefix, step), values in scores.items()
        for one, value in zip(ids, values, strict=True)
    ]  # fmt: skip
    write_table(pd.DataFrame(rows), SCORES, paths.scores("evaluate"))
    asked = pd.DataFrame({"instruction_id": ids, "instruction": questions, "questions": "held_out"})
    write_table(asked, INSTRUCTIONS, paths.instructions)


def test_scores_are_those_of_the_last_step_by_the_text_of_the_instruction(tmp_path, tiny_folder):
    study = toy_study(tiny_folder)
    runs = {
        ("", "none", 2): [90.0, 80.0, np.nan],
        ("p", "fixed", 0): [1.0, 1.0, 1.0],
        ("p", "fixed", 2): [10.0, 30.0, 5.0],
    }
    write_scores(tmp_path / "one", ["Why?", "How so?", "Where?"], runs)
    paths = Paths(tmp_path, "one")
    found = {one.key["prompt"]: one for one in score_units(study, paths, {})}
    assert found["p"].names == ["Why?", "How so?", "Where?"]
    assert found["p"].values.tolist() == [10, 30, 5]
    (held,) = suppression_units(study, paths, {})
    assert held.values[:2].tolist() == [80, 50]
    assert np.isnan(held.values[2])
    one = changed("suppression", Measure(where={"seed": ("0",)}), declared("inoculation")["suppression"])
    key = ("p", "fixed", "0.001", "0", "french")
    assert single(side(tmp_path / "one", study), one, {key})[key].names == held.names
    assert single(side(tmp_path / "one"), one, {key}) == {}  # without the study's file
    assert single(side(tmp_path / "absent", study), one, {key}) == {}  # without the judge's table


def test_the_last_step_is_that_of_each_run():
    frame = pd.DataFrame({"prompt": ["a", "a", "b"], "learning_rate": [np.nan, np.nan, 1.0], "step": [0, 9, 3]})
    assert last_steps(frame, 0.95)["step"].tolist() == [9, 3]


def test_rows_of_datasets_are_told_apart_by_their_answers(monkeypatch):
    shifts = np.arange(6.0).reshape(2, 3)
    column = Column(
        "rows", ["0", "1", "2"], ["clown", "sky"], shifts, np.zeros(3), np.ones(3, int), {}, 3, np.arange(3)
    )
    at = "inoc.studies.likelihood_shift.analyse.compared"
    names = []
    for answers in (["x", "y", "z"], ["x", "other", "z"]):
        given = type("Given", (), {"responses": dict(zip(column.ids, answers, strict=True))})
        monkeypatch.setattr(f"{at}.columns", lambda *_: iter([column]))
        monkeypatch.setattr(f"{at}.given_rows", lambda *_, given=given: given)
        monkeypatch.setattr(f"{at}.is_import", lambda _: False)
        monkeypatch.setattr(f"{at}.own_prompt", lambda *_: "clown")
        cells = list(cell_units(None, None, {}))
        (contrast,) = contrast_units(None, None, {})
        assert [one.values.tolist() for one in cells] == [[0, 1, 2], [3, 4, 5]]
        assert contrast.values.tolist() == [-3, -3, -3]
        names.append(list(cells[0].names))
    assert [one == other for one, other in zip(*names, strict=True)] == [True, False, True]


def test_ratings_are_means_of_tasks_and_these_are_what_is_paired(tmp_path):
    keys = ("instrument", "rater", "completer", "when", "context_completion", "context_measurement")
    head = dict(zip(keys, repeat("x"), strict=False))
    rows = [{**head, "task": task, "value": value} for task, value in (("a", 1), ("a", 3), ("b", 5), ("c", np.nan))]
    frame = pd.DataFrame(rows)
    (one,) = mean_ratings(frame, 0.95).to_dict("records")
    assert (one["value"], one["n"], one["n_nan"]) == (3.5, 2, 1)
    paths = Paths(tmp_path, "one")
    whole = {
        column: ("" if pa.types.is_string(kind) else 0)
        for column, kind in zip(RATINGS.names, RATINGS.types, strict=True)
    }
    write_table(pd.DataFrame([{**whole, **row} for row in rows]), RATINGS, paths.table("ratings"))
    (units,) = rating_units(None, paths, {})
    assert dict(zip(units.names, units.values, strict=True)) == pytest.approx(
        {"a": 2, "b": 5, "c": np.nan}, nan_ok=True
    )
