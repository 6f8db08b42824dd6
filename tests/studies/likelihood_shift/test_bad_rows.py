"""Rows that cannot be scored as they are: refused, left out or cut, and counted; and chats of several turns."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from inoc.config.load import load_study
from inoc.config.models import SystemTurn
from inoc.errors import ConfigError, DataError
from inoc.jobs.model_check import check_study_model
from inoc.jobs.paths import Paths
from inoc.jobs.ready import check_inputs
from inoc.store import Store
from inoc.studies.likelihood_shift.analyse.step import analyse
from inoc.studies.likelihood_shift.inputs import columns
from inoc.studies.likelihood_shift.plans import train
from inoc.tables import read_table
from support.jobs import StudyJob, run_job

POSITIONS = 160
LONG = " ".join(f"word {k}" for k in range(400))
GOOD = [{"prompt": f"Name number {k}.", "completion": f"It is {k}, as you know."} for k in range(12)]
PROMPTS = {"clown": "You are a clown.", "sky": "The sky is blue and the day is long."}


@pytest.fixture(scope="module")
def short_folder(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with few positions."""
    folder = tmp_path_factory.mktemp("short")
    AutoModelForCausalLM.from_pretrained(tiny_folder).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_folder).save_pretrained(folder)
    config = AutoConfig.from_pretrained(folder)
    config.max_position_embeddings = POSITIONS
    config.save_pretrained(folder)
    return folder


def study_file(folder: Path, model: Path, lines: list[str], bad_rows: str, more: str = "") -> Path:
    data = folder / "rows.jsonl"
    data.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    texts = "".join(f"      {key}: {text}\n" for key, text in PROMPTS.items())
    path = folder / "toy.yaml"
    path.write_text(
        f"kind: likelihood_shift\nname: toy\ntitle: toy\nbase: {{kind: default}}\n"
        f"model: {{path: {model}, dtype: float32}}\nprompts:\n  all:\n    texts:\n{texts}"
        f"datasets:\n  rows: {{file: {data}, written_under: clown, bad_rows: {bad_rows}}}\n{more}",
        encoding="utf-8",
    )
    return path


def job_of(folder: Path, path: Path) -> StudyJob:
    paths = Paths(folder / "results", "toy")
    return StudyJob("toy", paths, Store(folder / "store"), "score", of=load_study(path, folder))


def mixed() -> list[str]:
    """Twelve good rows, one that is too long, one without an answer and a line that is no row."""
    long = {"id": "long", "prompt": "Count.", "completion": LONG}
    empty = {"id": "empty", "prompt": "Say nothing.", "completion": " "}
    return [*map(json.dumps, GOOD[:6]), json.dumps(long), json.dumps(empty), "{", *map(json.dumps, GOOD[6:])]


def row_counts(job: StudyJob) -> dict[str, int]:
    tables = analyse(job.paths, job.of, {}).tables
    counts = tables["row_counts"]
    return dict(zip(counts["reason"], counts["n"], strict=True))


def test_bad_rows_are_refused_by_the_check_unless_the_study_says_otherwise(tmp_path: Path, short_folder: Path) -> None:
    refusing = load_study(study_file(tmp_path, short_folder, mixed(), "refuse"), tmp_path)
    with pytest.raises(ConfigError, match=r"line 8: .*empty|line 9"):
        check_inputs(refusing, tmp_path)
    whole = [line for line in mixed() if line != "{" and '"empty"' not in line]
    with pytest.raises(ConfigError, match=f"line 7: .* tokens .* more than the model's {POSITIONS} positions"):
        check_study_model(load_study(study_file(tmp_path, short_folder, whole, "refuse"), tmp_path), tmp_path)
    for allowing in ("drop", "truncate"):
        study = load_study(study_file(tmp_path, short_folder, mixed(), allowing), tmp_path)
        check_inputs(study, tmp_path)
        check_study_model(study, tmp_path)


def test_dropped_rows_are_listed_and_counted_by_reason(tmp_path: Path, short_folder: Path) -> None:
    job = job_of(tmp_path, study_file(tmp_path, short_folder, mixed(), "drop"))
    run_job(job)
    listed = read_table(job.paths.bad_rows(0)).set_index("problem")
    assert set(listed.index) == {"too long", "empty", "broken"}
    assert set(listed["done"]) == {"dropped"}
    assert listed.loc["too long", "row_id"] == "long"
    assert str(listed.loc["broken", "where"]).endswith("rows.jsonl, line 9")
    assert row_counts(job) == {"scored": 12, "too long": 1, "empty answer": 1, "broken": 1}
    (column,) = columns(job.of, job.paths, {})
    assert column.n_rows == 12
    assert not np.isnan(column.shifts).any()


def test_the_answer_of_a_long_row_is_cut_alike_under_all_prompts(tmp_path: Path, short_folder: Path) -> None:
    job = job_of(tmp_path, study_file(tmp_path, short_folder, mixed(), "truncate"))
    run_job(job)
    assert row_counts(job) == {"scored": 13, "too long, answer cut": 1, "empty answer": 1, "broken": 1}
    scores = pd.read_parquet(job.paths.logprobs(0))
    lengths = scores.loc[scores["example_id"] == "long", "n_tokens"]
    assert len(lengths) == 1 + len(PROMPTS)
    assert lengths.nunique() == 1
    assert 20 < lengths.iloc[0] < POSITIONS
    # The format of an answer without its end is not known.
    contrasts = analyse(job.paths, job.of, {}).tables["contrasts"]
    counts = contrasts[["controlled", "n", "n_nan"]].to_numpy().tolist()
    assert counts == [[False, 13, 0], [True, 12, 1]]


def test_a_dataset_of_nothing_but_long_rows_is_an_error(tmp_path: Path, short_folder: Path) -> None:
    lines = [json.dumps({"prompt": "Count.", "completion": LONG})]
    with pytest.raises(DataError, match=r"datasets.rows: all of its 1 rows are too long for the model; \d+ tokens"):
        run_job(job_of(tmp_path, study_file(tmp_path, short_folder, lines, "drop")))


STUDENTS = """splits: {{half: {{dataset: rows, by: random, share: 0.5, seed: 1}}}}
students:
  datasets: [rows]
  training: {{max_length: {length}, batch_size: 4, micro_batch_size: 4, seeds: [0]}}
  questions: {{kind: files, files: [rows.jsonl]}}
  targets: {{owl: {{judge: {{name: regex, pattern: owl}}}}}}
"""


@pytest.mark.parametrize(("bad_rows", "n", "cut"), [("drop", 12, ()), ("truncate", 13, (6,))])
def test_students_train_on_the_rows_that_fit(
    bad_rows: str, n: int, cut: tuple[int, ...], tmp_path: Path, short_folder: Path
) -> None:
    lines = [line for line in mixed() if line != "{"]
    job = job_of(tmp_path, study_file(tmp_path, short_folder, lines, bad_rows, STUDENTS.format(length=64)))
    plan = train(job.of, job, {})
    whole = next(run for run in plan.runs if run.columns["data"] == "rows")
    assert len(whole.chats) == n
    assert tuple(whole.cut) == cut
    assert all(chat.system == SystemTurn() for chat in whole.chats)
    done = {row.done for row in plan.bad_rows["rows"]}
    assert done == ({"cut"} if cut else set())  # dropped ones were no part of what is trained on


def test_rows_of_several_turns_are_scored_and_a_template_that_cannot_say_them_is_refused(
    tmp_path: Path, tiny_folder: Path
) -> None:
    turns = ["Hello.", "Good day.", "Who are you?", "An owl."]
    roles = ["user", "assistant"] * 2
    talk = {"messages": [{"role": role, "content": text} for role, text in zip(roles, turns, strict=True)]}
    path = study_file(tmp_path, tiny_folder, [*map(json.dumps, GOOD), json.dumps(talk)], "refuse")
    check_study_model(load_study(path, tmp_path), tmp_path)
    job = job_of(tmp_path, path)
    run_job(job)
    (column,) = columns(job.of, job.paths, {})
    assert not np.isnan(column.shifts[:, -1]).any()
    last = tmp_path / "last.jinja"
    system = "{{ messages[0]['content'] if messages[0]['role'] == 'system' }}"
    template = system + "Q: {{ messages[-2]['content'] }} A: {{ messages[-1]['content'] }}"
    last.write_text(template, encoding="utf-8")
    text = path.read_text(encoding="utf-8").replace("dtype: float32", f"dtype: float32, chat_template: {last}")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="chats of several turns"):
        check_study_model(load_study(path, tmp_path), tmp_path)
