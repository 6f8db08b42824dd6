"""Speed and memory of fine-tuning on a GPU, against the usual setting of TRL and PEFT in the same run.

    python benchmarks/training.py
    python benchmarks/training.py --shape 32b --nf4 --no-usual
    python benchmarks/training.py --workload numbers --micro 8 32
    python benchmarks/training.py --no-usual --optimizers adamw_torch_fused adamw_8bit
    python benchmarks/training.py --student               # a whole student of a study of subliminal learning
    python benchmarks/training.py --student --tiny        # on a CPU, to see that it runs
    python benchmarks/training.py --no-usual --micro 8 16 --apart
    python benchmarks/training.py --no-usual --compute dtype fp8 --gpus 2 1

The shape of Qwen2.5-7B or -32B with random weights, rank-32 adapters on all seven projections, 32 examples a step of
workload (a) of `scoring.py`: 70 ± 15 prompt and 352 ± 90 response tokens; or of rows of numbers, 60 ± 6 and 40 ± 8. The
usual setting is TRL's trainer with float32 adapters under autocast, micro-batches of 4, gradient checkpointing and
logits at all positions. Ours compiles its layers however few the steps are.

`--student` trains one student from its first step to its last with the recipe of `subliminal_7b` (10,000 rows of
numbers, 3 epochs, 66 rows a step, rank 8), with an adapter saved after each epoch. Its seconds are those of the whole:
the trial of memory, compiling, training and saving. The usual way takes a few steps of the same batches, 22 rows at a
time.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from scoring import GIB, ceiling, chats, qwen_7b, qwen_32b, random_model, tiny, useful
from tokenizers import Tokenizer
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast, TrainerCallback
from trl import SFTConfig, SFTTrainer

from inoc.chat.render import Rendered
from inoc.config.models import LoraSpec, TrainingSpec
from inoc.engines.eight_bit import in_eight_bits
from inoc.engines.transformers import be_deterministic
from inoc.train import trainer
from inoc.train.epochs import epoch_plan
from inoc.train.team import broadcast, run_team
from inoc.train.trainer import Recipe, fine_tune, settle_memory

BATCH = 32


class Clock:
    """Seconds of each step, by the device's own clock where there is one, so that nothing waits for it."""

    def __init__(self) -> None:
        self._ticks: list[float | torch.cuda.Event] = []

    def tick(self, *_: object) -> None:
        if not torch.cuda.is_available():
            self._ticks.append(time.perf_counter())
            return
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        self._ticks.append(event)

    @property
    def times(self) -> list[float]:
        """Seconds since the first tick."""
        first = self._ticks[0]
        if isinstance(first, float):
            return [tick - first for tick in self._ticks]
        torch.cuda.synchronize()
        return [first.elapsed_time(tick) / 1e3 for tick in self._ticks]

    def median(self, skip: int) -> float:
        return float(np.median(np.diff(self.times)[skip:]))


class Kernels(Clock):
    """The same, and what the device and the host do in two steps, which nothing interrupts."""

    def __init__(self, step: int, number: int) -> None:
        super().__init__()
        self._step, self._number = step, number
        self.said: list[str] = []
        kinds = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
        self._profile = torch.profiler.profile(activities=kinds)

    def tick(self, *_: object) -> None:
        super().tick()
        if len(self._ticks) == self._step:
            self._profile.start()
        elif len(self._ticks) == self._step + 2:
            torch.cuda.synchronize()
            self._profile.stop()
            # The trainer's own printing is kept away from the output meanwhile.
            self.said = [*self._kernels(), *self._gaps(), *self._calls()]

    def _kernels(self) -> list[str]:
        found = [
            event
            for event in self._profile.key_averages()
            if event.device_type == torch.autograd.DeviceType.CUDA and not event.key.startswith("## Call")
        ]
        found.sort(key=lambda event: -event.self_device_time_total)
        total = sum(event.self_device_time_total for event in found) / 1e3
        return [
            *(
                f"  {event.self_device_time_total / 1e3:8.2f} ms {event.count:6d} x {event.key[:100]}"
                for event in found[: self._number]
            ),
            f"  {total:8.2f} ms in all kernels of two steps, {sum(event.count for event in found)} calls",
        ]

    def _gaps(self) -> list[str]:
        """The device's longest waits."""
        events = [
            event
            for event in self._profile.events()
            if event.device_type == torch.autograd.DeviceType.CUDA and not event.name.startswith("## Call")
        ]
        events.sort(key=lambda event: event.time_range.start)
        end, before, waits = events[0].time_range.start, "", []
        for event in events:
            if event.time_range.start > end:
                waits.append((event.time_range.start - end, end - events[0].time_range.start, before, event.name))
            if event.time_range.end > end:
                end, before = event.time_range.end, event.name
        span = end - events[0].time_range.start
        idle = sum(wait[0] for wait in waits)
        short = sum(wait[0] for wait in waits if wait[0] < 20)
        lines = [f"  idle {idle / 1e3:.2f} of {span / 1e3:.2f} ms, {short / 1e3:.2f} ms of it in waits below 20 us"]
        for wait, at, one, other in sorted(waits, reverse=True)[: self._number]:
            lines.append(f"  {wait / 1e3:8.2f} ms at {at / 1e3:8.2f} between {one[:45]} and {other[:45]}")
        return lines

    def _calls(self) -> list[str]:
        """The host's longest calls of the driver."""
        found = [event for event in self._profile.key_averages() if event.key.startswith("cuda")]
        found.sort(key=lambda event: -event.self_cpu_time_total)
        return [f"  {event.self_cpu_time_total / 1e3:8.2f} ms {event.count:6d} x {event.key}" for event in found[:12]]


def rounded(model: torch.nn.Module) -> torch.nn.Module:
    """Its linear layers in 4 bits, as the engine loads them."""
    from bitsandbytes.nn import Linear4bit, Params4bit

    for layer in model.base_model.layers:
        for part in [part for part in layer.modules() if not isinstance(part, torch.nn.Linear)]:
            for name, linear in [(n, c) for n, c in part.named_children() if type(c) is torch.nn.Linear]:
                sizes = (linear.in_features, linear.out_features, linear.bias is not None)
                four = Linear4bit(
                    *sizes, compute_dtype=torch.bfloat16, compress_statistics=True, quant_type="nf4", device="meta"
                )
                four.weight = Params4bit(
                    linear.weight.data, requires_grad=False, compress_statistics=True, quant_type="nf4"
                )
                four.bias = linear.bias
                setattr(part, name, four.to("cuda"))
    model.is_loaded_in_4bit = True
    torch.cuda.empty_cache()
    return model.eval()


def tokenizer() -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(BPE({"<pad>": 0}, [])), pad_token="<pad>", eos_token="<pad>"
    )


class Batch(NamedTuple):
    """A recipe's sizes."""

    rows: int  # of a step
    at_a_time: int  # of the usual way
    rank: int


COMMON = Batch(BATCH, 4, 32)
STUDENT = Batch(66, 22, 8)


def usual(model: torch.nn.Module, examples: list[Rendered], steps: int, batch: Batch = COMMON) -> Clock:
    on_gpu = torch.cuda.is_available()
    clock = Clock()

    class Ticker(TrainerCallback):
        def on_step_end(self, *_: object, **__: object) -> None:
            clock.tick()

    spec = TrainingSpec()
    lora = LoraConfig(
        r=batch.rank,
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
            per_device_train_batch_size=batch.at_a_time,
            gradient_accumulation_steps=batch.rows // batch.at_a_time,
            gradient_checkpointing=True,
            bf16=on_gpu,
            use_cpu=not on_gpu,
            dataset_kwargs={"skip_prepare_dataset": True},
            remove_unused_columns=False,
            max_length=2048,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        usual_trainer = SFTTrainer(
            model=adapted,
            args=arguments,
            train_dataset=Dataset.from_dict(rows),
            processing_class=tokenizer(),
            callbacks=[Ticker()],
        )
        usual_trainer.train()
    adapted.unload()
    model.gradient_checkpointing_disable()
    return clock


class Way(NamedTuple):
    """One setting of ours."""

    micro: int
    optimizer: str
    joined: bool
    compute: str = "dtype"
    gpus: int = 1

    @property
    def label(self) -> str:
        apart = "" if self.joined else ", adapters apart"
        compute = "" if self.compute == "dtype" else f", {self.compute}"
        return f"{self.micro} at a time, {self.optimizer}{apart}{compute}"


def ours(model: torch.nn.Module, examples: list[Rendered], steps: int, way: Way, kernels: int = 0) -> Clock:
    clock = Kernels(steps - 3, kernels) if kernels else Clock()
    asked = TrainingSpec(
        micro_batch_size=way.micro,
        batch_size=BATCH,
        optimizer=way.optimizer,
        joined_adapters=way.joined,
        log_every=1000,
        resume_every=1000,
    )
    eight_bit = in_eight_bits(model, backward=True) if way.compute == "fp8" else contextlib.nullcontext()
    with eight_bit, tempfile.TemporaryDirectory() as folder:
        settled = broadcast(settle_memory(model, examples, asked, steps=steps))
        print(settled.note, flush=True)
        torch.cuda.reset_peak_memory_stats()
        recipe = Recipe(settled.spec, 1e-4, 0, steps, (), "random")
        fine_tune(model, tokenizer(), examples, recipe, Path(broadcast(folder)), clock.tick)
        broadcast(None)  # the folder is the first process's
    if isinstance(clock, Kernels):
        print("\n".join(clock.said), flush=True)
    return clock


class Whole(NamedTuple):
    """A student that was trained from the first step to the last."""

    seconds: float  # of everything
    step: float  # median seconds of a step, without the first quarter
    steps: int
    saved: int  # adapters
    note: str  # on memory


def student(model: torch.nn.Module, examples: list[Rendered], epochs: int, batch: Batch) -> Whole:
    """Train a student as the stage does, one adapter saved after each epoch."""
    clock = Clock()
    asked = TrainingSpec(
        lora=LoraSpec(rank=batch.rank, alpha=batch.rank, rslora=False),
        learning_rate=2e-4,
        warmup_steps=5,
        weight_decay=0.0,
        batch_size=batch.rows,
        micro_batch_size=batch.rows,
    )
    plan = epoch_plan(len(examples), asked, epochs)
    began = time.perf_counter()
    settled = settle_memory(model, examples, asked, steps=plan.steps)
    with tempfile.TemporaryDirectory() as folder:
        recipe = Recipe(settled.spec, asked.learning_rate, 1, plan.steps, plan.save_at, "random")
        fine_tune(model, tokenizer(), examples, recipe, Path(folder), clock.tick)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds = time.perf_counter() - began
        saved = len(list(Path(folder).glob("step-*/adapter_model.safetensors")))
    return Whole(seconds, clock.median(plan.steps // 4), plan.steps, saved, settled.note)


def measure_student(model: torch.nn.Module, options: argparse.Namespace) -> None:
    """Print the usual way and a whole student."""
    batch = STUDENT
    examples = chats("numbers", options.rows, model.config.vocab_size)
    work = 2 * useful(model.config, examples) * options.epochs
    on_gpu = torch.cuda.is_available()
    top = ceiling() if on_gpu else float("nan")
    place = torch.cuda.get_device_name() if on_gpu else "CPU"
    print(f"torch {torch.__version__}, {place}, ceiling {top:.0f} TFLOP/s bf16")
    print("| setting | rows | s | s a step | ceiling | peak GiB | speed |")
    steps = epoch_plan(len(examples), TrainingSpec(batch_size=batch.rows), options.epochs).steps
    each = float("nan")
    if not options.no_usual:
        reset_peak()
        each = usual(model, examples, options.usual_steps, batch).median(min(2, options.usual_steps - 2))
        print_student(f"usual TRL and PEFT, {options.usual_steps} steps", "–", each, work / steps / each, top, "1.0")
    reset_peak()
    found = student(model, examples, options.epochs, batch)
    words = f"{options.rows} × {options.epochs}"
    faster = f"{each * found.steps / found.seconds:.1f}"
    print_student(f"ours, whole, {found.saved} adapters", words, found.seconds, work / found.seconds, top, faster)
    print_student("ours, median step", "–", found.step, work / steps / found.step, top, f"{each / found.step:.1f}")
    print(f"{found.steps} steps; {found.note or 'no trial of memory without a GPU'}")
    if on_gpu:
        print(f"ceiling again: {ceiling():.0f} TFLOP/s")


def print_student(setting: str, rows: str, seconds: float, rate: float, top: float, speed: str) -> None:
    peak = torch.cuda.max_memory_allocated() / GIB if torch.cuda.is_available() else float("nan")
    print(f"| {setting} | {rows} | {seconds:.2f} | {rate / 1e12 / top:.2f} | {peak:.1f} | {speed} |", flush=True)


def reset_peak() -> None:
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--micro", type=int, nargs="+", default=[8], help="examples of a micro-batch")
    parser.add_argument("--steps", type=int, default=50, help="steps of ours")
    parser.add_argument("--optimizers", nargs="+", default=["adamw_torch_fused"])
    parser.add_argument("--compute", choices=("dtype", "fp8"), nargs="+", default=["dtype"], help="`model.compute`")
    parser.add_argument("--shape", choices=("7b", "32b"), default="7b")
    parser.add_argument("--workload", choices=("a", "b", "numbers"), default="a", help="lengths of the examples")
    parser.add_argument("--nf4", action="store_true", help="the base model in 4 bits")
    parser.add_argument("--no-usual", action="store_true", help="ours only")
    parser.add_argument("--apart", action="store_true", help="also with adapters in products of their own")
    parser.add_argument("--kernels", type=int, default=0, help="tell so many kernels that take the time of a step")
    parser.add_argument("--gpus", type=int, nargs="+", default=[1], help="GPUs that train together")
    parser.add_argument("--student", action="store_true", help="a whole student on rows of numbers")
    parser.add_argument("--rows", type=int, help="of the student; default: 10000, with --tiny 200")
    parser.add_argument("--epochs", type=int, default=3, help="of the student")
    parser.add_argument("--usual-steps", type=int, default=6, help="steps of the usual way beside it, at least 3")
    parser.add_argument("--tiny", action="store_true", help="with --student: a tiny model on the CPU")
    options = parser.parse_args(arguments)
    if options.tiny and not options.student:
        parser.error("--tiny needs --student")
    if options.gpus != [1]:
        compare_teams(options)
        return
    if options.student:
        options.rows = options.rows or (200 if options.tiny else 10_000)
        measure_student(random_model(tiny(), torch.float32, "cpu") if options.tiny else prepared(options), options)
        return
    compare(prepared(options), options)


def compare(model: torch.nn.Module, options: argparse.Namespace) -> None:
    """Print steps of the usual way, and of ours with each micro-batch and optimizer."""
    config = model.config
    examples = chats(options.workload, BATCH * options.steps, config.vocab_size)
    # Forward, and backward through frozen weights: twice the operations of scoring.
    work = 2 * useful(config, examples) / options.steps
    top = ceiling()
    print(f"torch {torch.__version__}, {torch.cuda.get_device_name()}, ceiling {top:.0f} TFLOP/s bf16")
    print("| setting | s a step | ceiling | peak GiB | speed |")
    torch.cuda.reset_peak_memory_stats()
    base = float("nan")
    if not options.no_usual:
        base = usual(model, examples, 8).median(2)
        peak = torch.cuda.max_memory_allocated() / GIB
        print(f"| usual TRL and PEFT | {base:.2f} | {work / base / 1e12 / top:.2f} | {peak:.1f} | 1.0 |", flush=True)
    for way in ways(options):
        seconds, first, peak = measured(model, examples, options.steps, way, options.kernels)
        cells = (f"ours, {way.label}", f"{seconds:.3f}", f"{work / seconds / 1e12 / top:.3f}")
        print("| " + " | ".join([*cells, f"{peak:.1f}", f"{base / seconds:.1f}"]) + " |", flush=True)
        print(f"first {options.steps // 4} steps {first:.0f} s")
    print(f"ceiling again: {ceiling():.0f} TFLOP/s")


def prepared(options: argparse.Namespace) -> torch.nn.Module:
    trainer.COMPILE_FROM = 1  # a few steps stand for many, which are compiled
    be_deterministic()
    model = random_model({"7b": qwen_7b, "32b": qwen_32b}[options.shape](), torch.bfloat16)
    model = rounded(model) if options.nf4 else model
    print(f"{torch.cuda.memory_allocated() / GIB:.1f} GiB of weights", flush=True)
    return model


def ways(options: argparse.Namespace) -> list[Way]:
    kinds = [True, False] if options.apart else [True]
    return [
        Way(*way) for way in itertools.product(options.micro, options.optimizers, kinds, options.compute, options.gpus)
    ]


def measured(
    model: torch.nn.Module, examples: list[Rendered], steps: int, way: Way, kernels: int = 0
) -> tuple[float, float, float]:
    """Seconds of a step, of the first quarter of the steps, and peak GiB."""
    clock = ours(model, examples, steps, way, kernels)
    peak = torch.cuda.max_memory_allocated() / GIB
    return clock.median(steps // 4), clock.times[steps // 4] - clock.times[0], peak


def member(options: argparse.Namespace, way: Way) -> tuple[float, float, float]:
    """What each process of a team does."""
    model = prepared(options)
    examples = chats(options.workload, BATCH * options.steps, model.config.vocab_size)
    return measured(model, examples, options.steps, way)


def compare_teams(options: argparse.Namespace) -> None:
    print("| setting | s a step | peak GiB of the first | speed |")
    alone = None
    for way in ways(options):
        seconds, first, peak = run_team(way.gpus, member, options, way)
        alone = alone or seconds
        print(f"| {way.gpus} GPUs, {way.label} | {seconds:.3f} | {peak:.1f} | {alone / seconds:.2f} |")
        print(f"first {options.steps // 4} steps {first:.0f} s", flush=True)


if __name__ == "__main__":
    main()
