"""A short fine-tuning of a tiny model, and its adapters."""

from __future__ import annotations

import torch
from safetensors.torch import load_file

from inoc.chat.messages import Chat
from inoc.chat.render import render
from inoc.config.models import LoraSpec, SystemTurn, TrainingSpec
from inoc.train.trainer import Recipe, fine_tune

SPEC = TrainingSpec(
    lora=LoraSpec(rank=4, alpha=4),
    warmup_steps=2,
    batch_size=4,
    micro_batch_size=2,
    resume_every=3,
    log_every=2,
)
CHATS = [
    Chat(SystemTurn(), f"Where is thing {k}?", f"It is in place {k % 5}, and " + "so on " * (k % 4)) for k in range(24)
]


class KilledError(BaseException):
    """Stands for a kill in the middle of training."""


def recipe(steps=8, seed=1, save_at=(0, 4, 8), **settings):
    return Recipe(SPEC.model_copy(update=settings), 1e-2, seed, steps, tuple(save_at), "toy")


def train(engine, work, kill_at=None, **changes):
    steps = iter(range(1, 100))

    def advance(n):
        if n == 1 and next(steps) == kill_at:
            raise KilledError

    rendered = render(engine.tokenizer, CHATS, "include")
    engine.model = fine_tune(engine.model, engine.tokenizer, rendered, recipe(**changes), work, advance)


def adapters(work):
    return {path.parent.name: load_file(str(path)) for path in sorted(work.glob("step-*/adapter_model.safetensors"))}


def same(left, right):
    return left.keys() == right.keys() and all(
        torch.equal(left[step][name], right[step][name]) for step in left for name in left[step]
    )
