"""The loss over response tokens, and its gradient, without the logits of all of them in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from inoc.engines.head import Head, own_logits, traits
from inoc.engines.packed import pack
from inoc.engines.scoring import logits

IGNORE = -100  # label of tokens that are not trained
ROWS = 2048  # positions whose logits are in memory at once
Softmax = Callable[[torch.Tensor, torch.Tensor, float | None, torch.dtype], tuple[torch.Tensor, torch.Tensor]]


def summed_loss(states: torch.Tensor, targets: torch.Tensor, linear: torch.nn.Module, head: Head) -> torch.Tensor:
    """Sum of the negative log-likelihood of targets, nats.

    The linear layer must not be trained. Its gradient with respect to the states is then known as soon as the logits
    are, so both are made block by block, and nothing is computed twice.

    Args:
        states: Last hidden states, shape (positions, width).
        targets: Token ids, shape (positions,).
        linear: From the states to the vocabulary.
        head: How its output becomes logits.
    """
    softmax = _compiled() if states.is_cuda else likelihoods
    loss: torch.Tensor = _Loss.apply(states, targets, linear, head, softmax)  # type: ignore[no-untyped-call]
    return loss


class _Loss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, states: torch.Tensor, targets: torch.Tensor, linear: Any, head: Head, softmax: Softmax
    ) -> torch.Tensor:
        total = torch.zeros((), dtype=torch.float32, device=states.device)
        gradient = torch.empty_like(states)
        for at in range(0, len(targets), ROWS):
            block = slice(at, at + ROWS)
            scores = logits(linear, states[block], head.scale)
            losses, slopes = softmax(scores, targets[block], head.cap, states.dtype)
            total += losses.sum()
            torch.mm(slopes, linear.weight, out=gradient[block])
        if head.scale != 1:
            gradient *= head.scale
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, scale: torch.Tensor) -> tuple[torch.Tensor, None, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * scale.to(gradient.dtype), None, None, None, None


def likelihoods(
    scores: torch.Tensor, targets: torch.Tensor, cap: float | None, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Negative log-likelihoods, and their slopes with respect to the head's output.

    Args:
        scores: float32 output of the head, shape (positions, vocabulary).
        targets: Token ids.
        cap: Bound of the logits.
        dtype: Type of the slopes.
    """
    bent = scores if cap is None else cap * torch.tanh(scores / cap)
    total = bent.logsumexp(dim=1, keepdim=True)
    hit = torch.arange(scores.shape[1], device=scores.device) == targets[:, None]
    slopes = torch.exp(bent - total) - hit.float()
    if cap is not None:
        slopes = slopes * (1 - (bent / cap) ** 2)
    return total[:, 0] - bent.gather(1, targets[:, None])[:, 0], slopes.to(dtype)


_cache: dict[str, Softmax] = {}


def _compiled() -> Softmax:
    if "softmax" not in _cache:
        _cache["softmax"] = torch.compile(likelihoods, dynamic=True)
    return _cache["softmax"]


def padded_loss(causal: Any, ids: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Summed negative log-likelihood of the labelled tokens of padded rows.

    Args:
        causal: The language model, adapted.
        ids: Token ids, shape (rows, tokens).
        mask: 1 for tokens, 0 for padding.
        labels: Token ids of the response, `IGNORE` elsewhere; not shifted.
    """
    targets = labels[:, 1:]
    logits = padded_logits(causal, ids, mask, labels)
    return torch.nn.functional.cross_entropy(logits, targets[targets != IGNORE], reduction="sum")


def padded_logits(causal: Any, ids: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Logits that predict the labelled tokens of padded rows, float32, shape (labelled tokens, vocabulary).

    Args:
        causal: The language model.
        ids: Token ids, shape (rows, tokens).
        mask: 1 for tokens, 0 for padding.
        labels: `IGNORE` where a token is not predicted; not shifted.
    """
    trained, head = labels[:, 1:] != IGNORE, traits(causal).head
    if head is None:
        return own_logits(causal, ids, mask)[:, :-1][trained].float()
    states = causal.base_model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    return head.bend(causal.get_output_embeddings()(states[:, :-1][trained]).float())


def packed_rows(examples: Sequence[dict[str, list[int]]]) -> dict[str, Any]:
    """A micro-batch as one row: no padding, and no example sees another."""
    row = pack([example["input_ids"] for example in examples])
    labels = torch.tensor([label for example in examples for label in example["labels"]])
    trained = (labels != IGNORE).nonzero()[:, 0]
    # `labels` is for the trainer, which counts the trained tokens of a step.
    return {**row.arguments(), "labels": labels[None], "predicts": trained - 1, "targets": labels[trained]}


def packed_loss(causal: Any, inputs: dict[str, Any]) -> torch.Tensor:
    """Summed negative log-likelihood of the response tokens of a packed micro-batch.

    Args:
        causal: The language model, adapted, with packed attention.
        inputs: From `packed_rows`.
    """
    linear, head = causal.get_output_embeddings(), traits(causal).head or Head()
    return summed_loss(packed_states(causal, inputs), inputs["targets"], linear, head)


def packed_states(causal: Any, inputs: dict[str, Any]) -> torch.Tensor:
    """States that predict the response tokens of a packed micro-batch, shape (response tokens, width)."""
    beside = {"labels", "predicts", "targets", "teacher"}
    row = {name: value for name, value in inputs.items() if name not in beside}
    states: torch.Tensor = causal.base_model(**row).last_hidden_state[0]
    return states[inputs["predicts"]]
