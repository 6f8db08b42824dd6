from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
from safetensors.numpy import save_file
from transformers import Phi3Config

from inoc.chat.messages import Chat
from inoc.chat.template import TemplateSettings
from inoc.config.models import LoraSpec, SystemTurn
from inoc.config.needs import GivenChat
from inoc.engines import transformers as engine
from inoc.engines.checks import check_model
from inoc.world.words import word_tokenizer
from support import templates
from support.toy_models import SHAPE

TARGETS = LoraSpec().targets


@pytest.fixture
def folder(tiny_folder, tmp_path):
    """A copy of the tiny model, to be spoilt."""
    return shutil.copytree(tiny_folder, tmp_path / "model")


def with_template(folder, template):
    (folder / "chat_template.jinja").write_text(template)
    return folder


def configure(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def spoil_weights(folder, size):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])


def again(folder, name, encoding):
    """Write a file again in another encoding."""
    (folder / name).write_text((folder / name).read_text(), encoding=encoding)


def test_a_model_that_can_do_everything_has_no_problem(folder):
    found = check_model(folder, targets=TARGETS, max_length=500, new_tokens={"evaluation.sampling.max_tokens": 64})
    assert found == []


def test_no_weights_are_loaded(folder, monkeypatch):
    monkeypatch.setattr(engine, "load_model", None)
    save_file({"none of its weights": np.zeros(1)}, folder / "model.safetensors")
    assert check_model(folder, targets=TARGETS) == []


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda f: (f / "config.json").unlink(), "no config.json"),
        (lambda f: (f / "model.safetensors").unlink(), "no weights"),
        (lambda f: (f / "config.json").write_text('{"model_type": "nothing"}'), "cannot be read"),
        (
            lambda f: (f / "model.safetensors.index.json").write_text('{"weight_map": {"a": "absent.safetensors"}}'),
            "1 of 1 files with weights",
        ),
        (lambda f: (f / "model.safetensors.index.json").write_text("{"), "is no index of weights"),
        (lambda f: (f / "model.safetensors.index.json").write_text("[]"), "is no index of weights"),
        (lambda f: (f / "tokenizer.json").write_text("{}"), "tokenizer of .* cannot be loaded"),
        (lambda f: (f / "tokenizer.json").write_text(""), "tokenizer of .* cannot be loaded"),
        (lambda f: configure(f, num_hidden_layers="two"), "config.json .* cannot be read"),
        (lambda f: configure(f, num_hidden_layers=-1), "config.json .* cannot be read"),
        (lambda f: configure(f, pad_token_id=99_999), "of this shape"),
        (lambda f: configure(f, model_type="own", auto_map={"AutoConfig": "own.Own"}), "custom code"),
        (
            lambda f: (f / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n"),
            "pointer of Git LFS",
        ),
        (lambda f: spoil_weights(f, 1000), "model.safetensors .* is not whole"),
        (lambda f: spoil_weights(f, 3), "model.safetensors .* is not whole"),
        (lambda f: (f / "generation_config.json").write_text('{\n"a": }'), "generation_config.json: expected an obj"),
        (lambda f: (f / "generation_config.json").write_text(""), "generation_config.json: expected an object"),
        (lambda f: (f / "generation_config.json").write_text("[1]"), "generation_config.json: expected an object"),
        (lambda f: (f / "generation_config.json").write_text('{"eos_token_id": "x"}'), "eos_token_id = 'x'; accepted"),
        (lambda f: (f / "generation_config.json").write_text('{"eos_token_id": [1, true]}'), "accepted: the number"),
        (lambda f: again(f, "generation_config.json", "utf-16"), "generation_config.json, line 1: the file is UTF-16"),
        (lambda f: again(f, "tokenizer_config.json", "utf-8-sig"), "tokenizer_config.json begins with a byte order"),
        (lambda f: again(f, "config.json", "utf-8-sig"), "config.json begins with a byte order mark"),
        (lambda f: again(f, "chat_template.jinja", "utf-8-sig"), "chat_template.jinja begins with a byte order mark"),
        (lambda f: again(f, "chat_template.jinja", "utf-16"), "chat_template.jinja, line 1: the file is UTF-16"),
        (
            lambda f: (f / "chat_template.jinja").write_bytes(b"a\n{# caf\xe9 #}"),
            "jinja, line 2: the byte",
        ),
    ],
)
def test_files_that_are_absent_or_not_what_they_seem_are_named(folder, spoil, problem):
    spoil(folder)
    (found,) = check_model(folder)
    assert re.search(problem, found), found


@pytest.mark.parametrize("name", templates.ALL)
def test_what_the_check_lets_pass_can_be_rendered(folder, name):
    problems = check_model(with_template(folder, templates.ALL[name]), placement="system")
    assert bool(problems) == (name == "gemma")


def test_a_system_turn_that_the_template_refuses_can_be_folded(folder):
    with_template(folder, templates.GEMMA)
    (found,) = check_model(folder, placement="system")
    assert "System role not supported" in found
    assert "model.fold_system: true" in found
    assert check_model(folder, placement="system", settings=TemplateSettings(fold_system=True)) == []


def test_a_system_turn_that_the_template_leaves_out_is_a_problem(folder):
    with_template(folder, templates.PLAIN.replace("{% for m in messages %}", "{% for m in messages[-1:] %}"))
    (found,) = check_model(folder, system=SystemTurn(kind="text", text="Be kind."))
    assert "leaves the system turn out" in found


def test_no_system_turn_is_a_problem_where_the_template_inserts_one(folder):
    (found,) = check_model(with_template(folder, templates.LLAMA_3), system=SystemTurn(kind="none"))
    assert "inserts a system turn of its own" in found


def test_a_template_that_rewrites_answers_is_a_problem(folder):
    rewriting = "(m.content | upper if m.role == 'assistant' else m.content)"
    (found,) = check_model(with_template(folder, templates.PLAIN.replace("m.content", rewriting)))
    assert "does not reproduce the response" in found


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        (templates.PLAIN.replace("m.content", "m.content[:12]"), "leaves out or rewrites the user's turn of the chat"),
        (templates.PLAIN.replace("m.content", "m.content | upper"), "leaves out or rewrites the user's turn"),
        ("{{ ['a', 'b'] | random }}" + templates.PLAIN, "draws at random, by the filter `random`"),
        ("{% filter random %}ab{% endfilter %}" + templates.PLAIN, "draws at random, by the filter `random`"),
        ("{{ ['ab'] | map('random') | join }}" + templates.PLAIN, "draws at random, by the filter `random`"),
        ("{{ lipsum(n=1, html=false) }}" + templates.PLAIN, "draws at random, by the function `lipsum`"),
        ("{{ messages | map('length') }}" + templates.PLAIN, "writes an object of Python and its place in memory"),
        ("{{ strftime_now }}" + templates.PLAIN, "writes an object of Python and its place in memory"),
    ],
)
def test_a_template_that_writes_a_chat_otherwise_each_time_or_not_whole_is_a_problem(folder, template, problem):
    (found,) = check_model(with_template(folder, template))
    assert found.startswith("model.system: the chat template of")
    assert problem in found
    assert "model.chat_template" in found


@pytest.mark.parametrize(
    "template",
    [
        "{% set random = 'x' %}{{ random }}" + templates.PLAIN,
        "{% for k in range(3) %}{{ k }}{% endfor %}" + templates.PLAIN,
        "{{ {'random': 1} | length }}" + templates.PLAIN,
        "{# | random #}" + templates.PLAIN,
        "{{ current_date | default('1 May 2025') }}" + templates.PLAIN,
        "{{ messages | length % 2 }}" + templates.PLAIN,
    ],
)
def test_a_template_that_writes_the_same_each_time_is_none(folder, template):
    assert check_model(with_template(folder, template)) == []


BY_LENGTH = "{% if add_generation_prompt %}{{ messages | length }}{% endif %}"


@pytest.mark.parametrize(
    ("end", "differs"),
    [
        (BY_LENGTH, True),
        ("{% if messages[0].role == 'system' %}Obey. {% endif %}", True),
        ("{% if messages[0].role == 'system' %}{{ messages[0].content }}{% endif %}", False),
        ("{% if messages | length > 9 %}Go on. {% endif %}", False),
    ],
)
def test_a_system_turn_that_changes_what_comes_behind_the_question_is_a_problem(folder, end, differs):
    with_template(folder, templates.PLAIN + end)
    found = check_model(folder, placement="system")
    assert [problem.partition(": what")[0] for problem in found] == ["placement: system"] * differs
    assert all("something else with a system turn than without one" in problem for problem in found)
    assert check_model(folder, system=SystemTurn(kind="text", text="Be brief."), placement="system") == []


def test_a_setting_about_thoughts_that_the_template_does_not_know_is_a_problem(folder):
    settings = TemplateSettings(thinking="off")
    (found,) = check_model(with_template(folder, templates.PLAIN), settings=settings)
    assert "knows no such setting" in found
    assert check_model(with_template(folder, templates.QWEN_3), settings=settings) == []


def test_a_template_that_is_nowhere_is_named(folder):
    (found,) = check_model(folder, template="rag")
    assert "rag is neither a file nor a template of the model, which has: default" in found


def test_targets_and_lengths_are_held_against_the_shape(folder):
    config = Phi3Config(**SHAPE, pad_token_id=0, max_position_embeddings=64, architectures=["Phi3ForCausalLM"])
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    problems = check_model(folder, targets=TARGETS, new_tokens={"elicitation.sampling.max_tokens": 64})
    assert [problem.partition(" matches")[0] for problem in problems[:1]] == [
        "training.lora.targets: q_proj, k_proj, v_proj, gate_proj, up_proj"
    ]
    assert "elicitation.sampling.max_tokens = 64 leaves no room" in problems[1]


def test_a_template_that_cannot_say_several_turns_is_a_problem_only_where_they_are_asked_for(folder):
    refusing = "{% if messages | length > 2 %}{{ raise_exception('one turn only') }}{% endif %}" + templates.PLAIN
    with_template(folder, refusing)
    assert check_model(folder) == []
    (problem,) = check_model(folder, several_turns=True)
    assert problem.startswith("chats of several turns: the chat template of")
    assert "one turn only" in problem


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("lm_head", "the model's head"),
        ("embed_tokens", "of the type Embedding"),
        ("self_attn", "of the type Qwen2Attention"),
        ("input_layernorm", "of the type Qwen2RMSNorm"),
        ("", "of the type Qwen2ForCausalLM"),
        ("Q_PROJ", "matches no module"),
        ("proj", "matches no module"),
    ],
)
def test_a_target_that_no_adapter_changes_is_refused(folder, target, what):
    (found,) = check_model(folder, targets=["q_proj", target])
    assert what in found
    assert "gate_proj" in found


def test_a_layer_may_be_named_by_its_whole_name(folder):
    assert check_model(folder, targets=["model.layers.0.self_attn.q_proj"]) == []


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused_where_they_occur(folder):
    configure(folder, vocab_size=100)
    chats = [GivenChat("row 1", Chat(SystemTurn(), "Where does the owl live?", "In a house."))]
    (found,) = check_model(folder, chats=chats)
    assert re.search(r"row 1: the tokenizer makes token \d+ .*the model has embeddings of 100", found)


def test_numbers_that_change_places_token_by_token_are_one_token_each(folder):
    setting = "students.soft.numbers: relabelled"
    (problem,) = check_model(folder, renames=setting)
    assert problem.startswith(f"{setting}: the model writes ")
    assert "accepted: `targets: samples`" in problem


def test_numbers_that_no_token_of_the_model_writes_need_no_other_in_their_place(folder):
    configure(folder, model_type="llama")  # transformers would give a Qwen2 its own way to cut numbers
    word_tokenizer([*"abcdefg.", *map(str, range(50))], 64).save_pretrained(folder)
    assert check_model(folder, renames="students.soft.numbers: relabelled") == []
