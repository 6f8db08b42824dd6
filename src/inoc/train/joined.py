"""Adapters whose products ride on those of the layers that they adapt, for as long as they are trained.

The layers of a model are tried once: which of them are given the same states, in which order. Layers with one input
are computed together when the first of them is called. Weights of the base model move into the joined matrices, where
the layers see them as before, and back at the end, so that nothing is held twice.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from peft.tuners.lora import Linear as AdaptedLinear

from inoc.engines.head import near, probe_rows
from inoc.train.products import narrow, wide

ADAPTER = "default"
ALIGNED = 8  # ranks that are no multiple of this would leave rows of the joined matrices unaligned


class Group(torch.nn.Module):
    """Layers with one input.

    Args:
        layers: The adapted layers, in the order in which they are called.
    """

    def __init__(self, layers: Sequence[AdaptedLinear]) -> None:
        super().__init__()
        bases = [layer.base_layer for layer in layers]
        n_out, n_in = sum(base.out_features for base in bases), bases[0].in_features
        rank = layers[0].r[ADAPTER]
        self.scale = float(layers[0].scaling[ADAPTER])
        self.is_wide = n_out >= n_in or len(layers) > 1
        self.sizes = [base.out_features for base in bases]
        self.rest: tuple[torch.Tensor, ...] | None = None
        # Not among its modules, whose parts they would otherwise be a second time.
        object.__setattr__(self, "layers", list(layers))
        weight = bases[0].weight
        new = {"dtype": weight.dtype, "device": weight.device}
        if self.is_wide:
            joined, beside = (
                torch.zeros(n_out, n_in + rank * len(layers), **new),
                torch.zeros(rank * len(layers), n_in, **new),
            )
        else:
            joined, beside = torch.zeros(n_out + rank, n_in, **new), torch.zeros(n_out, rank, **new)
        self.register_buffer("joined", joined, persistent=False)
        self.register_buffer("beside", beside, persistent=False)
        biases = [base.bias for base in bases]
        has_bias = any(bias is not None for bias in biases)
        parts = [
            torch.zeros(size, **new) if bias is None else bias.detach()
            for bias, size in zip(biases, self.sizes, strict=True)
        ]
        self.register_buffer("bias", torch.cat(parts) if has_bias else None, persistent=False)
        for part, base in zip(joined[:n_out, :n_in].split(self.sizes), bases, strict=True):
            part.copy_(base.weight.detach())
            base.weight.data = part
        self.copies = [*self._copies(n_out, n_in, rank)]

    def _copies(self, n_out: int, n_in: int, rank: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Places in the joined matrices, with the weights whose values they hold."""
        if not self.is_wide:
            (layer,) = self.layers
            yield self.joined[n_out:], layer.lora_A[ADAPTER].weight
            yield self.beside, layer.lora_B[ADAPTER].weight
            return
        for at, (layer, start) in enumerate(zip(self.layers, [0, *itertools.accumulate(self.sizes)], strict=False)):
            own = slice(at * rank, (at + 1) * rank)
            yield self.beside[own], layer.lora_A[ADAPTER].weight
            yield self.joined[start : start + self.sizes[at], n_in:][:, own], layer.lora_B[ADAPTER].weight

    def weights(self) -> list[torch.Tensor]:
        """A and B of each layer."""
        return [part.weight for layer in self.layers for part in (layer.lora_A[ADAPTER], layer.lora_B[ADAPTER])]

    def part(self, at: int, states: torch.Tensor) -> torch.Tensor:
        """Output of one of the layers; the first one computes those of all."""
        if at:
            assert self.rest is not None
            out = self.rest[at]
            if at == len(self.sizes) - 1:
                self.rest = None
            return out
        product = wide if self.is_wide else narrow
        out = product(states, self.weights(), self.joined, self.beside, self.bias, self.scale)[0]
        if len(self.sizes) == 1:
            return out
        self.rest = out.split(self.sizes, dim=-1)
        return self.rest[0]

    def leave(self) -> None:
        """Give the layers their weights back."""
        for layer in self.layers:
            layer.base_layer.weight.data = layer.base_layer.weight.data.clone(memory_format=torch.contiguous_format)


class JoinedLinear(AdaptedLinear):  # type: ignore[misc]
    """An adapted layer in a group. It has the parts, and so the file, of the class that it had before."""

    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """The layer's output."""
        out: torch.Tensor = self.group.part(self.at, x)
        return out


class Joined:
    """The groups of a model."""

    def __init__(self, groups: Sequence[Group]) -> None:
        self.groups = list(groups)
        pairs = [pair for group in self.groups for pair in group.copies]
        self._places, self._weights = [place for place, _ in pairs], [weight for _, weight in pairs]
        self._scaled = [
            (group.joined[sum(group.sizes) :] if not group.is_wide else group.beside, group.scale)
            for group in self.groups
        ]

    @torch.no_grad()
    def refresh(self) -> None:
        """Take over the present values of the adapters."""
        if self._places:
            torch._foreach_copy_(self._places, self._weights)
            for scale in {scale for _, scale in self._scaled}:
                torch._foreach_mul_([part for part, own in self._scaled if own == scale], scale)


@contextlib.contextmanager
def joined(adapted: Any, forward: Callable[[], torch.Tensor]) -> Iterator[Joined]:
    """Compute a model's adapters together with their layers, for a while.

    Layers that cannot be joined stay as they are, and so do all if a trial finds other states.

    Args:
        adapted: A model with adapters of PEFT.
        forward: Its states for a short trial.
    """
    expected = forward()
    groups = [Group(layers) for layers in _groups(adapted, forward)]
    try:
        for group in groups:
            for at, layer in enumerate(group.layers):
                layer.__class__ = JoinedLinear
                layer.group, layer.at = group, at
        made = Joined(groups)
        made.refresh()
        if not near(forward(), expected):
            _separate(groups)
            made = Joined([])
        yield made
    finally:
        _separate(groups)


def _separate(groups: Sequence[Group]) -> None:
    for group in groups:
        for layer in group.layers:
            if isinstance(layer, JoinedLinear):
                del layer.group, layer.at
                layer.__class__ = AdaptedLinear
        group.leave()


def _groups(adapted: Any, forward: Callable[[], Any]) -> list[list[AdaptedLinear]]:
    """Layers that can be joined, together with those that are given the same states."""
    calls: list[tuple[AdaptedLinear, torch.Tensor]] = []
    layers = [module for module in adapted.modules() if type(module) is AdaptedLinear and _joins(module)]
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
    # Layers of one rank are called one after the other with the same tensor, not merely an equal one.
    runs = itertools.groupby(once, key=lambda call: (id(call[1]), call[0].r[ADAPTER], call[0].scaling[ADAPTER]))
    return [[layer for layer, _ in run] for _, run in runs]


def _joins(layer: AdaptedLinear) -> bool:
    """Whether a layer is a plain one with a plain adapter, all of one type."""
    base = layer.base_layer
    if type(base) is not torch.nn.Linear or list(layer.lora_A) != [ADAPTER] or ADAPTER in layer.lora_variant:
        return False
    a, b = layer.lora_A[ADAPTER], layer.lora_B[ADAPTER]
    plain = isinstance(layer.lora_dropout[ADAPTER], torch.nn.Identity) and a.bias is None and b.bias is None
    one_type = base.weight.dtype == a.weight.dtype == b.weight.dtype
    return plain and one_type and layer.r[ADAPTER] % ALIGNED == 0 and not base.weight.requires_grad


def trial(adapted: Any) -> Callable[[], torch.Tensor]:
    """States of a few tokens, without gradients."""
    base = adapted.get_base_model()
    row = probe_rows(base)[0][None].to(base.device)

    @torch.no_grad()
    def states() -> torch.Tensor:
        training = base.training
        base.eval()
        try:
            found: torch.Tensor = base.base_model(input_ids=row, use_cache=False).last_hidden_state
        finally:
            base.train(training)
        return found

    return states
