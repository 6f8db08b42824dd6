"""Needs of a study of preferences: every model that it loads is checked, and nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from inoc.config.workflow import ApiSpec
from inoc.errors import ConfigError
from inoc.jobs.model_check import check_study_model
from inoc.jobs.ready import check_api, check_inputs, check_rows, needs_of
from support import preferences, templates

CONTEXTS = {"turns": {"sad": {"text": "You are sad."}}, "measurement": ["none", "sad"], "instruments": ["stars"]}
STARS = {"stars": {"template": "stated_1_5"}}
BEFORE = {"stars": {"template": "stated_1_5", "when": "before"}}
ONE_TURN = "{% if messages | length > 2 %}{{ raise_exception('one turn only') }}{% endif %}" + templates.PLAIN
SHORT = {"sampling": {"max_tokens": 16}}


def study_of(**sections):
    own = {"tasks": {"origins": {"own": {"texts": {f"t{at}": f"Do thing {at}." for at in range(4)}}}}}
    return preferences.study_of(**{**own, **sections})


@pytest.fixture
def folder(tiny_folder, tmp_path):
    """A copy of the tiny model, to be spoilt."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


@pytest.fixture
def other(folder):
    """Sections of a study whose second model is in that folder; its own model is not here."""
    return {"models": {"a": {}, "b": {"model": {"path": str(folder)}}}, "completions": SHORT}


def with_template(folder, template):
    (folder / "chat_template.jinja").write_text(template)


def refused(study):
    with pytest.raises(ConfigError) as caught:
        check_study_model(study, Path())
    return str(caught.value)


def test_a_second_model_that_can_do_everything_passes(other):
    study = study_of(**other, instruments=STARS, contexts=CONTEXTS)
    check_study_model(study, Path())
    assert [use.key for use in needs_of(study).others] == ["models.b.model"]


def test_a_template_that_refuses_system_turns_is_a_problem_where_there_are_any(other, folder):
    with_template(folder, templates.GEMMA)
    study = study_of(**other, instruments=STARS, contexts=CONTEXTS)
    assert "models.b.model.fold_system: true" in refused(study)
    plain = {**other, "models": {"b": other["models"]["b"]}}
    check_study_model(study_of(**plain, instruments=STARS), Path())
    folded = {"b": {"model": {"path": str(folder), "fold_system": True}}}
    check_study_model(study_of(**{**plain, "models": folded}, instruments=STARS, contexts=CONTEXTS), Path())


def test_a_template_of_one_turn_is_a_problem_for_questions_after_completions_alone(other, folder):
    with_template(folder, ONE_TURN)
    assert "one turn only" in refused(study_of(**other, instruments=STARS))
    check_study_model(study_of(**other, instruments=BEFORE), Path())


def test_a_completion_and_its_question_must_fit_into_the_positions_together(other, folder):
    """Either of both fits alone, so that all completions were sampled before the first question was refused."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"max_position_embeddings": 500}))
    check_study_model(study_of(**other, instruments=STARS), Path())
    long = {**other, "completions": {"sampling": {"max_tokens": 400}}}
    said = refused(study_of(**long, instruments=STARS))
    assert "instrument stars about task" in said
    assert "400 of the answers that it shows included" in said


def test_a_role_s_system_turn_is_the_one_that_is_checked(other, folder):
    with_template(folder, templates.GEMMA)
    kind = {"b": {**other["models"]["b"], "system": {"kind": "text", "text": "Hurry."}}}
    assert "models.b.model" in refused(study_of(**{**other, "models": kind}, instruments=BEFORE))


def test_a_path_that_is_neither_a_folder_nor_a_hub_id_is_named_with_its_place(tmp_path):
    study = study_of(models={"a": {}, "b": {"model": {"path": "no such/folder/at all"}}}, instruments=BEFORE)
    assert "models.b.model.path = 'no such/folder/at all'" in refused(study)


def test_files_engines_and_bits_of_a_second_model_are_looked_for(monkeypatch):
    spec = {"path": "./nowhere", "chat_template": "./none.jinja", "quantization": "nf4"}
    words = {"template": "describe_feeling", "when": "before", "sampling": {"engine": "vllm"}}
    study = study_of(
        models={"b": {"model": spec}},
        instruments={"words": words},
        parsing={"tone": {"name": "regex", "pattern": "fine"}},
    )
    monkeypatch.setattr("inoc.jobs.ready.find_spec", lambda name: None)
    with pytest.raises(ConfigError) as caught:
        check_inputs(study, Path())
    for told in (
        "models.b.model.path = './nowhere'",
        "models.b.model.chat_template = './none.jinja'",
        "models.b.model.quantization = 'nf4'",
        "instruments.words.sampling.engine = 'vllm'",
    ):
        assert told in str(caught.value)


def test_a_study_that_asks_apis_alone_needs_no_model_of_its_own():
    study = study_of(model={"path": "not a model at all"}, models={"a": {"api": "gpt"}}, instruments=STARS)
    check_study_model(study, Path())
    assert {(use.stage, use.part) for use in needs_of(study).apis} == {
        ("sample", "api_completions"),
        ("sample", "api_answers"),
    }


def test_a_model_of_the_api_without_a_price_is_named(monkeypatch):
    monkeypatch.setenv("TEST_KEY", "x")
    study = study_of(models={"a": {}, "b": {"api": "nobody"}}, instruments=BEFORE)
    with pytest.raises(ConfigError, match=r"(?s)models\.b\.api.*nobody"):
        check_api(study, ApiSpec(key_variable="TEST_KEY"))


def test_judges_are_looked_for_as_in_other_kinds():
    tone = {"name": "lexical", "markers": "nowhere.txt"}
    words = {"words": {"template": "describe_feeling", "when": "before"}}
    study = study_of(models={"a": {}}, instruments=words, parsing={"tone": tone})
    with pytest.raises(ConfigError, match=r"parsing\.tone\.markers = 'nowhere\.txt'"):
        check_inputs(study, Path())


def test_pairs_and_groups_of_tasks_in_files_are_checked_with_the_files(tmp_path):
    rows = [json.dumps({"id": f"t{at}", "text": f"Do thing {at}."}) for at in range(3)]
    (tmp_path / "tasks.jsonl").write_text("\n".join(rows))
    tasks = {"origins": {"own": {"file": str(tmp_path / "tasks.jsonl")}}}
    pairs = {"design": "listed", "listed": [["t0", "t9"]]}
    wish = {"template": "simple_preference", "when": "before", "pairs": pairs}
    with pytest.raises(ConfigError, match="'t9' is none of the 3 tasks"):
        check_rows(study_of(tasks=tasks, instruments={"wish": wish}))
    with pytest.raises(ConfigError, match="3 tasks do not fill a group of 5"):
        check_rows(study_of(tasks=tasks, instruments={"order": {"template": "rank_preference", "when": "before"}}))


def test_a_concept_s_system_turn_longer_than_the_positions_is_refused(folder):
    concepts = {"glad": {"positive": "owl " * 600, "negative": "", "sampling": {"max_tokens": 4}}}
    study = study_of(
        model={"path": str(folder)}, models={"a": {}}, completions=SHORT, instruments=BEFORE, concepts=concepts
    )
    assert "under concepts.glad.positive: " in refused(study)
