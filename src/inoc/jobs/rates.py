"""Measured rates of GPUs, from `benchmarks/README.md`: what a plan before the first job goes by.

All are of models with about 7.6 billion weights and are scaled by the number of weights. Training depends on how many
tokens pass at a time, sampling with transformers on how many requests there are at a time, and sampling with vLLM on
whether several adapters answer. `model.compute: fp8` and weights in 4 bits multiply some of these rates.
"""

from __future__ import annotations

import math
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


SETTLED = 0.72
"""Share of a job's start that is the same for every model.

`benchmarks/all_stages.py` on an H200, seconds without the work: sampling 19.5 with 7.6e9 weights and 37 with 32.5e9,
training 43 and 81; the share follows from each pair. Weights were read from memory.
"""


class Start(NamedTuple):
    """Seconds of a job before and after its work: Python, reading and checking weights, compilation, trials.

    Those of the reference model; see `of_job` and `of_adapter` for others.
    """

    other: float = 20.0
    train: float = 43.0
    vllm: float = 100.0  # captured graphs included, on an H100
    vllm_adapters: float = 100.0  # where adapters answer
    # Of each adapter that answers. Reading it: 30 that choose took 47 s from the start of the job (`choosing.py`). Its
    # canary of `CANARY_TOKENS` for each of eight chats: evaluating with transformers on two H200s took 2.1 to 5.8 s for
    # each of 4 to 10 checkpoints with their 12 to 31 completions, which by the rates below take 1.1.
    adapter: float = 0.9
    canary: float = 2.5

    def of_adapter(self, ratio: float, share: float) -> float:
        """Seconds of an adapter that answers.

        Args:
            ratio: Number of weights as a multiple of the reference.
            share: Tokens of the canary as a share of those that were measured; 0 for no canary.
        """
        # One token at a time, the host launches every kernel: time goes by layers, about the root of the weights.
        return (self.adapter + self.canary * share) * math.sqrt(ratio)


def of_job(seconds: float, ratio: float) -> float:
    """Seconds of a job's start for a model with `ratio` times as many weights as the reference."""
    return seconds * (SETTLED + (1 - SETTLED) * ratio)


class Gain(NamedTuple):
    """Speed as a multiple of that in bfloat16."""

    score: float = 1.0
    train: tuple[Point, ...] = (Point(1, 1.0),)  # by tokens of a forward pass
    sample: float = 1.0  # with transformers


AS_IT_IS = Gain()
# `benchmarks/fp8.py` on an H100: scoring 1.49 and 1.52 times (workloads a and b). Training 0.72 s a step of 32 rows of
# 422 tokens, 8 at a time: 1.20 times bfloat16 with adapters in products of their own, and 1.12 times the 0.81 s of
# joined ones, which `benchmarks/training.py` measured in another run.
FP8 = Gain(score=1.5, train=(Point(3_376, 1.1),))
# On an H200 scoring was 1.52 and 1.58 times as fast, and training 16 rows at a time took 0.536 s a step, and 0.715 in
# bfloat16. 8 at a time are the H100's.
FP8_H200 = Gain(score=1.55, train=(*FP8.train, Point(6_752, 1.33)))
# Weights in 4 bits are widened before each product. On an H200, 32.8 billion: 3.47 s a step of 32 rows of 422 tokens, 8
# at a time; a step of 128 requests took 78 ms, and in bfloat16 it would take 51.
FOUR_BIT = Gain(train=(Point(1, 0.88),), sample=0.66)


class Gpu(NamedTuple):
    """Throughput of a GPU, useful operations only."""

    score_tflops: float
    train_tflops: tuple[Point, ...]  # by tokens of a forward pass
    sample_tokens: tuple[Point, ...]  # new tokens per second with transformers, by requests at a time
    vllm: float  # new tokens per second, of the base model or one adapter
    vllm_adapters: float  # and of several in turn
    measured: str  # which of these were measured on this GPU, in words; empty for none
    start: Start = Start()
    fp8: Gain | None = None  # of `model.compute: fp8`; None without the hardware
    gain: Gain = AS_IT_IS  # that counts now

    def computing(self, compute: str, quantization: str | None = None) -> Gpu | None:
        """The rates for values of `model.compute` and `model.quantization`; None if this GPU cannot compute so."""
        if compute == "dtype":
            return self if quantization is None else self._replace(gain=FOUR_BIT)
        return None if self.fp8 is None else self._replace(gain=self.fp8)

    def sampled_per_second(self, engine: str, batch: int = 128, *, adapters: bool = False) -> float:
        """New tokens per second.

        Args:
            engine: Sampling engine. A server of one's own is taken to be vLLM.
            batch: Requests at a time; vLLM chooses its own number.
            adapters: Whether several adapters answer in turn.
        """
        if engine == "transformers":
            # With fewer requests than were measured, a step takes as long as with the fewest that were.
            filled = min(1.0, batch / self.sample_tokens[0].at)
            return self.gain.sample * filled * rate_at(self.sample_tokens, batch)
        return self.vllm_adapters if adapters else self.vllm

    def start_of_sampling(self, engine: str, *, adapters: bool = False) -> float:
        """Seconds of the start of a job that samples."""
        if engine == "transformers":
            return self.start.other
        return self.start.vllm_adapters if adapters else self.start.vllm

    def train_at(self, tokens: float) -> float:
        """TFLOP/s of training with so many tokens in a forward pass."""
        return rate_at(self.gain.train, tokens) * rate_at(self.train_tflops, tokens)

    def scaled(self, compute: float, memory: float, fp8: Gain | None) -> Gpu:
        """Rates of another GPU.

        Args:
            compute: Ratio of its published bfloat16 peak.
            memory: Ratio of its memory bandwidth.
            fp8: Of `model.compute: fp8`; None if it has no such hardware.
        """
        return Gpu(
            compute * self.score_tflops,
            tuple(Point(at, compute * rate) for at, rate in self.train_tflops),
            tuple(Point(at, memory * rate) for at, rate in self.sample_tokens),
            memory * self.vllm,
            memory * self.vllm_adapters,
            "",
            self.start,
            fp8,
        )


# On an H100: 8 rows of 100 tokens at a time, which an H200 is taken to train no faster.
_SHORT = Point(800, 203.0)

H100 = Gpu(
    score_tflops=600.0,
    # 8 and 16 rows of 422 tokens at a time.
    train_tflops=(_SHORT, Point(3_376, 507.0), Point(6_752, 547.0)),
    # With transformers: 128 new tokens for each request, with a static cache.
    sample_tokens=(Point(128, 9_100.0), Point(256, 13_400.0), Point(512, 16_900.0)),
    # 512 requests of 128 new tokens: the mean of a first and a second time, and four adapters in turn.
    vllm=15_900.0,
    vllm_adapters=16_000.0,
    measured="measured",
    fp8=FP8,
)
H200 = Gpu(
    score_tflops=600.0,
    train_tflops=(_SHORT, Point(3_376, 529.0), Point(6_752, 574.0)),
    sample_tokens=(Point(128, 10_800.0), Point(256, 15_400.0), Point(512, 18_000.0)),
    # 512 requests of 128 new tokens and 2,048: 14,900 to 20,500 and 16,800 through one adapter, 15,600 and 17,300 of
    # the base model, 16,500 and 16,900 through four in turn.
    vllm=17_000.0,
    vllm_adapters=16_700.0,
    measured="measured, but those of short rows and of FP8 with few of them, which are an H100's",
    # `all_stages.py` for playful_french_7b: 71 s for a job of 36 completions, canary included, and 141 for one of 84
    # through four adapters; `vllm_sampling.py`, 131 s without Python's with five canaries; 200 s for one of 32 through
    # four with nothing compiled before, on a host a third slower.
    start=Start(vllm=70.0, vllm_adapters=120.0),
    fp8=FP8_H200,
)
GPUS = {
    "h200": H200,
    "h100": H100,
    "a100": H200.scaled(0.317, 0.6, None),
    "l40s": H200.scaled(0.367, 0.256, FP8),
}
