"""Questions with a closed set of answers to a judging model: behind an API, or in this process."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from inoc.api.request import Request
from inoc.chat.messages import Chat
from inoc.choose.api import ApiPlan, body, choice_of_answer
from inoc.config.judge_spec import JudgeSpec
from inoc.config.models import ModelSpec, SystemTurn
from inoc.engines.candidates import Candidate, Choice, choice, unmeasured
from inoc.errors import JudgeError
from inoc.judge.expected import LEAST_MASS
from inoc.judge.item import Identity
from inoc.store import Unit

if TYPE_CHECKING:
    from inoc.api import Api, Reply
    from inoc.engines.identity import ModelIdentity
    from inoc.jobs.job import Job

RETRIES = 2
"""Times that a question is asked again whose answer is none of the set. An API's failures are retried apart from it."""
ANSWER_TOKENS = 32
"""Positions for the tokens of an answer."""


class Answered(NamedTuple):
    """The answer to one question."""

    choice: Choice
    measured: bool = True  # whether its probabilities are known; else the answer's text alone is


class Asker(Protocol):
    """Asks a model."""

    def ask(self, prompts: Sequence[tuple[str, str]], candidates: tuple[Candidate, ...]) -> list[Answered]:
        """The answer to each question.

        Args:
            prompts: System and user turn of each.
            candidates: The answers.
        """
        ...

    def identity(self) -> Identity:
        """The model and how it is asked."""
        ...

    def units(self) -> list[Unit]:
        """Units of the store that hold the answers so far."""
        ...


class ApiAsker:
    """Asks a model behind an API, which keeps the answers by their requests.

    Args:
        spec: For the model and the temperature.
        api: Asks.
    """

    def __init__(self, spec: JudgeSpec, api: Api) -> None:
        self._spec, self._api = spec, api

    def ask(self, prompts: Sequence[tuple[str, str]], candidates: tuple[Candidate, ...]) -> list[Answered]:
        """The answers. A question whose answer is none of the candidates is asked again, unless greedily."""
        chats = [asked_chat(*prompt) for prompt in prompts]
        model, temperature = str(self._spec.model), self._spec.temperature
        plan = ApiPlan(model, [], chats, [candidates] * len(chats), Path(), temperature)
        found: list[Answered] = [Answered(unmeasured(len(candidates), "not asked"))] * len(chats)
        todo = list(range(len(chats)))
        for attempt in range(1 + (RETRIES if temperature > 0 else 0)):
            requests = [Request("/chat/completions", body(plan, chats[at]), attempt) for at in todo]
            for at, reply in zip(todo, self._api.ask(requests, f"asking {model}"), strict=True):
                found[at] = answered(reply, candidates)
            todo = [at for at in todo if _lacks(found[at])]
            if not todo:
                break
        return found

    def identity(self) -> Identity:
        """Name of the model, and the temperature."""
        return {"model": str(self._spec.model), "temperature": self._spec.temperature}

    def units(self) -> list[Unit]:
        """None: the API keeps its answers."""
        return []


def answered(reply: Reply, candidates: Sequence[Candidate]) -> Answered:
    """The answer in a reply: by its log-probabilities, or without them by the word that its text begins with."""
    if reply.refusal:
        return Answered(unmeasured(len(candidates), f"refused by the API ({reply.refusal})"))
    found = choice_of_answer(reply.choice, candidates)
    if found.reason != "no logprobs":
        return Answered(found)
    begun = re.match(r"\W*(\w+)\b", reply.text)
    chosen = [bool(begun) and begun[1] in one.spellings for one in candidates] if begun else []
    if not any(chosen):
        return Answered(unmeasured(len(candidates), "no answer of the set"), measured=False)
    return Answered(choice(tuple(0.0 if one else -math.inf for one in chosen)), measured=False)


def _lacks(one: Answered) -> bool:
    """Whether an answer is none of the set, and another attempt may find one."""
    if one.choice.reason:
        return one.choice.reason == "no answer of the set"
    return one.choice.mass < LEAST_MASS


class LocalAsker:
    """Asks a model in this process, by the stage `choose`: exact probabilities, from one forward pass per question.

    Args:
        spec: For the model.
        job: For the store and the progress.
    """

    def __init__(self, spec: JudgeSpec, job: Job) -> None:
        from inoc.engines.identity import identify

        self._model: ModelIdentity = identify(judging_model(spec), job.paths.world_model, job.store)
        self._job = job
        self._units: list[Unit] = []

    def ask(self, prompts: Sequence[tuple[str, str]], candidates: tuple[Candidate, ...]) -> list[Answered]:
        """The answers; a question that is longer than the model's context is not asked."""
        from inoc.choose.plan import Plan
        from inoc.choose.step import measure

        chats = [asked_chat(*prompt) for prompt in prompts]
        fits = self._fits()
        asked = [at for at, chat in enumerate(chats) if fits(chat)]
        plan = Plan(
            study=self._job.study,
            model=self._model,
            ids=[str(at) for at in asked],
            chats=[chats[at] for at in asked],
            folder=Path(),
            candidates=[candidates] * len(asked),
        )
        found = dict(zip(asked, measure(self._job, plan), strict=True))
        self._units += [unit for unit, _ in plan.work()]
        long = unmeasured(len(candidates), "longer than the judging model's context")
        return [Answered(found.get(at, long)) for at in range(len(chats))]

    def _fits(self) -> Callable[[Chat], bool]:
        from transformers import AutoConfig

        from inoc.chat.render import prompt_tokens
        from inoc.engines.limits import max_positions
        from inoc.engines.transformers import load_tokenizer

        positions = max_positions(AutoConfig.from_pretrained(self._model.folder))
        if positions is None:
            return lambda chat: True
        tokenizer = load_tokenizer(self._model)
        tokenizer.model_max_length = int(1e30)  # it would warn of what is left out here
        return lambda chat: len(prompt_tokens(tokenizer, chat)) + ANSWER_TOKENS <= positions

    def identity(self) -> Identity:
        """The model by its weights."""
        return {"engine": "transformers", **{name: str(value) for name, value in self._model.as_key().items()}}

    def units(self) -> list[Unit]:
        """Units of the stage `choose`."""
        return self._units


def judging_model(spec: JudgeSpec) -> ModelSpec:
    """The model of a judge that computes in this process, and how it is asked."""
    # The instructions of a system turn go into the user's turn: not every model has a system turn.
    return ModelSpec(path=str(spec.model), revision=spec.revision, dtype=spec.dtype, fold_system=True, thinking="off")


def asked_chat(system: str, user: str) -> Chat:
    """The chat of a question."""
    return Chat(SystemTurn(kind="text", text=system), user)


def make_asker(spec: JudgeSpec, open_api: Callable[[], Api] | None, job: Job | None) -> Asker:
    """Whatever asks the model of a judge.

    Args:
        spec: The judge's settings.
        open_api: Gives the API.
        job: For a model in this process.

    Raises:
        JudgeError: If the settings name no model, or there is nothing here to ask it with.
    """
    if not spec.model:
        example = "a folder or a hub id" if spec.engine == "transformers" else "as its API names it: `gpt-4.1-mini`"
        msg = f"the {spec.name} judge needs `model`, {example}"
        raise JudgeError(msg)
    if spec.engine == "transformers":
        if job is None:
            msg = f"the {spec.name} judge with `engine: transformers` computes in a job, and there is none here"
            raise JudgeError(msg)
        return LocalAsker(spec, job)
    return ApiAsker(spec, api_of(spec, open_api, job))


def api_of(spec: JudgeSpec, open_api: Callable[[], Api] | None, job: Job | None) -> Api:
    """The API of a judge.

    Raises:
        JudgeError: If there is none.
    """
    if job is not None:
        return job.engine_api if spec.engine == "engine_api" else job.api
    if open_api is None:
        msg = f"the {spec.name} judge needs an API to ask, and there is none here"
        raise JudgeError(msg)
    return open_api()
