"""The workflow file, `config/config.yaml`: which studies run, where, with which budget."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from inoc.config.models import Key, Model, Share

Shards = dict[str, int]
"""Key of a stage → into how many jobs it is split; one where there is no key. The result does not depend on it."""


class Price(Model):
    """What a model costs, in dollars per million tokens."""

    input: float = Field(ge=0, description="Tokens that are sent; 0 for a model of one's own.")
    output: float = Field(0, ge=0, description="Tokens that are answered; embeddings have none.")


class ApiSpec(Model):
    """An API that speaks the language of OpenAI's, paid or not."""

    base_url: str = Field(
        "https://api.openai.com/v1",
        pattern=r"^https?://[^@\s]+$",
        description="Where it is, up to `/v1`; it must hold no password.",
    )
    key_variable: str = Field(
        "OPENAI_API_KEY",
        pattern=r"^([A-Z][A-Z0-9_]*)?$",
        description="Name of the environment variable that holds the key, never the key; empty for a server without.",
    )
    folder: str | None = Field(
        None,
        description="Folder of the database of requests, answers and spending, on a disk of this machine; default: "
        "`api` in the store.",
    )
    mode: Literal["live", "batch"] = Field(
        "live", description="`live`: answers at once; `batch`: within a day, for a part of the price."
    )
    budget: float = Field(
        10.0,
        ge=0,
        description="Dollars. A request is sent only if all that was ever spent with this database, and the most "
        "that it can cost, stay below.",
    )
    prices: dict[str, Price] = Field(
        {
            "gpt-4.1": Price(input=2.0, output=8.0),
            "gpt-4.1-mini": Price(input=0.4, output=1.6),
            "text-embedding-3-small": Price(input=0.02),
            "text-embedding-3-large": Price(input=0.13),
        },
        description="Model → dollars per million tokens. A model without a price is not asked.",
    )
    batch_share: Share = Field(0.5, description="A batch costs this share of the price.")
    requests_per_minute: float = Field(500.0, gt=0, description="Most requests; fewer if the API says so.")
    tokens_per_minute: float = Field(200_000.0, gt=0, description="Most tokens; fewer if the API says so.")
    concurrency: int = Field(32, ge=1, description="Requests under way at once.")
    retries: int = Field(8, ge=0, description="How often a request that failed is sent again.")
    timeout_s: float = Field(120.0, gt=0, description="Seconds from sending a request to the end of its answer.")
    poll_s: float = Field(30.0, gt=0, description="Seconds between two looks at a batch.")


class Workflow(Model):
    """`config/config.yaml`: which studies run, where, with which budget."""

    studies: tuple[Key, ...] = Field(("mini",), description="Names of files in `config/studies`.")
    store: str = Field("store", description="Folder of the content-addressed store.")
    shards: dict[Key, dict[Key, Annotated[int, Field(ge=1)]]] = Field(
        default_factory=dict,
        description="Study → stage → into how many jobs it is split: `score` and `elicit` by prompt, `train` by run, "
        "which `evaluate` follows. One job where nothing is named.",
    )
    train_gpus: dict[Key, Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict,
        description="Study → GPUs that train one run together, each with its part of every batch; a study not named "
        "has one. The result depends on it by rounding only.",
    )
    api: ApiSpec = Field(ApiSpec(), description="The API for judges, rephrasings and data, if a study needs one.")
    engine_api: ApiSpec | None = Field(
        None, description="The API that serves the study's model, for `engine: api`; default: the same as `api`."
    )
