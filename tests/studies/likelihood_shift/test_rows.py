"""What the files of a study lack is told before anything runs: rows, judges' files, room for the longest chats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from inoc.config.load import load_study
from inoc.errors import ConfigError
from inoc.jobs.model_check import check_study_model
from inoc.jobs.ready import check_inputs, check_rows
from inoc.studies.likelihood_shift.rows import given_chats
from inoc.studies.likelihood_shift.study import Study

ROWS = [{"prompt": f"Where is {k}?", "completion": f"In house {k}."} for k in range(8)]


def lines(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def study(folder: Path, model: Path, rows: list[dict[str, Any]] = ROWS, **changes: Any) -> Study:
    """A study of one given and one written dataset, with students of a split of the first."""
    questions = {"files": [lines(folder / "questions.jsonl", [{"instruction": f"Who is owl {k}?"} for k in range(6)])]}
    value = {
        "kind": "likelihood_shift",
        "name": "toy",
        "title": "Toy",
        "model": {"path": str(model), "dtype": "float32"},
        "base": {"kind": "default"},
        "prompts": {"one": {"texts": {"kind": "Be kind.", "long": "Be kind to every owl."}}},
        "datasets": {
            "given": {"file": lines(folder / "rows.jsonl", rows)},
            "own": {"written": {"n": 3, "instructions": questions, "sampling": {"max_tokens": 5}}},
        },
        "splits": {"fifths": {"dataset": "given", "prompt": "kind", "n": 5}},
        "students": {
            "questions": questions,
            "n_questions": 4,
            "sampling": {"max_tokens": 5},
            "targets": {"t": {"judge": {"name": "regex", "pattern": "owl"}}},
        },
    }
    path = folder / "toy.yaml"
    with path.open("w", encoding="utf-8") as stream:
        YAML(typ="safe", pure=True).dump({**value, **changes}, stream)
    found = load_study(path)
    assert isinstance(found, Study)
    return found


def test_a_study_whose_files_have_enough_passes(tiny_folder: Path, tmp_path: Path) -> None:
    good = study(tmp_path, tiny_folder)
    check_inputs(good, Path())
    check_rows(good)
    check_study_model(good, Path())


def test_every_chat_that_is_scored_trained_or_sampled_is_looked_at(tiny_folder: Path, tmp_path: Path) -> None:
    found = list(given_chats(study(tmp_path, tiny_folder)))
    turns = {one.chat.system.text for one in found if one.where.endswith(("line 1", ":1"))}
    assert turns == {"", "Be kind to every owl."}
    assert any(one.trained for one in found)
    assert {one.key for one in found} == {"", "datasets.own.written.sampling", "students.sampling"}
    assert sum(one.key == "students.sampling" for one in found) == 4


@pytest.mark.parametrize(
    ("rows", "changes", "told"),
    [
        (ROWS[:4], {}, r"4 rows are too few for splits\.fifths; accepted: at least 5"),
        (
            ROWS,
            {"splits": {"s": {"dataset": "given", "by": "random", "share": 0.1}}},
            r"s; accepted: at least 10",
        ),
        (ROWS[:1], {"splits": {"s": {"dataset": "given", "by": "median", "prompt": "kind"}}}, r"at least 2"),
    ],
)
def test_files_with_too_few_rows_are_refused(
    rows: list[dict[str, Any]], changes: dict[str, Any], told: str, tiny_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=told):
        check_rows(study(tmp_path, tiny_folder, rows, **changes))


def test_students_of_one_step_in_a_warm_up_are_refused(tiny_folder: Path, tmp_path: Path) -> None:
    good = study(tmp_path, tiny_folder)
    assert good.students is not None
    value = good.students.model_dump(exclude_unset=True) | {"epochs": 1}
    with pytest.raises(ConfigError, match=r"students\.training\.warmup_steps = 30: the training has one step.*8 rows"):
        check_rows(study(tmp_path, tiny_folder, students=value))
    check_rows(study(tmp_path, tiny_folder, students={**value, "training": {"warmup_steps": 0}}))


def test_too_few_questions_are_refused(tiny_folder: Path, tmp_path: Path) -> None:
    good = study(tmp_path, tiny_folder)
    lines(tmp_path / "questions.jsonl", [{"instruction": "Who is the owl?"}])
    with pytest.raises(ConfigError, match=r"(?s)datasets\.own\.written: 1 distinct.*students\.questions: 1 distinct"):
        check_rows(good)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"prompt": "Why?", "completion": "owl " * 600}, "positions"),
        ({"messages": [{"role": role, "content": "owl " * 300} for role in ("user", "assistant") * 2]}, "positions"),
    ],
)
def test_rows_that_are_too_long_with_all_of_their_turns_are_refused(
    row: dict[str, Any], told: str, tiny_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=told):
        check_study_model(study(tmp_path, tiny_folder, [*ROWS, row]), Path())


@pytest.mark.parametrize(
    ("judge", "content", "told"),
    [
        ({"name": "lexical", "markers": "{}"}, b"\xff\xfeh\x00", "UTF-16"),
        ({"name": "python", "file": "{}"}, b"1 / 0", "ZeroDivisionError"),
        ({"name": "python", "file": "{}"}, None, "there is no such file"),
    ],
)
def test_files_of_a_target_s_judge_are_read(
    judge: dict[str, str], content: bytes | None, told: str, tiny_folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "judge"
    if content is not None:
        path.write_bytes(content)
    judge = {key: text.format(path) for key, text in judge.items()}
    good = study(tmp_path, tiny_folder)
    assert good.students is not None
    students = good.students.model_dump(mode="json", exclude_unset=True) | {"targets": {"t": {"judge": judge}}}
    with pytest.raises(ConfigError, match=told):
        check_inputs(study(tmp_path, tiny_folder, students=students), Path())
