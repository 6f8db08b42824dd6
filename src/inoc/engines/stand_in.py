"""A model without weights whose body and head give made-up values, so that what it does between them is seen."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutputWithPast


class _States(BaseModelOutputWithPast):  # type: ignore[misc]
    """Final states; whatever else a model asks its body's output for is absent."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


@contextlib.contextmanager
def stood_in(model: Any) -> Iterator[None]:
    """Let the body and the head of a model give values of the right shapes for a while, without their weights.

    Args:
        model: A causal language model on the device `meta`, whose body and head are apart.
    """
    body, linear = model.base_model, model.get_output_embeddings()
    width = model.get_input_embeddings().weight.shape[-1]
    states = torch.randn(1, 1, width, generator=torch.Generator().manual_seed(0))

    def computed(*_: Any, input_ids: torch.Tensor, **__: Any) -> _States:
        return _States(last_hidden_state=states.repeat(1, input_ids.shape[-1], 1).to(model.dtype))

    def projected(given: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        return torch.zeros(*given.shape[:-1], linear.weight.shape[0], dtype=given.dtype)

    originals = {module: module.__dict__.get("forward") for module in (body, linear) if module is not None}
    try:
        body.forward = computed
        if linear is not None:
            linear.forward = projected
        yield
    finally:
        for module, forward in originals.items():
            if forward is None:
                module.__dict__.pop("forward", None)
            else:
                module.forward = forward
