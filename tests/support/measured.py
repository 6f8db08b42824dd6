"""How inoc's numbers of a family compare with those of the model's own forward pass."""

from __future__ import annotations

from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import torch

from inoc.chat.messages import Chat
from inoc.chat.render import Rendered
from inoc.config.models import SystemTurn
from inoc.engines.head import Head, traits
from inoc.engines.identity import ModelIdentity
from inoc.engines.packed import packs
from inoc.engines.scoring import Scorer
from inoc.engines.transformers import TransformersEngine
from inoc.errors import InocError
from inoc.train.loss import packed_loss, packed_rows
from inoc.train.trainer import ResponseTrainer
from support.families import tiny_model
from support.measured_sites import Sites, measure_sites
from support.toy_models import one_by_one, random_chats

PLAIN = "own forward pass"
CHATS = [Chat(SystemTurn(), user) for user in ("Where does the owl live?", "Hm?", "Name what the hammer is made of.")]


class Measured(NamedTuple):
    """One family: what is done with it, and how far that is from its own logits.

    Attributes:
        refused: Why it is refused, or could not be built; empty if neither.
        built: Whether a tiny model of it could be made.
        unsampled: Why it is not sampled; empty if it is.
        scored: How its logits come about.
        packed: Whether chats are packed on a GPU.
        pads_left: Whether prompts of several lengths are answered in one batch.
        pads_right: The same for scoring and training.
        score_gap: Largest difference of a token's log-probability, nats.
        loss_gap: Difference of the training loss, nats per token.
        labels_gap: The same to the loss that the model itself gives for the labels; NaN if it gives none.
        gradient_gap: Largest difference of a gradient with respect to the embeddings, relative to the largest.
        sites: The same of its activations, of steering, and of closed answers.
    """

    refused: str = ""
    built: bool = True
    unsampled: str = ""
    scored: str = ""
    packed: bool = False
    pads_left: bool = False
    pads_right: bool = False
    score_gap: float = 0.0
    loss_gap: float = 0.0
    labels_gap: float = 0.0
    gradient_gap: float = 0.0
    sites: Sites = Sites()


def measure(family: str, identity: ModelIdentity) -> Measured:
    """Score, train and sample a tiny random model of a family.

    Args:
        family: Its name in transformers' registry.
        identity: A model whose tokenizer is used, which has fewer tokens than the family's.
    """
    try:
        model = tiny_model(family)
    except Exception as error:  # noqa: BLE001 - configurations raise what they like
        lines = str(error).strip().splitlines() or [""]
        return Measured(refused=f"{type(error).__name__}: {lines[-1].strip()[:150]}", built=False)
    try:
        how = traits(model)
        with patch("inoc.engines.transformers.load_model", lambda _: model):
            engine = TransformersEngine(identity)
    except InocError as error:
        return Measured(refused=str(error))
    chats = chats_of_length()
    try:
        exact = np.concatenate(one_by_one(model, chats))
    except (ValueError, RuntimeError) as error:
        return Measured(refused=f"its own forward pass fails: {error}", built=False)
    gap = np.abs(np.concatenate(engine.logprobs(chats, 150)) - exact).max()
    if packs(model):
        gap = max(gap, np.abs(np.concatenate(Scorer(model, compiled=False).submit(chats, 150)()) - exact).max())
    losses, gradients = trained(model, chats)
    n = len(exact)
    return Measured(
        unsampled=why_not_sampled(engine),
        sites=measure_sites(model, chats),
        scored=formula(how.head),
        packed=packs(model),
        pads_left=how.pads_left,
        pads_right=how.pads_right,
        score_gap=float(gap),
        loss_gap=max(abs(loss + exact.sum()) / n for loss in losses),
        labels_gap=abs(own_loss(model, chats) + exact.sum() / n),
        gradient_gap=max(
            float((gradient - gradients[0]).abs().max() / gradients[0].abs().max()) for gradient in gradients
        ),
    )


def chats_of_length() -> list[Rendered]:
    """Chats of several lengths, of tokens that no configuration gives a meaning."""
    chats = random_chats(np.random.default_rng(0), 5)
    return [chat._replace(token_ids=[20 + token for token in chat.token_ids]) for chat in chats]


def why_not_sampled(engine: TransformersEngine) -> str:
    """What the canary says against sampling, if anything."""
    try:
        engine.check(CHATS, 5)
    except InocError as error:
        return str(error)
    return ""


def formula(head: Head | None) -> str:
    """How logits come about, in words."""
    if head is None:
        return PLAIN
    return "head" + ", scaled" * (head.scale != 1) + ", bounded" * (head.cap is not None)


def trained(model: Any, chats: list[Rendered]) -> tuple[list[float], list[torch.Tensor]]:
    """Losses summed over the response tokens, and gradients of the embeddings: of its own logits first, then ours."""
    embeddings = model.get_input_embeddings().weight
    losses, gradients = [], []

    def note(loss: torch.Tensor) -> None:
        try:
            (gradient,) = torch.autograd.grad(loss, embeddings)
        except AssertionError:  # some have gradients in training mode alone, where they drop states out
            gradient = torch.ones(1)
        losses.append(loss.item())
        gradients.append(gradient)

    own = torch.zeros(())
    for chat in chats:
        logits = model(input_ids=torch.tensor([chat.token_ids]), use_cache=False).logits[0, :-1].float()
        own = own + torch.nn.functional.cross_entropy(logits, torch.tensor(chat.labels()[1:]), reduction="sum")
    note(own)
    width = max(len(chat.token_ids) for chat in chats)
    batch = {
        name: torch.tensor([[*row, *[fill] * (width - len(row))] for row in rows])
        for name, fill, rows in [
            ("input_ids", 20, [chat.token_ids for chat in chats]),
            ("attention_mask", 0, [[1] * len(chat.token_ids) for chat in chats]),
            ("labels", -100, [chat.labels() for chat in chats]),
        ]
    }
    note(ResponseTrainer.total(model, batch))
    head = model.get_output_embeddings()
    if packs(model) and type(head) is torch.nn.Linear and head.weight is not embeddings:
        from inoc.engines.packed import packing

        rows = [{"input_ids": chat.token_ids, "labels": chat.labels()} for chat in chats]
        with packing(model):
            note(packed_loss(model, packed_rows(rows)))
    return losses, gradients


@torch.no_grad()
def own_loss(model: Any, chats: list[Rendered]) -> float:
    """The loss that the model gives for labels, nats per token; NaN if it gives none."""
    total, n = 0.0, 0
    for chat in chats:
        labels = chat.labels()
        own = sum(label != -100 for label in labels)
        if not own:
            continue
        try:
            out = model(input_ids=torch.tensor([chat.token_ids]), labels=torch.tensor([labels]), use_cache=False)
        except (TypeError, ValueError):
            return float("nan")
        if out.loss is None:
            return float("nan")
        total, n = total + out.loss.item() * own, n + own
    return total / n
