"""Speed and memory of training on a teacher's distributions, beside training on the tokens, in one run.

    python benchmarks/soft_targets.py
    python benchmarks/soft_targets.py --micro 8 16 --steps 40
    python benchmarks/soft_targets.py --tiny --steps 4      # on a CPU, to see that it runs

The shape of Qwen2.5-7B with random weights, rank-32 adapters on all seven projections, 32 rows of numbers a step, of
60 ± 6 tokens of the prompt and 40 ± 8 of the answer. The teacher is the same model, beside the student with shared
weights, and reads a system turn of 24 tokens more. Its distributions are compared over all tokens, and over 1,000 of
them, as over those of numbers. "Of the ceiling" counts the student's forward and backward pass and the teacher's
forward pass; on a GPU rows are packed and the student's layers compiled however few the steps are.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from scoring import GIB, ceiling, chats, qwen_7b, random_model, tiny, useful
from tokenizers import Tokenizer
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from inoc.chat.render import Rendered
from inoc.config.models import LoraSpec, TrainingSpec
from inoc.engines.transformers import be_deterministic
from inoc.train import trainer
from inoc.train.distribution import Columns, Teaching, beside
from inoc.train.trainer import Recipe, fine_tune, settle_memory

BATCH = 32
TURN = 24
"""Tokens of the system turn that the teacher alone reads."""
COMPARED = 1_000
TARGETS = ("tokens", "all", "numbers")


class Measured(NamedTuple):
    """What a training took."""

    seconds: float  # of a step, median of the later three quarters
    peak: float  # GiB; NaN without a GPU
    note: str


def tokenizer() -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(BPE({"<pad>": 0}, [])), pad_token="<pad>", eos_token="<pad>"
    )


def read_by_teacher(examples: list[Rendered]) -> list[Rendered]:
    """The same rows behind a system turn; answers are of the compared tokens alone, in both."""
    turn = list(range(1, TURN + 1))
    return [
        Rendered("", [*turn, *one.token_ids], one.response._make(at + TURN for at in one.response)) for one in examples
    ]


def of_numbers(examples: list[Rendered]) -> list[Rendered]:
    """The rows with answers of the first `COMPARED` tokens of the vocabulary, which stand for numbers."""
    return [
        one._replace(
            token_ids=[
                token % COMPARED if at in range(*one.response) else token for at, token in enumerate(one.token_ids)
            ]
        )
        for one in examples
    ]


def taught(model: torch.nn.Module, examples: list[Rendered], targets: str) -> Teaching | None:
    if targets == "tokens":
        return None
    columns = None if targets == "all" else Columns(list(range(COMPARED)), list(range(COMPARED)))
    return Teaching(beside(model), read_by_teacher(examples), columns)


def measured(model: torch.nn.Module, examples: list[Rendered], targets: str, steps: int, micro: int) -> Measured:
    on_gpu = torch.cuda.is_available() and next(model.parameters()).is_cuda
    times: list[float] = []

    def tick(*_: object) -> None:
        if on_gpu:
            torch.cuda.synchronize()
        times.append(time.perf_counter())

    teaching = taught(model, examples, targets)
    asked = TrainingSpec(
        lora=LoraSpec(rank=32), micro_batch_size=micro, batch_size=BATCH, log_every=1000, resume_every=1000
    )
    settled = settle_memory(model, examples, asked, teaching, steps=steps)
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as folder:
        recipe = Recipe(settled.spec, 1e-4, 0, steps, (), "random")
        fine_tune(model, tokenizer(), examples, recipe, Path(folder), tick, teaching)
    peak = torch.cuda.max_memory_allocated() / GIB if on_gpu else float("nan")
    return Measured(float(np.median(np.diff(times)[steps // 4 :])), peak, settled.note)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="a tiny model on the CPU")
    parser.add_argument("--micro", type=int, nargs="+", default=[8], help="rows of a micro-batch")
    parser.add_argument("--steps", type=int, default=40, help="steps of each training")
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS))
    options = parser.parse_args(arguments)
    trainer.COMPILE_FROM = 1
    be_deterministic()
    on_gpu = not options.tiny
    model = random_model(qwen_7b(), torch.bfloat16) if on_gpu else random_model(tiny(), torch.float32, "cpu")
    config = model.config
    examples = of_numbers(chats("numbers", BATCH * options.steps, config.vocab_size))
    forward = useful(config, examples) / options.steps
    longer = useful(config, read_by_teacher(examples)) / options.steps
    top = ceiling() if on_gpu else float("nan")
    place = torch.cuda.get_device_name() if on_gpu else "CPU"
    print(f"torch {torch.__version__}, {place}, ceiling {top:.0f} TFLOP/s bf16")
    print("| targets | rows at a time | s a step | of the ceiling | peak GiB | against tokens |")
    print("| --- | --- | --- | --- | --- | --- |")
    for micro in options.micro:
        base = float("nan")
        for targets in options.targets:
            found = measured(model, examples, targets, options.steps, micro)
            base = found.seconds if targets == "tokens" else base
            # Forward, and backward through frozen weights; a teacher's forward comes on top.
            work = 2 * forward + (0 if targets == "tokens" else longer)
            share = work / found.seconds / 1e12 / top
            cells = [targets, str(micro), f"{found.seconds:.3f}", f"{share:.2f}", f"{found.peak:.1f}"]
            print("| " + " | ".join([*cells, f"{found.seconds / base:.2f}"]) + " |", flush=True)
            if found.note:
                print(found.note, flush=True)
    if on_gpu:
        print(f"ceiling again: {ceiling():.0f} TFLOP/s")


if __name__ == "__main__":
    main()
