from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from inoc.chat.messages import Chat
from inoc.chat.render import render_part
from inoc.config.models import SystemTurn
from inoc.config.workflow import Shards
from inoc.engines.identity import ModelIdentity
from inoc.engines.transformers import TransformersEngine
from inoc.errors import DataError
from inoc.jobs.shards import shard_of
from inoc.score.self_perplexity import self_logprobs
from inoc.tables import SELF_PERPLEXITY, read_table
from support.jobs import run_job, units_of
from support.templates import DEEPSEEK_R1
from support.toy import toy_job, toy_study, write_inputs

POOLS = {"clown": ["Be a clown."], "sky": ["Blue is the sky."]}
TEXTS = {"clown": "You are a clown.", "sky": "The sky is blue."}


def scored(study, root, **options):
    job = toy_job(study, root, "score", **options)
    write_inputs(job, POOLS)
    run_job(job)
    return job, read_table(job.paths.self_perplexity(job.shard)).set_index(["prompt", "context"])


def brute_nll(folder, before: str, text: str, after: str = "") -> float:
    """Mean negative log-likelihood of the tokens of `text`, by a plain forward pass in float64."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64).eval()
    encoded = tokenizer(before + text + after, add_special_tokens=False, return_offsets_mapping=True)
    ids = torch.tensor([encoded["input_ids"]])
    with torch.no_grad():
        logprobs = torch.log_softmax(model(ids).logits[0], dim=-1)
    end = len(before) + len(text)
    own = [t for t, (lo, hi) in enumerate(encoded["offset_mapping"]) if t > 0 and hi > len(before) and lo < end]
    return -float(np.mean([logprobs[t - 1, ids[0, t]].item() for t in own]))


SYSTEMS = {
    "text": ({"kind": "text", "text": "You are a clown. Be kind."}, "<|im_start|>system\nYou are a clown. Be kind."),
    "default": ({"kind": "default"}, None),
}


@pytest.mark.parametrize("system", SYSTEMS)
def test_self_perplexity_is_that_of_a_plain_forward_pass(tiny_folder, tmp_path, system):
    turn, shown = SYSTEMS[system]
    _, table = scored(toy_study(tiny_folder, model={"system": turn}), tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tiny_folder)
    for prompt, text in TEXTS.items():
        messages = [{"role": "system", "content": turn["text"]}] if shown else []
        chat = tokenizer.apply_chat_template(
            [*messages, {"role": "user", "content": text}], tokenize=False, add_generation_prompt=True
        )
        assert shown is None or shown in chat
        before, _, after = chat.rpartition(text)
        assert table.loc[(prompt, "raw"), "nll"] == pytest.approx(brute_nll(tiny_folder, "", text), rel=1e-5)
        assert table.loc[(prompt, "ctx"), "nll"] == pytest.approx(brute_nll(tiny_folder, before, text, after), rel=1e-5)
        for context in ("raw", "ctx"):
            row = table.loc[(prompt, context)]
            assert row["n_tokens"] == len(row["logprobs"]) > 0


def test_a_prompt_that_is_the_system_turn_is_scored_there(tiny_folder, tmp_path):
    _, table = scored(toy_study(tiny_folder).model_copy(update={"placement": "system"}), tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tiny_folder)
    messages = [{"role": "system", "content": TEXTS["sky"]}, {"role": "user", "content": ""}]
    chat = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    before, _, after = chat.partition(TEXTS["sky"])
    expected = brute_nll(tiny_folder, before, TEXTS["sky"], after)
    assert table.loc[("sky", "ctx"), "nll"] == pytest.approx(expected, rel=1e-5)


def test_a_single_token_that_nothing_precedes_has_no_perplexity(tiny_folder, tmp_path):
    prompts = {"all": {"family": "playful", "texts": {"clown": "a", "sky": "The sky is blue."}}}
    _, table = scored(toy_study(tiny_folder, prompts=prompts), tmp_path)
    assert table.loc[("clown", "raw"), "n_tokens"] == 0
    assert np.isnan(table.loc[("clown", "raw"), "nll"])
    assert table.loc[("clown", "ctx"), "nll"] > 0


def test_prompts_are_split_into_shards_and_nothing_is_scored_twice(tiny_folder, tmp_path, monkeypatch):
    study = toy_study(tiny_folder)
    job, whole = scored(study, tmp_path)
    assert read_table(job.paths.self_perplexity(0)).columns.tolist() == SELF_PERPLEXITY.names
    monkeypatch.setattr("inoc.score.step._load", lambda model, responses: pytest.fail("the model was loaded"))
    for key in TEXTS:
        part_job, part = scored(study, tmp_path, shards=Shards(score=3), shard=shard_of(key, 3))
        assert list(part.loc[key]["nll"]) == list(whole.loc[key]["nll"])
        assert {unit.label for unit in units_of(part_job)} >= {f"{key} by itself"}
        assert part_job.store.made == []


def test_a_template_that_rewrites_the_prompt_is_refused(tiny_folder):
    tokenizer = AutoTokenizer.from_pretrained(tiny_folder)
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] | upper }}{{ m['content'] }}{% endfor %}"
    with pytest.raises(DataError, match="does not reproduce the prompt 'You are"):
        render_part(tokenizer, lambda text: Chat(SystemTurn(kind="default"), text), "You are a clown.")


@pytest.mark.parametrize("text", ["a", "You are a clown."])
def test_the_first_token_of_a_chat_that_opens_with_the_prompt_has_no_perplexity(tiny_folder, text):
    engine = TransformersEngine(ModelIdentity(tiny_folder, "weights", "tokenizer", "float32", None))
    engine.tokenizer.chat_template = DEEPSEEK_R1
    (_, values) = self_logprobs(engine, lambda one: Chat(SystemTurn(kind="text", text=one), ""), text)
    ids = engine.tokenizer(text, add_special_tokens=False)["input_ids"]
    assert len(values) == len(ids) - 1
    if values.size:
        assert -float(values.mean()) == pytest.approx(brute_nll(tiny_folder, "", text), rel=1e-5)
