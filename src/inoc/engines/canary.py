"""The canary: another engine's greedy answers are compared with those of transformers before it is trusted.

Two things are looked at. Where the two engines choose different tokens, it must be a near tie. And the probabilities
that the other engine gives its tokens must be those of the adapter that was asked for, rather than of the bare model,
which tells even a barely trained adapter that changes no token.
"""

from __future__ import annotations

import gc
import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from inoc.chat.render import Rendered, answered
from inoc.engines.greedy import CANARY_TOKENS, Greedy, Ties, disagreement, near_tie_nats
from inoc.engines.identity import ModelIdentity
from inoc.engines.sampling import BASE, Block, adapter_folder
from inoc.engines.transformers import TransformersEngine
from inoc.errors import ModelError

_SURE = 8.0
"""An adapter must shift the canary's log-probabilities by this multiple of the noise, to be distinguished from none.

The two distances then differ by four standard errors at least, if the noise of tokens is independent.
"""


class Expected(NamedTuple):
    """Greedy answer of transformers to one chat, with the log-probabilities of its tokens.

    Attributes:
        greedy: The answer.
        adapted: Log-probabilities of its tokens through the adapter, nats, shape (tokens,).
        bare: The same without it.
        limit: Largest gap that is a near tie for this model, nats.
    """

    greedy: Greedy
    adapted: np.ndarray
    bare: np.ndarray
    limit: float


class Found(NamedTuple):
    """Greedy answer of another engine to one chat."""

    ids: list[int]  # up to and with its stop token
    logprobs: list[float]  # of these tokens, nats; empty if the engine does not say


def expect(identity: ModelIdentity, adapters: Mapping[str, Path], canaries: Sequence[Block]) -> list[list[Expected]]:
    """Greedy answers of transformers, which leaves the device before the other engine takes it.

    Args:
        identity: The model.
        adapters: Adapter digest → folder.
        canaries: One greedy block per adapter.
    """
    if not canaries:
        return []
    engine = TransformersEngine(identity)
    answers, adapted, chats = [], [], []
    for canary in canaries:
        engine.use_adapter(adapter_folder(adapters, canary.adapter))
        answers.append(engine.greedy(canary.chats, canary.sampling.max_tokens))
        pairs = zip(canary.chats, answers[-1], strict=True)
        chats.append([answered(engine.tokenizer, chat, answer.ids) for chat, answer in pairs])
        adapted.append(engine.logprobs(chats[-1], CANARY_TOKENS))
    engine.use_adapter(None)
    bare = [engine.logprobs(rendered, CANARY_TOKENS) for rendered in chats]
    limit = _limit(identity, engine, chats[0], bare[0])
    del engine
    gc.collect()
    torch.use_deterministic_algorithms(mode=False)  # not every kernel of vLLM supports it
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return [
        [Expected(*row, limit) for row in zip(*block, strict=True)]
        for block in zip(answers, adapted, bare, strict=True)
    ]


def _limit(
    identity: ModelIdentity, engine: TransformersEngine, chats: Sequence[Rendered], values: Sequence[np.ndarray]
) -> float:
    """Largest gap that is a near tie, nats: asked for as the widest, since the engine has left when gaps are known."""
    ties = Ties(identity.dtype, lambda: engine.rounding(chats, values))
    return ties.limit(math.inf, near_tie_nats(identity.dtype))


def compare(
    engine: str,
    tokenizer: PreTrainedTokenizerBase,
    canary: Block,
    expected: Sequence[Expected],
    found: Sequence[Found],
) -> None:
    """Compare answers of another engine with those of transformers.

    Args:
        engine: What the other engine is called.
        tokenizer: The model's.
        canary: What was asked.
        expected: What transformers says.
        found: What the other engine says.

    Raises:
        ModelError: If they differ by more than a near tie, or are those of the bare model.
    """
    whom = f"{canary.label} (adapter {canary.adapter[:12]})"
    then = (
        f"Nothing was sampled. The adapter or the model is not handled right by {engine}: sample with "
        "`engine: transformers`"
    )
    for chat, one, other in zip(canary.chats, expected, found, strict=True):
        gap = disagreement(one.greedy, other.ids)
        if gap > one.limit:
            theirs, ours = (tokenizer.decode(tokens) for tokens in (one.greedy.ids, other.ids))
            msg = (
                f"{engine} and transformers answer {chat.user[:80]!r} differently for {whom}: {ours[:80]!r} against "
                f"{theirs[:80]!r}. transformers finds the first token that differs {gap:.3g} nats less likely than "
                f"its own; up to {one.limit:.3g} would be a near tie. {then}"
            )
            raise ModelError(msg)
    if canary.adapter != BASE and is_bare(expected, found):
        msg = f"{engine} gives the tokens of {whom} the probabilities that they have without the adapter. {then}"
        raise ModelError(msg)


def is_bare(expected: Sequence[Expected], found: Sequence[Found]) -> bool:
    """Whether log-probabilities are surely those of the bare model rather than of the adapter.

    They are compared up to the first token that differs, over all chats together. An adapter whose shift is too
    small to be distinguished from the noise between two engines passes; it hardly changes the samples either.
    """
    rows = []
    for one, other in zip(expected, found, strict=True):
        pairs = zip(one.greedy.ids, other.ids, other.logprobs, strict=False)
        same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
        rows.append(np.stack([one.adapted[:same], one.bare[:same], other.logprobs[:same]]).astype(np.float64))
    adapted, bare, theirs = np.concatenate(rows, axis=1)
    if not theirs.size:
        return False
    from_adapted, from_bare, moved = (
        float(np.sum(gap**2)) for gap in (theirs - adapted, theirs - bare, adapted - bare)
    )
    noise = min(from_adapted, from_bare) / theirs.size
    return from_bare < from_adapted and moved > _SURE**2 * noise
