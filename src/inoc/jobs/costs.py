"""Rates and sizes from which a study's costs follow, and the rows of `inoc plan`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from inoc.config.workflow import Price
from inoc.progress import Spent

PROMPT_TOKENS = 70
TEMPLATE_TOKENS = 20  # of a chat template, around the texts of a prompt
RESPONSE_TOKENS = 350
JUDGE_TOKENS = (450, 1)  # of a question about one response, and of its answer
LIST_TOKENS, LISTED_TOKENS = 150, 40  # of a request for instructions, and of each of them


class Gpu(NamedTuple):
    """Throughput of a GPU with a model of 7.6 billion weights, useful operations only."""

    score_tflops: float
    train_tflops: float
    sample_tokens: float  # new tokens per second with transformers, 128 requests at a time
    measured: bool

    def sampled_per_second(self, engine: str, *, adapters: bool = False) -> float:
        """New tokens per second.

        Args:
            engine: Sampling engine. A server of one's own is taken to be vLLM.
            adapters: Whether several adapters answer in turn.
        """
        if engine == "transformers":
            return self.sample_tokens
        return self.sample_tokens * (VLLM_ADAPTERS if adapters else VLLM) / H200.sample_tokens


# Scoring and training are measured on an H200, scoring and sampling with transformers on an H100; sampling on an H200
# is taken to be no faster. The others are scaled by published bfloat16 peaks or memory bandwidths.
H200 = Gpu(600.0, 440.0, 9_000.0, measured=True)
GPUS = {
    "h200": H200,
    "h100": Gpu(600.0, 440.0, 9_000.0, measured=True),
    "a100": Gpu(190.0, 140.0, 5_400.0, measured=False),
    "l40s": Gpu(220.0, 160.0, 2_300.0, measured=False),
}
REFERENCE_WEIGHTS = 7.6e9
# Measured with 512 requests of 128 new tokens each: through one adapter, and through four in turn, start included.
VLLM, VLLM_ADAPTERS = 20_500.0, 10_900.0


class Size(NamedTuple):
    """Sizes of the model and of texts, in weights and tokens."""

    weights: float  # of the model; NaN if unknown
    prompt_tokens: float
    response_tokens: float
    measured: bool  # whether the numbers of tokens are measured
    source: str = "assumed; --response-tokens sets it"  # of the tokens of a response, in words


class Rates(NamedTuple):
    """Sizes, rates and prices from which the costs of all stages follow."""

    size: Size  # of the model, prompts and responses
    gpu: Gpu
    prices: Mapping[str, Price]  # model of the API → dollars per million tokens
    batch: float  # share of the price that is paid: 1, or a batch's

    def dollars(self, model: str | None, n: int, asked: float, answered: float) -> float:
        """Dollars for requests to the API.

        Args:
            model: Which model is asked; NaN dollars for one without a price.
            n: Number of requests; none cost nothing.
            asked: Tokens of each request.
            answered: Tokens of each answer.
        """
        return self.batch * n * dollars_of(self.prices.get(str(model)), asked, answered) if n else 0.0


@dataclass
class CostRow:
    """Cost of one stage.

    Attributes:
        stage: Its name.
        jobs: How many jobs.
        work: In words.
        tokens: That pass through the model; 0 for a stage without one.
        gpu_hours: NaN if the model's size is unknown.
        calls: Requests to an API.
        dollars: For them; NaN if a model has no price.
        disk: Bytes of what is kept.
        stored: How many of how many units are in the store; None if that is not known yet.
        measured: What the stage takes by the rates of earlier jobs on this machine; None if they do not tell.
    """

    stage: str
    jobs: int
    work: str
    tokens: float = 0.0
    gpu_hours: float = 0.0
    calls: int = 0
    dollars: float = 0.0
    disk: float = 0.0
    stored: tuple[int, int] | None = None
    measured: Spent | None = None


class Pace(NamedTuple):
    """The time of a stage on a kind of device."""

    start: Spent  # of each job
    per_work: Spent  # for a token and a weight
    studies: int  # that it was measured on

    def of(self, jobs: int, work: float) -> Spent:
        """Time of so many jobs with so much work together."""
        return self.start.times(jobs).and_of(self.per_work.times(work))


def sampled_row(
    stage: str,
    jobs: int,
    n: int,
    max_tokens: int,
    size: Size,
    gpu: Gpu,
    *,
    engine: str = "transformers",
    adapters: bool = False,
) -> CostRow:
    """The row of a stage that samples.

    Args:
        stage: Its name.
        jobs: Number of its jobs.
        n: Number of completions.
        max_tokens: Maximum number of tokens of each.
        size: Sizes of the model and of responses.
        gpu: Rates.
        engine: Sampling engine.
        adapters: Whether several adapters answer.
    """
    tokens = n * min(size.response_tokens, max_tokens)
    rate = gpu.sampled_per_second(engine, adapters=adapters)
    hours = tokens / (rate * REFERENCE_WEIGHTS / size.weights) / 3600
    return CostRow(stage, jobs, f"{n} completions", tokens, hours, disk=4.0 * tokens)


def scored_row(stage: str, jobs: int, n: int, size: Size, gpu: Gpu) -> CostRow:
    """The row of a stage that scores `n` responses."""
    tokens = n * (size.prompt_tokens + size.response_tokens)
    hours = 2 * size.weights * tokens / (gpu.score_tflops * 1e12) / 3600
    return CostRow(stage, jobs, f"{n} responses", tokens, hours, disk=4.0 * n * size.response_tokens)


def training_hours(weights: float, tokens: float, gpu: Gpu) -> float:
    """GPU-hours of training on a number of tokens: forward, and backward through frozen weights."""
    return 4 * weights * tokens / (gpu.train_tflops * 1e12) / 3600


def dollars_of(price: Price | None, sent: float, answered: float) -> float:
    """Of one request; NaN without a price."""
    return math.nan if price is None else (sent * price.input + answered * price.output) / 1e6


def adapter_bytes(rank: int, weights: float) -> float:
    """Approximate size of an adapter in bytes: two bytes per weight, 81 million weights at rank 32 for 7.6e9."""
    scale = float((weights / REFERENCE_WEIGHTS) ** (2 / 3))
    return 2 * 81e6 * (rank / 32) * scale
