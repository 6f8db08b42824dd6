"""Matrix products of adapted layers, in which the thin products of an adapter ride on the wide ones of its layer.

With weights W, shape (out, in), and an adapter of rank r with A, shape (r, in), and B, shape (out, r), a layer gives
W x + B A x. By itself, an adapter reads and writes states of full width several times more. Here W and B (or W and A)
lie side by side in one matrix:

- `wide`, for layers with at least as many outputs as inputs: [W B] times [x, A x], so outputs are written once;
- `narrow`, for the others: in the backward pass, [W; A] times [∂y, Bᵀ ∂y], so gradients of inputs are written once.

Several layers with one input are one `wide` product: W are stacked, and B are the blocks of a diagonal. Both are
operators of torch, which compiled layers call as they are.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch

Tensor = torch.Tensor


def _rows(states: Tensor) -> Tensor:
    return states.reshape(-1, states.shape[-1])


def _wide(
    x: Tensor, weights: Sequence[Tensor], joined: Tensor, down: Tensor, bias: Tensor | None, scale: float
) -> list[Tensor]:
    rows, width = _rows(x), x.shape[-1]
    beside = rows.new_empty(len(rows), width + len(down))
    beside[:, :width].copy_(rows)
    torch.mm(rows, down.t(), out=beside[:, width:])
    out = torch.nn.functional.linear(beside, joined, bias)
    return [out.view(*x.shape[:-1], -1), beside]


def _wide_backward(
    slope: Tensor, beside: Tensor, joined: Tensor, down: Tensor, sizes: Sequence[int], scale: float
) -> list[Tensor]:
    rows, width, rank = _rows(slope), joined.shape[1] - len(down), len(down) // len(sizes)
    inner = rows.new_empty(len(rows), len(down))
    up = rows.new_empty(len(joined), rank)
    ends = itertools.pairwise([0, *itertools.accumulate(sizes)])
    for at, (start, stop) in enumerate(ends):
        own, mine = slice(at * rank, (at + 1) * rank), rows[:, start:stop]
        part = slice(width + at * rank, width + (at + 1) * rank)
        torch.mm(mine, joined[start:stop, part], out=inner[:, own])
        torch.mm(mine.t(), beside[:, part], out=up[start:stop])
    given = torch.mm(rows, joined[:, :width]).addmm_(inner, down)
    below = torch.mm(inner.t(), beside[:, :width]).mul_(scale)
    return [given.view(*slope.shape[:-1], width), below, up]


def _narrow(
    x: Tensor, weights: Sequence[Tensor], joined: Tensor, up: Tensor, bias: Tensor | None, scale: float
) -> list[Tensor]:
    rows, n_out = _rows(x), len(up)
    inner = torch.mm(rows, joined[n_out:].t())
    out = torch.nn.functional.linear(rows, joined[:n_out], bias).addmm_(inner, up.t())
    return [out.view(*x.shape[:-1], n_out), inner]


def _narrow_backward(slope: Tensor, x: Tensor, inner: Tensor, joined: Tensor, up: Tensor, scale: float) -> list[Tensor]:
    rows, n_out = _rows(slope), len(up)
    beside = rows.new_empty(len(rows), len(joined))
    beside[:, :n_out].copy_(rows)
    torch.mm(rows, up, out=beside[:, n_out:])
    given = torch.mm(beside, joined)
    below = torch.mm(beside[:, n_out:].t(), _rows(x)).mul_(scale)
    return [given.view(*slope.shape[:-1], -1), below, torch.mm(rows.t(), inner)]


def _operator(name: str, function: Any, schema: str, like: Any) -> Any:
    """An operator of torch, with the shapes of its results."""
    made = torch.library.custom_op(f"inoc::{name}", function, mutates_args=(), schema=schema)
    made.register_fake(like)
    return made


_wide_slopes = _operator(
    "wide_backward",
    _wide_backward,
    "(Tensor slope, Tensor beside, Tensor joined, Tensor down, SymInt[] sizes, float scale) -> Tensor[]",
    lambda slope, beside, joined, down, sizes, scale: [
        slope.new_empty((*slope.shape[:-1], down.shape[1])),
        torch.empty_like(down),
        slope.new_empty((joined.shape[0], down.shape[0] // len(sizes))),
    ],
)
_narrow_slopes = _operator(
    "narrow_backward",
    _narrow_backward,
    "(Tensor slope, Tensor x, Tensor inner, Tensor joined, Tensor up, float scale) -> Tensor[]",
    lambda slope, x, inner, joined, up, scale: [
        torch.empty_like(x, memory_format=torch.contiguous_format),
        slope.new_empty((up.shape[1], joined.shape[1])),
        torch.empty_like(up),
    ],
)
wide = _operator(
    "wide",
    _wide,
    "(Tensor x, Tensor[] weights, Tensor joined, Tensor down, Tensor? bias, float scale) -> Tensor[]",
    lambda x, weights, joined, down, bias, scale: [
        x.new_empty((*x.shape[:-1], joined.shape[0])),
        x.new_empty((x.numel() // x.shape[-1], joined.shape[1])),
    ],
)
"""`wide(x, [A₁, B₁, A₂, …], joined, down, bias, scale)`: outputs of all layers side by side, and what backward needs.

`joined` is [W B], `down` the stacked A times the scale of the adapters; both hold the values of the weights, which are
arguments for their gradients alone.
"""
narrow = _operator(
    "narrow",
    _narrow,
    "(Tensor x, Tensor[] weights, Tensor joined, Tensor up, Tensor? bias, float scale) -> Tensor[]",
    lambda x, weights, joined, up, bias, scale: [
        x.new_empty((*x.shape[:-1], up.shape[0])),
        x.new_empty((x.numel() // x.shape[-1], up.shape[1])),
    ],
)
"""`narrow(x, [A, B], joined, up, bias, scale)`, with [W; A] as `joined`, A times the scale, and B as `up`."""


def _keep_wide(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    _, weights, joined, down, _, ctx.scale = inputs
    ctx.set_materialize_grads(value=False)
    ctx.sizes = [b.shape[0] for b in weights[1::2]]
    ctx.save_for_backward(output[1], joined, down)


def _slope_wide(ctx: Any, slopes: list[Tensor]) -> tuple[Any, ...]:
    beside, joined, down = ctx.saved_tensors
    given, below, up = _wide_slopes(slopes[0], beside, joined, down, ctx.sizes, ctx.scale)
    parts = zip(below.chunk(len(ctx.sizes)), up.split(ctx.sizes), strict=True)
    return given, [slope for pair in parts for slope in pair], None, None, None, None


def _keep_narrow(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    x, _, joined, up, _, ctx.scale = inputs
    ctx.set_materialize_grads(value=False)
    ctx.save_for_backward(x, output[1], joined, up)


def _slope_narrow(ctx: Any, slopes: list[Tensor]) -> tuple[Any, ...]:
    x, inner, joined, up = ctx.saved_tensors
    given, below, above = _narrow_slopes(slopes[0], x, inner, joined, up, ctx.scale)
    return given, [below, above], None, None, None, None


wide.register_autograd(_slope_wide, setup_context=_keep_wide)
narrow.register_autograd(_slope_narrow, setup_context=_keep_narrow)
