"""Chats of several turns reach each engine whole."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from inoc.chat.messages import Chat, Turn
from inoc.chat.render import prompt_tokens, render
from inoc.choose.api import ApiPlan, body
from inoc.config.models import Sampling, SystemTurn
from inoc.engines.api import ApiEngine
from inoc.engines.reading import Reader
from inoc.engines.sampling import BASE, Block
from inoc.engines.transformers import TransformersEngine, load_tokenizer
from inoc.engines.vllm import VllmEngine

EARLIER = (Turn("Who lives there?", "An owl."), Turn("Is it tired?", "By day."))
CHATS = [Chat(SystemTurn(), f"Where is {k}?", "Here.", EARLIER[:k]) for k in range(3)]
GREEDY = Sampling(temperature=0, max_tokens=6, batch_size=3)
BLOCK = Block(BASE, CHATS, ["a", "b", "c"], GREEDY, "turns")


@pytest.fixture(scope="module")
def bare(tiny_model):
    return AutoModelForCausalLM.from_pretrained(tiny_model.folder, dtype=torch.float32).eval()


def by_transformers(tokenizer, chat):
    turns = [text for turn in chat.earlier for text in turn] + [chat.user]
    messages = [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(turns)]
    return tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]


def test_greedy_answers_and_their_likelihoods_are_those_of_the_model_alone(tiny_model, bare):
    engine = TransformersEngine(tiny_model)
    for chat, answer in zip(CHATS, engine.greedy(CHATS, 6), strict=True):
        ids = by_transformers(engine.tokenizer, chat)
        for token in answer.ids:
            with torch.no_grad():
                assert int(bare(torch.tensor([ids])).logits[0, -1].argmax()) == token
            ids = [*ids, token]
    texts = [answer.text for answer in engine.sample(CHATS, ["a", "b", "c"], GREEDY)]
    alone = [engine.sample([chat], ["x"], GREEDY)[0].text for chat in CHATS]
    assert texts == alone


def test_activations_are_those_of_the_model_alone(tiny_model, bare):
    engine = TransformersEngine(tiny_model)
    rendered = render(engine.tokenizer, CHATS, "exclude")
    found = Reader(engine.causal).submit(rendered, ["resid_post.0"], ["prompt_last"], 512)()["resid_post.0"]
    for row, chat in enumerate(CHATS):
        ids = by_transformers(engine.tokenizer, chat)
        with torch.no_grad():
            states = bare(torch.tensor([ids]), output_hidden_states=True).hidden_states[1][0, -1]
        np.testing.assert_allclose(np.asarray(found[row, 0]), states.numpy(), atol=1e-5)


def test_vllm_and_a_server_are_sent_the_tokens_of_the_whole_chat(tiny_model):
    tokenizer = load_tokenizer(tiny_model)
    expected = [by_transformers(tokenizer, chat) for chat in CHATS]
    sent = []
    vllm = object.__new__(VllmEngine)
    vllm.tokenizer, vllm._adapters, vllm._requests = tokenizer, {}, {BASE: None}
    vllm._engine = SimpleNamespace(
        model_config=SimpleNamespace(max_model_len=512),
        add_request=lambda name, prompt, params, lora_request: sent.append(prompt["prompt_token_ids"]),
    )
    server = object.__new__(ApiEngine)
    server.tokenizer = tokenizer
    for chat in CHATS:
        vllm._add("0:0", chat, BLOCK, None)
    assert sent == expected
    assert [server._prompt(chat) for chat in CHATS] == expected
    assert [prompt_tokens(tokenizer, chat) for chat in CHATS] == expected


def test_an_api_that_chooses_is_sent_every_turn(tmp_path):
    plan = ApiPlan("some-model", ["q"], CHATS[2:], [], tmp_path)
    said = body(plan, CHATS[2]._replace(system=SystemTurn(kind="text", text="Be kind.")))["messages"]
    assert [(turn["role"], turn["content"]) for turn in said] == [
        ("system", "Be kind."),
        *(pair for turn in EARLIER for pair in zip(("user", "assistant"), turn, strict=True)),
        ("user", "Where is 2?"),
    ]
