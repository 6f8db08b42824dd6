"""Adapters whose products ride on those of the layers that they adapt, for as long as they are trained.

A model is tried once for which of its layers read the same states, in which order. Layers with one input are computed
together when the first of them is called.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from peft.tuners.lora import Linear as AdaptedLinear
from peft.tuners.lora import LoraLayer

from inoc.engines.four_bit import parts, type_of
from inoc.engines.head import probe_rows
from inoc.train.products import adapted

ADAPTER = "default"
Layer = Any
"""An adapted layer of PEFT: `Linear`, or `Linear4bit` where bitsandbytes is installed."""


class Group:
    """Layers with one input.

    Args:
        layers: The adapted layers, in the order in which they are called.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = list(layers)
        self._scale = float(layers[0].scaling[ADAPTER])
        self._rest: Sequence[torch.Tensor] = ()

    def output(self, at: int, states: torch.Tensor) -> torch.Tensor:
        """Output of one of the layers; the first one computes those of all."""
        if at == 0:
            bases = [layer.base_layer for layer in self._layers]
            self._rest = adapted(
                states,
                [part for base in bases for part in _weight(base)],
                [base.bias for base in bases if base.bias is not None],
                [layer.lora_A[ADAPTER].weight for layer in self._layers],
                [layer.lora_B[ADAPTER].weight for layer in self._layers],
                self._scale,
            )
        out = self._rest[at]
        if at == len(self._layers) - 1:
            self._rest = ()  # nothing stays in memory longer than it would by itself
        return out


class Joined:
    """An adapted layer in a group. It has the parts, and so the file, of the class that it had before."""

    group: Group
    at: int

    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """The layer's output."""
        out: torch.Tensor = self.group.output(self.at, x)
        return out


@contextlib.contextmanager
def joined(model: Any) -> Iterator[int]:
    """Compute a model's adapters together with their layers, for a while.

    Layers that cannot be joined stay as they are: those with dropout, and those whose adapters have another type of
    numbers than they have.

    Args:
        model: A model with adapters of PEFT.

    Yields:
        Number of groups of layers.
    """
    groups = groups_of(model, lambda: _try(model))
    kinds: list[tuple[Layer, Any]] = [(layer, type(layer)) for layer in itertools.chain.from_iterable(groups)]
    for layers in groups:
        group = Group(layers)
        for at, layer in enumerate(layers):
            layer.group, layer.at = group, at
    for layer, kind in kinds:
        layer.__class__ = _joined_kind(kind)
    try:
        yield len(groups)
    finally:
        for layer, kind in kinds:
            del layer.group, layer.at
            layer.__class__ = kind


@functools.cache
def _joined_kind(kind: type) -> type:
    return type(f"Joined{kind.__name__}", (Joined, kind), {})


def groups_of(model: Any, forward: Callable[[], Any]) -> list[list[Layer]]:
    """Layers that can be joined, together with those that read the same states.

    Args:
        model: A model with adapters of PEFT.
        forward: Calls it once.
    """
    calls: list[tuple[Layer, torch.Tensor]] = []
    layers = [module for module in model.modules() if isinstance(module, LoraLayer) and _joins(module)]
    hooks = [
        layer.register_forward_pre_hook(lambda module, inputs: calls.append((module, inputs[0]))) for layer in layers
    ]
    try:
        forward()
    finally:
        for hook in hooks:
            hook.remove()
    often = [layer for layer, _ in calls]
    once = [(layer, states) for layer, states in calls if often.count(layer) == 1]
    # Layers of a group are called one after the other with the same tensor, not merely an equal one.
    return [
        [layer for layer, _ in run]
        for _, run in itertools.groupby(once, key=lambda call: (id(call[1]), *_kind(call[0])))
    ]


def _kind(layer: Layer) -> tuple[Any, ...]:
    return type(layer), layer.r[ADAPTER], layer.scaling[ADAPTER], layer.base_layer.bias is None


def _joins(layer: Layer) -> bool:
    """Whether a layer is a plain one, or one in 4 bits, with a plain adapter, all of one type."""
    base = layer.base_layer
    usual = type(layer) is AdaptedLinear and type(base) is torch.nn.Linear
    dtype = base.weight.dtype if usual else type_of(base)
    if dtype is None or list(layer.lora_A) != [ADAPTER] or ADAPTER in layer.lora_variant:
        return False
    a, b = layer.lora_A[ADAPTER], layer.lora_B[ADAPTER]
    plain = isinstance(layer.lora_dropout[ADAPTER], torch.nn.Identity) and a.bias is None and b.bias is None
    types = {a.weight.dtype, b.weight.dtype, *([] if base.bias is None else [base.bias.dtype])}
    return plain and types == {dtype} and not base.weight.requires_grad


def _weight(base: torch.nn.Linear) -> list[torch.Tensor]:
    return [base.weight] if type_of(base) is None else parts(base)


@torch.no_grad()
def _try(model: Any) -> None:
    """Read a few tokens."""
    base = model.get_base_model()
    training = base.training
    base.eval()
    try:
        base.base_model(input_ids=probe_rows(base)[0][None].to(base.device), use_cache=False)
    finally:
        base.train(training)
