"""The engine `api`: your own server with the study's model, and with its adapters by name.

It is sent the tokens that training and scoring see, so no template of the server takes part. Answers are kept in the
API's database, under the identity of the weights, so a killed job asks nothing again, and a model that was trained
anew under its old name is asked anew.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from inoc.api import Api, Reply, Request
from inoc.chat.messages import Chat
from inoc.chat.render import prompt_tokens
from inoc.digest import Json, digest
from inoc.engines.canary import Found, compare, expect
from inoc.engines.draw import entropy, request_seed
from inoc.engines.identity import ModelIdentity
from inoc.engines.sampling import BASE, Answer, Block, adapter_folder
from inoc.engines.transformers import (
    answer_of,
    generation_config,
    load_tokenizer,
    stop_ids,
)
from inoc.errors import ModelError

_SEEDS = _TOKENS = 2**31  # what every server takes, and what every tokenizer does


class ApiEngine:
    """Samples with a model that a server has.

    Args:
        identity: The model, as it is on this machine.
        name: Under which the server has it. An adapter's name is its digest.
        api: Asks the server.
    """

    def __init__(self, identity: ModelIdentity, name: str, api: Api) -> None:
        self._identity, self._name, self._api = identity, name, api
        self._believed: set[str] = set()
        self._adapters: dict[str, Path] = {}
        self.tokenizer = load_tokenizer(identity)
        self._stops = stop_ids(generation_config(identity.folder), self.tokenizer)

    def prepare(self, adapters: Mapping[str, Path], canaries: Sequence[Block]) -> None:
        """Find the adapters, and compare greedy answers with those of transformers. See `inoc.engines.sampling.Engine`.

        Raises:
            ModelError: If the server lacks the model or an adapter, or its answers are not those of transformers.
        """
        self._api.price_alike(self._name, adapters)
        self._find(adapters)
        self._adapters |= adapters
        canaries = [canary for canary in canaries if canary.adapter not in self._believed]
        now = time.time_ns()  # asked anew by every job: what the server has under a name may have changed
        for canary, expected in zip(canaries, expect(self._identity, adapters, canaries), strict=True):
            replies = self._api.ask(self._requests(canary, again=now), "asking the canary")
            found = [self._found(canary, reply) for reply in replies]
            compare("the server", self.tokenizer, canary, expected, found)
            self._believed.add(canary.adapter)

    def answer(self, blocks: Sequence[Block]) -> Iterator[tuple[int, list[Answer]]]:
        """Answers of all blocks, which are asked together. See `inoc.engines.sampling.Engine`."""
        for block in blocks:
            adapter_folder(self._adapters, block.adapter)
        requests = [request for block in blocks for request in self._requests(block)]
        replies = iter(self._api.ask(requests, "sampling"))
        for at, block in enumerate(blocks):
            yield at, [self._answer(block, next(replies)) for _ in block.chats]

    def _find(self, adapters: Mapping[str, Path]) -> None:
        served = self._api.models()
        absent = [name for name in (self._name, *adapters) if name not in served]
        if absent:
            adapter = next(iter(adapters.items()), None)
            more = "" if adapter is None else f" --enable-lora --lora-modules {adapter[0]}={adapter[1].resolve()} …"
            msg = (
                f"the API at {self._api.spec.base_url} does not serve {absent[0]!r} ({len(absent)} of the model and "
                f"{len(adapters)} adapters are absent); it has {', '.join(served[:5]) or 'nothing'}. Serve it: vllm "
                f"serve {self._identity.folder} --served-model-name {self._name}{more}, or sample with `engine: vllm`"
            )
            raise ModelError(msg)

    def _requests(self, block: Block, again: int = 0) -> list[Request]:
        """A block's requests; with `again`, greedy ones, sent anew with log-probabilities requested."""
        sampling = block.sampling
        who = digest([self._identity.as_key(), block.adapter])
        asked = zip(block.chats, block.identities, strict=True)
        return [
            Request(
                "/completions",
                {
                    "model": self._name if block.adapter == BASE else block.adapter,
                    "prompt": self._prompt(chat),
                    "max_tokens": sampling.max_tokens,
                    "temperature": sampling.temperature,
                    "top_p": sampling.top_p,
                    "seed": entropy(request_seed(sampling, identity)) % _SEEDS,
                    **_NOTHING_ELSE,
                    "stop_token_ids": sorted(self._stops),
                    "return_token_ids": True,
                    "user": who,  # the server does not care; the key of the answer does
                    **({"logprobs": 1} if again else {}),
                },
                again,
            )
            for chat, identity in asked
        ]

    def _prompt(self, chat: Chat) -> list[Json]:
        return [*prompt_tokens(self.tokenizer, chat)]

    def _answer(self, block: Block, reply: Reply) -> Answer:
        choice = self._choice(block, reply)
        finish = "length" if choice.get("finish_reason") == "length" else "stop"
        if (ids := self._told_ids(choice)) is not None:
            return answer_of(ids, self._stops, self.tokenizer)._replace(finish=finish)
        return Answer(choice["text"], len(self._ids(choice["text"])), finish)

    def _found(self, block: Block, reply: Reply) -> Found:
        choice = self._choice(block, reply)
        reported = choice.get("logprobs")
        logprobs = reported.get("token_logprobs") if isinstance(reported, Mapping) else None
        if (ids := self._told_ids(choice)) is not None:
            told: list[float] = logprobs if isinstance(logprobs, list) else []
            return Found(ids, told if all(isinstance(value, int | float) for value in told) else [])
        stops = [] if choice.get("finish_reason") == "length" else sorted(self._stops)[:1]
        return Found([*self._ids(choice["text"]), *stops], [])

    def _told_ids(self, choice: Mapping[str, Any]) -> list[int] | None:
        """The tokens of an answer; None if the server does not name them, or names what are none."""
        ids = choice.get("token_ids")
        if not isinstance(ids, list) or not all(isinstance(one, int) and 0 <= one < _TOKENS for one in ids):
            return None
        return ids

    def _choice(self, block: Block, reply: Reply) -> Mapping[str, Any]:
        """The answered choice of a reply.

        Raises:
            ModelError: If it is nothing.
        """
        if isinstance(reply.choice.get("text"), str):
            return reply.choice
        why = f"refuses a request ({reply.refusal})" if reply.refusal else "gave an answer without a text"
        msg = (
            f"{block.label}: the API at {self._api.spec.base_url} {why}. If the prompt and max_tokens = "
            f"{block.sampling.max_tokens} do not fit into its context, lower sampling.max_tokens; or sample with "
            "`engine: transformers`"
        )
        raise ModelError(msg)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids


_NOTHING_ELSE: dict[str, Json] = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
"""Servers take these from the model's own settings (`generation_config.json`) where they are not named."""
