"""Sampling with a fixed cache and, on a GPU, a captured graph of one step, near the bandwidth of the memory.

Every request has a row of the cache to itself and writes at its own positions, so nothing is padded between a prompt
and its answer. A batch always has as many rows as it may have, and its requests are those whose prompt and answer need
the same, rounded, length; prompts are computed in packed rows of one size. So the shapes that a request is computed in,
and with them its numbers, do not depend on who shares its batch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import AttentionInterface

from inoc.config.models import Sampling
from inoc.engines.draw import chosen_tokens, uniforms
from inoc.engines.head import traits
from inoc.engines.packed import pack, packed_attention, packs
from inoc.engines.passes import vocabulary_logits
from inoc.engines.steering import Where, row_taps
from inoc.engines.taps import Tap, tapped
from inoc.vectors.steering import Steering, is_steered

ATTENTION = "inoc_decoding"
LENGTHS = 256  # positions for a prompt and its answer are a multiple of this
PREFILL = 2048  # tokens in a packed row of prompts; a longer prompt has a multiple of it to itself
LOOKS = 16  # steps between checks whether all answers have ended


MODEL_TYPES = frozenset({"gemma", "gemma3_text", "llama", "mistral", "olmo2", "qwen2", "qwen3"})
"""Models whose every layer is dense and keeps one key and value per token: no step waits for the host."""


def can_decode(model: Any) -> bool:
    """Whether a model can be sampled by a `Decoder`."""
    ropes = getattr(model.config, "rope_parameters", None) or {}
    # One for all layers, or one for each type of layer. Some kinds look at the positions to choose their frequencies.
    kinds = {rope.get("rope_type") for rope in [ropes, *ropes.values()] if isinstance(rope, dict)}
    return model.config.model_type in MODEL_TYPES and packs(model) and not kinds & {"dynamic", "longrope"}


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


class _Buffers(NamedTuple):
    """Inputs and outputs of a decoding step, at fixed places in memory."""

    cache: Cache
    tokens: torch.Tensor  # last token of each request
    places: torch.Tensor  # its position
    uniforms: torch.Tensor  # the random numbers of each request, one per new token
    step: torch.Tensor  # which new token comes next, shape (1,)
    out: torch.Tensor  # the new tokens
    done: torch.Tensor  # whether a stop token has come
    added: dict[str, torch.Tensor]  # site → what is added to each request's new token


class _Shape(NamedTuple):
    """Properties on which a captured step depends."""

    rows: int
    length: int
    max_tokens: int
    temperature: float
    top_p: float
    sites: tuple[str, ...]


class Decoder:
    """Samples answers with one model.

    Args:
        model: A causal language model without an adapter's wrapper, in eval mode, for which `can_decode` holds. Adapted
            layers may be inside; a changed adapter needs a new decoder.
        stops: Tokens that end an answer.
        pad: A token to fill up with.
    """

    def __init__(self, model: Any, stops: Collection[int], pad: int) -> None:
        self._model, self._pad = model, pad
        self._device = next(model.parameters()).device
        traits(model)  # tried while the model has its own attention
        self._stops = torch.tensor(sorted(stops), dtype=torch.long, device=self._device)
        self._kept: tuple[_Shape, _Buffers, Callable[[], None]] | None = None

    @torch.inference_mode()
    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        seeds: Sequence[str],
        sampling: Sampling,
        steerings: Sequence[Steering | None] = (),
    ) -> list[list[int]]:
        """New tokens after prompts.

        Args:
            prompts: Token ids, at least one each.
            seeds: What each request's random stream is made from.
            sampling: Temperature, nucleus, maximum number of new tokens, requests in a batch.
            steerings: How each request is steered; empty for none.

        Returns:
            For each prompt its new tokens, as many as allowed; those after the first stop token mean nothing.
        """
        out: list[list[int]] = [[]] * len(prompts)
        with _decoding(self._model):
            for length, batch in _batches(
                [len(prompt) + sampling.max_tokens for prompt in prompts], sampling.batch_size
            ):
                chosen = [steerings[index] for index in batch] if steerings else []
                rows = self._batch(
                    [prompts[index] for index in batch], [seeds[index] for index in batch], length, sampling, chosen
                )
                for index, row in zip(batch, rows, strict=True):
                    out[index] = row
        return out

    def _batch(
        self,
        prompts: Sequence[Sequence[int]],
        seeds: Sequence[str],
        length: int,
        sampling: Sampling,
        steerings: Sequence[Steering | None],
    ) -> list[list[int]]:
        sites = sorted({one.vector.site for one in steerings if one is not None and one.coefficient != 0})
        shape = _Shape(
            sampling.batch_size, length, sampling.max_tokens, sampling.temperature, sampling.top_p, tuple(sites)
        )
        buffers, advance = self._prepared(shape)
        n = len(prompts)
        buffers.done.fill_(True)  # unused rows
        buffers.done[:n] = False
        buffers.places.zero_()
        buffers.step.zero_()
        if sampling.temperature > 0:
            buffers.uniforms[:n] = uniforms(seeds, sampling.max_tokens).to(self._device)
        for site, added in buffers.added.items():
            added.copy_(_added(site, steerings, added))
        last = self._prefill(buffers, prompts, steerings)
        buffers.places[:n] = torch.tensor([len(prompt) - 1 for prompt in prompts], device=self._device)
        self._draw(buffers, shape, last)
        for step in range(1, sampling.max_tokens):
            if step % LOOKS == 0 and bool(buffers.done.all()):
                break
            advance()
        rows: list[list[int]] = buffers.out[:n].tolist()
        return rows

    def _prepared(self, shape: _Shape) -> tuple[_Buffers, Callable[[], None]]:
        """Buffers and the step of a shape; those of the last one are kept."""
        if self._kept is None or self._kept[0] != shape:
            before, self._kept = self._kept, None  # frees the memory of the last shape
            del before
            buffers = self._buffers(shape)
            self._kept = shape, buffers, self._captured(buffers, shape)
        return self._kept[1:]

    def _buffers(self, shape: _Shape) -> _Buffers:
        rows, place = shape.rows, self._device
        width = self._model.config.hidden_size
        return _Buffers(
            Cache(self._model, rows, shape.length),
            torch.full((rows,), self._pad, dtype=torch.long, device=place),
            torch.zeros(rows, dtype=torch.long, device=place),
            torch.zeros(rows, shape.max_tokens, dtype=torch.float64, device=place),
            torch.zeros(1, dtype=torch.long, device=place),
            torch.full((rows, shape.max_tokens), self._pad, dtype=torch.long, device=place),
            torch.zeros(rows, dtype=torch.bool, device=place),
            {site: torch.zeros(rows, width, device=place) for site in shape.sites},
        )

    def _captured(self, buffers: _Buffers, shape: _Shape) -> Callable[[], None]:
        def advance() -> None:
            self._advance(buffers, shape)

        if self._device.type != "cuda":
            return advance
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # objects created at first use must exist before the capture
            for _ in range(2):
                buffers.step.zero_()
                buffers.places.zero_()
                advance()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        buffers.step.zero_()
        buffers.places.zero_()
        with torch.cuda.graph(graph):
            advance()
        return graph.replay

    def _advance(self, buffers: _Buffers, shape: _Shape) -> None:
        """One more token of each request."""
        buffers.places.add_(1).clamp_(max=shape.length - 1)
        rows = torch.arange(shape.rows, device=self._device)
        taps: dict[str, list[Tap]] = {site: [_adding(added)] for site, added in buffers.added.items()}
        with tapped(self._model, taps):
            states = self._model.base_model(
                input_ids=buffers.tokens[None],
                position_ids=buffers.places[None],
                use_cache=False,
                decoding=Step(buffers.cache, rows, buffers.places),
            ).last_hidden_state[0]
        self._draw(buffers, shape, states)

    def _draw(self, buffers: _Buffers, shape: _Shape, states: torch.Tensor) -> None:
        scores = vocabulary_logits(self._model, states)
        drawn = buffers.uniforms.index_select(1, buffers.step)
        chosen = chosen_tokens(scores, drawn, shape.temperature, shape.top_p)
        buffers.tokens.copy_(chosen)
        buffers.out.index_copy_(1, buffers.step, chosen[:, None])
        buffers.done.logical_or_(torch.isin(chosen, self._stops))
        buffers.step.add_(1)

    def _prefill(
        self, buffers: _Buffers, prompts: Sequence[Sequence[int]], steerings: Sequence[Steering | None]
    ) -> torch.Tensor:
        """Compute prompts into the cache; the final state of each one's last token, shape (rows, width)."""
        last = torch.zeros(
            buffers.cache.rows, self._model.config.hidden_size, dtype=self._model.dtype, device=self._device
        )
        for part in _parts([len(prompt) for prompt in prompts]):
            chats = [list(prompts[row]) for row in part]
            lengths = np.array([len(chat) for chat in chats])
            n = int(lengths.sum())
            filling = -n % PREFILL
            packed = pack([*chats, [self._pad] * filling] if filling else chats).to(self._device)
            rows = torch.from_numpy(np.repeat(part, lengths)).to(self._device)
            places = packed.positions[0, :n]
            arguments = packed.arguments()
            bounds = {
                name: arguments.pop(name)
                for name in ("cu_seq_lens_q", "cu_seq_lens_k", "max_length_q", "max_length_k", "packed_keys")
            }
            taps = self._prompt_taps(part, lengths, places, n + filling, steerings)
            with tapped(self._model, taps):
                states = self._model.base_model(
                    **arguments, decoding=Prompts(buffers.cache, rows, places, bounds)
                ).last_hidden_state[0]
            ends = torch.from_numpy(np.cumsum(lengths) - 1).to(self._device)
            last[torch.tensor(part, device=self._device)] = states[ends]
        return last

    def _prompt_taps(
        self,
        part: Sequence[int],
        lengths: np.ndarray,
        places: torch.Tensor,
        width: int,
        steerings: Sequence[Steering | None],
    ) -> dict[str, list[Tap]]:
        chosen = [steerings[row] for row in part] if steerings else []
        if not is_steered(chosen):
            return {}
        owners = torch.full((width,), -1)
        owners[: len(places)] = torch.from_numpy(np.repeat(np.arange(len(part)), lengths))
        where = torch.zeros(width, dtype=torch.long)
        where[: len(places)] = places.cpu()
        return row_taps(owners, where, [Where(length) for length in lengths.tolist()], chosen, self._device)


def _batches(lengths: Sequence[int], size: int) -> Iterator[tuple[int, list[int]]]:
    """Positions that each batch's requests are given, and the requests, shortest first, at most `size`."""
    rounded = [-(-length // LENGTHS) * LENGTHS for length in lengths]
    for length in sorted(set(rounded)):
        own = sorted((one, index) for index, one in enumerate(lengths) if rounded[index] == length)
        for at in range(0, len(own), size):
            yield length, [index for _, index in own[at : at + size]]


def _parts(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Rows whose prompts are computed together."""
    part: list[int] = []
    total = 0
    for row, length in enumerate(lengths):
        if part and total + length > PREFILL:
            yield part
            part, total = [], 0
        part.append(row)
        total += length
    if part:
        yield part


def _added(site: str, steerings: Sequence[Steering | None], like: torch.Tensor) -> torch.Tensor:
    """Steering added to each request's new tokens at a site; −0.0, which changes no number, for none."""
    added = torch.full(like.shape, -0.0)
    for row, one in enumerate(steerings):
        if one is not None and one.coefficient != 0 and one.vector.site == site:
            added[row] = torch.from_numpy(one.added())
    return added


def _adding(added: torch.Tensor) -> Tap:
    return lambda states: (states.float() + added).to(states.dtype)


@contextlib.contextmanager
def _decoding(model: Any) -> Iterator[None]:
    """Let a model decode for a while.

    Each position of the cache is written by one request, so the slow ways that PyTorch takes to make colliding writes
    deterministic are not needed. Layers that were compiled for scoring would be compiled anew.
    """
    before = model.config._attn_implementation
    strict, warn = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    model.set_attn_implementation(ATTENTION)
    torch.use_deterministic_algorithms(mode=False)
    try:
        with torch.compiler.set_stance("force_eager"):
            yield
    finally:
        torch.use_deterministic_algorithms(mode=strict, warn_only=warn)
        model.set_attn_implementation(before)
