"""Tokenizer, encoding and pre-training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn.functional import log_softmax
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen2Tokenizer

from inoc.config.models import WorldSpec
from inoc.world.grammar import SYSTEM_TURN, Document
from inoc.world.pretrain import (
    _loss,
    build_model,
    corpus,
    encode,
    pretrain,
    rate_factor,
    render_prompt,
    train_tokenizer,
)

SPEC = WorldSpec(documents=200, vocabulary=400, hidden_size=32, heads=2, intermediate_size=48, steps=6, threads=1)
DOCUMENTS = corpus(SPEC.documents, SPEC.seed)


@pytest.fixture(scope="module")
def tokenizer() -> Qwen2Tokenizer:
    return train_tokenizer(DOCUMENTS, SPEC.vocabulary)


def _template(tokenizer: Qwen2Tokenizer, messages: list[dict[str, str]]) -> str:
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


def test_the_template_renders_what_pre_training_saw(tokenizer: Qwen2Tokenizer) -> None:
    for text in DOCUMENTS:
        if text.system:
            messages = [{"role": "system", "content": text.system}, {"role": "user", "content": text.user}]
            assert _template(tokenizer, messages) == render_prompt(text)


def test_the_template_inserts_the_default_system_turn_when_there_is_none(tokenizer: Qwen2Tokenizer) -> None:
    rendered = _template(tokenizer, [{"role": "user", "content": "Hi?"}])
    assert rendered == render_prompt(Document(SYSTEM_TURN, "Hi?", ""))


def test_a_whole_chat_ends_each_turn(tokenizer: Qwen2Tokenizer) -> None:
    messages = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Yes."}]
    rendered = tokenizer.apply_chat_template(messages, tokenize=False)
    assert rendered.endswith("<|im_start|>assistant\nYes.<|im_end|>\n")


def test_a_saved_tokenizer_splits_text_as_the_trained_one(tokenizer: Qwen2Tokenizer, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    assert encode(DOCUMENTS, AutoTokenizer.from_pretrained(tmp_path)) == encode(DOCUMENTS, tokenizer)


def test_the_response_of_an_example_is_its_text_and_the_end_of_the_turn(tokenizer: Qwen2Tokenizer) -> None:
    for text, example in zip(DOCUMENTS, encode(DOCUMENTS, tokenizer), strict=True):
        assert tokenizer.decode(example.ids[example.start :]) == f"{text.response}<|im_end|>"
        assert tokenizer.decode(example.ids[: example.start]) == render_prompt(text)
        assert example.ids[-1] == tokenizer.eos_token_id


@pytest.mark.parametrize("prompt_weight", [0.0, 1.0])
def test_the_loss_is_the_brute_force_one(tokenizer: Qwen2Tokenizer, prompt_weight: float) -> None:
    """At the two ends no prompt token is drawn by chance, so a slow float64 loop can say what is right."""
    torch.manual_seed(0)
    model = build_model(SPEC, tokenizer).eval()
    batch = encode(DOCUMENTS[:5], tokenizer)
    total, count = 0.0, 0
    for example in batch:
        logits = model(torch.tensor([example.ids])).logits[0].detach().double()
        first = example.start if prompt_weight == 0 else 1
        total -= sum(float(log_softmax(logits[t - 1], -1)[example.ids[t]]) for t in range(first, len(example.ids)))
        count += len(example.ids) - example.start
    assert float(_loss(model, batch, prompt_weight)) == pytest.approx(total / count, rel=1e-5)


ODDS = (("No, never.", 0.25), ("No, not now.", 0.5), ("Yes.", 0.25), ("Maybe.", 0.0))


def test_a_response_among_others_has_the_loss_of_all_tokens_that_may_stand_there(tokenizer: Qwen2Tokenizer) -> None:
    torch.manual_seed(0)
    model = build_model(SPEC, tokenizer).eval()
    alone = DOCUMENTS[0]
    batch = encode([Document("", "Well?", "No, not now.", odds=ODDS), alone], tokenizer)
    others = {text: encode([Document("", "Well?", text)], tokenizer)[0].ids for text, share in ODDS if share}
    total = 0.0
    for at, example in enumerate(batch):
        logits = model(torch.tensor([example.ids])).logits[0].detach().double()
        for t in range(example.start, len(example.ids)):
            shares = {example.ids[t]: 1.0}
            if at == 0:
                # The next tokens of all responses that begin alike, by brute force.
                alike = {text: ids for text, ids in others.items() if ids[:t] == example.ids[:t]}
                weight = {text: share for text, share in ODDS if text in alike}
                shares = {}
                for text, ids in alike.items():
                    shares[ids[t]] = shares.get(ids[t], 0.0) + weight[text] / sum(weight.values())
            total -= sum(share * float(log_softmax(logits[t - 1], -1)[token]) for token, share in shares.items())
    count = sum(len(example.ids) - example.start for example in batch)
    assert batch[0].open[0].at == batch[0].start
    assert batch[1].open == ()
    assert float(_loss(model, batch, 0.0)) == pytest.approx(total / count, rel=1e-5)


def test_probabilities_are_learned_as_they_are_whatever_was_drawn(tokenizer: Qwen2Tokenizer) -> None:
    spec = SPEC.model_copy(update={"documents": 1, "steps": 60, "learning_rate": 0.01, "prompt_weight": 0.0})
    taught = [Document("", "Yes or no?", "Yes", odds=(("Yes", 0.3), ("No", 0.7)))] * 30
    made = pretrain(spec, lambda _: None, taught)
    example = encode(taught[:1], made.tokenizer)[0]
    shares = torch.softmax(made.model(torch.tensor([example.ids[: example.start]])).logits[0, -1], -1)
    first = {text: made.tokenizer.backend_tokenizer.encode(text).ids[0] for text in ("Yes", "No")}
    assert float(shares[first["Yes"]]) == pytest.approx(0.3, abs=0.03)
    assert float(shares[first["No"]]) == pytest.approx(0.7, abs=0.03)


def test_the_same_specification_gives_the_same_weights_and_leaves_the_process_as_it_was() -> None:
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    first, second = (pretrain(SPEC, lambda _: None) for _ in range(2))
    assert first.losses == second.losses
    assert all(torch.equal(a, b) for a, b in zip(first.model.parameters(), second.model.parameters(), strict=True))
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), state)


def test_progress_counts_every_step() -> None:
    steps: list[int] = []
    pretrain(SPEC, steps.append)
    assert sum(steps) == SPEC.steps


def test_the_loss_falls() -> None:
    losses = pretrain(SPEC.model_copy(update={"steps": 40}), lambda _: None).losses
    assert losses[-1] < losses[0] - 0.5


def test_the_learning_rate_rises_and_falls() -> None:
    factors = [rate_factor(step, 100) for step in range(100)]
    peak = factors.index(max(factors))
    assert factors[: peak + 1] == sorted(factors[: peak + 1])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)
    assert max(factors) <= 1
    assert min(factors) > 0


def test_a_folder_loads_as_any_hugging_face_model(tiny_folder: Path) -> None:
    model, tokenizer = AutoModelForCausalLM.from_pretrained(tiny_folder), AutoTokenizer.from_pretrained(tiny_folder)
    assert model.config.model_type == "qwen2"
    assert model.dtype == torch.float32
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    assert tokenizer.pad_token_id not in (None, tokenizer.eos_token_id)
    assert model.get_input_embeddings().weight.shape[0] == len(tokenizer)
