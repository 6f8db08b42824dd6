"""Chats packed end to end into one row, each attending to itself alone, so that no padding is computed.

The attention is registered with transformers under a name of our own and gets the bounds of the chats by the
arguments that transformers uses for flash attention, so every model that follows its attention interface can pack.
"""

from __future__ import annotations

import contextlib
import inspect
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch.nn.attention.varlen import varlen_attn
from transformers import AttentionInterface

from inoc.engines.head import REFUSALS, near, probe_rows, traits

ATTENTION = "inoc_packed"
# Older releases of torch let query heads share key heads without a flag for it.
SHARED_HEADS: dict[str, Any] = {"enable_gqa": True} if "enable_gqa" in inspect.signature(varlen_attn).parameters else {}
LENGTHS = 256  # the longest chat is rounded up to this, so that compiled layers see few values of it


class Packed(NamedTuple):
    """Chats in one row, behind the beginning that all of them share.

    The row is the shared beginning, then the rest of each chat. It is computed once, and read by every chat.
    """

    ids: torch.Tensor  # int64, shape (1, tokens)
    positions: torch.Tensor  # int64, shape (1, tokens): within the chat
    bounds: torch.Tensor  # int32: where each part of the row starts, and the end of the last
    key_bounds: torch.Tensor  # int32: the same among `keys`
    keys: torch.Tensor | None  # int64: positions of the row that each part sees, one after the other; None for its own
    longest: int  # at least the number of tokens of the longest part
    longest_keys: int  # at least the number of tokens that a part sees
    starts: list[int]  # where each chat's token 0 would be if the chat stood in the row as a whole

    def to(self, device: torch.device) -> Packed:
        """The same on a device; from pinned memory, without waiting for it."""
        ids, positions, bounds, key_bounds = (part.to(device, non_blocking=True) for part in self[:4])
        keys = None if self.keys is None else self.keys.to(device, non_blocking=True)
        return Packed(ids, positions, bounds, key_bounds, keys, self.longest, self.longest_keys, self.starts)

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of the model's forward pass."""
        return {
            "input_ids": self.ids,
            "position_ids": self.positions,
            "use_cache": False,
            "cu_seq_lens_q": self.bounds,
            "cu_seq_lens_k": self.key_bounds,
            "max_length_q": self.longest,
            "max_length_k": self.longest_keys,
            "packed_keys": self.keys,
        }


def pack(chats: Sequence[Sequence[int]], shared: int = 0, *, pin: bool = False) -> Packed:
    """Put token ids of chats into one row.

    Args:
        chats: Token ids of each chat.
        shared: So many first tokens are the same in all chats, each of which has more.
        pin: Use pinned memory, from which a GPU copies while it computes.
    """
    parts = [list(chats[0][:shared])] * (shared > 0) + [list(chat[shared:]) for chat in chats]
    lengths = np.array([len(part) for part in parts])
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    offsets = np.full(len(parts), shared)
    offsets[: len(parts) - len(chats)] = 0
    positions = np.arange(bounds[-1]) - np.repeat(bounds[:-1] - offsets, lengths)
    seen = lengths + offsets
    keys = None
    if shared:
        own = [np.arange(start, stop) for start, stop in itertools.pairwise(bounds)]
        keys = np.concatenate([part for each in own[1:] for part in (own[0], each)])
        keys = np.concatenate([own[0], keys])

    def tensor(array: np.ndarray) -> torch.Tensor:
        made = torch.from_numpy(array)
        return made.pin_memory() if pin else made

    return Packed(
        ids=tensor(np.concatenate([np.asarray(part, dtype=np.int64) for part in parts])[None]),
        positions=tensor(positions[None]),
        bounds=tensor(bounds.astype(np.int32)),
        key_bounds=tensor(np.concatenate([[0], np.cumsum(seen)]).astype(np.int32)),
        keys=None if keys is None else tensor(keys),
        longest=_rounded(lengths.max()),
        longest_keys=_rounded(seen.max()),
        starts=[int(start) - shared for start in bounds[len(parts) - len(chats) : -1]],
    )


def shared_beginning(chats: Sequence[Sequence[int]], most: int) -> int:
    """Number of first tokens that all chats have in common, at most `most`."""
    first, *others = chats
    shared = most
    for other in others:
        shared = next((at for at in range(shared) if first[at] != other[at]), shared)
    return shared


def _rounded(length: float) -> int:
    return -(-int(length) // LENGTHS) * LENGTHS


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    *,
    cu_seq_lens_q: torch.Tensor,
    cu_seq_lens_k: torch.Tensor,
    max_length_q: int,
    max_length_k: int,
    packed_keys: torch.Tensor | None,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each chat of a row.

    Args:
        module: The attention layer.
        query: Shape (1, heads, tokens, width).
        key: Shape (1, key heads, tokens, width).
        value: Like `key`.
        attention_mask: Not used: the bounds say who sees whom.
        scaling: Factor of the scores; default 1/√width.
        dropout: Must be 0.
        sliding_window: How many tokens a token sees, itself included; None for all before it.
        cu_seq_lens_q: `bounds` of the row.
        cu_seq_lens_k: `key_bounds`.
        max_length_q: `longest`.
        max_length_k: `longest_keys`.
        packed_keys: `keys`.

    Returns:
        Shape (1, tokens, heads, width), and no weights.
    """
    if dropout:
        msg = "packed attention has no dropout; set the model's attention_dropout to 0"
        raise NotImplementedError(msg)
    q, k, v = (states[0].transpose(0, 1) for states in (query, key, value))
    if packed_keys is not None:
        k, v = k.index_select(0, packed_keys), v.index_select(0, packed_keys)
    window = (-1 if sliding_window is None else sliding_window - 1, 0)
    if query.is_cuda:
        lengths = (max_length_q, max_length_k)
        flash = varlen_attn(
            q, k, v, cu_seq_lens_q, cu_seq_lens_k, *lengths, scale=scaling, window_size=window, **SHARED_HEADS
        )
        out = cast("torch.Tensor", flash)  # a tuple only if one asks for more
    else:
        out = _part_by_part(q, k, v, (cu_seq_lens_q.tolist(), cu_seq_lens_k.tolist()), scaling, window[0])
    return out.unsqueeze(0), None


def _part_by_part(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    bounds: tuple[list[int], list[int]],
    scaling: float | None,
    window: int,
) -> torch.Tensor:
    """The same where there is no flash attention."""
    parts = []
    edges = zip(*(itertools.pairwise(ends) for ends in bounds), strict=True)
    for (q_start, q_stop), (k_start, k_stop) in edges:
        n_q, n_k = q_stop - q_start, k_stop - k_start
        # The last query is the last key: what a part shares with others comes before its own tokens.
        before = torch.arange(n_k - n_q, n_k)[:, None] - torch.arange(n_k)
        out = torch.nn.functional.scaled_dot_product_attention(
            q[None, q_start:q_stop].transpose(1, 2),
            k[None, k_start:k_stop].transpose(1, 2),
            v[None, k_start:k_stop].transpose(1, 2),
            attn_mask=(before >= 0) & ((before <= window) | (window < 0)),
            scale=scaling,
            enable_gqa=q.shape[1] != k.shape[1],
        )
        parts.append(out[0].transpose(0, 1))
    return torch.cat(parts)


AttentionInterface.register(ATTENTION, packed_attention)
_TRIED = "inoc_packed_tried"
_windows: set[int | None] = set()


def _noting_windows(*inputs: Any, **arguments: Any) -> tuple[torch.Tensor, None]:
    _windows.add(arguments.get("sliding_window"))
    return packed_attention(*inputs, **arguments)


AttentionInterface.register(_TRIED, _noting_windows)


def packs(model: Any) -> bool:
    """Whether packed chats get the same logits as single ones; tried once, and remembered with the model.

    Args:
        model: A causal language model without an adapter's wrapper; adapted layers may be inside.
    """
    known: bool | None = getattr(model, "_inoc_packs", None)
    if known is None:
        known = can_pack(model) and traits(model).head is not None and _packed_is_alone(model)
        model._inoc_packs = known
    return known


@torch.no_grad()
def _packed_is_alone(model: Any) -> bool:
    rows = probe_rows(model)
    chats = [[*rows[0][:4].tolist(), *row.tolist()] for row in rows]
    head, linear, training = traits(model).head, model.get_output_embeddings(), model.training
    assert head is not None

    def bent(**arguments: Any) -> torch.Tensor:
        states = model.base_model(**arguments | {"use_cache": False}).last_hidden_state[0]
        return head.bend(linear(states))

    model.eval()
    _windows.clear()
    try:
        alone = [bent(input_ids=torch.tensor([chat], device=model.device)) for chat in chats]
        for shared in (0, 4):
            row = pack(chats, shared).to(model.device)
            with packing(model, _TRIED):
                together = bent(**row.arguments())
            for start, logits in zip(row.starts, alone, strict=True):
                own = slice(start + shared, start + len(logits))
                if not near(together[own], logits[shared:]):
                    return False
    except REFUSALS:
        return False  # its attention has other arguments
    finally:
        model.train(training)
    return bool(_windows) and _tells_windows(model)


def _tells_windows(model: Any) -> bool:
    """Whether the model passes every limit of the attention span to its attention; a short trial cannot show that."""
    config = model.config.get_text_config(decoder=True)
    kinds = set(getattr(config, "layer_types", None) or ())
    if not kinds:
        kinds = {"sliding_attention"} if getattr(config, "sliding_window", None) else set()
    if kinds - {"full_attention", "sliding_attention"} or getattr(config, "attention_chunk_size", None):
        return False
    return "sliding_attention" not in kinds or bool(_windows - {None})


def can_pack(model: Any) -> bool:
    """Whether a model lets its attention be replaced, and needs nothing that packed attention is known to lack."""
    config = model.config
    capped = getattr(config, "attn_logit_softcapping", None) is not None
    drops = getattr(config, "attention_dropout", 0.0) and model.training
    return bool(model._can_set_attn_implementation()) and not capped and not drops


@contextlib.contextmanager
def packing(model: Any, attention: str = ATTENTION) -> Iterator[None]:
    """Let a model's attention be packed for a while."""
    traits(model)  # tried with its own attention, if it has not been yet
    before = model.config._attn_implementation
    model.set_attn_implementation(attention)
    try:
        yield
    finally:
        model.set_attn_implementation(before)
