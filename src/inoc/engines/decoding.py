"""Sampling with a fixed cache and, on a GPU, a captured graph of one step, near the bandwidth of the memory.

Every request has a row of the cache to itself and writes at its own positions, so nothing is padded between a prompt
and its answer. A batch always has as many rows as it may have, and its requests are those whose prompt and answer need
the same, rounded, length; prompts are computed in packed rows of one size. So the shapes that a request is computed in,
and with them its numbers, do not depend on who shares its batch. Nor on who had its row before: where answers have
ended, further requests take their rows, so that a few long answers do not keep the rest waiting.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from inoc.config.models import Sampling
from inoc.engines.cache import ATTENTION, Cache, Prompts, Step
from inoc.engines.draw import chosen_tokens, uniforms
from inoc.engines.head import traits
from inoc.engines.packed import pack, packs
from inoc.engines.passes import vocabulary_logits
from inoc.engines.steering import Where, row_taps
from inoc.engines.taps import Tap, tapped
from inoc.errors import ModelError
from inoc.vectors.steering import Steering, is_steered

LENGTHS = 256  # positions for a prompt and its answer are a multiple of this
PREFILL = 2048  # tokens in a packed row of prompts; a longer prompt has a multiple of it to itself
LOOKS = 16  # steps between checks which answers have ended
REFILL = 8  # further requests are taken when one row of so many is free: computing few prompts takes as long as many


MODEL_TYPES = frozenset({"gemma", "gemma3_text", "llama", "mistral", "olmo2", "qwen2", "qwen3"})
"""Models whose every layer is dense and keeps one key and value per token: no step waits for the host."""


def can_decode(model: Any) -> bool:
    """Whether a model can be sampled by a `Decoder`."""
    ropes = getattr(model.config, "rope_parameters", None) or {}
    # One for all layers, or one for each type of layer. Some kinds look at the positions to choose their frequencies.
    kinds = {rope.get("rope_type") for rope in [ropes, *ropes.values()] if isinstance(rope, dict)}
    return model.config.model_type in MODEL_TYPES and packs(model) and not kinds & {"dynamic", "longrope"}


class _Buffers(NamedTuple):
    """Inputs and outputs of a decoding step, at fixed places in memory."""

    cache: Cache
    tokens: torch.Tensor  # last token of each request
    places: torch.Tensor  # its position
    uniforms: torch.Tensor  # the random numbers of each request, one per new token
    step: torch.Tensor  # which new token of each comes next
    out: torch.Tensor  # the new tokens
    done: torch.Tensor  # whether a stop token has come, or as many tokens as may; or nobody has the row
    added: dict[str, torch.Tensor]  # site → what is added to each request's new token


class Request(NamedTuple):
    """A prompt that is to be answered."""

    prompt: Sequence[int]  # token ids, at least one
    seed: str  # what its random stream is made from
    steering: Steering | None


class _Shape(NamedTuple):
    """Properties on which a captured step depends."""

    rows: int
    length: int
    max_tokens: int
    temperature: float
    top_p: float
    sites: tuple[str, ...]


class _Made(NamedTuple):
    shape: _Shape
    buffers: _Buffers
    advance: Callable[[], None]  # one more token of each request


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
        self._kept: tuple[_Shape, _Made] | None = None  # what was asked for, and what was made

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
        asked = [
            Request(prompt, seed, steerings[index] if steerings else None)
            for index, (prompt, seed) in enumerate(zip(prompts, seeds, strict=True))
        ]
        with _decoding(self._model):
            for length, own in _lengths([len(prompt) + sampling.max_tokens for prompt in prompts]):
                for at, row in self._answers([asked[index] for index in own], length, sampling):
                    out[own[at]] = row
        return out

    def _answers(self, requests: Sequence[Request], length: int, sampling: Sampling) -> Iterator[tuple[int, list[int]]]:
        """Places of requests in their sequence, and their new tokens, as answers end."""
        steering = [one.steering for one in requests if one.steering is not None and one.steering.coefficient != 0]
        sites = tuple(sorted({one.vector.site for one in steering}))
        shape, buffers, advance = self._prepared(
            _Shape(sampling.batch_size, length, sampling.max_tokens, sampling.temperature, sampling.top_p, sites)
        )
        buffers.done.fill_(True)
        waiting = deque(range(len(requests)))
        owners: dict[int, int] = {}  # row → the place of its request
        left = 0  # steps after which all of these have ended, however long they get
        while waiting or owners:
            free = [row for row in range(shape.rows) if row not in owners]
            if waiting and (not owners or len(free) * REFILL >= shape.rows):
                taken = {row: waiting.popleft() for row in free[: len(waiting)]}
                self._enter(buffers, shape, {row: requests[place] for row, place in taken.items()})
                owners |= taken
                left = shape.max_tokens - 1
            steps = min(LOOKS, left)
            for _ in range(steps):
                advance()
            left -= steps
            done = buffers.done.tolist()
            ended = [row for row in owners if done[row]]
            tokens = buffers.out[ended].tolist()
            for row, answer in zip(ended, tokens, strict=True):
                yield owners.pop(row), answer

    def _enter(self, buffers: _Buffers, shape: _Shape, taken: Mapping[int, Request]) -> None:
        """Give rows to requests: compute their prompts and draw their first tokens.

        Args:
            buffers: Where to.
            shape: Of the batch.
            taken: Row → its request.
        """
        requests = list(taken.values())
        rows = torch.tensor(list(taken), device=self._device)
        steerings = [one.steering for one in requests]
        # What a request before wrote is never read, but NaN times a probability of 0 would be NaN.
        buffers.cache.keys.index_fill_(1, rows, 0)
        buffers.cache.values.index_fill_(1, rows, 0)
        if shape.temperature > 0:
            buffers.uniforms[rows] = uniforms([one.seed for one in requests], shape.max_tokens).to(self._device)
        for site, added in buffers.added.items():
            added[rows] = _added(site, steerings, added.shape[1]).to(self._device)
        last = self._prefill(buffers, list(taken), [one.prompt for one in requests], steerings)
        buffers.places[rows] = torch.tensor([len(one.prompt) - 1 for one in requests], device=self._device)
        buffers.step[rows] = 0
        buffers.out[rows] = self._pad
        buffers.done[rows] = False
        new = torch.zeros_like(buffers.done)
        new[rows] = True
        self._draw(buffers, shape, last, new)

    def _prepared(self, asked: _Shape) -> _Made:
        """Buffers and the step of a shape, with fewer rows if those do not fit; those of the last one are kept.

        Raises:
            ModelError: If not even one row fits.
        """
        if self._kept is None or self._kept[0] != asked:
            self._kept = None  # frees the memory of the last shape
            rows = asked.rows
            while (made := self._made(asked._replace(rows=rows))) is None:
                if rows == 1:
                    msg = (
                        f"the keys and values of one answer of up to {asked.max_tokens} tokens do not fit in the GPU's "
                        "memory beside the model. Lower sampling.max_tokens, or take a larger GPU"
                    )
                    raise ModelError(msg)
                rows //= 2
                torch.cuda.empty_cache()
            self._kept = asked, made
        return self._kept[1]

    def _made(self, shape: _Shape) -> _Made | None:
        """Buffers and the step of a shape; None if they do not fit."""
        try:
            buffers = self._buffers(shape)
            return _Made(shape, buffers, self._captured(buffers, shape))
        except torch.OutOfMemoryError:
            return None

    def _buffers(self, shape: _Shape) -> _Buffers:
        rows, place = shape.rows, self._device
        width = self._model.config.hidden_size
        return _Buffers(
            Cache(self._model, rows, shape.length),
            torch.full((rows,), self._pad, dtype=torch.long, device=place),
            torch.zeros(rows, dtype=torch.long, device=place),
            torch.zeros(rows, shape.max_tokens, dtype=torch.float64, device=place),
            torch.zeros(rows, dtype=torch.long, device=place),
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
                advance()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
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
        self._draw(buffers, shape, states, ~buffers.done)

    def _draw(self, buffers: _Buffers, shape: _Shape, states: torch.Tensor, rows: torch.Tensor) -> None:
        """Draw the next token of some rows.

        Args:
            buffers: Where to.
            shape: Of the batch.
            states: Final states of all rows, shape (rows, width).
            rows: Which of them draw; those that do not stay as they are.
        """
        scores = vocabulary_logits(self._model, states)
        at = buffers.step.clamp(max=shape.max_tokens - 1)[:, None]
        chosen = chosen_tokens(scores, buffers.uniforms.gather(1, at), shape.temperature, shape.top_p)
        buffers.tokens.copy_(torch.where(rows, chosen, buffers.tokens))
        buffers.out.scatter_(1, at, torch.where(rows[:, None], chosen[:, None], buffers.out.gather(1, at)))
        buffers.step.add_(rows)
        ended = torch.isin(chosen, self._stops) | (buffers.step >= shape.max_tokens)
        buffers.done.logical_or_(rows & ended)

    def _prefill(
        self,
        buffers: _Buffers,
        owned: Sequence[int],
        prompts: Sequence[Sequence[int]],
        steerings: Sequence[Steering | None],
    ) -> torch.Tensor:
        """Compute prompts into the cache; the final state of each one's last token, shape (rows, width).

        Args:
            buffers: Where to.
            owned: Row of each prompt. The states of other rows are 0.
            prompts: Token ids.
            steerings: How each is steered.
        """
        last = torch.zeros(
            buffers.cache.rows, self._model.config.hidden_size, dtype=self._model.dtype, device=self._device
        )
        for part in _parts([len(prompt) for prompt in prompts]):
            chats = [list(prompts[index]) for index in part]
            into = [owned[index] for index in part]
            lengths = np.array([len(chat) for chat in chats])
            n = int(lengths.sum())
            filling = -n % PREFILL
            packed = pack([*chats, [self._pad] * filling] if filling else chats).to(self._device)
            rows = torch.from_numpy(np.repeat(into, lengths)).to(self._device)
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
            last[torch.tensor(into, device=self._device)] = states[ends]
        return last

    def _prompt_taps(
        self,
        part: Sequence[int],
        lengths: np.ndarray,
        places: torch.Tensor,
        width: int,
        steerings: Sequence[Steering | None],
    ) -> dict[str, list[Tap]]:
        chosen = [steerings[index] for index in part]
        if not is_steered(chosen):
            return {}
        owners = torch.full((width,), -1)
        owners[: len(places)] = torch.from_numpy(np.repeat(np.arange(len(part)), lengths))
        where = torch.zeros(width, dtype=torch.long)
        where[: len(places)] = places.cpu()
        return row_taps(owners, where, [Where(length) for length in lengths.tolist()], chosen, self._device)


def _lengths(lengths: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
    """Positions that requests are given, and those that are given so many, shortest first."""
    rounded = [-(-length // LENGTHS) * LENGTHS for length in lengths]
    for length in sorted(set(rounded)):
        own = sorted((one, index) for index, one in enumerate(lengths) if rounded[index] == length)
        yield length, [index for _, index in own]


def _parts(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indices of prompts that are computed together."""
    part: list[int] = []
    total = 0
    for index, length in enumerate(lengths):
        if part and total + length > PREFILL:
            yield part
            part, total = [], 0
        part.append(index)
        total += length
    if part:
        yield part


def _added(site: str, steerings: Sequence[Steering | None], width: int) -> torch.Tensor:
    """Steering added to each request's new tokens at a site; −0.0, which changes no number, for none."""
    added = torch.full((len(steerings), width), -0.0)
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
