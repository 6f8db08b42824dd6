"""Speed of scoring on a GPU, against the matrix ceiling of the same run and against two usual ways of scoring.

    python benchmarks/scoring.py

Builds Qwen2.5-7B's shape with random weights, for speed does not depend on them. Two workloads: (a) 70 ± 15 prompt and
352 ± 90 response tokens, (b) 110 ± 12 and 45 ± 8. Useful operations are two for each weight of the layers and real
token, and two for each weight of the head and response token; attention is left out of the count. In rows that say
`shared`, all chats begin with the same tokens (system turn and prefix): 32 of them in (a), 64 in (b). They are
computed once a batch, and the share of the ceiling counts what was computed, while tokens/s counts all tokens.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import torch
from transformers import AutoModelForCausalLM, Qwen2Config

from inoc.chat.render import Rendered, ResponseSpan
from inoc.engines.scoring import Scorer, float32_logprobs

WORKLOADS = {"a": ((70, 15), (352, 90)), "b": ((110, 12), (45, 8))}
NUMBERS = {"numbers": ((60, 6), (40, 8))}
"""Rows of number sequences."""
SHARED = {"a": 32, "b": 64}
GIB = 2**30
Way = Callable[[list[Rendered]], list[np.ndarray]]


def qwen_7b() -> Qwen2Config:
    return qwen(3584, 18_944, layers=28, heads=28, shared=4)


def qwen_32b() -> Qwen2Config:
    return qwen(5120, 27_648, layers=64, heads=40, shared=8)


def qwen(hidden: int, wide: int, layers: int, heads: int, shared: int) -> Qwen2Config:
    return Qwen2Config(
        vocab_size=152_064,
        hidden_size=hidden,
        intermediate_size=wide,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=shared,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
        tie_word_embeddings=False,
    )


def tiny() -> Qwen2Config:
    """A shape for a CPU, to see that a benchmark runs."""
    return Qwen2Config(
        vocab_size=2048,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )


def random_model(config: Qwen2Config, dtype: torch.dtype, device: str = "cuda") -> torch.nn.Module:
    torch.manual_seed(0)
    with torch.device(device):
        return AutoModelForCausalLM.from_config(config, dtype=dtype).eval()


def chats(workload: str, n: int, vocabulary: int, shared: int = 0) -> list[Rendered]:
    rng = np.random.default_rng(0)
    prompts, responses = (np.maximum(8, rng.normal(*sizes, n)).astype(int) for sizes in (WORKLOADS | NUMBERS)[workload])
    prompts = np.maximum(prompts, shared + 8)
    beginning = rng.integers(0, vocabulary, shared).tolist()
    return [
        Rendered("", beginning + rng.integers(0, vocabulary, p + r - shared).tolist(), ResponseSpan(p, p + r))
        for p, r in zip(prompts.tolist(), responses.tolist(), strict=True)
    ]


def useful(config: Qwen2Config, items: list[Rendered], shared: int = 0) -> float:
    h, ff = config.hidden_size, config.intermediate_size
    kv = h * config.num_key_value_heads // config.num_attention_heads
    layer = 2 * h * h + 2 * h * kv + 3 * h * ff
    tokens = sum(len(item.token_ids) - shared for item in items)
    answers = sum(item.response.stop - item.response.start for item in items)
    return 2.0 * (config.num_hidden_layers * layer * tokens + h * config.vocab_size * answers)


def ceiling(seconds: float = 1.0) -> float:
    """TFLOP/s of a large bf16 product of random numbers, sustained."""
    a, b = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    out = torch.empty_like(a)
    rates, until = [], time.perf_counter() + seconds
    while time.perf_counter() < until:
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(20):
            torch.mm(a, b, out=out)
        stop.record()
        stop.synchronize()
        rates.append(20 * 2 * 8192**3 / start.elapsed_time(stop) / 1e9)
    return float(np.median(rates))


def ours(scorer: Scorer, items: list[Rendered], budget: int) -> list[np.ndarray]:
    """As the stage does it: a block is handed in before the numbers of the last one are asked for."""
    out: list[np.ndarray] = []
    waiting = None
    for at in range(0, len(items), 256):
        pending = scorer.submit(items[at : at + 256], budget)
        out += waiting() if waiting else []
        waiting = pending
    return out + (waiting() if waiting else [])


@torch.inference_mode()
def one_at_a_time(model: torch.nn.Module, items: list[Rendered]) -> list[np.ndarray]:
    return [values for item in items for values in _full_softmax(model, [item])]


@torch.inference_mode()
def padded_16(model: torch.nn.Module, items: list[Rendered]) -> list[np.ndarray]:
    return [values for at in range(0, len(items), 16) for values in _full_softmax(model, items[at : at + 16])]


def _full_softmax(model: torch.nn.Module, items: list[Rendered]) -> Iterator[np.ndarray]:
    width = max(len(item.token_ids) for item in items)
    ids = torch.tensor([item.token_ids + [0] * (width - len(item.token_ids)) for item in items], device="cuda")
    mask = torch.tensor(
        [[1] * len(item.token_ids) + [0] * (width - len(item.token_ids)) for item in items], device="cuda"
    )
    logprobs = model(input_ids=ids, attention_mask=mask).logits.float().log_softmax(-1)[:, :-1]
    picked = logprobs.gather(2, ids[:, 1:, None])[..., 0].cpu().numpy()
    for row, item in zip(picked, items, strict=True):
        yield row[item.response.start - 1 : item.response.stop - 1]


def timed(work: Callable[[], list[np.ndarray]]) -> tuple[float, float, list[np.ndarray]]:
    """Seconds, peak GiB, and what came out."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    out = work()
    torch.cuda.synchronize()
    return time.perf_counter() - start, torch.cuda.max_memory_allocated() / GIB, out


def difference(left: Sequence[np.ndarray], right: Sequence[np.ndarray]) -> str:
    gaps = np.abs(np.concatenate(list(left)) - np.concatenate(list(right)))
    return f"largest {gaps.max():.3f}, mean {gaps.mean():.4f} nats"


class Table:
    """Measures ways of scoring and prints a row for each."""

    ROW = "| {:<36} | {:>8} | {:>6} | {:>8} | {:>7} | {:>8} |"

    def __init__(self, config: Qwen2Config, top: float) -> None:
        self.config, self.top = config, top
        print(self.ROW.format("way", "workload", "s", "tokens/s", "ceiling", "peak GiB"))

    def measure(self, way: str, name: str, items: list[Rendered], run: Way, shared: int = 0) -> list[np.ndarray]:
        run(items[:32])
        seconds, peak, out = timed(lambda: run(items))
        rate = sum(len(item.token_ids) for item in items) / seconds
        share = useful(self.config, items, shared) / seconds / 1e12 / self.top
        cells = (way, name, f"{seconds:.2f}", f"{rate:.0f}", f"{share:.3f}", f"{peak:.1f}")
        print(self.ROW.format(*cells), flush=True)
        return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budgets", type=int, nargs="+", default=[16_384], help="most tokens in a batch")
    parser.add_argument("--tokens", type=int, default=400_000, help="tokens of a workload")
    parser.add_argument("--eager", action="store_true", help="also without compiled layers")
    options = parser.parse_args()
    config = qwen_7b()
    model = random_model(config, torch.bfloat16)
    counts = {name: options.tokens // sum(mean for mean, _ in sizes) for name, sizes in WORKLOADS.items()}
    work = {name: chats(name, n, config.vocab_size) for name, n in counts.items()}
    top = ceiling()
    print(f"torch {torch.__version__}, {torch.cuda.get_device_name()}, ceiling {top:.0f} TFLOP/s bf16")
    table = Table(config, top)
    usual = {}
    for name, items in work.items():
        usual[name] = table.measure("one at a time, full log-softmax", name, items[:96], partial(one_at_a_time, model))
        table.measure("padded 16, file order", name, items[:320], partial(padded_16, model))
    if options.eager:
        plain = Scorer(model, compiled=False)
        for name, items in work.items():
            table.measure("packed, not compiled", name, items, partial(ours, plain, budget=options.budgets[0]))
    scorer = Scorer(model, compiled=True)
    common = {name: chats(name, n, config.vocab_size, SHARED[name]) for name, n in counts.items()}
    start = time.perf_counter()
    for items in [*work.values(), *common.values()]:
        ours(scorer, items[:300], budget=options.budgets[0])
    torch.cuda.synchronize()
    print(f"compiling took {time.perf_counter() - start:.0f} s")
    results = {}
    for budget in options.budgets:
        run = partial(ours, scorer, budget=budget)
        for name in WORKLOADS:
            results[name] = table.measure(f"packed, compiled, {budget} tokens", name, work[name], run)
            results[f"{name}, shared"] = table.measure(
                f"packed, compiled, {budget} tokens, shared", name, common[name], run, SHARED[name]
            )
    print(f"ceiling again: {ceiling():.0f} TFLOP/s")
    for name, items in {**work, **{f"{name}, shared": items for name, items in common.items()}}.items():
        exact = [float32_logprobs(model, item) for item in items[:16]]
        print(f"from float32, 16 chats of workload {name}: {difference(results[name][:16], exact)}", end="")
        print(f" (one at a time in bf16: {difference(usual[name][:16], exact)})" if name in usual else "")


if __name__ == "__main__":
    main()
