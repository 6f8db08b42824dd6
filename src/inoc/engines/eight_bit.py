"""Linear layers that multiply in 8-bit floating point (FP8, e4m3), as named by `model.compute: fp8`.

Weights are rounded once, with one scale for each output, and activations as they come, with one scale for each token:
"FP8 Formats for Deep Learning", Micikevicius et al. 2022, arXiv:2209.05433. Sums are as wide as the GPU's, results have
the model's type. Embeddings, norms, attention, the head and adapters are not rounded. The layers' own weights stay
beside the rounded ones: scores are rechecked with them in float32.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from inoc.engines.layers import decoder_layers
from inoc.engines.packed import packs
from inoc.errors import ModelError

EIGHT = torch.float8_e4m3fn
LARGEST = torch.finfo(EIGHT).max
FROM = (8, 9)  # compute capability of the first GPUs that multiply in FP8
EMULATED = False
"""Multiply the same rounded numbers in float32 where there is no GPU: slow, for tests."""
_BUFFERS = ("eight", "scales", "turned", "turned_scales")


def absent() -> str:
    """Why this machine cannot multiply in FP8; empty if it can."""
    if EMULATED:
        return ""
    if not torch.cuda.is_available():
        return "there is no GPU here"
    if torch.cuda.get_device_capability() < FROM:
        return f"{torch.cuda.get_device_name()} cannot multiply in FP8"
    return ""


def rounded(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows in FP8, and a float32 scale for each, shape (rows, 1): each row's largest number is FP8's largest."""
    wide = rows.float()
    scales = wide.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / LARGEST
    return (wide / scales).to(EIGHT).contiguous(), scales


def product(
    x: torch.Tensor,
    x_scales: torch.Tensor,
    weight: torch.Tensor,
    weight_scales: torch.Tensor,
    dtype: torch.dtype,
) -> torch.Tensor:
    """Product of rounded rows with the rounded rows of a weight, shape (rows of x, rows of the weight).

    Args:
        x: Rows in FP8.
        x_scales: Their scales, shape (rows, 1).
        weight: Outputs × inputs, in FP8.
        weight_scales: A scale for each output, shape (outputs, 1).
        dtype: Type of the result; on a GPU bfloat16.
    """
    if x.is_cuda:
        return torch._scaled_mm(
            x, weight.t(), scale_a=x_scales, scale_b=weight_scales.t(), out_dtype=dtype, use_fast_accum=True
        )
    return ((x.float() @ weight.float().t()) * x_scales * weight_scales.t()).to(dtype)


@torch.library.custom_op("inoc::frozen_product", mutates_args=())
def frozen_product(
    x: torch.Tensor,
    x_eight: torch.Tensor,
    x_scales: torch.Tensor,
    weight: torch.Tensor,
    scales: torch.Tensor,
    turned: torch.Tensor,
    turned_scales: torch.Tensor,
) -> torch.Tensor:
    """Product with a frozen weight: only the activations have a gradient.

    Rounding is outside, where a compiler joins it with what makes the activations.

    Args:
        x: Activations, which get the gradient.
        x_eight: The same in FP8.
        x_scales: Their scales.
        weight: In FP8.
        scales: Its scales.
        turned: The transposed weight in FP8, rounded anew with a scale for each input.
        turned_scales: Its scales.
    """
    return product(x_eight, x_scales, weight, scales, x.dtype)


@frozen_product.register_fake
def _(x: torch.Tensor, _eight: Any, _scales: Any, weight: torch.Tensor, *_: Any) -> torch.Tensor:
    return x.new_empty(x.shape[0], weight.shape[0])


def _keep(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    ctx.save_for_backward(*inputs[-2:])


def _backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    turned, scales = ctx.saved_tensors
    back = product(*rounded(gradient), turned, scales, gradient.dtype)
    return back, None, None, None, None, None, None


frozen_product.register_autograd(_backward, setup_context=_keep)


class EightBitLinear(torch.nn.Linear):
    """A linear layer that multiplies in FP8; see `in_eight_bits`."""

    eight: torch.Tensor
    scales: torch.Tensor
    turned: torch.Tensor | None
    turned_scales: torch.Tensor | None

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Outputs of states of any shape; their last dimension is the layer's inputs."""
        rows = input.reshape(-1, input.shape[-1])
        near = rounded(rows.detach())
        if torch.is_grad_enabled() and input.requires_grad:
            if self.turned is None or self.turned_scales is None:
                msg = "this layer in FP8 has no weights for gradients; take in_eight_bits(model, backward=True)"
                raise ModelError(msg)
            out = frozen_product(rows, *near, self.eight, self.scales, self.turned, self.turned_scales)
        else:
            out = product(*near, self.eight, self.scales, input.dtype)
        out = out.reshape(*input.shape[:-1], -1)
        whole: torch.Tensor = out if self.bias is None else out + self.bias
        return whole


def round_layers(model: Any, *, backward: bool = False) -> list[EightBitLinear]:
    """Let the linear layers inside a model's blocks multiply in FP8; memory grows by half of their weights.

    Args:
        model: A causal language model without adapters.
        backward: Whether it is trained through: the transposed weights are rounded too, and take as much memory.

    Returns:
        The layers.

    Raises:
        ModelError: If this machine cannot do it, or no layer is a plain linear one of widths that fit.
    """
    why = absent()
    if why:
        msg = (
            f"model.compute: fp8: {why}. Accepted: a GPU of compute capability {FROM[0]}.{FROM[1]} or newer, such as "
            "L40S, H100 or H200; or leave it out"
        )
        raise ModelError(msg)
    layers: list[Any] = [
        part
        for block in decoder_layers(model)
        for part in block.modules()
        if type(part) is torch.nn.Linear and not any(size % 16 for size in part.weight.shape)
    ]
    if not layers:
        msg = f"model.compute: fp8: {type(model).__name__} has no linear layer whose widths are multiples of 16"
        raise ModelError(msg)
    packs(model)  # tried with the model's own layers, if it has not been yet
    for layer in layers:
        weight = layer.weight.detach()
        turned = rounded(weight.t()) if backward else (None, None)
        for name, value in zip(_BUFFERS, (*rounded(weight), *turned), strict=True):
            layer.register_buffer(name, value, persistent=False)
        layer.__class__ = EightBitLinear
    return layers


@contextlib.contextmanager
def in_eight_bits(model: Any, *, backward: bool = False) -> Iterator[None]:
    """Let a model's layers multiply in FP8 for a while; see `round_layers`."""
    layers: list[Any] = list(round_layers(model, backward=backward))
    try:
        yield
    finally:
        for layer in layers:
            layer.__class__ = torch.nn.Linear
            for name in _BUFFERS:
                delattr(layer, name)


@contextlib.contextmanager
def unrounded(model: Any) -> Iterator[None]:
    """Let the layers that multiply in FP8 take their own weights for a while."""
    layers: list[Any] = [part for part in model.modules() if isinstance(part, EightBitLinear)]
    kept = [{name: getattr(layer, name) for name in _BUFFERS} for layer in layers]
    for layer in layers:
        layer.__class__ = torch.nn.Linear
        for name in _BUFFERS:
            delattr(layer, name)
    try:
        yield
    finally:
        for layer, values in zip(layers, kept, strict=True):
            for name, value in values.items():
                layer.register_buffer(name, value, persistent=False)
            layer.__class__ = EightBitLinear
