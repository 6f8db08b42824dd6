"""Measured rates of GPUs, from `benchmarks/README.md`: what a plan before the first job goes by.

All are of models with about 7.6 billion weights and are scaled by the number of weights. Training depends on how many
tokens pass at a time, sampling with transformers on how many requests there are at a time, and sampling with vLLM on
whether several adapters answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

REFERENCE_WEIGHTS = 7.6e9


class Point(NamedTuple):
    """A rate that was measured at one size."""

    at: float  # tokens or requests at a time
    rate: float


def rate_at(points: Sequence[Point], size: float) -> float:
    """The rate between measured sizes, linear in the logarithm of the size; beyond them, that of the nearest one."""
    sizes, rates = zip(*points, strict=True)
    return float(np.interp(np.log(max(size, 1.0)), np.log(sizes), rates))


class Start(NamedTuple):
    """Seconds of a job before and after its work: Python, reading and checking weights, compilation, trials."""

    other: float = 20.0
    train: float = 43.0
    vllm: float = 100.0  # captured graphs included
    adapter: float = 18.0  # of each adapter that answers: reading it, and its canary


class Gpu(NamedTuple):
    """Throughput of a GPU, useful operations only."""

    score_tflops: float
    train_tflops: tuple[Point, ...]  # by tokens of a forward pass
    sample_tokens: tuple[Point, ...]  # new tokens per second with transformers, by requests at a time
    vllm: float  # new tokens per second, of the base model or one adapter
    vllm_adapters: float  # and of several in turn
    measured: str  # which of these were measured on this GPU, in words; empty for none
    start: Start = Start()

    def sampled_per_second(self, engine: str, batch: int = 128, *, adapters: bool = False) -> float:
        """New tokens per second.

        Args:
            engine: Sampling engine. A server of one's own is taken to be vLLM.
            batch: Requests at a time; vLLM chooses its own number.
            adapters: Whether several adapters answer in turn.
        """
        if engine == "transformers":
            return rate_at(self.sample_tokens, batch)
        return self.vllm_adapters if adapters else self.vllm

    def train_at(self, tokens: float) -> float:
        """TFLOP/s of training with so many tokens in a forward pass."""
        return rate_at(self.train_tflops, tokens)

    def scaled(self, compute: float, memory: float) -> Gpu:
        """Rates of another GPU, by the ratios of its published bfloat16 peak and of its memory bandwidth."""
        return Gpu(
            compute * self.score_tflops,
            tuple(Point(at, compute * rate) for at, rate in self.train_tflops),
            tuple(Point(at, memory * rate) for at, rate in self.sample_tokens),
            memory * self.vllm,
            memory * self.vllm_adapters,
            "",
            self.start,
        )


# With transformers: 128 new tokens for each request, with a static cache, on an H100; an H200 is taken to be no faster.
_SAMPLED = (Point(128, 9_100.0), Point(256, 13_400.0), Point(512, 16_900.0))
# On an H100: 8 rows of 100 tokens at a time, then 8 and 16 rows of 422; an H200 is taken to be no faster.
_TRAINED = (Point(800, 203.0), Point(3_376, 507.0), Point(6_752, 547.0))

H100 = Gpu(
    score_tflops=600.0,
    train_tflops=_TRAINED,
    sample_tokens=_SAMPLED,
    # 512 requests of 128 new tokens: the mean of a first and a second time, and four adapters in turn.
    vllm=15_900.0,
    vllm_adapters=16_000.0,
    measured="measured",
)
H200 = Gpu(
    score_tflops=600.0,
    train_tflops=_TRAINED,
    sample_tokens=_SAMPLED,
    # An earlier version of vLLM, its start included with adapters.
    vllm=20_500.0,
    vllm_adapters=10_900.0,
    measured="measured, but those of training and transformers, which are an H100's",
)
GPUS = {
    "h200": H200,
    "h100": H100,
    "a100": H200.scaled(0.317, 0.6),
    "l40s": H200.scaled(0.367, 0.256),
}
