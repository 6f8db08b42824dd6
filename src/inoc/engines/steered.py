"""Scores of responses under steering, each chat with its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from inoc.chat.render import Rendered
from inoc.engines.passes import Passes, Stem
from inoc.engines.scoring import Pending, Scorer
from inoc.engines.transfer import to_host
from inoc.vectors.sites import FINAL_NORM
from inoc.vectors.steering import Steering


class SteeredScorer:
    """Scores responses with one model while each chat is steered.

    Args:
        model: A causal language model without an adapter's wrapper (adapted layers may be inside), in eval mode.
        compiled: Compile its layers, unless they are.
    """

    def __init__(self, model: Any, *, compiled: bool = False) -> None:
        self._passes = Passes(model, compiled=compiled)
        self._scorer = Scorer(model, compiled=False)

    def submit(self, chats: Sequence[Rendered], batch_tokens: int, steerings: Sequence[Steering | None]) -> Pending:
        """Start to score responses.

        Args:
            chats: Rendered chats, none of whose responses begins at the first token.
            batch_tokens: Maximum number of tokens in a batch; a longer chat goes alone.
            steerings: How each chat is steered; empty for none.

        Returns:
            A function that waits and gives, for each chat, its response tokens' log-probabilities: float32, nats.
        """
        stems = [Stem(chat.token_ids, chat.response.start, own=chat.response.start - 1) for chat in chats]

        def start(batch: list[int]) -> Callable[[], torch.Tensor]:
            chosen = [steerings[index] for index in batch] if steerings else []
            return self._start([chats[index] for index in batch], [stems[index] for index in batch], chosen)

        started = self._passes.in_batches(stems, batch_tokens, start)

        def wait() -> list[np.ndarray]:
            out: list[np.ndarray] = [np.empty(0, dtype=np.float32)] * len(chats)
            for batch, values in started:
                lengths = [chats[index].response.stop - chats[index].response.start for index in batch]
                for index, part in zip(batch, np.split(values().numpy(), np.cumsum(lengths)[:-1]), strict=True):
                    out[index] = part
            return out

        return wait

    @torch.inference_mode()
    def _start(
        self, chats: Sequence[Rendered], stems: Sequence[Stem], steerings: Sequence[Steering | None]
    ) -> Callable[[], torch.Tensor]:
        layout = self._passes.lay(stems, steerings)
        # The state at position t predicts token t + 1.
        before = [
            np.arange(at + chat.response.start, at + chat.response.stop) - 1
            for at, chat in zip(layout.starts, chats, strict=True)
        ]
        targets = [token for chat in chats for token in chat.token_ids[chat.response.start : chat.response.stop]]
        positions = self._passes.to_device(np.concatenate(before).astype(np.int64))
        found: list[torch.Tensor] = []

        def tap(states: torch.Tensor) -> None:
            found.append(states[positions])

        self._passes.run(layout, {FINAL_NORM: tap}, stems, steerings)
        wanted = self._passes.to_device(np.array(targets, dtype=np.int64))
        return to_host(self._scorer.token_logprobs(found[0], wanted))
