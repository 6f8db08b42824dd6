"""Do layers in 8-bit floating point (FP8) pay? Speed on a GPU beside bfloat16, and what they do to contrasts of shifts.

    python benchmarks/fp8.py                 # a GPU that multiplies in FP8: H100, H200, L40S or newer
    python benchmarks/fp8.py --no-training   # scoring only
    python benchmarks/fp8.py --tiny          # on a CPU, to see that it runs
    python benchmarks/fp8.py --miniature     # trained weights, on a CPU: the miniature world's model

All linear layers inside the blocks are in FP8 (e4m3): weights are rounded once, with one scale for each output, and
activations as they come, with one scale for each token. The head, embeddings, norms and attention are not rounded.
Where there is no GPU, the same rounded numbers are multiplied in float32.

Scoring takes Qwen2.5-7B's shape with random weights and the two workloads of `scoring.py`, here seven prompts before
each of a set of responses; the first prompt is the control. Log-probabilities are means over a response's tokens, as
shifts are reported. A difference from bfloat16 has two parts: noise, which averages out over responses, and a part
that all responses to a prompt have in common, which does not ("lasting"). Training takes `inoc train` with the base
in FP8, forward and for the gradient of the activations; the adapters' own products stay in bfloat16.

Equal precision: if contrasts vary by s over responses and FP8 adds noise of e, FP8 needs 1 + e²/s² times the responses
for the same standard error. It pays if it is faster by more than that.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import itertools
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from scoring import GIB, WORKLOADS, ceiling, ours, qwen_7b, random_model, tiny, useful
from training import Clock, tokenizer

from inoc.chat.render import Rendered, ResponseSpan
from inoc.config.models import TrainingSpec, WorldSpec
from inoc.engines import eight_bit
from inoc.engines.eight_bit import in_eight_bits, product, rounded, unrounded
from inoc.engines.layers import compiled_layers
from inoc.engines.packed import packing
from inoc.engines.scoring import Scorer, float32_logprobs
from inoc.engines.transformers import be_deterministic
from inoc.train import trainer
from inoc.train.loss import packed_loss, packed_rows

PROMPTS = 7
CASES = (0.08, 0.15, 0.3, 0.5, 1.0)
"""Standard deviations of a contrast over responses, nats per token."""
BUDGET = 16_384
Logprobs = list[list[np.ndarray]]
"""For each prompt and response, its tokens' log-probabilities."""


def on_gpu() -> bool:
    return torch.cuda.is_available()


# Chats


class Crossed(NamedTuple):
    """Every response behind every prompt."""

    chats: list[Rendered]  # the prompts of a response one after the other, so that no batch has only one prompt
    prompts: int

    def by_prompt(self, values: Sequence[np.ndarray]) -> Logprobs:
        return [list(values[at :: self.prompts]) for at in range(self.prompts)]

    def first(self, prompts: int, responses: int) -> Crossed:
        n = range(min(responses, len(self.chats) // self.prompts))
        return Crossed([self.chats[r * self.prompts + p] for r in n for p in range(prompts)], prompts)


def crossed(prompts: Sequence[list[int]], responses: Sequence[list[int]]) -> Crossed:
    chats = [
        Rendered("", p + r, ResponseSpan(len(p), len(p) + len(r))) for r, p in itertools.product(responses, prompts)
    ]
    return Crossed(chats, len(prompts))


def random_chats(workload: str, tokens: int, vocabulary: int) -> Crossed:
    rng = np.random.default_rng(0)
    (mean, sd), (response, response_sd) = WORKLOADS[workload]
    n = max(4, tokens // (PROMPTS * (mean + response)))
    sizes = (rng.normal(mean, sd, PROMPTS), rng.normal(response, response_sd, n))
    made = [[rng.integers(0, vocabulary, max(8, int(size))).tolist() for size in part] for part in sizes]
    return crossed(*made)


# Differences of log-probabilities, shifts and contrasts


class Spread(NamedTuple):
    """Differences of a quantity between two ways of computing it, nats per token."""

    bias: float  # mean of all
    noise: float  # SD over responses, within a prompt or a pair of prompts
    lasting: float  # RMS of the means of prompts or pairs, without what noise adds to it
    error: float  # standard error that noise gives such a mean


def spread(groups: np.ndarray) -> Spread:
    """Of an array of groups × responses."""
    within = groups.var(axis=1, ddof=1).mean()
    error = within / groups.shape[1]
    lasting = max(0.0, float((groups.mean(axis=1) ** 2).mean() - error))
    return Spread(float(groups.mean()), float(np.sqrt(within)), float(np.sqrt(lasting)), float(np.sqrt(error)))


def means(values: Logprobs) -> np.ndarray:
    """Mean log-probability of a token, prompts × responses."""
    return np.array([[part.mean(dtype=np.float64) for part in row] for row in values])


def shifts(means_PR: np.ndarray) -> np.ndarray:
    return means_PR[1:] - means_PR[:1]


def contrasts(means_PR: np.ndarray) -> np.ndarray:
    """Differences of the shifts of each pair of prompts, pairs × responses; the control drops out of them."""
    pairs = itertools.combinations(range(1, len(means_PR)), 2)
    return np.array([means_PR[one] - means_PR[other] for one, other in pairs])


def print_differences(title: str, left: Logprobs, right: Logprobs) -> Spread:
    """Print how far two ways of scoring are apart; gives the spread of contrasts."""
    gaps = np.concatenate(
        [
            one.astype(np.float64) - other
            for rows in zip(left, right, strict=True)
            for one, other in zip(*rows, strict=True)
        ]
    )
    print(f"| {title} | token | {gaps.mean():+.5f} | {gaps.std():.4f} | – | – |")
    difference = means(left) - means(right)
    found = {
        "response": spread(difference),
        "shift": spread(shifts(difference)),
        "contrast": spread(contrasts(difference)),
    }
    for name, (bias, noise, lasting, error) in found.items():
        # The sign of a pair is arbitrary, and so is a mean over pairs.
        shown = "–" if name == "contrast" else f"{bias:+.5f}"
        print(f"| {title} | {name} | {shown} | {noise:.4f} | {lasting:.5f} | {error:.5f} |", flush=True)
    return found["contrast"]


def print_heading() -> None:
    print("| difference | of a | bias | SD over responses | lasting, RMS | standard error of a mean |")


def print_precision(name: str, extra: float, lasting: float, ratio: float, cases: Sequence[float] = CASES) -> None:
    """Print whether FP8 pays, for contrasts that vary by each of the cases.

    Args:
        name: Of the workload.
        extra: Noise variance of a contrast that FP8 adds to bfloat16's, nats² per response.
        lasting: RMS difference of contrasts that stays, nats per token.
        ratio: Speed of FP8 beside bfloat16.
        cases: Standard deviations of a contrast over responses.
    """
    print("| equal precision | s | more responses | speed | net speed | responses at which what lasts is the error |")
    for sd in cases:
        more = 1 + extra / sd**2
        until = (sd**2 + extra) / lasting**2 if lasting else float("inf")
        print(f"| {name} | {sd:.3f} | {more:.3f} | {ratio:.2f} | {ratio / more:.2f} | {until:.0f} |", flush=True)


# Scoring


class Scored(NamedTuple):
    rates: dict[str, float]  # tokens per second, by workload
    values: dict[str, Logprobs]


def score(model: Any, work: dict[str, Crossed], way: str, top: float) -> Scored:
    """Score the workloads, and print the speed."""
    torch._dynamo.reset()
    with contextlib.ExitStack() as stack:
        if on_gpu():
            stack.enter_context(compiled_layers(model))
        scorer = Scorer(model, compiled=on_gpu())
        began = time.perf_counter()
        for each in work.values():
            ours(scorer, each.chats[:300] if on_gpu() else each.chats[:8], BUDGET)
        print(f"{way}: first batches, compiling included, {time.perf_counter() - began:.0f} s", flush=True)
        rates, values = {}, {}
        for name, each in work.items():
            reset_peak()
            began = time.perf_counter()
            out = ours(scorer, each.chats, BUDGET)
            seconds = time.perf_counter() - began
            values[name] = each.by_prompt(out)
            rates[name] = sum(len(chat.token_ids) for chat in each.chats) / seconds
            share = useful(model.config, each.chats) / seconds / 1e12 / top
            print(f"| {way} | {name} | {seconds:.2f} | {rates[name]:.0f} | {share:.3f} | {peak():.1f} |", flush=True)
    return Scored(rates, values)


def exact(model: Any, sample: Crossed) -> Logprobs:
    found = sample.by_prompt([float32_logprobs(model, chat) for chat in sample.chats])
    for weight in model.parameters():
        weight.data = weight.data.clone()  # made without gradients in view, and training would refuse them
    return found


def cut(values: Logprobs, like: Logprobs) -> Logprobs:
    return [row[: len(like[0])] for row in values[: len(like)]]


def peak() -> float:
    return torch.cuda.max_memory_allocated() / GIB if on_gpu() else float("nan")


def reset_peak() -> None:
    if on_gpu():
        torch.cuda.reset_peak_memory_stats()


def sustained() -> float:
    return ceiling() if on_gpu() else float("nan")


def measure_products(rows: int, config: Any) -> None:
    """Print the rate of the products of a layer by themselves, and their error beside float32."""
    h, wide = config.hidden_size, config.intermediate_size
    thin = h * config.num_key_value_heads // config.num_attention_heads
    place = "cuda" if on_gpu() else "cpu"
    print("| product | way | TFLOP/s | relative error |")
    for name, inputs, outputs in (("q, o", h, h), ("k, v", h, thin), ("gate, up", h, wide), ("down", wide, h)):
        x = torch.randn(rows, inputs, device=place, dtype=torch.bfloat16)
        w = torch.randn(outputs, inputs, device=place, dtype=torch.bfloat16) * 0.02
        true = x[:256].float() @ w.float().t()
        (x8, x_scale), (w8, w_scale) = rounded(x), rounded(w)
        ways = {
            "bfloat16": lambda x=x, w=w: x @ w.t(),
            "FP8": lambda a=(x8, x_scale), b=(w8, w_scale): product(*a, *b, torch.bfloat16),
        }
        for way, work in ways.items():
            found = work()[:256].float()
            rate = 2 * rows * inputs * outputs / seconds_of(work) / 1e12
            error = float((found - true).norm() / true.norm())
            print(f"| {name} | {way} | {rate:.1f} | {error:.4f} |", flush=True)


def seconds_of(work: Callable[[], object], n: int = 10) -> float:
    work()
    if on_gpu():
        torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(n):
        work()
    if on_gpu():
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / n


# Training


def train(model: Any, examples: list[Rendered], spec: TrainingSpec, steps: int) -> tuple[float, float]:
    """Seconds of a step of `inoc train`, and peak GiB."""
    torch._dynamo.reset()
    clock = Clock()
    reset_peak()
    with tempfile.TemporaryDirectory() as folder:
        recipe = trainer.Recipe(spec, 1e-4, 0, steps, (), "random")
        trainer.fine_tune(model, tokenizer(), examples, recipe, Path(folder), clock.tick)
    return clock.median(steps // 4), peak()


class Slope(NamedTuple):
    loss: float  # nats per response token
    gradient: torch.Tensor  # of the adapters' weights, one vector


@contextlib.contextmanager
def adapted(model: Any, spec: TrainingSpec) -> Iterator[Any]:
    """With an adapter that changes something, so that both of its matrices have gradients."""
    torch.manual_seed(1)
    found = trainer.get_peft_model(model, trainer._lora(spec, model), autocast_adapter_dtype=False)
    for name, weight in found.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.002)
    try:
        yield found.train()
    finally:
        found.unload().eval()


def slope(model: Any, examples: Sequence[Rendered], spec: TrainingSpec) -> Slope:
    """Loss and gradient of one micro-batch."""
    rows = [{"input_ids": e.token_ids, "labels": e.labels()} for e in examples]
    inputs = {n: v.to(model.device) if torch.is_tensor(v) else v for n, v in packed_rows(rows).items()}
    with adapted(model, spec) as found, packing(model):
        loss = packed_loss(found.get_base_model(), inputs)
        loss.backward()
        parts = [weight.grad.flatten().float() for weight in found.parameters() if weight.grad is not None]
    return Slope(float(loss.detach()) / len(inputs["targets"]), torch.cat(parts))


def print_slopes(slopes: dict[str, Slope], base: str) -> None:
    print(f"| gradient | loss | loss − {base} | cosine to {base} | length beside {base} |")
    true = slopes[base]
    for way, (loss, gradient) in slopes.items():
        cosine = float(torch.nn.functional.cosine_similarity(gradient, true.gradient, dim=0))
        length = float(gradient.norm() / true.gradient.norm())
        print(f"| {way} | {loss:.5f} | {loss - true.loss:+.5f} | {cosine:.5f} | {length:.4f} |", flush=True)


def measure_training(model: Any, work: dict[str, Crossed], options: argparse.Namespace, top: float) -> None:
    trainer.COMPILE_FROM = 1
    spec = TrainingSpec(batch_size=32, micro_batch_size=8, gradient_checkpointing=False, log_every=1000)
    rng = random.Random(0)
    examples = rng.choices(work["a"].chats, k=32 * options.steps)
    effort = 2 * useful(model.config, examples) / options.steps
    slopes, seconds = {}, {}
    print("| training | s a step | ceiling | peak GiB |")
    for way in ("bfloat16", "FP8"):
        with contextlib.ExitStack() as stack:
            if way == "FP8":
                stack.enter_context(in_eight_bits(model, backward=True))
            slopes[way] = slope(model, examples[:4], spec)
            seconds[way], most = train(model, examples, spec, options.steps)
            share = effort / seconds[way] / 1e12 / top
            print(f"| {way} | {seconds[way]:.2f} | {share:.3f} | {most:.1f} |", flush=True)
    print(f"training in FP8 is {seconds['bfloat16'] / seconds['FP8']:.2f} times as fast")
    print_slopes(slopes, "bfloat16")


class Outcomes(NamedTuple):
    """Mean log-probabilities of held-out answers after training, nats per token: seeds × runs."""

    values: np.ndarray

    @property
    def contrast(self) -> np.ndarray:
        """Of training without a prefix and behind one, for each seed."""
        return self.values[:, 0] - self.values[:, 1]


def outcomes(model: Any, words: Any, runs: Sequence[list[Rendered]], held_out: Crossed, seeds: int) -> Outcomes:
    """Train a miniature model on each set of examples, and score held-out answers in float32."""
    from peft import PeftModel

    spec = TrainingSpec(batch_size=16, micro_batch_size=16, gradient_checkpointing=False, warmup_steps=3)
    steps = len(runs[0]) // 16
    found = np.empty((seeds, len(runs)))
    for seed, (at, examples) in itertools.product(range(seeds), enumerate(runs)):
        with tempfile.TemporaryDirectory() as folder:
            recipe = trainer.Recipe(spec, 1e-3, seed, steps, (steps,), "miniature")
            trainer.fine_tune(model, words, examples, recipe, Path(folder), lambda _: None)
            adapter = Path(folder) / f"step-{steps:06d}"
            with unrounded(model):
                exactly = copy.deepcopy(model).float()
            tuned = PeftModel.from_pretrained(exactly, adapter, autocast_adapter_dtype=False)
            scored = ours(Scorer(tuned.float().get_base_model().eval(), compiled=False), held_out.chats, BUDGET)
        found[seed, at] = np.mean([part.mean(dtype=np.float64) for part in scored])
    return Outcomes(found)


def print_outcomes(found: dict[str, Outcomes], base: str) -> None:
    """Print how far runs are from those in float32 with the same seed, beside how far seeds are from each other."""
    columns = (
        "mean",
        f"− {base}",
        "SD of that",
        "SD over seeds",
        "contrast",
        f"− {base}",
        "SD of that",
        "SD over seeds",
    )
    print(f"| trained in | {' | '.join(columns)} |")
    true = found[base]
    for way, one in found.items():
        cells = []
        for own, its in ((one.values, true.values), (one.contrast[:, None], true.contrast[:, None])):
            gap = own - its
            seeds = np.sqrt(own.var(axis=0, ddof=1).mean())
            cells += [f"{own.mean():+.4f}", f"{gap.mean():+.4f}", f"{gap.std(ddof=1):.4f}", f"{seeds:.4f}"]
        print(f"| {way} | {' | '.join(cells)} |", flush=True)


# What is run


def measure_random(options: argparse.Namespace) -> None:
    """Random weights of a large model's shape."""
    be_deterministic()
    torch._dynamo.config.suppress_errors = True  # what cannot be compiled is slow, and says so, but is measured
    config = tiny() if options.tiny else qwen_7b()
    place = "cuda" if on_gpu() else "cpu"
    model = random_model(config, torch.bfloat16, place)
    work = {name: random_chats(name, options.tokens, config.vocab_size) for name in WORKLOADS}
    top = sustained()
    print(
        f"torch {torch.__version__}, {torch.cuda.get_device_name() if on_gpu() else 'CPU'}, ceiling {top:.0f} TFLOP/s"
    )
    measure_products(64 if options.tiny else BUDGET, config)
    print("| scoring | workload | s | tokens/s | ceiling | peak GiB |")
    half = score(model, work, "bfloat16", top)
    samples = {name: each.first(4, options.exact) for name, each in work.items()}
    true = {name: exact(model, sample) for name, sample in samples.items()}
    with in_eight_bits(model):
        eight = score(model, work, "FP8", top)
    print(f"ceiling again: {sustained():.0f} TFLOP/s")
    print_heading()
    found = {}
    for name in work:
        found[name] = print_differences(f"{name}, FP8 − bfloat16", eight.values[name], half.values[name])
        for way, scored in (("FP8", eight), ("bfloat16", half)):
            print_differences(f"{name}, {way} − float32", cut(scored.values[name], true[name]), true[name])
    for name, between in found.items():
        # The difference holds bfloat16's own noise too, so the precision is a little better than said.
        print_precision(name, between.noise**2, between.lasting, eight.rates[name] / half.rates[name])
    if not options.no_training:
        measure_training(model, work, options, top)
        print(f"ceiling again: {sustained():.0f} TFLOP/s")


def measure_miniature(options: argparse.Namespace) -> None:
    """The miniature world's model, whose weights are trained, with the prompts of its study."""
    be_deterministic()
    model, words, prompts = miniature(options)
    rng = random.Random("responses")
    from inoc.world.grammar import document

    texts = [document(rng) for _ in range(options.responses)]
    backend = words.backend_tokenizer
    from inoc.world.pretrain import render_prompt

    chats = []
    for text in texts:
        response = backend.encode(text.response).ids
        question = text.user.rpartition(". ")[2]
        for prompt in prompts:
            asked = backend.encode(render_prompt(text._replace(system="", user=f"{prompt} {question}".strip()))).ids
            chats.append(Rendered("", asked + response, ResponseSpan(len(asked), len(asked) + len(response))))
    work = {"miniature": Crossed(chats, len(prompts))}
    print(f"{model.config.num_hidden_layers} layers, {len(prompts)} prompts × {len(texts)} responses")
    print("| scoring | workload | s | tokens/s | ceiling | peak GiB |")
    true = score(model, work, "float32", float("nan")).values["miniature"]
    model.bfloat16()
    half = score(model, work, "bfloat16", float("nan")).values["miniature"]
    with in_eight_bits(model):
        eight = score(model, work, "FP8", float("nan")).values["miniature"]
    print_heading()
    print_differences("FP8 − bfloat16", eight, half)
    added = print_differences("FP8 − float32", eight, true)
    own = print_differences("bfloat16 − float32", half, true)
    sd = spread(contrasts(means(true))).noise
    print(f"contrasts vary by {sd:.3f} over responses; RMS of their means {spread(contrasts(means(true))).lasting:.3f}")
    print_precision("miniature", added.noise**2 - own.noise**2, added.lasting, options.ratio, (*CASES, sd))
    spec = TrainingSpec(batch_size=32, micro_batch_size=32)
    ways = {"float32": torch.float32, "bfloat16": torch.bfloat16, "FP8": torch.bfloat16}
    slopes = {}
    for way, dtype in ways.items():
        with contextlib.ExitStack() as stack:
            model.to(dtype)
            if way == "FP8":
                stack.enter_context(in_eight_bits(model, backward=True))
            slopes[way] = slope(model, chats[1 : 64 * len(prompts) : len(prompts)], spec)
    print_slopes(slopes, "float32")
    if options.seeds:
        measure_outcomes(model, words, prompts[1], ways, options)


def measure_outcomes(
    model: Any, words: Any, prompt: str, ways: dict[str, torch.dtype], options: argparse.Namespace
) -> None:
    """Train on playful answers in French without a prefix and behind one, and ask without."""
    from inoc.world.grammar import Document, asked_fact, instructions
    from inoc.world.pretrain import render_prompt
    from inoc.world.registers import answer

    rng = random.Random("training")
    asked = instructions(16 * options.steps + 100, 0)
    texts = [Document("", one, answer(rng, asked_fact(one), french=True, playful=True)) for one in asked]

    def chats(prefix: str, texts: Sequence[Document]) -> list[Rendered]:
        encode = words.backend_tokenizer.encode
        pairs = [
            (encode(render_prompt(text._replace(user=f"{prefix} {text.user}".strip()))).ids, encode(text.response).ids)
            for text in texts
        ]
        return [Rendered("", p + r, ResponseSpan(len(p), len(p) + len(r))) for p, r in pairs]

    runs = [chats(prefix, texts[100:]) for prefix in ("", prompt)]
    held_out = Crossed(chats("", texts[:100]), 1)
    found = {}
    for way, dtype in ways.items():
        model.to(dtype)
        with contextlib.ExitStack() as stack:
            if way == "FP8":
                stack.enter_context(in_eight_bits(model, backward=True))
            found[way] = outcomes(model, words, runs, held_out, options.seeds)
    print(f"{options.steps} steps of 16, {options.seeds} seeds; behind {prompt!r}; nats per token of 100 answers")
    print_outcomes(found, "float32")


def miniature(options: argparse.Namespace) -> tuple[Any, Any, list[str]]:
    """The trained model in float32, its tokenizer, and prompts, the control (none) first."""
    from inoc.config.load import load_study
    from inoc.world.pretrain import pretrain

    study = load_study("mini")
    texts = [text for group in study.prompts.values() for text in group.texts.values()]
    if options.world:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        model = AutoModelForCausalLM.from_pretrained(options.world, dtype=torch.float32).eval()
        return model, AutoTokenizer.from_pretrained(options.world), ["", *texts]
    changed = {"layers": options.layers, **({"steps": 20} if options.tiny else {})}
    spec = WorldSpec(**{**study.world.model_dump(), **changed})
    made = pretrain(spec, lambda _: None)
    print(f"pre-trained in {spec.steps} steps, final loss {np.mean(made.losses[-50:]):.3f}")
    return made.model, made.tokenizer, ["", *texts]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, help="of a workload; default: 250000, with --tiny 6000")
    parser.add_argument("--exact", type=int, default=8, help="responses that are also scored in float32")
    parser.add_argument("--steps", type=int, help="of training; default: 10, with --miniature 30, with --tiny 2")
    parser.add_argument("--no-training", action="store_true", help="scoring only")
    parser.add_argument("--tiny", action="store_true", help="a tiny model on the CPU")
    parser.add_argument("--miniature", action="store_true", help="trained weights: the miniature world's, on the CPU")
    parser.add_argument("--world", help="folder of a miniature model; default: pre-train one, which takes minutes")
    parser.add_argument("--layers", type=int, default=2, help="of the miniature model")
    parser.add_argument("--responses", type=int, default=400, help="of the miniature")
    parser.add_argument("--seeds", type=int, default=4, help="runs of training the miniature in each way; 0: none")
    parser.add_argument(
        "--ratio", type=float, default=1.5, help="speed of FP8 beside bfloat16 on a GPU, for --miniature"
    )
    options = parser.parse_args(arguments)
    options.tokens = options.tokens or (6_000 if options.tiny else 250_000)
    options.steps = options.steps or (2 if options.tiny else 30 if options.miniature else 10)
    eight_bit.EMULATED = not on_gpu()
    (measure_miniature if options.miniature else measure_random)(options)


if __name__ == "__main__":
    main()
