from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model

from inoc.engines.head import Head
from inoc.engines.packed import packing
from inoc.train import loss
from inoc.train.loss import packed_loss, packed_rows, summed_loss
from inoc.train.masters import Masters
from support.toy_models import language_model, random_chats


def adapted(model):
    torch.manual_seed(5)
    lora = LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)
    return get_peft_model(model, lora)


def gradients(model):
    out = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return out


@pytest.mark.parametrize("rows", [3, 4096])
def test_packed_loss_and_gradients_are_those_of_examples_trained_alone(monkeypatch, rows):
    monkeypatch.setattr(loss, "ROWS", rows)
    base = language_model()
    model = adapted(base)
    chats = [chat for chat in random_chats(np.random.default_rng(0), 12) if chat.response.stop > chat.response.start]
    examples = [{"input_ids": chat.token_ids, "labels": chat.labels()} for chat in chats]
    total = torch.zeros(())
    for example in examples:
        scores = model(input_ids=torch.tensor([example["input_ids"]])).logits[0, :-1]
        total = total + torch.nn.functional.cross_entropy(
            scores, torch.tensor(example["labels"][1:]), ignore_index=-100, reduction="sum"
        )
    total.backward()
    alone = gradients(model)
    with packing(base):
        packed = packed_loss(model.get_base_model(), packed_rows(examples))
        packed.backward()
    together = gradients(model)
    torch.testing.assert_close(packed, total, rtol=1e-5, atol=1e-4)
    assert together.keys() == alone.keys()
    assert alone
    for name, gradient in alone.items():
        torch.testing.assert_close(together[name], gradient, rtol=1e-3, atol=1e-3 * float(gradient.abs().max()))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 9), st.sampled_from([None, 2.0]), st.sampled_from([1.0, 0.125]))
def test_the_blockwise_loss_has_the_gradient_of_cross_entropy(seed, n, cap, scale):
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(n, 6, generator=generator, requires_grad=True)
    head = torch.nn.Linear(6, 11, bias=False).requires_grad_(requires_grad=False)
    targets = torch.randint(0, 11, (n,), generator=generator)
    scores = head(states) * scale
    scores = scores if cap is None else cap * torch.tanh(scores / cap)
    exact = torch.nn.functional.cross_entropy(scores, targets, reduction="sum")
    (expected,) = torch.autograd.grad(3 * exact, states)
    found = summed_loss(states, targets, head, Head(scale, cap))
    (gradient,) = torch.autograd.grad(3 * found, states)
    torch.testing.assert_close(found, exact)
    torch.testing.assert_close(gradient, expected, atol=1e-5, rtol=1e-4)


def test_updates_that_rounding_would_lose_are_kept_in_the_copies():
    start = torch.ones(4, dtype=torch.bfloat16)
    exact = start.clone().float().requires_grad_()
    half, plain = (start.clone().requires_grad_() for _ in range(2))
    reference = torch.optim.AdamW([exact], lr=1e-4, weight_decay=0.0)
    masters = Masters([half], lambda copies: torch.optim.AdamW(copies, lr=1e-4, weight_decay=0.0))
    without = torch.optim.AdamW([plain], lr=1e-4, weight_decay=0.0)
    for _ in range(100):
        for parameter in (exact, half, plain):
            parameter.grad = torch.full_like(parameter, 0.5)
        for optimizer in (reference, masters, without):
            optimizer.step()
            optimizer.zero_grad()
    torch.testing.assert_close(half.detach(), exact.detach().bfloat16())
    assert torch.equal(plain.detach(), start)


def test_a_resumed_optimizer_goes_on_exactly():
    def make(parameter):
        return Masters([parameter], lambda copies: torch.optim.AdamW(copies, lr=1e-3))

    def steps(parameter, optimizer, gradients):
        for gradient in gradients:
            parameter.grad = gradient.bfloat16()
            optimizer.step()

    noise = list(torch.randn(6, 5, generator=torch.Generator().manual_seed(0)))
    whole, halves = (torch.ones(5, dtype=torch.bfloat16).requires_grad_() for _ in range(2))
    steps(whole, make(whole), noise)
    first = make(halves)
    steps(halves, first, noise[:3])
    state = {"inner": first.state_dict()["inner"], "copies": [copy.clone() for copy in first.state_dict()["copies"]]}
    resumed = make(halves)
    resumed.load_state_dict(state)
    steps(halves, resumed, noise[3:])
    assert torch.equal(whole, halves)
