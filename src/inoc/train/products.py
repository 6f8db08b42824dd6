"""Matrix products of layers with low-rank adapters, in which the sums of both are part of the wide products.

A layer with weights W, shape (out, in), and an adapter with A, shape (rank, in), and B, shape (out, rank), gives
W x + s B A x for a scale s. As modules, both parts are written, read again and added, and so are the gradients of
their inputs. Here the thin product is written first and the wide one adds to it, and layers that read the same states
share one product with their stacked A. Weights in 4 bits are widened for each product. Both directions are operators of
torch, which compiled layers call as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from inoc.engines.four_bit import PARTS, widened

Tensor = torch.Tensor


def _rows(states: Tensor) -> Tensor:
    return states.reshape(-1, states.shape[-1])


def _stacked(downs: Sequence[Tensor]) -> Tensor:
    return downs[0] if len(downs) == 1 else torch.cat(list(downs))


def _wide(
    weights: Sequence[Tensor], downs: Sequence[Tensor], ups: Sequence[Tensor], dtype: torch.dtype
) -> Iterator[Tensor]:
    """The weight of each layer, one after the other, so that no more than one is widened at a time."""
    if len(weights) == len(ups):
        yield from weights
        return
    for at, (down, up) in enumerate(zip(downs, ups, strict=True)):
        yield widened(weights[at * PARTS : (at + 1) * PARTS], (up.shape[0], down.shape[1]), dtype)


def _forward(
    x: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    downs: Sequence[Tensor],
    ups: Sequence[Tensor],
    scale: float,
) -> list[Tensor]:
    rows = _rows(x)
    inner = torch.mm(rows, _stacked(downs).t()).mul_(scale)
    outs = []
    wide = _wide(weights, downs, ups, x.dtype)
    for at, (weight, up, mine) in enumerate(zip(wide, ups, inner.chunk(len(ups), dim=1), strict=True)):
        out = torch.addmm(biases[at], mine, up.t()) if biases else torch.mm(mine, up.t())
        outs.append(out.addmm_(rows, weight.t()).view(*x.shape[:-1], -1))
    return [*outs, inner]


def _backward(
    slopes: Sequence[Tensor],
    x: Tensor,
    inner: Tensor,
    weights: Sequence[Tensor],
    downs: Sequence[Tensor],
    ups: Sequence[Tensor],
    scale: float,
) -> list[Tensor]:
    rows = [_rows(slope) for slope in slopes]
    thin = torch.empty_like(inner)
    for slope, up, part in zip(rows, ups, thin.chunk(len(ups), dim=1), strict=True):
        torch.mm(slope, up, out=part)
    thin.mul_(scale)
    given = torch.mm(thin, _stacked(downs))
    for slope, weight in zip(rows, _wide(weights, downs, ups, x.dtype), strict=True):
        given.addmm_(slope, weight)
    above = [torch.mm(slope.t(), part) for slope, part in zip(rows, inner.chunk(len(ups), dim=1), strict=True)]
    return [given.view(x.shape), torch.mm(thin.t(), _rows(x)), *above]


def _operator(name: str, function: Any, schema: str, like: Any) -> Any:
    """An operator of torch, with the shapes of its results."""
    made = torch.library.custom_op(f"inoc::{name}", function, mutates_args=(), schema=schema)
    made.register_fake(like)
    return made


_slopes = _operator(
    "adapted_slopes",
    _backward,
    "(Tensor[] slopes, Tensor x, Tensor inner, Tensor[] weights, Tensor[] downs, Tensor[] ups, float scale)"
    " -> Tensor[]",
    lambda slopes, x, inner, weights, downs, ups, scale: [
        x.new_empty(x.shape),
        x.new_empty((inner.shape[1], x.shape[-1])),
        *(x.new_empty(up.shape) for up in ups),
    ],
)
adapted = _operator(
    "adapted",
    _forward,
    "(Tensor x, Tensor[] weights, Tensor[] biases, Tensor[] downs, Tensor[] ups, float scale) -> Tensor[]",
    lambda x, weights, biases, downs, ups, scale: [
        *(x.new_empty((*x.shape[:-1], up.shape[0])) for up in ups),
        x.new_empty((x.numel() // x.shape[-1], len(downs) * downs[0].shape[0])),
    ],
)
"""`adapted(x, weights, biases, downs, ups, scale)`: outputs of all layers, then s A x, which the backward pass needs.

`x` has shape (…, in), `downs` are A and `ups` B of each layer; all adapters have one rank. `weights` has one for each
layer, or the `engines.four_bit.PARTS` of each. `biases` is empty, or has one for each layer. Gradients flow to `x`,
`downs` and `ups` only.
"""


def _keep(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    x, weights, biases, downs, ups, ctx.scale = inputs
    ctx.n, ctx.n_weights, ctx.frozen = len(ups), len(weights), ([None] * len(weights), [None] * len(biases))
    ctx.set_materialize_grads(value=False)
    ctx.save_for_backward(x, output[-1], *weights, *downs, *ups)


def _backward_of(ctx: Any, slopes: list[Tensor | None]) -> tuple[Any, ...]:
    n = ctx.n
    x, inner, *rest = ctx.saved_tensors
    weights, downs, ups = rest[: ctx.n_weights], rest[-2 * n : -n], rest[-n:]
    known = [
        x.new_zeros((*x.shape[:-1], up.shape[0])) if slope is None else slope
        for slope, up in zip(slopes, ups, strict=False)
    ]
    given, below, *above = _slopes(known, x, inner, weights, downs, ups, ctx.scale)
    return given, *ctx.frozen, list(below.chunk(n)), above, None


adapted.register_autograd(_backward_of, setup_context=_keep)
