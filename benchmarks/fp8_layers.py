"""Linear layers in 8-bit floating point (e4m3), for `fp8.py`.

Weights have one scale for each output and activations one for each token. `torch._scaled_mm` multiplies them on a GPU;
elsewhere the same rounded numbers are multiplied in float32.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import torch

from inoc.engines.layers import decoder_layers

EIGHT = torch.float8_e4m3fn
LARGEST = torch.finfo(EIGHT).max


def rounded(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows in FP8, and a float32 scale for each: shape (rows, 1)."""
    wide = rows.float()
    scales = wide.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / LARGEST
    return (wide / scales).to(EIGHT).contiguous(), scales


def product(
    x: torch.Tensor,
    x_scales: torch.Tensor,
    weight: torch.Tensor,
    weight_scales: torch.Tensor,
    dtype: torch.dtype,
    *,
    fast: bool = True,
) -> torch.Tensor:
    """Of rounded rows with the rounded rows of a weight, shape (rows of x, rows of the weight).

    Args:
        x: Rows.
        x_scales: Their scales.
        weight: Outputs × inputs.
        weight_scales: A scale for each output.
        dtype: Type of the result.
        fast: Let the GPU keep fewer digits of the sums.
    """
    if x.is_cuda:
        return torch._scaled_mm(
            x, weight.t(), scale_a=x_scales, scale_b=weight_scales.t(), out_dtype=dtype, use_fast_accum=fast
        )
    return ((x.float() @ weight.float().t()) * x_scales * weight_scales.t()).to(dtype)


@torch.library.custom_op("inoc_benchmark::frozen_product", mutates_args=())
def frozen_product(
    x: torch.Tensor,
    x_eight: torch.Tensor,
    x_scales: torch.Tensor,
    weight: torch.Tensor,
    scales: torch.Tensor,
    turned: torch.Tensor,
    turned_scales: torch.Tensor | None,
) -> torch.Tensor:
    """A product with a frozen weight: only the activations have a gradient.

    Rounding is outside, where a compiler joins it with what makes the activations.

    Args:
        x: Activations, which get the gradient.
        x_eight: The same in FP8.
        x_scales: Their scales.
        weight: In FP8.
        scales: Its scales.
        turned: The transposed weight, in FP8 or as it was.
        turned_scales: Its scales; None if it is not rounded.
    """
    return product(x_eight, x_scales, weight, scales, x.dtype)


@frozen_product.register_fake
def _(x: torch.Tensor, _eight: Any, _scales: Any, weight: torch.Tensor, *_: Any) -> torch.Tensor:
    return x.new_empty(x.shape[0], weight.shape[0])


def _keep(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    ctx.save_for_backward(*inputs[-2:])


def _backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    turned, scales = ctx.saved_tensors
    back = gradient @ turned.t() if scales is None else product(*rounded(gradient), turned, scales, gradient.dtype)
    return back, None, None, None, None, None, None


frozen_product.register_autograd(_backward, setup_context=_keep)


class EightBitLinear(torch.nn.Linear):
    """A linear layer that multiplies in FP8. Its own weight stays beside the rounded one."""

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        rows = states.reshape(-1, states.shape[-1])
        if torch.is_grad_enabled() and states.requires_grad:
            near = rounded(rows.detach())
            out = frozen_product(rows, *near, self.eight, self.scales, self.turned, self.turned_scales)
        else:
            out = product(*rounded(rows), self.eight, self.scales, states.dtype)
        out = out.reshape(*states.shape[:-1], -1)
        return out if self.bias is None else out + self.bias


BUFFERS = ("eight", "scales", "turned", "turned_scales")


@contextlib.contextmanager
def in_fp8(model: Any, *, backward: bool | None = None) -> Iterator[None]:
    """Let the linear layers inside the blocks multiply in FP8 for a while.

    Args:
        model: A causal language model without adapters.
        backward: Whether gradients of activations are in FP8 as well, for which a second copy of the weights is made;
            None if there are no gradients.
    """
    layers = [part for block in decoder_layers(model) for part in block.modules() if type(part) is torch.nn.Linear]
    for layer in layers:
        weight = layer.weight.detach()
        turned = rounded(weight.t().contiguous()) if backward else (weight.t(), None)
        for name, value in zip(BUFFERS, (*rounded(weight), *turned), strict=True):
            layer.register_buffer(name, value, persistent=False)
        layer.__class__ = EightBitLinear
    try:
        yield
    finally:
        for layer in layers:
            layer.__class__ = torch.nn.Linear
            for name in BUFFERS:
                delattr(layer, name)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def plain(model: Any, dtype: torch.dtype) -> Any:
    """A copy of a model in another type, whose layers are not in FP8."""
    found = copy.deepcopy(model)
    for layer in [part for part in found.modules() if type(part) is EightBitLinear]:
        layer.__class__ = torch.nn.Linear
        for name in BUFFERS:
            delattr(layer, name)
    return found.to(dtype)
