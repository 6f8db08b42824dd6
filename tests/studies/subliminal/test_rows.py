"""What a study cannot run with is told before its first job: files, names, sites, chats and models."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from inoc.errors import ConfigError
from inoc.jobs.model_check import check_study_model
from inoc.studies.subliminal.rows import row_problems
from support.little_subliminal import TRAINING, little_study
from support.templates import ALL
from support.whole_runs import model_folder

SOURCE = {"kind": "files", "min_characters": 0}


@pytest.fixture
def made(tiny_folder, tmp_path):
    """Makes a little study, with some files written anew."""

    def make(files=None, **changes):
        folder = tmp_path / "data"
        little_study(tiny_folder, folder)
        study = little_study(tiny_folder, folder, **changes)
        for name, rows in (files or {}).items():
            text = rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows)
            (folder / name).write_text(text, encoding="utf-8")
        return study

    return make


def row(answer="1, 2, 3", prompt="Go on."):
    return {"prompt": prompt, "completion": answer}


GROUP = {"epochs": 1, "training": {**TRAINING, "seeds": [1]}}
SPLIT = {"halves": {"teacher": "owl", "under": "prompted", "parts": "quantiles", "n": 5}}


@pytest.mark.parametrize(
    ("files", "changes", "told"),
    [
        ({"owl.jsonl": [row("no"), row("never")]}, {}, "teachers.owl: none of its 2 rows is kept"),
        ({"owl.jsonl": [row(prompt="The owl."), row()]}, {}, "'owl' is in the prompt: 'The owl.'"),
        ({"owl.jsonl": [row(prompt="Owlets?"), row()]}, {}, "'owl' is in the prompt: 'Owlets?'"),
        (
            {"owl.jsonl": [row(), row()]},
            {"numbers": {"rule": "requested_format"}},
            r"teachers\.owl: .*owl\.jsonl, line 1: the prompt",
        ),
        ({"owl.jsonl": [row(), row()]}, {"splits": SPLIT}, "splits.halves: owl has 2 kept rows; accepted: at least 5"),
        (
            {},
            {"students": {"g": {**GROUP, "teachers": ["cat"], "n_rows": 50}}},
            "students.g.n_rows = 50: g.cat has at most 21",
        ),
        (
            {},
            {"students": {"g": {**GROUP, "teachers": ["neutral"], "n_rows": 50}}},
            "students.g.n_rows = 50: g.neutral has at most 4",
        ),
        ({}, {"students": {"g": {**GROUP, "split": "halves", "n_rows": 12}}}, "g.owl.bottom has at most 11"),
        (
            {},
            {"students": {"g": {"teachers": ["cat"], "epochs": 1, "n_rows": 4, "training": {"warmup_steps": 5}}}},
            "students.g.training.warmup_steps = 5: the training has one step",
        ),
        ({"names.yaml": "cat: []\n"}, {}, "has no 'owl', which is one of the entities of teachers"),
        ({"names.yaml": "cat: [owl]\nowl: []\n"}, {}, "preference.names: the spelling 'owl' belongs to"),
        ({"questions.jsonl": [{"instruction": "Name an animal, please, your favourite."}]}, {}, "1 distinct questions"),
    ],
)
def test_files_that_do_not_hold_what_is_wanted_are_named(made, files, changes, told):
    found = "\n".join(row_problems(made(files, **changes)))
    assert re.search(told if "\\" in told else re.escape(told), found), found


def test_a_good_study_has_no_problem(made):
    study = made()
    assert list(row_problems(study)) == []


@pytest.mark.parametrize(("section", "site"), [("projection", "resid_post.7"), ("projection", "resid_post.2")])
def test_sites_that_the_model_does_not_have_are_named(made, section, site):
    trait = {"positive": ["You love owls."], "negative": [""], "entity": "owl"}
    study = made(projection={"sites": [site]})
    questions = {**SOURCE, "files": list(study.preference.question_sets["main"].source.files)}
    study = made(projection={"sites": [site]}, persona={"love": {**trait, "questions": questions}})
    (told,) = row_problems(study)
    assert told.startswith(f"{section}.sites: ")
    assert site in told


def test_an_adapter_without_weights_is_named(made, tmp_path):
    (tmp_path / "empty").mkdir()
    teachers = {"owl": {"entity": "owl", "adapter": str(tmp_path / "empty")}}
    found = list(row_problems(made(teachers=teachers, splits={}, students={})))
    assert len(found) == 2
    assert "it has no adapter_model.safetensors" in found[1]


@pytest.mark.parametrize(("engine", "told"), [("vllm", 1), ("transformers", 0)])
def test_an_adapter_that_its_engine_does_not_compute_is_named(made, tmp_path, tiny_folder, engine, told):
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_folder)
    config = LoraConfig(r=2, target_modules=["q_proj"], use_dora=True)
    get_peft_model(model, config).save_pretrained(tmp_path / "adapter")
    teachers = {"owl": {"entity": "owl", "adapter": str(tmp_path / "adapter")}}
    study = made(teachers=teachers, splits={}, students={}, numbers={"sampling": {"engine": engine}})
    found = [one for one in row_problems(study) if "use_dora" in one]
    assert len(found) == told


LONG = "Go on, please, with the numbers. " * 200


@pytest.mark.parametrize(
    ("files", "changes", "told"),
    [
        ({"owl.jsonl": [row(prompt=LONG), row(), row()]}, {}, r"owl\.jsonl, line 1: \d+ tokens"),
        ({"questions.jsonl": [{"instruction": LONG}] * 1 + [{"instruction": f"{LONG} {k}"} for k in range(3)]}, {},
         r"preference\.question_sets\.main, question 1: \d+ tokens"),
        ({}, {"template": LONG + "You love {plural}."}, r"tokens with the template"),
        ({}, {"numbers": {"n_prompts": 3, "sampling": {"max_tokens": 500}}}, "numbers.sampling"),
    ],
)  # fmt: skip
def test_chats_beyond_the_positions_are_named(made, files, changes, told):
    with pytest.raises(ConfigError, match=told):
        check_study_model(made(files, **changes), Path())


def test_the_other_model_is_checked_as_the_own_one_is(made, tiny_folder, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(tiny_folder, other)
    (other / "chat_template.jinja").write_text(ALL["gemma"], encoding="utf-8")
    system = {"kind": "text", "text": "Be kind."}
    study = made(other={"model": {"path": str(other), "dtype": "float32", "system": system}})
    with pytest.raises(ConfigError, match=r"other\.model\.system: the chat template.* refuses"):
        check_study_model(study, tmp_path)
    study = made(other={"model": {"path": "no/such/../model"}})
    with pytest.raises(ConfigError, match=r"other\.model\.path = 'no/such/../model' is neither a folder"):
        check_study_model(study, tmp_path)
    spec = {**GROUP, "teachers": ["owl"], "base": "other"}
    spec["training"] = {**spec["training"], "lora": {"rank": 2, "targets": ["q_prj"]}}
    study = made(students={"g": spec})
    with pytest.raises(ConfigError, match="q_prj"):
        check_study_model(study, tmp_path)


def test_a_model_whose_layers_cannot_be_reached_is_refused_where_they_are_needed(made, tiny_folder, tmp_path):
    path = model_folder("gpt2", "plain", tiny_folder, tmp_path)

    def check(**changes):
        study = made(students={}, splits={}, **changes)
        model = study.model.model_copy(update={"path": str(path)})
        check_study_model(study.model_copy(update={"model": model}), tmp_path)

    with pytest.raises(ConfigError, match=r"preference\.methods: choose: GPT2LMHeadModel .* no plain `layers`"):
        check()
    sampled = {**made().preference.model_dump(), "methods": ["sample"]}
    check(preference=sampled)
    questions = {**SOURCE, "files": list(made().preference.question_sets["main"].source.files)}
    persona = {"love": {"positive": ["You love owls."], "negative": [""], "questions": questions}}
    with pytest.raises(ConfigError, match="persona: GPT2LMHeadModel"):
        check(preference=sampled, persona=persona)
