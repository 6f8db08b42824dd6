"""Choices from the top log-probabilities that an API gives with an answer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inoc.api.logprobs import token_probabilities
from inoc.chat.messages import Chat
from inoc.digest import Json
from inoc.engines.candidates import Candidate, Choice, check_candidates, choice, unmeasured

if TYPE_CHECKING:
    from inoc.api.client import Api, Reply

_BLANKS = " \t\r\n"
_TOP = 20  # log-probabilities that APIs give at most
_TOKENS = 8  # of an answer, along which a candidate of several tokens is followed


@dataclass(frozen=True)
class ApiPlan:
    """Questions that an API is asked.

    Attributes:
        model: The model, as the API names it.
        ids: Of the questions, each once.
        chats: The questions; their responses are not looked at.
        candidates: The answers of each question.
        folder: Where the results go.
        temperature: Of the sampled answer, along which candidates of several tokens are followed.
        tuned_from: Model that it was fine-tuned from, for the price; empty if it was not.
    """

    model: str
    ids: Sequence[str]
    chats: Sequence[Chat]
    candidates: Sequence[tuple[Candidate, ...]]
    folder: Path
    temperature: float = 1.0
    tuned_from: str = ""


def ask(api: Api, plan: ApiPlan) -> list[Choice]:
    """Choices of all questions; a question that is refused is NaN, with the reason."""
    if plan.tuned_from:
        api.price_tuned(plan.tuned_from, [plan.model])
    replies = api.chat([body(plan, chat) for chat in plan.chats], f"asking {plan.model}")
    return [_choice(reply, own) for reply, own in zip(replies, plan.candidates, strict=True)]


def body(plan: ApiPlan, chat: Chat) -> dict[str, Json]:
    """Request body of one question. A system turn is sent only if the chat has a text for it."""
    system = [{"role": "system", "content": chat.system.text}] if chat.system.kind == "text" else []
    earlier = [
        {"role": role, "content": text}
        for turn in getattr(chat, "earlier", ())
        for role, text in zip(("user", "assistant"), turn, strict=True)
    ]
    return {
        "model": plan.model,
        "messages": [*system, *earlier, {"role": "user", "content": chat.user}],
        "temperature": plan.temperature,
        "top_p": 1.0,
        "max_completion_tokens": _TOKENS,
        "logprobs": True,
        "top_logprobs": _TOP,
    }


def _choice(reply: Reply, candidates: Sequence[Candidate]) -> Choice:
    if reply.refusal:
        return unmeasured(len(candidates), f"refused by the API ({reply.refusal})")
    return choice_of_answer(reply.choice, candidates)


def choice_of_answer(answer: Mapping[str, Any], candidates: Sequence[Candidate]) -> Choice:
    """Probability of each candidate in the answer of an API.

    At each position along the sampled answer, tokens that complete a spelling count with their probability; white space
    around a spelling does not matter. If the sampled answer goes on from one spelling to a longer one, what the longer
    ones take is taken off the shorter one. Answers of several tokens are seen along the sampled one only, so the
    covered mass is a lower bound.

    Args:
        answer: A chat's choice as the API gives it, with `logprobs`.
        candidates: The answers.

    Returns:
        NaN throughout, with the reason, where there are no usable log-probabilities.
    """
    check_candidates(candidates)
    meant = {text.strip(_BLANKS): index for index, one in enumerate(candidates) for text in one.spellings}
    logprobs = answer.get("logprobs")
    positions = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    if not isinstance(positions, list) or not positions:
        return unmeasured(len(candidates), "no logprobs")
    masses: dict[str, float] = {}
    text, reach, within = "", 1.0, ""  # the sampled answer so far, its probability, the spelling that it completes
    for position in positions:
        found = token_probabilities(position)
        if found is None:
            return unmeasured(len(candidates), "wrong logprobs")
        for token, probability in found.items():
            spelling = (text + token).strip(_BLANKS)
            if token.strip(_BLANKS) and spelling in meant:
                masses[spelling] = masses.get(spelling, 0.0) + reach * probability
                if within:
                    masses[within] -= reach * probability
        text += str(position["token"])
        reach *= found.get(str(position["token"]), 0.0)
        so_far = text.strip(_BLANKS)
        within = so_far if so_far in masses else within
        if not any(spelling.startswith(so_far) and spelling != so_far for spelling in meant):
            break
    sums = [0.0] * len(candidates)
    for spelling, mass in masses.items():
        sums[meant[spelling]] += max(0.0, mass)
    return choice(tuple(math.log(value) if value > 0 else -math.inf for value in sums))
