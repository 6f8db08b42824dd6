"""The API as the stages see it: requests in, answers out."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from inoc.api.answer import no_answer, text_of, vector_of
from inoc.api.cache import Cache, Stored
from inoc.api.pace import Limits
from inoc.api.request import NANO, Request, price_of, tuned_price
from inoc.config.workflow import ApiSpec
from inoc.digest import Json
from inoc.errors import ApiError, ConfigError, MissingExtraError
from inoc.files import without_surrogates
from inoc.progress import Meter, metered

if TYPE_CHECKING:
    from inoc.api.desk import Desk
    from inoc.api.tunings import Row, Tuning

FOLDER = "api"
T = TypeVar("T")
Progress = Callable[[str, int, str], AbstractContextManager[Meter]]


class Reply(NamedTuple):
    """An answer."""

    response: Mapping[str, Any]  # as it came; empty if the API refused the request, or withheld the answer
    refusal: str = ""  # why

    @property
    def text(self) -> str:
        """Text of a chat's answer; empty if there is none."""
        message = self.choice.get("message")
        return without_surrogates(text_of(message.get("content"))) if isinstance(message, Mapping) else ""

    @property
    def choice(self) -> Mapping[str, Any]:
        """The first choice of a chat; empty if there is none."""
        choices = self.response.get("choices")
        first = choices[0] if isinstance(choices, list) and choices else {}
        return first if isinstance(first, Mapping) else {}


class Api:
    """Client of an API. Requests that any user of this store had answered before are not sent again.

    Attributes:
        spec: Settings.
        record: Counts and dollars of all that was asked through this object, for a manifest.
    """

    def __init__(self, spec: ApiSpec, store: Path, progress: Progress = metered) -> None:
        """Prepare to ask; nothing is opened before the first request.

        Args:
            spec: Settings.
            store: Root of the store, beside whose entries the database lies.
            progress: Shows how far an asking is, from a label, a number and a unit.

        Raises:
            ConfigError: If the key is not in the environment.
            MissingExtraError: If the SDK is not installed.
        """
        problems = unavailable(spec)
        if problems:
            raise problems[0]
        self.spec = spec
        self._progress = progress
        self.record: dict[str, Json] = {}
        self._key = (os.environ.get(spec.key_variable, "") if spec.key_variable else "").strip()
        self._folder = Path(spec.folder).expanduser() if spec.folder else store / FOLDER
        self._keys: dict[str, None] = {}
        self._tuned: dict[str, Row] = {}
        self._n_sent = self._n_refused = 0

    def chat(self, bodies: Sequence[Mapping[str, Json]], doing: str = "asking") -> list[Reply]:
        """Answer chats; each body needs `model`, `messages` and `max_completion_tokens`."""
        return self.ask([Request("/chat/completions", body) for body in bodies], doing)

    def embeddings(self, model: str, texts: Sequence[str], doing: str = "embedding") -> np.ndarray:
        """Embed texts.

        Returns:
            A row per text, shape (texts, dimensions), float32; a row of NaN for a text that the API refused.

        Raises:
            ApiError: If no text was embedded, or a row is malformed.
        """
        requests = [
            Request("/embeddings", {"model": model, "input": text, "encoding_format": "base64"}) for text in texts
        ]
        rows = [_embedding(reply) for reply in self.ask(requests, doing)]
        sizes = {row.size for row in rows if row.size}
        if len(sizes) > 1 or (texts and not sizes):
            msg = f"the API at {self.spec.base_url} gave embeddings of sizes {sorted(sizes)} for {len(texts)} texts"
            raise ApiError(msg)
        width = next(iter(sizes), 0)
        empty = np.full(width, np.nan, dtype=np.float32)
        return np.array([row if row.size else empty for row in rows], dtype=np.float32).reshape(len(texts), width)

    def ask(self, requests: Sequence[Request], doing: str = "asking") -> list[Reply]:
        """Answer requests, equal ones once.

        Args:
            requests: What to ask.
            doing: What the progress says.

        Returns:
            An answer each, in order.

        Raises:
            BudgetError: If the next request could cost more than is left.
            ApiError: If a model has no price, or the API fails. What was answered until then is kept.
        """
        for model in {request.model for request in requests}:
            price_of(model, self.spec.prices)
        keys = [request.key(self.spec.base_url) for request in requests]
        distinct = dict(zip(keys, requests, strict=True))
        self._keys |= dict.fromkeys(distinct)
        with closing(self._cache()) as cache:
            missing = {key: request for key, request in distinct.items() if cache.answer(key) is None}
            try:
                refused = self._ask_missing(cache, missing, f"{doing}, {len(distinct)} in all") if missing else {}
            finally:
                self._take_stock(cache)
            stored = {key: cache.answer(key) for key in distinct}
        replies = {key: _reply(one, refused.get(key, "")) for key, one in stored.items()}
        return [replies[key] for key in keys]

    def models(self) -> list[str]:
        """Names of the models that the API serves now.

        Raises:
            ApiError: If it does not say.
        """
        with closing(self._cache()) as cache:
            return self._run(cache, set(), lambda: None, _list_models)

    def price_alike(self, model: str, others: Iterable[str]) -> None:
        """Let other models, such as its adapters, cost what a model costs.

        Raises:
            ApiError: If the model has no price.
        """
        price = price_of(model, self.spec.prices)
        self.spec = self.spec.model_copy(update={"prices": {**self.spec.prices, **dict.fromkeys(others, price)}})

    def price_tuned(self, model: str, tuned: Iterable[str]) -> None:
        """Give models that were fine-tuned from a model their price.

        Raises:
            ApiError: If the model has no price.
        """
        price = tuned_price(price_of(model, self.spec.prices))
        self.spec = self.spec.model_copy(update={"prices": {**self.spec.prices, **dict.fromkeys(tuned, price)}})

    def tune(self, tunings: Sequence[Tuning], doing: str = "fine-tuning") -> list[Row]:
        """Run fine-tuning jobs to their end, equal ones once; those that any user of this store ran are not run again.

        Returns:
            What is known of each, in order, with its models.

        Raises:
            BudgetError: If they are likely to cost more than is left, before any job is created.
            ApiError: If one fails or was cancelled, with the server's reason.
        """
        from inoc.api.finetune import tune
        from inoc.api.tunings import Tunings, training_nano

        for one in tunings:
            training_nano(0, price_of(one.model, self.spec.prices), one.model)
        keys = [one.key(self.spec.base_url) for one in tunings]
        distinct = dict(zip(keys, tunings, strict=True))
        with closing(self._cache()) as cache, self._progress(doing, len(distinct), "jobs") as meter:
            try:
                self._run(cache, set(distinct), meter.advance, lambda desk: tune(desk, distinct))
            finally:
                rows = {key: row for key in distinct if (row := Tunings(cache).row(key)) is not None}
                self._tuned |= rows
                self._take_stock(cache)
        return [rows[key] for key in keys]

    def tunings(self) -> list[Row]:
        """Every fine-tuning in the database, the oldest first."""
        from inoc.api.tunings import Tunings

        with closing(self._cache()) as cache:
            return Tunings(cache).all()

    def cancel_tuning(self, name: str) -> Row:
        """Cancel a fine-tuning; see `inoc.api.finetune.cancel`."""
        from inoc.api.finetune import cancel

        with closing(self._cache()) as cache:
            return self._run(cache, set(), lambda: None, lambda desk: cancel(desk, name))

    def allow_tuning_again(self, name: str) -> Row:
        """Let the next run create the job of a fine-tuning that has ended once more, and pay for it.

        Raises:
            ConfigError: If no fine-tuning or several are meant, or it has not ended.
        """
        from inoc.api.tunings import UNDER_WAY, Tunings

        with closing(self._cache()) as cache:
            tunings = Tunings(cache)
            row = tunings.named(name)
            if row.state in UNDER_WAY:
                msg = f"the fine-tuning {row.label} is {row.state}; only one that has ended can be run again"
                raise ConfigError(msg)
            tunings.again(row.key)
            return tunings.known(row.key)

    def _run(
        self, cache: Cache, wanted: set[str], advance: Callable[[], None], work: Callable[[Desk], Awaitable[T]]
    ) -> T:
        """Do something at a desk."""

        async def at_desk() -> T:
            import openai

            async with self._desk(cache, wanted, advance) as desk:
                try:
                    return await work(desk)
                except openai.APIError as error:
                    raise desk.error_of(error) from None

        return asyncio.run(at_desk())

    def _cache(self) -> Cache:
        return Cache(self._folder, int(self.spec.budget * NANO))

    def _ask_missing(self, cache: Cache, missing: Mapping[str, Request], doing: str) -> dict[str, str]:
        with self._progress(doing, len(missing), "requests") as meter:
            return asyncio.run(self._ask(cache, missing, meter.advance))

    async def _ask(self, cache: Cache, missing: Mapping[str, Request], advance: Callable[[], None]) -> dict[str, str]:
        from inoc.api.batch import ask_batch
        from inoc.api.live import ask_live

        async with self._desk(cache, set(missing), advance) as desk:
            try:
                await (ask_batch if self.spec.mode == "batch" else ask_live)(desk, missing)
            finally:
                self._n_sent += desk.n_answered
                self._n_refused += len(desk.refused)
        return desk.refused

    @asynccontextmanager
    async def _desk(self, cache: Cache, wanted: set[str], advance: Callable[[], None]) -> AsyncIterator[Desk]:
        import httpx2
        import openai

        from inoc.api.desk import Desk
        from inoc.api.wire import Wire

        spec = self.spec
        limits = Limits(spec.requests_per_minute, spec.tokens_per_minute)
        try:
            network = httpx2.AsyncClient(timeout=spec.timeout_s)  # takes the proxies from the environment
        except (ValueError, ImportError, OSError, httpx2.InvalidURL) as error:
            msg = (
                f"the API at {spec.base_url} cannot be asked: {error}. Check the variables HTTPS_PROXY, HTTP_PROXY, "
                "ALL_PROXY and SSL_CERT_FILE"
            )
            raise ApiError(msg) from None
        wire = Wire(cache, spec.base_url, limits, spec.timeout_s, network)
        client = openai.AsyncOpenAI(
            api_key=self._key or "none",
            base_url=spec.base_url,
            max_retries=spec.retries,
            http_client=httpx2.AsyncClient(transport=wire, timeout=spec.timeout_s, follow_redirects=True),
        )
        async with client:
            yield Desk(spec, cache, wire, client, self._redact, wanted, advance)

    def _redact(self, text: str) -> str:
        text = without_surrogates(text)  # the database contains no keys
        return text.replace(self._key, "[key]") if self._key else text

    def _take_stock(self, cache: Cache) -> None:
        totals = cache.totals(list(self._keys))
        tuned = self._tuned.values()
        dollars = totals.dollars + sum(row.cost_nano for row in tuned) / NANO
        lost = totals.lost_dollars + sum(row.lost_nano for row in tuned) / NANO
        self.record |= {
            "base_url": self.spec.base_url,
            "mode": self.spec.mode,
            "requests": len(self._keys),
            "answered now": self._n_sent,
            "refused": self._n_refused,
            "input tokens": totals.input_tokens,
            "output tokens": totals.output_tokens,
            "dollars": round(dollars, 6),
            "dollars of lost answers": round(lost, 6),
            "dollars spent with this database": round(cache.spent_nano() / NANO, 6),
        }
        if tuned:
            self.record["fine-tuning"] = [_tuning_record(row) for row in tuned]


def unavailable(spec: ApiSpec) -> list[ConfigError | MissingExtraError]:
    """Reasons why this machine cannot send requests: a missing SDK or key."""
    from importlib.util import find_spec

    problems: list[ConfigError | MissingExtraError] = []
    if find_spec("openai") is None:
        problems.append(MissingExtraError("openai", "api"))
    key = os.environ.get(spec.key_variable, "").strip() if spec.key_variable else ""
    if key and not re.fullmatch(r"[!-~]+", key):
        msg = f"the environment variable {spec.key_variable} holds spaces or letters that no key has; set it anew"
        problems.append(ConfigError(msg))
    if spec.key_variable and not key:
        problems.append(
            ConfigError(
                f"the environment variable {spec.key_variable} is not set, and the API at {spec.base_url} needs a key. "
                f"Set it (export {spec.key_variable}=…), name another in api.key_variable of config/config.yaml, "
                'or say "" there for a server without keys'
            )
        )
    return problems


async def _list_models(desk: Desk) -> list[str]:
    return [str(model.id) async for model in desk.client.models.list()]


def _tuning_record(row: Row) -> dict[str, Json]:
    """The entry of a fine-tuning in a manifest."""
    models: list[Json] = [one.model for one in row.models]
    return {
        "name": row.label,
        "job": row.job_id,
        "state": row.state,
        "models": models,
        "trained tokens": row.trained_tokens,
        "dollars": round(row.cost_nano / NANO, 6),
        "dollars that may be lost": round(row.lost_nano / NANO, 6),
    }


def _reply(stored: Stored | None, refusal: str) -> Reply:
    if stored is None:
        return Reply({}, refusal)
    why = no_answer(stored.response)
    return Reply({}, why) if why else Reply(stored.response)


def _embedding(reply: Reply) -> np.ndarray:
    """The one embedding of a reply; empty if it has none."""
    data = reply.response.get("data")
    return vector_of(data[0] if isinstance(data, list) and data else None)
