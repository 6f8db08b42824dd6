"""The workflow file, `config/config.yaml`: which studies run, where, and within which budget."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from inoc.config.limits import Amount, Few
from inoc.config.models import Key, Model, Share

Shards = dict[str, int]
"""Key of a stage → number of jobs it is split into, by default one. Results do not depend on it."""


class Price(Model):
    """Price of a model, in dollars per million tokens."""

    input: Amount = Field(ge=0, description="Dollars per million input tokens; 0 for your own model.")
    output: Amount = Field(0, ge=0, description="Dollars per million output tokens; embeddings have none.")
    training: Amount | None = Field(
        None, ge=0, description="Dollars per million trained tokens, each counted once per epoch; none: not fine-tuned."
    )
    tuned_input: Amount | None = Field(
        None, ge=0, description="Dollars per million input tokens of models fine-tuned from it; default: `input`."
    )
    tuned_output: Amount | None = Field(
        None, ge=0, description="Dollars per million output tokens of models fine-tuned from it; default: `output`."
    )

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, float]:
        """The prices that are set, so that files and pages show no others."""
        return {name: price for name, price in write(self).items() if price is not None}


class ApiSpec(Model):
    """An API that is compatible with OpenAI's, paid or not."""

    base_url: str = Field(
        "https://api.openai.com/v1",
        pattern=r"^https?://[^@\s]+$",
        description="Address up to `/v1`; must not contain a password.",
    )
    key_variable: str = Field(
        "OPENAI_API_KEY",
        pattern=r"^([A-Z][A-Z0-9_]*)?$",
        description="Name of the environment variable with the key, never the key itself; empty for a server without "
        "keys.",
    )
    folder: str | None = Field(
        None,
        description="Folder of the database of requests, answers and spending; must be on a local disk. Default: "
        "`api` in the store.",
    )
    mode: Literal["live", "batch"] = Field(
        "live", description="`live`: immediate answers; `batch`: answers within a day at a reduced price."
    )
    budget: Amount = Field(
        10.0,
        ge=0,
        description="Maximum spending in dollars. A request is sent only if everything ever spent with this database "
        "plus the request's maximum cost stays within it.",
    )
    prices: dict[str, Price] = Field(
        {
            "gpt-4.1": Price(input=2.0, output=8.0),
            "gpt-4.1-mini": Price(input=0.4, output=1.6),
            "gpt-4.1-nano-2025-04-14": Price(input=0.1, output=0.4, training=1.5, tuned_input=0.2, tuned_output=0.8),
            "text-embedding-3-small": Price(input=0.02),
            "text-embedding-3-large": Price(input=0.13),
        },
        description="Model → dollars per million tokens. Requests to a model without a price are refused.",
    )
    batch_share: Share = Field(0.5, description="Price of a batch request as a share of the live price.")
    requests_per_minute: Amount = Field(
        500.0, gt=0, description="Maximum requests per minute; lower if the API reports a lower limit."
    )
    tokens_per_minute: Amount = Field(
        200_000.0, gt=0, description="Maximum tokens per minute; lower if the API reports a lower limit."
    )
    concurrency: Few = Field(32, ge=1, description="Maximum number of simultaneous requests.")
    retries: Few = Field(8, ge=0, description="Maximum number of retries of a failed request.")
    timeout_s: Amount = Field(
        120.0, gt=0, description="Timeout in seconds from sending a request to the end of its answer."
    )
    poll_s: Amount = Field(30.0, gt=0, description="Seconds between checks of a batch or a fine-tuning job.")
    tuning_jobs: Few = Field(
        3, ge=1, description="Maximum number of fine-tuning jobs under way at the same time; further ones wait."
    )
    tuning_hours: Amount = Field(
        48.0,
        gt=0,
        description="Hours after which a stage stops waiting for its fine-tuning jobs; they go on, and the next run "
        "waits again.",
    )


class Workflow(Model):
    """`config/config.yaml`: which studies run, where, and within which budget."""

    studies: tuple[Key, ...] = Field(("mini",), description="Names of the studies to run; files in `config/studies`.")
    store: str = Field("store", description="Folder of the content-addressed store.")
    shards: dict[Key, dict[Key, Annotated[Few, Field(ge=1)]]] = Field(
        default_factory=dict,
        description="Study → stage → number of jobs the stage is split into: `score` and `elicit` by prompt, `train` "
        "and with it `evaluate` by run. A stage that is not listed is one job.",
    )
    train_gpus: dict[Key, Annotated[Few, Field(ge=1)]] = Field(
        default_factory=dict,
        description="Study → number of GPUs that train one run together, each on its part of every batch; default: 1. "
        "Affects results only through rounding.",
    )
    api: ApiSpec = Field(ApiSpec(), description="API for judges, rephrasings and data, if a study needs one.")
    engine_api: ApiSpec | None = Field(
        None, description="API that serves the study's model, for `engine: api`; default: the same as `api`."
    )
