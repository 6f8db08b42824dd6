"""A model temporarily in float32, one layer at a time, to measure the rounding error of its own data type."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from inoc.engines.eight_bit import unrounded
from inoc.engines.layers import decoder_layers


@contextlib.contextmanager
def in_float32(model: Any) -> Iterator[None]:
    """Let a causal language model's layers compute in float32; memory grows by one layer.

    Weights go to float32 before a layer computes, and back afterwards, which loses nothing; those in 4 bits stay, and
    what they stand for is computed with in float32. Layers that multiply in 8-bit floating point take their own
    weights, so that their rounding is a part of the error. Logits are still for the caller to make from the float32
    states.

    Args:
        model: With `base_model.layers`, `base_model.norm` and input embeddings, as in transformers' decoders.
    """
    kept: dict[torch.nn.Module, tuple[list[torch.dtype], list[torch.dtype]]] = {}

    def widen(module: torch.nn.Module, _: Any) -> None:
        kept[module] = [p.dtype for p in _wide(module)], [part.compute_dtype for part in _rounded(module)]
        for parameter in _wide(module):
            parameter.data = parameter.data.float()
        for part in _rounded(module):
            part.compute_dtype = torch.float32

    def restore(module: torch.nn.Module, *_: Any) -> None:
        wide, rounded = kept.pop(module)
        for parameter, dtype in zip(_wide(module), wide, strict=True):
            parameter.data = parameter.data.to(dtype)
        for part, dtype in zip(_rounded(module), rounded, strict=True):
            part.compute_dtype = dtype

    # The states carry the type: what follows the embeddings adopts it.
    hooks = [model.get_input_embeddings().register_forward_hook(lambda _module, _inputs, states: states.float())]
    for module in [*decoder_layers(model), model.base_model.norm]:
        hooks += [module.register_forward_pre_hook(widen), module.register_forward_hook(restore, always_call=True)]
    try:
        with unrounded(model), torch.compiler.set_stance("force_eager"):
            yield
    finally:
        for hook in hooks:
            hook.remove()


@contextlib.contextmanager
def widened(model: Any) -> Iterator[None]:
    """Let a whole model compute in float32, of whatever form it is; memory grows by as much as it takes itself.

    Weights go to float32 and back afterwards, which loses nothing.
    """
    with unrounded(model), torch.compiler.set_stance("force_eager"):
        parts = [*model.parameters(), *model.buffers()]
        kept = [(part, part.dtype) for part in parts if part.is_floating_point() and part.dtype != torch.float32]
        for part, _ in kept:
            part.data = part.data.float()
        try:
            yield
        finally:
            for part, dtype in kept:
                part.data = part.data.to(dtype)


def _wide(module: torch.nn.Module) -> list[torch.nn.Parameter]:
    return [parameter for parameter in module.parameters() if parameter.is_floating_point()]


def _rounded(module: torch.nn.Module) -> list[Any]:
    """The layers whose weights are in 4 bits: they say what they compute in."""
    return [part for part in module.modules() if getattr(part, "compute_dtype", None) is not None]
