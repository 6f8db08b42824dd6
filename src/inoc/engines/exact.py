"""A model in float32 for a moment, one layer at a time, to see how far its own type is from that."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from inoc.engines.layers import decoder_layers


@contextlib.contextmanager
def in_float32(model: Any) -> Iterator[None]:
    """Let a causal language model's layers compute in float32; memory grows by one layer.

    Weights go to float32 before a layer computes, and back afterwards, which loses nothing. Logits are still for the
    caller to make from the float32 states.

    Args:
        model: With `base_model.layers`, `base_model.norm` and input embeddings, as in transformers' decoders.
    """
    kept: dict[torch.nn.Module, list[torch.dtype]] = {}

    def widen(module: torch.nn.Module, _: Any) -> None:
        kept[module] = [parameter.dtype for parameter in module.parameters()]
        for parameter in module.parameters():
            parameter.data = parameter.data.float()

    def restore(module: torch.nn.Module, *_: Any) -> None:
        for parameter, dtype in zip(module.parameters(), kept.pop(module), strict=True):
            parameter.data = parameter.data.to(dtype)

    # The states carry the type: what follows the embeddings adopts it.
    hooks = [model.get_input_embeddings().register_forward_hook(lambda _module, _inputs, states: states.float())]
    for module in [*decoder_layers(model), model.base_model.norm]:
        hooks += [module.register_forward_pre_hook(widen), module.register_forward_hook(restore, always_call=True)]
    try:
        with torch.compiler.set_stance("force_eager"):
            yield
    finally:
        for hook in hooks:
            hook.remove()
