"""The blocks that a causal language model repeats: where nearly all of its work is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch


def decoder_layers(model: Any) -> list[torch.nn.Module]:
    """The repeated blocks of a causal language model that has no adapter's wrapper around it."""
    return list(model.base_model.layers)


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
