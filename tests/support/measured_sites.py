"""How what is read of a model, with and without steering, and its closed answers compare with its own forward pass."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from inoc.chat.render import Rendered
from inoc.engines.choices import Chooser, Question
from inoc.engines.reading import Reader
from inoc.engines.taps import check_tappable
from inoc.errors import InocError
from inoc.vectors.sites import FINAL_NORM, site_names
from inoc.vectors.steering import Steering
from inoc.vectors.vector import Vector

STEERED = "resid_post.0"
ANSWERS = ((31,), (32, 33), (34, 35, 36))
"""Tokens of the closed answers."""


class Sites(NamedTuple):
    """One family.

    Attributes:
        unread: Why its sites cannot be reached; empty if they can.
        read_gap: Largest difference of an activation, relative to the largest of its site.
        steered_gap: The same of the last site, while the first block's states are steered.
        unchosen: Why closed answers are not measured; empty if they are.
        chosen_gap: Largest difference of a closed answer's log-probability, nats.
    """

    unread: str = ""
    read_gap: float = 0.0
    steered_gap: float = 0.0
    unchosen: str = ""
    chosen_gap: float = 0.0


def measure_sites(model: Any, chats: Sequence[Rendered]) -> Sites:
    """Read a model, steer it and measure closed answers, in batches, and compare with one chat alone."""
    try:
        check_tappable(model)
    except InocError as error:
        return Sites(str(error), unchosen=str(error))
    chats = [chat for chat in chats if chat.response.stop > chat.response.start]
    names = site_names(len(model.base_model.layers))
    try:
        chosen, why = _chosen_gap(model, chats), ""
    except InocError as error:
        chosen, why = 0.0, str(error)
    try:
        read, steered = _read_gaps(model, chats, names)
    except InocError as error:
        return Sites(str(error), unchosen=why, chosen_gap=chosen)
    return Sites("", read, steered, why, chosen)


def _read_gaps(model: Any, chats: Sequence[Rendered], names: Sequence[str]) -> tuple[float, float]:
    """Gaps of what is read at all sites, and at the last one while the first block's states are steered."""
    found = Reader(model).submit(chats, names, ("response_mean",), 150)()
    own = [_means(model, chat, 0.0) for chat in chats]
    read = [_gap(found[site][:, 0], np.stack([one[site] for one in own])) for site in names]
    vector = Vector("v", _direction(model), STEERED, "weights", activation_norm=1.0)
    how: list[Steering | None] = [Steering(vector, 1.0, "all", "raw")] * len(chats)
    moved = Reader(model).submit(chats, [FINAL_NORM], ("response_mean",), 150, steerings=how)()
    steered = np.stack([_means(model, chat, 1.0)[FINAL_NORM] for chat in chats])
    return max(read), _gap(moved[FINAL_NORM][:, 0], steered)


def _gap(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def _direction(model: Any) -> np.ndarray:
    width = model.get_input_embeddings().weight.shape[1]
    return np.random.default_rng(1).normal(size=width).astype(np.float32)


@torch.no_grad()
def _means(model: Any, chat: Rendered, coefficient: float) -> dict[str, np.ndarray]:
    """Mean states over the response at every site, by hooks on the model's own modules."""
    states: dict[str, torch.Tensor] = {}
    with _hooked(model, states, coefficient):
        model(input_ids=torch.tensor([chat.token_ids]), use_cache=False)
    inside = slice(chat.response.start, chat.response.stop)
    return {site: value[0, inside].float().mean(0).numpy() for site, value in states.items()}


@contextlib.contextmanager
def _hooked(model: Any, states: dict[str, torch.Tensor], coefficient: float) -> Iterator[None]:
    layers, hooks = model.base_model.layers, []
    added = coefficient * torch.from_numpy(_direction(model))

    def before(_module: Any, given: Any, named: Any) -> None:
        states["embed"] = (given[0] if given else named["hidden_states"]).clone()

    def after(site: str) -> Any:
        def hook(_module: Any, _given: Any, out: Any) -> Any:
            value = out[0] if isinstance(out, tuple) else out
            if site == STEERED and coefficient:
                value = value + added
                out = (value, *out[1:]) if isinstance(out, tuple) else value
            states[site] = value.clone()
            return out

        return hook

    hooks.append(layers[0].register_forward_pre_hook(before, with_kwargs=True))
    hooks += [layer.register_forward_hook(after(f"resid_post.{at}")) for at, layer in enumerate(layers)]
    hooks.append(model.base_model.norm.register_forward_hook(after(FINAL_NORM)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def _chosen_gap(model: Any, chats: Sequence[Rendered]) -> float:
    questions = [Question(chat.token_ids, {one: at for at, one in enumerate(ANSWERS)}, len(ANSWERS)) for chat in chats]
    found = Chooser(model, [2]).submit(questions, 150)()
    gaps = []
    for chat, choice in zip(chats, found, strict=True):
        for answer, value in zip(ANSWERS, choice.logprobs, strict=True):
            ids = torch.tensor([[*chat.token_ids, *answer]])
            logprobs = model(input_ids=ids, use_cache=False).logits[0].double().log_softmax(-1)
            start = len(chat.token_ids) - 1
            expected = sum(float(logprobs[start + at, token]) for at, token in enumerate(answer))
            gaps.append(abs(value - expected))
    return max(gaps)
