"""Keys and values of requests that are decoded together, each in a row of its own, and the attention to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from transformers import AttentionInterface

from inoc.engines.packed import packed_attention

ATTENTION = "inoc_decoding"


class Cache:
    """Keys and values of a batch.

    Args:
        model: The model.
        rows: Requests.
        length: Positions of each.
    """

    def __init__(self, model: Any, rows: int, length: int) -> None:
        config = model.config
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        place = next(model.parameters())
        shape = (config.num_hidden_layers, rows, config.num_key_value_heads, length, width)
        # Zeros: what has not been written yet is multiplied by a probability of 0, which NaN would survive.
        self.keys = torch.zeros(shape, dtype=model.dtype, device=place.device)
        self.values = torch.zeros_like(self.keys)
        self.rows, self.length = rows, length


class Prompts(NamedTuple):
    """A packed row of prompts, as the attention needs it."""

    cache: Cache
    rows: torch.Tensor  # row of the cache of each real token
    places: torch.Tensor  # its position there
    arguments: Mapping[str, Any]  # for packed attention

    def attend(
        self, module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, **options: Any
    ) -> torch.Tensor:
        """Keep keys and values, and attend within each prompt; shape (1, tokens, heads, width)."""
        n = len(self.rows)
        for kept, new in ((self.cache.keys, key), (self.cache.values, value)):
            kept[module.layer_idx][self.rows, :, self.places] = new[0, :, :n].transpose(0, 1)
        return packed_attention(module, query, key, value, None, **options, **self.arguments)[0]


class Step(NamedTuple):
    """One new token of each request, as the attention needs it."""

    cache: Cache
    rows: torch.Tensor  # 0, 1, …
    places: torch.Tensor  # position of each request's new token

    def attend(
        self,
        module: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        *,
        scaling: float | None,
        sliding_window: int | None,
    ) -> torch.Tensor:
        """Keep keys and values, and attend to each request's own; shape (1, requests, heads, width)."""
        keys, values = self.cache.keys[module.layer_idx], self.cache.values[module.layer_idx]
        keys[self.rows, :, self.places] = key[0].transpose(0, 1)
        values[self.rows, :, self.places] = value[0].transpose(0, 1)
        rows, shared, length, width = keys.shape
        heads = query.shape[1]
        # The query heads that share a key head are rows of one product.
        asked = query[0].transpose(0, 1).reshape(rows * shared, heads // shared, width)
        scores = _product(asked, keys.view(-1, length, width).transpose(1, 2))
        scores = (scores * (width**-0.5 if scaling is None else scaling)).view(rows, -1, length)
        at = torch.arange(length, device=keys.device)
        hidden = at > self.places[:, None]
        if sliding_window is not None:
            hidden = hidden | (at <= self.places[:, None] - sliding_window)
        shares = scores.masked_fill(hidden[:, None], -torch.inf).softmax(dim=-1)
        shares = shares.view(rows * shared, heads // shared, length)
        out = torch.bmm(shares.to(values.dtype), values.view(-1, length, width))
        return out.view(1, rows, heads, width)


def _product(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """float32 products, never rounded to half precision."""
    if left.is_cuda and left.dtype != torch.float32:
        return torch.bmm(left, right, out_dtype=torch.float32)
    return torch.bmm(left.float(), right.float())


def _attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    *,
    decoding: Prompts | Step,
    **_: object,
) -> tuple[torch.Tensor, None]:
    return decoding.attend(module, query, key, value, scaling=scaling, sliding_window=sliding_window), None


AttentionInterface.register(ATTENTION, _attention)
