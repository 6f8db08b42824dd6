"""Answers of a model that only an API has, which is sent the turns of a chat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from inoc.api import Api, Reply, Request
from inoc.chat.messages import Chat
from inoc.config.models import Sampling
from inoc.digest import Json, digest
from inoc.engines.sampling import BASE

_SEEDS = 2**31  # what every server takes


@dataclass(frozen=True)
class ApiPlan:
    """Questions to a model behind an API.

    Attributes:
        model: The model, as the API names it.
        ids: Of the questions, each once.
        chats: The questions.
        sampling: How they are answered, and how often each.
        tuned_from: Model that it was fine-tuned from, for the price; empty if it was not.
    """

    model: str
    ids: Sequence[str]
    chats: Sequence[Chat]
    sampling: Sampling
    tuned_from: str = ""


def ask(api: Api, plan: ApiPlan) -> pd.DataFrame:
    """The answers, as rows of `answers.ANSWERS`; the API keeps them by itself.

    `finish` is `refused` where the API refused the request or withheld the answer, which is empty then.
    """
    if plan.tuned_from:
        api.price_tuned(plan.tuned_from, [plan.model])
    asked = [(name, chat, sample) for sample in range(plan.sampling.n) for name, chat in _questions(plan)]
    requests = [
        Request("/chat/completions", body(plan, chat), _replicate(name, sample)) for name, chat, sample in asked
    ]
    replies = api.ask(requests, f"asking {plan.model}")
    rows = [
        (name, sample, BASE, "", 0.0, chat.user, *_answer(reply))
        for (name, chat, sample), reply in zip(asked, replies, strict=True)
    ]
    columns = ["id", "sample", "adapter", "vector", "coefficient", "instruction", "completion", "n_tokens", "finish"]
    return pd.DataFrame(rows, columns=columns)


def _questions(plan: ApiPlan) -> list[tuple[str, Chat]]:
    return list(zip(plan.ids, plan.chats, strict=True))


def _replicate(name: str, sample: int) -> int:
    """Number that keeps apart independent answers to one text: by the question's id, and by the sample."""
    return (int(digest(name)[:12], 16) + sample) % _SEEDS


def body(plan: ApiPlan, chat: Chat) -> dict[str, Json]:
    """Request body of one question. A system turn is sent only if the chat has a text for it."""
    sampling = plan.sampling
    return {
        "model": plan.model,
        "messages": messages(chat),
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_completion_tokens": sampling.max_tokens,
    }


def messages(chat: Chat) -> list[Json]:
    """The turns of a chat up to its last user turn, as an API takes them."""
    system: list[Json] = (
        [{"role": "system", "content": chat.system.text}] if chat.system.kind == "text" and chat.system.text else []
    )
    earlier: list[Json] = [
        {"role": role, "content": text}
        for turn in chat.earlier
        for role, text in zip(("user", "assistant"), turn, strict=True)
    ]
    return [*system, *earlier, {"role": "user", "content": chat.user}]


def _answer(reply: Reply) -> tuple[str, int, str]:
    if reply.refusal:
        return "", 0, "refused"
    usage = reply.response.get("usage")
    tokens = usage.get("completion_tokens") if isinstance(usage, Mapping) else None
    known = tokens if isinstance(tokens, int) and not isinstance(tokens, bool) else 0
    return reply.text, known, "length" if reply.choice.get("finish_reason") == "length" else "stop"
