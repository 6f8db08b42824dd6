"""The repeated blocks of a causal language model, which do nearly all of its work."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from inoc.errors import ModelError


def decoder_layers(model: Any) -> list[torch.nn.Module]:
    """The repeated blocks of a causal language model that has no adapter's wrapper around it.

    Raises:
        ModelError: If it has none.
    """
    own = getattr(model.base_model, "layers", None)
    if isinstance(own, torch.nn.ModuleList):
        return list(own)
    lists: list[Any] = [
        module for module in model.base_model.modules() if isinstance(module, torch.nn.ModuleList) and len(module)
    ]
    if not lists:
        msg = f"{type(model).__name__} (model type {model.config.model_type!r}) has no list of layers"
        raise ModelError(msg)
    # Of lists within lists the outermost comes first, and has the most parameters.
    return list(max(lists, key=_size))


def _size(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def has_plain_layers(model: Any) -> bool:
    """Whether the body is embeddings, `layers` and a final `norm`, as in most decoders."""
    body = model.base_model
    return isinstance(getattr(body, "layers", None), torch.nn.ModuleList) and isinstance(
        getattr(body, "norm", None), torch.nn.Module
    )


def compile_layers(model: Any) -> None:
    """Compile every block in place; they share one compilation, which the first call pays for."""
    for layer in decoder_layers(model):
        layer.compile(dynamic=True)


@contextlib.contextmanager
def compiled_layers(model: Any) -> Iterator[None]:
    """Compile every block for a while."""
    layers = decoder_layers(model)
    compile_layers(model)
    try:
        yield
    finally:
        for layer in layers:
            layer._compiled_call_impl = None
