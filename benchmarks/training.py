"""Speed and memory of fine-tuning on a GPU, against the usual setting of TRL and PEFT in the same run.

    python benchmarks/training.py

Qwen2.5-7B's shape with random weights, rank-32 adapters on all seven projections, 32 examples a step of workload (a)
of `scoring.py`: 70 ± 15 prompt and 352 ± 90 response tokens. The usual setting is TRL's trainer with float32 adapters
under autocast, micro-batches of 4, gradient checkpointing and logits at all positions.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from scoring import GIB, ceiling, chats, qwen_7b, random_model, useful
from tokenizers import Tokenizer
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast, TrainerCallback
from trl import SFTConfig, SFTTrainer

from inoc.chat.render import Rendered
from inoc.config.models import TrainingSpec
from inoc.train.trainer import Recipe, fine_tune, settle_memory

BATCH = 32


class Clock:
    """Seconds of each step."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def tick(self, *_: object) -> None:
        torch.cuda.synchronize()
        self.times.append(time.perf_counter())

    def median(self, skip: int) -> float:
        return float(np.median(np.diff(self.times)[skip:]))


def tokenizer() -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(BPE({"<pad>": 0}, [])), pad_token="<pad>", eos_token="<pad>"
    )


def usual(model: torch.nn.Module, examples: list[Rendered], steps: int) -> Clock:
    clock = Clock()

    class Ticker(TrainerCallback):
        def on_step_end(self, *_: object, **__: object) -> None:
            clock.tick()

    spec = TrainingSpec()
    lora = LoraConfig(
        r=spec.lora.rank,
        lora_alpha=spec.lora.alpha,
        use_rslora=True,
        target_modules=list(spec.lora.targets),
        task_type="CAUSAL_LM",
    )
    rows = {"input_ids": [e.token_ids for e in examples], "labels": [e.labels() for e in examples]}
    adapted = get_peft_model(model, lora)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(None):
        arguments = SFTConfig(
            output_dir=folder,
            max_steps=steps,
            per_device_train_batch_size=4,
            gradient_accumulation_steps=BATCH // 4,
            gradient_checkpointing=True,
            bf16=True,
            dataset_kwargs={"skip_prepare_dataset": True},
            remove_unused_columns=False,
            max_length=2048,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        trainer = SFTTrainer(
            model=adapted,
            args=arguments,
            train_dataset=Dataset.from_dict(rows),
            processing_class=tokenizer(),
            callbacks=[Ticker()],
        )
        trainer.train()
    adapted.unload()
    model.gradient_checkpointing_disable()
    return clock


def ours(model: torch.nn.Module, examples: list[Rendered], steps: int, micro: int, optimizer: str) -> Clock:
    clock = Clock()
    asked = TrainingSpec(
        micro_batch_size=micro, batch_size=BATCH, optimizer=optimizer, log_every=1000, resume_every=1000
    )
    settled = settle_memory(model, examples, asked)
    print(settled.note, flush=True)
    torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as folder:
        recipe = Recipe(settled.spec, 1e-4, 0, steps, (), "random")
        fine_tune(model, tokenizer(), examples, recipe, Path(folder), clock.tick)
    return clock


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--micro", type=int, nargs="+", default=[8], help="examples of a micro-batch")
    parser.add_argument("--steps", type=int, default=50, help="steps of ours")
    options = parser.parse_args()
    config = qwen_7b()
    model = random_model(config, torch.bfloat16)
    examples = chats("a", BATCH * options.steps, config.vocab_size)
    # Forward, and backward through frozen weights: twice the operations of scoring.
    work = 2 * useful(config, examples) / options.steps
    top = ceiling()
    print(f"torch {torch.__version__}, {torch.cuda.get_device_name()}, ceiling {top:.0f} TFLOP/s bf16")
    print("| setting | s a step | ceiling | peak GiB | speed |")
    torch.cuda.reset_peak_memory_stats()
    clock = usual(model, examples, 8)
    base = clock.median(2)
    peak = torch.cuda.max_memory_allocated() / GIB
    print(f"| usual TRL and PEFT | {base:.2f} | {work / base / 1e12 / top:.2f} | {peak:.1f} | 1.0 |", flush=True)
    for micro in options.micro:
        clock = ours(model, examples, options.steps, micro, "adamw_torch_fused")
        seconds, peak = clock.median(10), torch.cuda.max_memory_allocated() / GIB
        first = clock.times[9] - clock.times[0]
        share = work / seconds / 1e12 / top
        print(
            f"| ours, {micro} at a time | {seconds:.2f} | {share:.2f} | {peak:.1f} | {base / seconds:.1f} |", flush=True
        )
        print(f"first ten steps {first:.0f} s")
    print(f"ceiling again: {ceiling():.0f} TFLOP/s")


if __name__ == "__main__":
    main()
