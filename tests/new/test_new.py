"""The verb `inoc new`: every study file that it writes is valid, and holds nothing of another model."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from inoc.cli import main
from inoc.config.document import read_document
from inoc.config.load import load_study
from inoc.stages import KINDS
from inoc.studies.inoculation.runs import total_steps
from inoc.tables import read_table

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("config", "resources"):
        shutil.copytree(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(folder: Path, text: str) -> Path:
    path = folder / "mine.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "comparison"])
@pytest.mark.parametrize("model", [None, "world", "/models/mine", "org/model"])
def test_the_starting_file_of_every_kind_is_a_valid_study(kind, model, folder, capsys):
    main(["new", "own", "--kind", kind, *(["--model", model] if model else [])])
    study = load_study("own")
    assert (study.kind, study.name, study.title) == (kind, "own", "own")
    assert study.model.path == (model or "world")
    assert (study.world is None) == (model not in (None, "world"))
    text = (folder / "config/studies/own.yaml").read_text()
    assert text.startswith(f"# yaml-language-server: $schema=../schema/{kind}.schema.json\n")
    assert not re.search("NAME|TITLE|FILE", text)
    assert text.count("\n# ") > 3
    assert "inoc config check own" in capsys.readouterr().out


def test_the_starting_file_of_a_comparison_is_valid_and_has_no_model(folder, capsys):
    main(["new", "own", "--kind", "comparison"])
    assert set(load_study("own").studies) == {"first", "second"}
    capsys.readouterr()
    for flag in ("--model", "--data"):
        with pytest.raises(SystemExit):
            main(["new", "other", "--kind", "comparison", flag, "world"])
        assert "has no model; leave them out" in capsys.readouterr().err


def test_a_table_becomes_the_training_data_and_a_fifth_of_its_rows_questions(folder, capsys):
    rows = "".join(f'"What is {at}, friend?","A ""number"",\nno more than that. Häuser {at}"\n' for at in range(50))
    main(["new", "own", "--data", str(table(folder, "﻿id, Question ,answer\n".replace("id, ", "") + rows))])
    lines = [json.loads(line) for line in (folder / "data/own.jsonl").read_text().split("\n")[:-1]]
    assert len(lines) == 50
    assert lines[7] == {"instruction": "What is 7, friend?", "completion": 'A "number",\nno more than that. Häuser 7'}
    study = load_study("own")
    assert (study.data.file, study.data.n_train, study.data.n_eval) == ("data/own.jsonl", 40, 10)
    assert "50 rows" in capsys.readouterr().out
    main(["config", "check", "own"])
    assert "40 training examples" in capsys.readouterr().out


@pytest.mark.parametrize("rows", [8, 20, 21, 22, 40])
def test_a_study_of_few_rows_is_valid_and_has_no_single_step_of_warm_up(rows, folder, capsys):
    text = "question,answer\n" + "".join(f"What is {at}?,A number.\n" for at in range(rows))
    main(["new", "own", "--data", str(table(folder, text))])
    study = load_study("own")
    assert total_steps(study) > study.training.warmup_steps
    main(["config", "check", "own"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("question,reply\na,b\n", "exactly one of completion, response, answer"),
        ("question,prompt,answer\na,b,c\n", "exactly one of instruction, prompt, question"),
        ("question,answer\na,b\nc,\n", r"mine.csv:3: the row has no question or no answer"),
        ("question,answer\n", "has no rows"),
        ("question,answer\na,b, c\n", r"mine.csv:2: the row has more fields than the header"),
        ("question,answer\n" + "a,b\n" * 7, "7 rows are too few for a study; accepted: at least 8, of which 6"),
        ("", "the columns are none"),
        ('question,answer\na,"b" c\n', "is not CSV"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_and_nothing_written(text, said, folder, capsys):
    with pytest.raises(SystemExit):
        main(["new", "own", "--data", str(table(folder, text))])
    assert re.search(said, capsys.readouterr().err)
    assert not (folder / "data/own.jsonl").exists()
    assert not (folder / "config/studies/own.yaml").exists()


def test_a_study_like_another_one_holds_nothing_that_belongs_to_the_others_model(folder, capsys):
    main(["new", "own", "--like", "playful_french_7b", "--model", "org/model"])
    said = capsys.readouterr().out
    for key in ("model.system", "training.optimizer", "training.micro_batch_size", "expect"):
        assert f"  {key}: " in said
    own, other = load_study("own"), load_study("playful_french_7b")
    assert own.model == type(own.model)(path="org/model")
    assert own.training.optimizer == "adamw_torch"
    assert (own.traits, own.prompts, own.runs) == (other.traits, other.prompts, other.runs)
    assert own.training.batch_size == other.training.batch_size
    assert "extends" not in read_document(folder / "config/studies/own.yaml").value


def test_a_study_like_one_that_extends_another_is_whole_and_with_the_same_model_it_is_the_same(folder):
    main(["new", "own", "--like", "smoke"])
    own, other = (load_study(name).model_dump(exclude={"name", "title", "description"}) for name in ("own", "smoke"))
    assert own == other


def test_a_study_that_extends_one_of_another_model_is_told_which_settings_are_the_others(folder, capsys):
    path = folder / "config/studies/own.yaml"
    path.write_text(
        "extends: smoke.yaml\nname: own\nworld: {seed: 3}\nmodel: {path: world}\ntraining: {micro_batch_size: 4}\n"
    )
    main(["config", "check", "own"])
    said = capsys.readouterr().out
    assert "it takes these settings from a study of another" in said
    assert "model.dtype = 'float32' (mini.yaml:" in said
    assert "training.optimizer = 'adamw_torch' (mini.yaml:" in said
    assert "micro_batch_size" not in said
    main(["config", "check", "smoke"])
    assert "settings" not in capsys.readouterr().out


def test_a_file_that_is_there_is_never_written_over(folder, capsys):
    with pytest.raises(SystemExit):
        main(["new", "mini"])
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["1", "a b", "../x", "a/b", ""])
def test_a_name_that_no_study_may_have_is_refused_and_nothing_written(name, folder, capsys):
    before = sorted(path for path in folder.rglob("*.yaml"))
    with pytest.raises(SystemExit):
        main(["new", name])
    assert capsys.readouterr().err
    assert sorted(path for path in folder.rglob("*.yaml")) == before


def test_a_study_that_asks_for_no_pool_has_none_to_make(folder, capsys):
    main(["new", "own", "--data", str(table(folder, "question,answer\n" + "a,b!\n" * 40))])
    main(["rephrase", "own"])
    assert "no pools, as nothing asks for one" in capsys.readouterr().err
    assert len(read_table(folder / "results/own/rephrase/pools.parquet")) == 0
