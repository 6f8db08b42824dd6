"""Rates and sizes from which a study's costs follow, and the rows of `inoc plan`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from inoc.config.models import Sampling, TrainingSpec
from inoc.config.workflow import Price
from inoc.engines.sampling import CANARY_TOKENS
from inoc.jobs.rates import REFERENCE_WEIGHTS, Gpu, of_job
from inoc.progress import Spent

PROMPT_TOKENS = 70
TEMPLATE_TOKENS = 20  # of a chat template, around the texts of a prompt
RESPONSE_TOKENS = 350
JUDGE_TOKENS = (450, 1)  # of a question about one response, and of its answer
LIST_TOKENS, LISTED_TOKENS = 150, 40  # of a request for instructions, and of each of them


class Size(NamedTuple):
    """Sizes of the model and of texts, in weights and tokens."""

    weights: float  # of the model; NaN if unknown
    prompt_tokens: float
    response_tokens: float
    measured: bool  # whether the numbers of tokens are measured
    source: str = "assumed; --response-tokens sets it"  # of the tokens of a response, in words

    @property
    def ratio(self) -> float:
        """Number of weights as a multiple of that of the models that rates were measured with."""
        return self.weights / REFERENCE_WEIGHTS


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

    def of(self, jobs: float, work: float) -> Spent:
        """Time of so many jobs, or of a share of them, with so much work together."""
        return self.start.times(jobs).and_of(self.per_work.times(work))


def sampled_row(
    stage: str, jobs: int, n: int, sampling: Sampling, size: Size, gpu: Gpu, *, adapters: int = 0
) -> CostRow:
    """The row of a stage that samples.

    Args:
        stage: Its name.
        jobs: Number of its jobs.
        n: Number of completions.
        sampling: Engine, and maximum number of new tokens.
        size: Sizes of the model and of responses.
        gpu: Rates.
        adapters: How many adapters answer.
    """
    length = min(size.response_tokens, sampling.max_tokens)
    tokens = n * length
    rate = gpu.sampled_per_second(sampling.engine, sampling.batch_size, adapters=adapters > 1)
    each = gpu.start.of_adapter(size.ratio, min(1.0, length / CANARY_TOKENS))
    asked: float = n
    if sampling.engine == "transformers":  # a step computes all rows of a batch, whether they are asked or not
        subjects, rows = max(1, adapters), sampling.batch_size
        asked = subjects * math.ceil(n / subjects / rows) * rows
    seconds = asked * length / rate * size.ratio + adapters * each
    start = gpu.start_of_sampling(sampling.engine, adapters=adapters > 0)
    return CostRow(stage, jobs, f"{n} completions", tokens, hours(seconds, start, jobs, size), disk=4.0 * tokens)


def scored_row(stage: str, jobs: int, n: int, size: Size, gpu: Gpu, *, adapters: int = 0) -> CostRow:
    """The row of a stage that scores `n` responses, or chooses among options, with some adapters in turn."""
    tokens = n * (size.prompt_tokens + size.response_tokens)
    # `model.compute` is for the stage `score` alone.
    hours = passed_hours(tokens, jobs, size, gpu, gain=gpu.gain.score if stage == "score" else 1.0)
    hours += adapters * gpu.start.of_adapter(size.ratio, 0.0) / 3600
    return CostRow(stage, jobs, f"{n} responses", tokens, hours, disk=4.0 * n * size.response_tokens)


def passed_hours(tokens: float, jobs: int, size: Size, gpu: Gpu, *, gain: float = 1.0) -> float:
    """GPU-hours of a number of tokens that pass through the model once, `gain` times as fast as in bfloat16."""
    seconds = 2 * size.weights * tokens / (gain * gpu.score_tflops * 1e12)
    return hours(seconds, gpu.start.other, jobs, size)


def training_hours(tokens: float, training: TrainingSpec, jobs: int, size: Size, gpu: Gpu) -> float:
    """GPU-hours of training on a number of tokens: forward, and backward through frozen weights.

    Args:
        tokens: Of all examples of all steps.
        training: How many examples pass at a time.
        jobs: Number of jobs.
        size: Sizes of the model and of an example.
        gpu: Rates.
    """
    at_a_time = training.micro_batch_size * (size.prompt_tokens + size.response_tokens)
    # Fewer tokens fill a GPU where layers are larger, which grow with about the root of the number of weights.
    at_a_time *= math.sqrt(size.ratio)
    seconds = 4 * size.weights * tokens / (gpu.train_at(at_a_time) * 1e12)
    return hours(seconds, gpu.start.train, jobs, size)


def hours(seconds: float, start: float, jobs: int, size: Size) -> float:
    """GPU-hours of work, and of the starts of its jobs, which take longer for a larger model."""
    return (seconds + (jobs * of_job(start, size.ratio) if seconds else 0.0)) / 3600


def dollars_of(price: Price | None, sent: float, answered: float) -> float:
    """Of one request; NaN without a price."""
    return math.nan if price is None else (sent * price.input + answered * price.output) / 1e6


def adapter_bytes(rank: int, weights: float) -> float:
    """Approximate size of an adapter in bytes: two bytes per weight, 81 million weights at rank 32 for 7.6e9."""
    scale = float((weights / REFERENCE_WEIGHTS) ** (2 / 3))
    return 2 * 81e6 * (rank / 32) * scale
