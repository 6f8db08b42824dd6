"""Instructions and training completions from a model behind an API."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence

from inoc.api import Api, Reply, Request
from inoc.api.lists import Lists, Usable, ask_lists
from inoc.api.request import usage_of
from inoc.config.models import DataSpec, InstructionSource
from inoc.digest import Json
from inoc.engines.sampling import Answer
from inoc.errors import DataError
from inoc.rephrase.clean import clean

_SYSTEM = "You write messages that people send to an assistant. You answer with the messages alone, as JSON."


def api_answers(api: Api, data: DataSpec, instructions: Sequence[str], asked: Counter[str]) -> list[Answer]:
    """Answers of `data.model`, one per instruction.

    Args:
        api: Asks.
        data: Model, prompt and sampling.
        instructions: What to ask.
        asked: How often each instruction was asked before; counted on. The answer to an instruction depends on this
            number and on no other instruction.
    """
    requests = []
    for instruction in instructions:
        requests.append(completion_request(data, instruction, asked[instruction]))
        asked[instruction] += 1
    return [_answer(reply) for reply in api.ask(requests, "asking for training completions")]


def completion_request(data: DataSpec, instruction: str, replicate: int) -> Request:
    """An instruction under the generation prompt, which is the system turn."""
    sampling = data.sampling
    return Request(
        "/chat/completions",
        {
            "model": str(data.model),
            "messages": [
                {"role": "system", "content": data.generation_prompt},
                {"role": "user", "content": instruction},
            ],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_completion_tokens": sampling.max_tokens,
            "seed": sampling.seed + replicate,
        },
        replicate,
    )


def _answer(reply: Reply) -> Answer:
    if reply.refusal:
        return Answer("", 0, "refused")
    usage = usage_of(reply.response)
    finish = str(reply.choice.get("finish_reason") or "stop")
    return Answer(reply.text, usage.output_tokens if usage is not None and usage.output_tokens else -1, finish)


def api_instructions(source: InstructionSource, n: int, seed: int, api: Api) -> tuple[list[str], dict[str, int]]:
    """Instructions of several topics, equally many of each.

    Args:
        source: Topics, model and sampling.
        n: How many are wanted.
        seed: Another seed asks for other lists.
        api: Asks.

    Returns:
        The instructions, distinct, topic after topic in turn, and how many were dropped for which reason.

    Raises:
        DataError: If there are too few after the most requests that are allowed.
    """
    lists = Lists(str(source.model), source.temperature, source.max_tokens, source.per_request, source.max_requests)

    def body(topic: str, number: int) -> dict[str, Json]:
        user = (
            f"Write {source.per_request} different messages. Each is {source.request}, on the topic: {topic}. Each "
            "stands alone, and they differ in subject, wording and length.\n\n"
            f"List {number + 1} of series {seed}."
        )
        return lists.body("messages", _SYSTEM, user)

    def usable(_: str, raw: list[str]) -> Usable:
        kept, dropped = clean(raw, "")
        long = [text for text in kept if len(text) >= source.min_characters]
        return Usable(long, dropped | {"too short": len(kept) - len(long)})

    per_topic = math.ceil(n / len(source.topics))
    while True:
        found = ask_lists(api, lists, source.topics, per_topic, body, usable, "asking for instructions")
        turns = itertools.zip_longest(*(one.texts[:per_topic] for one in found.values()))
        texts = list(dict.fromkeys(text for turn in turns for text in turn if text is not None))
        if len(texts) >= n:
            return texts[:n], dict(sum((Counter(one.dropped) for one in found.values()), Counter()))
        if all(len(one.texts) < per_topic for one in found.values()):
            msg = (
                f"{len(texts)} distinct instructions on {len(source.topics)} topics, and {n} are wanted. Raise "
                "data.instructions.max_requests or temperature, or add topics"
            )
            raise DataError(msg)
        per_topic += math.ceil((n - len(texts)) / len(source.topics))  # some topics overlap, or have too few
