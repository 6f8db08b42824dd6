"""Log-probabilities of response tokens, near the speed of the matrix products they consist of.

What takes time beside those products is kept small. Chats are packed, so no padding is computed, and what all chats
of a batch begin with is computed once. The vocabulary is only asked about response tokens, a block of positions at a
time. Layers can be compiled. Nothing waits before the numbers are asked for, so the host works ahead meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from inoc.chat.render import Rendered
from inoc.engines.exact import in_float32, widened
from inoc.engines.head import own_logits, traits
from inoc.engines.layers import compile_layers, has_plain_layers
from inoc.engines.packed import pack, packing, shared_beginning
from inoc.engines.transfer import to_host
from inoc.errors import ModelError

ROWS = 2048  # positions whose logits are in memory at once
SHARE_FROM = 8  # a shorter common beginning saves less than it costs to tell keys from queries
Pending = Callable[[], list[np.ndarray]]


class Scorer:
    """Scores responses with one model.

    Args:
        model: A causal language model without an adapter's wrapper (adapted layers may be inside), in eval mode, for
            which `inoc.engines.packed.packs` holds.
        compiled: Compile its layers, which takes about a minute before the first batch.
    """

    def __init__(self, model: Any, *, compiled: bool) -> None:
        self._model = model
        self._device = next(model.parameters()).device
        head = traits(model).head
        if head is None:
            msg = f"{type(model).__name__} has no separate head; score it by its own forward pass"
            raise ModelError(msg)
        self._head = head
        self._vocabulary = torch.compile(_from_logits, dynamic=True) if compiled else _from_logits
        self.largest: int | None = None  # tokens a batch may have, once the memory has been too small for more
        if compiled:
            compile_layers(model)

    def submit(self, chats: Sequence[Rendered], batch_tokens: int) -> Pending:
        """Start to score responses.

        Args:
            chats: Rendered chats, none of whose responses begins at the first token.
            batch_tokens: Maximum number of tokens in a batch; a longer chat is a batch of its own.

        Returns:
            A function that waits and gives, for each chat, its response tokens' log-probabilities: float32, nats.
        """
        batches = batches_by_sum([len(chat.token_ids) for chat in chats], self._budget(batch_tokens))
        started = [(batch, values) for part in batches for batch, values in self._attempt(chats, part)]

        def wait() -> list[np.ndarray]:
            out: list[np.ndarray] = [np.empty(0, dtype=np.float32)] * len(chats)
            for batch, values in started:
                lengths = [chats[index].response.stop - chats[index].response.start for index in batch]
                for index, part in zip(batch, np.split(values().numpy(), np.cumsum(lengths)[:-1]), strict=True):
                    out[index] = part
            return out

        return wait

    def _budget(self, batch_tokens: int) -> int:
        return batch_tokens if self.largest is None else min(batch_tokens, self.largest)

    def _attempt(
        self, chats: Sequence[Rendered], batch: list[int]
    ) -> list[tuple[list[int], Callable[[], torch.Tensor]]]:
        """Score a batch, or its halves where the memory is too small for it."""
        try:
            return [(batch, self._start([chats[index] for index in batch]))]
        except torch.OutOfMemoryError:
            if len(batch) == 1:
                raise
        torch.cuda.empty_cache()
        tokens = sum(len(chats[index].token_ids) for index in batch)
        self.largest = min(tokens // 2, self.largest or tokens)
        half = len(batch) // 2
        return self._attempt(chats, batch[:half]) + self._attempt(chats, batch[half:])

    @torch.inference_mode()
    def _start(self, chats: Sequence[Rendered]) -> Callable[[], torch.Tensor]:
        on_gpu = self._device.type == "cuda"
        ids = [chat.token_ids for chat in chats]
        # The state before the response must be each chat's own.
        shared = shared_beginning(ids, min(chat.response.start for chat in chats) - 1)
        row = pack(ids, shared if shared >= SHARE_FROM else 0, pin=on_gpu)
        # The state at position t predicts token t + 1.
        predicts = torch.cat(
            [
                torch.arange(at + chat.response.start, at + chat.response.stop) - 1
                for at, chat in zip(row.starts, chats, strict=True)
            ]
        )
        targets = row.ids[0][predicts + 1]
        if on_gpu:
            predicts, targets = predicts.pin_memory(), targets.pin_memory()
        predicts, targets = (part.to(self._device, non_blocking=True) for part in (predicts, targets))
        with packing(self._model):
            states = self._model.base_model(**row.to(self._device).arguments()).last_hidden_state[0]
        values = self.token_logprobs(states[predicts], targets)
        return to_host(values)

    def token_logprobs(self, states: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Log-probability of each target.

        Args:
            states: Last hidden states, shape (positions, width).
            targets: Token ids, shape (positions,).

        Returns:
            float32, shape (positions,), nats.
        """
        linear, (scale, cap) = self._model.get_output_embeddings(), self._head
        blocks = [slice(at, at + ROWS) for at in range(0, len(targets), ROWS)]
        parts = [self._vocabulary(logits(linear, states[block], scale), targets[block], cap) for block in blocks]
        return torch.cat(parts) if parts else torch.empty(0, device=states.device)


@torch.inference_mode()
def float32_logprobs(model: Any, chat: Rendered) -> np.ndarray:
    """Log-probabilities of one response, all of it computed in float32: shape (response tokens,), nats."""
    ids = torch.tensor([chat.token_ids], device=next(model.parameters()).device)
    positions = slice(chat.response.start - 1, chat.response.stop - 1)
    head = traits(model).head
    if head is None or not has_plain_layers(model):
        with widened(model):
            scores = own_logits(model, ids, torch.ones_like(ids))[0, positions].float()
    else:
        with in_float32(model):
            states = model.base_model(input_ids=ids, use_cache=False).last_hidden_state[0]
        linear = model.get_output_embeddings()
        bias = None if linear.bias is None else linear.bias.float()
        scores = head.bend(torch.nn.functional.linear(states[positions], linear.weight.float(), bias))
    return _from_logits(scores, ids[0, positions.start + 1 : positions.stop + 1], None).cpu().numpy()


def batches_by_sum(lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Indices, longest first, so that no batch has more than `most` tokens (a longer chat goes alone)."""
    batch: list[int] = []
    total = 0
    for index in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        if batch and total + lengths[index] > most:
            yield batch
            batch, total = [], 0
        batch.append(index)
        total += lengths[index]
    if batch:
        yield batch


def logits(linear: torch.nn.Module, states: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
    """float32 logits; with half-precision weights the products are summed in float32 and never rounded to half.

    Args:
        linear: From the states to the vocabulary.
        states: Last hidden states, shape (positions, width).
        scale: Factor of the layer's output.
    """
    half = states.is_cuda and states.dtype != torch.float32
    if half and type(linear) is torch.nn.Linear and linear.bias is None:
        out: torch.Tensor = torch.mm(states, linear.weight.t(), out_dtype=torch.float32)
    else:
        out = linear(states).float()
    return out if scale == 1 else out * scale


def _from_logits(logits: torch.Tensor, targets: torch.Tensor, cap: float | None) -> torch.Tensor:
    logits = logits if cap is None else cap * torch.tanh(logits / cap)
    return logits.gather(1, targets[:, None])[:, 0] - logits.logsumexp(dim=1)
