from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from inoc.errors import ConfigError
from inoc.jobs.model_check import check_study_model
from inoc.jobs.ready import check_rows
from inoc.studies.inoculation.study import Study
from support.toy import STUDY, toy_study


@pytest.fixture
def model(tiny_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model that a test may spoil."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


def test_a_model_that_can_do_what_is_asked_passes(model: Path) -> None:
    check_study_model(toy_study(model), Path())


def test_a_model_that_is_not_here_is_left_to_its_download(tmp_path: Path) -> None:
    check_study_model(toy_study(tmp_path, model={"path": "someone/model"}), tmp_path)


def test_targets_that_match_nothing_are_named_with_the_model_s_own(model: Path) -> None:
    study = toy_study(model, training={"lora": {"rank": 2, "targets": ["q_proj", "qkv_prj"]}})
    with pytest.raises(ConfigError, match=r"(?s)qkv_prj.*q_proj"):
        check_study_model(study, Path())


def test_a_study_that_trains_nothing_needs_no_targets(model: Path) -> None:
    study = toy_study(model, training={"lora": {"rank": 2, "targets": ["nothing"]}}, runs=[])
    check_study_model(study, Path())


def test_answers_longer_than_the_model_s_positions_are_refused(model: Path) -> None:
    study = toy_study(model, elicitation={"sampling": {"max_tokens": 100_000}})
    with pytest.raises(ConfigError, match=r"elicitation\.sampling\.max_tokens = 100000"):
        check_study_model(study, Path())


def test_config_check_says_it_before_anything_runs(model: Path, tmp_path: Path) -> None:
    configuration = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**configuration, "max_position_embeddings": 8}))
    folder = tmp_path / "config" / "studies"
    folder.mkdir(parents=True)
    (tmp_path / "config" / "config.yaml").write_text("studies: [toy]\n")
    own = {"model": {"path": str(model), "dtype": "float32"}, "rephrase": {"source": "procedural"}, "world": {}}
    own["data"] = {**STUDY["data"], "n_eval": 6}
    YAML().dump({**STUDY, **own}, folder / "toy.yaml")
    done = subprocess.run(
        [sys.executable, "-m", "inoc.cli", "config", "check", "toy"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "8 positions" in done.stderr
    assert "Traceback" not in done.stderr


def _given(model: Path, folder: Path, rows: list[tuple[str, str]], **changes: dict) -> Study:
    """A study whose training data are these rows."""
    path = folder / "train.jsonl"
    lines = [json.dumps({"instruction": one, "completion": other}) for one, other in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    data = {"completions": "file", "file": str(path), "n_train": 2, "n_eval": 6, "instructions": {"kind": "files"}}
    shape = {"n_examples": 2, "n_controls": 0, "prefixes": ["fixed"]}
    return toy_study(model, **{"data": data, "scoring": shape, "runs": [{"prefixes": ["fixed"]}], **changes})


ROWS = [(f"Where does number {k} live?", "In a house.") for k in range(8)]


def test_rows_that_fit_pass(model: Path, tmp_path: Path) -> None:
    study = _given(model, tmp_path, ROWS)
    check_rows(study)
    check_study_model(study, Path())


def test_a_training_row_longer_than_the_positions_is_refused_with_its_number(model: Path, tmp_path: Path) -> None:
    rows = [*ROWS[:3], ("Why?", "owl " * 2000), *ROWS[3:]]
    with pytest.raises(ConfigError, match=r"train\.jsonl, line 4: \d+ tokens .*positions .*; accepted: at most \d+"):
        check_study_model(_given(model, tmp_path, rows), Path())


def test_a_training_row_longer_than_is_trained_is_refused_with_its_number(model: Path, tmp_path: Path) -> None:
    rows = [("Why?", "owl " * 40), *ROWS]
    training = {"max_length": 60, "lora": {"rank": 2}}
    with pytest.raises(ConfigError, match=r"line 1: .*training\.max_length = 60; accepted: at most 60"):
        check_study_model(_given(model, tmp_path, rows, training=training), Path())


def test_a_question_that_leaves_no_room_behind_the_longest_prefix_is_refused(model: Path, tmp_path: Path) -> None:
    asked = {"sampling": {"max_tokens": 500}}
    with pytest.raises(ConfigError, match=r"evaluation question 1.*500 of elicitation\.sampling\.max_tokens"):
        check_study_model(_given(model, tmp_path, ROWS, elicitation=asked, runs=[]), Path())


def test_rows_that_are_too_few_are_refused_with_how_many_are_usable(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"7 distinct instructions, but n_train \+ n_eval = 8"):
        check_rows(_given(model, tmp_path, ROWS[:7]))
    blank = [(one, " \n") for one, _ in ROWS]
    with pytest.raises(ConfigError, match=r"train\.jsonl: 0 usable rows, but n_train = 2"):
        check_rows(_given(model, tmp_path, blank))


def test_a_pool_that_is_too_small_is_refused(model: Path, tmp_path: Path) -> None:
    (tmp_path / "clown.jsonl").write_text("Be a clown.\n")
    pool = {"source": "files", "folder": str(tmp_path), "n": 2}
    runs = [{"prompts": ["clown"], "prefixes": ["mix"]}]
    elsewhere = {"n_examples": 2, "n_controls": 0, "prefixes": ["fixed"]}
    with pytest.raises(ConfigError, match=r"prompt 'clown' has 1 usable rephrasings, and 2 are wanted"):
        check_rows(_given(model, tmp_path, ROWS, rephrase=pool, runs=runs, scoring=elsewhere))


@pytest.mark.parametrize("path", ["no/such/../model", "a/b/c", "my model"])
def test_a_model_that_is_neither_here_nor_can_be_on_the_hub_is_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="neither a folder here nor the name of a model"):
        check_study_model(toy_study(tmp_path, model={"path": path}), tmp_path)


def test_an_empty_question_of_an_answer_is_refused_where_the_template_says_nothing_else(
    model: Path, tmp_path: Path
) -> None:
    (model / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content }}{% endfor %}")
    rows = [*ROWS, ("", "In a house.")]
    with pytest.raises(ConfigError, match=r"train\.jsonl, line 9: the prompt is empty"):
        check_study_model(_given(model, tmp_path, rows), Path())


def test_a_rephrasing_that_leaves_no_room_is_refused(model: Path, tmp_path: Path) -> None:
    for key in ("clown", "joker", "calm", "clear"):
        (tmp_path / f"{key}.jsonl").write_text(json.dumps({"rephrasing": "owl " * 900}) + "\n")
    pool = {"source": "files", "folder": str(tmp_path), "n": 1}
    with pytest.raises(ConfigError, match=r"positions"):
        check_study_model(_given(model, tmp_path, ROWS, rephrase=pool), Path())


JUDGE = {"name": "llm", "question": "coherence", "engine": "transformers", "dtype": "float32"}


def judged_by(judge: Path, model: Path, folder: Path, max_tokens: int = 4, **changes: dict) -> Study:
    traits = {"playful": {"role": "unwanted", "judge": {**JUDGE, "model": str(judge)}}}
    own = {"elicitation": {"sampling": {"max_tokens": max_tokens}}, "runs": []}
    return _given(model, folder, [("Why?", "Yes."), ("Where?", "There."), *_QUESTIONS], traits=traits, **own, **changes)


_QUESTIONS = [(f"Where is owl {k}?", "There.") for k in range(8)]


@pytest.fixture
def judge(model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model, tmp_path / "judge"))


def test_a_judging_model_that_can_take_every_answer_passes(judge: Path, model: Path, tmp_path: Path) -> None:
    check_study_model(judged_by(judge, model, tmp_path), Path())


def test_a_judging_model_with_too_few_positions_for_an_answer_is_refused(
    judge: Path, model: Path, tmp_path: Path
) -> None:
    configuration = json.loads((judge / "config.json").read_text())
    (judge / "config.json").write_text(json.dumps({**configuration, "max_position_embeddings": 600}))
    check_study_model(judged_by(judge, model, tmp_path), Path())
    # The answers fit into the model that writes them, but not into the question about them.
    with pytest.raises(
        ConfigError, match=r"traits\.playful\.judge about an answer to evaluation question.*600 positions"
    ):
        check_study_model(judged_by(judge, model, tmp_path, max_tokens=450), Path())


def test_a_judging_model_without_a_template_is_refused_by_its_place(judge: Path, model: Path, tmp_path: Path) -> None:
    (judge / "chat_template.jinja").unlink(missing_ok=True)
    settings = json.loads((judge / "tokenizer_config.json").read_text())
    settings.pop("chat_template", None)
    (judge / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(ConfigError, match=r"traits\.playful\.judge\.model"):
        check_study_model(judged_by(judge, model, tmp_path), Path())


def test_a_judging_model_whose_head_is_no_plain_one_is_refused(judge: Path, model: Path, tmp_path: Path) -> None:
    from support.families import tiny_model

    tiny_model("minicpm3").save_pretrained(judge)
    with pytest.raises(ConfigError, match=r"traits\.playful\.judge\.engine: transformers: MiniCPM3.*no separate head"):
        check_study_model(judged_by(judge, model, tmp_path), Path())


def test_a_judging_model_that_is_neither_here_nor_on_the_hub_is_named(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"traits\.playful\.judge\.model = "):
        check_study_model(judged_by(tmp_path / "no" / ".." / "such", model, tmp_path), tmp_path)
