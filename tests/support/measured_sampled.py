"""How greedy samples, with and without steering, compare with plain forward passes of the model alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import torch

from inoc.chat.messages import Chat
from inoc.chat.render import prompt_tokens
from inoc.config.models import Sampling
from inoc.engines.decoding import Decoder, can_decode
from inoc.engines.sampling import Answer
from inoc.engines.taps import check_readable
from inoc.engines.transformers import TransformersEngine
from inoc.errors import InocError
from inoc.vectors.steering import Positions, Steering
from inoc.vectors.vector import Vector

SITE = "resid_post.0"
TOKENS = 5
COEFFICIENT = 3.0


class Sampled(NamedTuple):
    """One family: by how many nats a sampled token is less likely than the likeliest, at most."""

    plain: float = 0.0
    steered: float = 0.0
    decoded: float = 0.0  # by the decoder for GPUs, where it supports the family
    kept: float = 0.0  # largest share of tokens that steering leaves as they were


def measure_sampled(engine: TransformersEngine, chats: Sequence[Chat]) -> Sampled:
    """Sample greedily from an engine's model, in batches, and ask the model alone about every token."""
    plain = _answers(engine, chats, [])
    decoded = 0.0
    if can_decode(engine.causal):
        decoder = Decoder(engine.causal, engine.stops, engine.tokenizer.pad_token_id)
        with patch.object(engine, "_fast_decoder", lambda: decoder):
            decoded = _gap(engine, chats, _answers(engine, chats, []), None)
    gaps, kept = [0.0], [0.0]
    if _steers(engine.causal):
        for positions in ("all", "answer", "last"):
            steering = _steering(engine.causal, positions)
            found = _answers(engine, chats, [steering] * len(chats))
            gaps.append(_gap(engine, chats, found, steering))
            kept.append(float(np.mean([a == b for a, b in zip(plain, found, strict=True)])))
    return Sampled(_gap(engine, chats, plain, None), max(gaps), decoded, max(kept))


def _steers(model: Any) -> bool:
    try:
        check_readable(model)
    except InocError:
        return False
    return True


def _steering(model: Any, positions: Positions) -> Steering:
    width = model.get_input_embeddings().weight.shape[1]
    values = np.random.default_rng(1).normal(size=width).astype(np.float32)
    return Steering(Vector("v", values, SITE, "weights", activation_norm=1.0), COEFFICIENT, positions, "raw")


def _answers(
    engine: TransformersEngine, chats: Sequence[Chat], steerings: Sequence[Steering | None]
) -> list[list[int]]:
    """New tokens of each chat, up to and with the first stop token."""
    rows: list[list[int]] = []

    def keep(ids: Sequence[int], stops: Any, _tokenizer: Any) -> Answer:
        end = next((at + 1 for at, token in enumerate(ids) if token in stops), len(ids))
        rows.append(list(ids[:end]))
        return Answer(str(len(rows) - 1), end, "length")

    sampling = Sampling(temperature=0, max_tokens=TOKENS, batch_size=8)
    with patch("inoc.engines.transformers.answer_of", keep):
        found = engine.sample(chats, [str(at) for at in range(len(chats))], sampling, steerings)
    return [rows[int(answer.text)] for answer in found]


@torch.no_grad()
def _gap(
    engine: TransformersEngine, chats: Sequence[Chat], answers: Sequence[list[int]], steering: Steering | None
) -> float:
    gaps = []
    for chat, answer in zip(chats, answers, strict=True):
        prompt = prompt_tokens(engine.tokenizer, chat)
        with _hooked(engine.causal, steering, len(prompt)):
            logits = engine.causal(input_ids=torch.tensor([prompt + answer]), use_cache=False).logits[0]
        logprobs = logits.double().log_softmax(-1)[len(prompt) - 1 : -1]
        gaps.append(float((logprobs.max(-1).values - logprobs[range(len(answer)), answer]).max()))
    return max(gaps)


@contextlib.contextmanager
def _hooked(model: Any, steering: Steering | None, prompt: int) -> Iterator[None]:
    """Add a steering's vector by a hook on the model's own first block."""
    if steering is None:
        yield
        return
    start = {"all": 0, "answer": prompt, "last": prompt - 1}[steering.positions]

    def after(_module: Any, _given: Any, out: Any) -> Any:
        value = (out[0] if isinstance(out, tuple) else out).clone()
        value[:, start:] += steering.coefficient * torch.from_numpy(steering.vector.values)
        return (value, *out[1:]) if isinstance(out, tuple) else value

    hook = model.base_model.layers[0].register_forward_hook(after)
    try:
        yield
    finally:
        hook.remove()
