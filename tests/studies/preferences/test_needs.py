"""Needs of a study of preferences: every model that it loads is checked, and nothing else."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from inoc.chat.render import prompt_tokens
from inoc.config.workflow import ApiSpec
from inoc.engines.identity import ModelIdentity
from inoc.engines.transformers import load_tokenizer
from inoc.errors import ConfigError
from inoc.jobs.model_check import check_study_model
from inoc.jobs.ready import check_api, check_inputs, check_rows, needs_of
from inoc.studies.preferences.roles import template_of
from inoc.studies.preferences.wording import candidates
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


def positions(folder, n):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"max_position_embeddings": n}))
    return {"model": {"path": str(folder)}, "models": {"a": {}}}


def tasks_in(tmp_path, *texts):
    rows = [json.dumps({"id": f"t{at}", "text": text}) for at, text in enumerate(texts)]
    (tmp_path / "tasks.jsonl").write_text("\n".join(rows))
    return {"origins": {"own": {"file": str(tmp_path / "tasks.jsonl")}}}


def asked(kind, before, **more):
    return {"ask": {"template": {"kind": kind, "before": before, "after": "Which?"}, "when": "before", **more}}


ANCHORS = {side: [{"task": side, "completion": "Yes."}] for side in ("good", "bad")}
# By bytes, the first two are longer; by tokens, the others: a letter outside of ASCII has one for each byte.
LENGTHS = ["the owl lives in the house " * 12 + end for end in "ab"] + ["\u96ea" * 70 + end for end in "cd"]


@pytest.mark.parametrize("kind", ["choice", "ranking"])
def test_questions_about_several_tasks_are_measured_in_tokens_and_not_in_bytes(kind, folder, tmp_path):
    choice = kind == "choice"
    more = {"pairs": {"design": "all"}} if choice else {"ranking": {"size": 3}, "sampling": {"max_tokens": 4}}
    ask = asked(kind, "{task_a} or {task_b}?" if choice else "{tasks}", **more)
    own = {**positions(folder, 450 if choice else 650), "tasks": tasks_in(tmp_path, *LENGTHS), "instruments": ask}
    said = refused(study_of(**own))
    assert re.search("instrument ask about task (t[23], ?t[23]|.*t3)", said.replace(", ", ",")), said


def test_only_pairs_that_are_asked_have_to_fit(folder, tmp_path):
    own = {**positions(folder, 450), "tasks": tasks_in(tmp_path, *LENGTHS)}
    apart = {"design": "listed", "listed": [["t0", "t2"], ["t1", "t3"]]}
    check_study_model(study_of(**own, instruments=asked("choice", "{task_a} or {task_b}?", pairs=apart)), Path())
    together = {"design": "listed", "listed": [["t2", "t3"], ["t0", "t1"]]}
    said = refused(study_of(**own, instruments=asked("choice", "{task_a} or {task_b}?", pairs=together)))
    assert "instrument ask about task t2, t3: " in said


def test_anchors_of_choices_have_to_fit(folder):
    anchors = {side: [{"task": "owl " * 300, "completion": "Yes."}] for side in ("good", "bad")}
    own = {**positions(folder, 300), "instruments": asked("choice", "{task_a} or {task_b}?")}
    assert "instrument ask about anchor 'owl" in refused(study_of(**own, polarity={"anchors": anchors}))


def test_a_steered_question_has_to_fit_though_the_model_is_not_asked_it_otherwise(folder, tmp_path):
    own = positions(folder, 300)
    own["models"]["b"] = {"api": "gpt", "completes": False}
    ask = asked("rating", "{task} " + "Well? " * 200, raters=["b"])
    ask["ask"]["template"]["scale"] = {"lowest": 1, "highest": 5}
    ask["short"] = {**ask["ask"], "template": {**ask["ask"]["template"], "before": "{task}"}, "raters": ["a"]}
    concepts = {"glad": {"positive": "Be glad.", "negative": "", "sampling": {"max_tokens": 4}}}
    steering = {"vectors": ["concept:glad"], "targets": {"t": {"instrument": "ask"}}}
    check_study_model(study_of(**own, instruments=ask, concepts=concepts), Path())
    assert "instrument ask about task" in refused(
        study_of(**own, instruments=ask, concepts=concepts, steering=steering)
    )


def test_completions_of_another_model_that_are_read_have_to_fit(folder):
    own = positions(folder, 300)
    own["models"] = {"a": {"completes": False}, "b": {"api": "gpt", "rates": False}}
    probes = {"p": {"target": "stars", "of": "completion", "readouts": ["response_mean"], "completer": "b"}}
    stars = {"stars": {"template": "stated_1_5", "when": "before"}}
    study = study_of(**own, instruments=stars, probes=probes, completions={"sampling": {"max_tokens": 290}})
    assert "which is read: " in refused(study)


def test_the_tokens_of_closed_answers_are_counted_behind_the_prompt(folder):
    """The longest answer is the opening of a refusal, `As a language model`; nothing is asked of its last token."""
    ask = asked("rating", "{task}")
    ask["ask"]["template"]["scale"] = {"labels": {"one": 1, "two": 2}}
    study = study_of(**positions(folder, 10_000), instruments=ask, polarity={"anchors": ANCHORS})
    tokenizer = load_tokenizer(ModelIdentity(folder, "", "", "", None))
    prompts = [one.chat for one in needs_of(study).chats()]
    longest = max(len(prompt_tokens(tokenizer, chat)) for chat in prompts)
    spellings = [text for one in candidates(template_of(study.instruments["ask"]), "plain") for text in one.spellings]
    answer = max(len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in spellings) - 1
    assert answer > 3
    positions(folder, longest + answer - 1)
    assert "instrument ask about" in refused(study)
    positions(folder, longest + answer)
    check_study_model(study, Path())


def test_answers_that_are_the_same_tokens_are_refused_once_before_anything_is_asked(folder):
    ask = asked("rating", "{task}")
    ask["ask"]["template"]["scale"] = {"labels": {"caf\u00e9": 1, "cafe\u0301": 2}}
    said = refused(study_of(model={"path": str(folder)}, models={"a": {}}, instruments=ask))
    assert said.count("is the same tokens as a spelling of") == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"t0": "x", "t1": "y"}', "'t[23]' has no topic"),
        ('{"t0": "x", "t0": "y"}', "the field 't0' is there twice"),
        ('{"t0": "\\ud83d"}', "half of a surrogate pair"),
        ("", "expected {id: topic}"),
    ],
)
def test_every_task_has_a_topic_before_anything_is_read(text, told, tmp_path):
    (tmp_path / "topics.json").write_text(text)
    topics = {"groups": "topic", "topics": str(tmp_path / "topics.json")}
    probes = {"p": {"target": "stars", "of": "prompt", "readouts": ["prompt_last"], **topics}}
    with pytest.raises(ConfigError, match=told):
        check_rows(study_of(models={"a": {}}, instruments=BEFORE, probes=probes))


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (np.ones(7), "has 7 values, but activations at 'resid_post.0' have 64"),
        (np.ones(65), "Is the last value an intercept"),
        (np.full(64, np.nan), "numbers that are not finite"),
        (np.ones((4, 64)), "a row from 0 to 3"),
        (np.array(["a"] * 64), "accepted: real numbers"),
        (np.ones(64) * 1j, "accepted: real numbers"),
        (b"", "cannot be read as plain numbers"),
        (b"words", "cannot be read as plain numbers"),
    ],
)
def test_vectors_of_files_are_looked_at_before_anything_is_asked(made, told, folder, tmp_path):
    path = tmp_path / "v.npy"
    path.write_bytes(made) if isinstance(made, bytes) else np.save(path, made)
    steering = {
        "vectors": ["mine"], "files": {"mine": {"file": str(path)}}, "site": "resid_post.0", "units": "raw",
        "targets": {"t": {"instrument": "stars"}},
    }  # fmt: skip
    study = study_of(model={"path": str(folder)}, models={"a": {}}, instruments=BEFORE, steering=steering)
    with pytest.raises(ConfigError, match=f"steering.files.mine: .*{told}"):
        check_rows(study)


def test_a_concept_s_system_turn_longer_than_the_positions_is_refused(folder):
    concepts = {"glad": {"positive": "owl " * 600, "negative": "", "sampling": {"max_tokens": 4}}}
    study = study_of(
        model={"path": str(folder)}, models={"a": {}}, completions=SHORT, instruments=BEFORE, concepts=concepts
    )
    assert "under concepts.glad.positive: " in refused(study)


def test_sites_that_the_model_does_not_have_are_refused_with_their_place(folder):
    probes = {"p": {"target": "stars", "of": "prompt", "readouts": ["prompt_last"], "sites": ["resid_post.1", "embed"]}}
    concepts = {"glad": {"positive": "Be glad.", "negative": "", "sites": ["resid_post.9"]}}
    steering = {"vectors": ["concept:glad"], "site": "resid_post.8", "targets": {"t": {"instrument": "stars"}}}
    own = {"model": {"path": str(folder)}, "models": {"a": {}}, "instruments": BEFORE, "probes": probes}
    check_rows(study_of(**own))
    with pytest.raises(ConfigError) as caught:
        check_rows(study_of(**own, concepts=concepts, steering=steering))
    assert "concepts.glad.sites: site 'resid_post.9': this model has 2 blocks" in str(caught.value)
    assert "steering.site: site 'resid_post.8'" in str(caught.value)
    assert "probes.p" not in str(caught.value)


def test_advice_names_no_setting_that_the_study_does_not_have(other, folder):
    with_template(folder, templates.GEMMA)
    said = refused(study_of(**other, instruments=STARS, contexts=CONTEXTS))
    assert "system turns: the chat template of" in said
    assert "placement" not in said
