"""Speed of reading, projecting and steering on a GPU, against scoring in the same run and against the usual ways.

    python benchmarks/reading.py            # Qwen2.5-7B's shape on a GPU
    python benchmarks/reading.py --tiny     # a tiny model on the CPU, to see that everything runs

Random weights, for speed does not depend on them. The workloads are those of `benchmarks/scoring.py`: (a) 70 ± 15
prompt and 352 ± 90 response tokens, (b) 110 ± 12 and 45 ± 8. `of scoring` is the rate in tokens/s over that of scoring
the same workload in the same run. `usual` is `output_hidden_states=True` with all layers, in padded batches of 16,
reduced on the device. Rows marked `twice` have twice the chats: memory is to stay as it is. Sampling is that of
`inoc.engines.decoding`; steered, it adds a vector in the middle of the model to every position of every row. The last
table has answers of which one token in many is the end, so that their lengths are geometric.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from scoring import GIB, WORKLOADS, ceiling, chats, qwen, qwen_7b
from transformers import AutoModelForCausalLM, Qwen2Config

from inoc.chat.render import Rendered
from inoc.config.models import Sampling
from inoc.engines import decoding
from inoc.engines.decoding import Decoder
from inoc.engines.reading import Reader
from inoc.engines.readouts import Readout
from inoc.engines.scoring import Scorer
from inoc.vectors.steering import Steering
from inoc.vectors.vector import Vector

READOUTS: tuple[Readout, ...] = ("prompt_last", "response_last", "response_mean")
BLOCK = 256
ON_GPU = torch.cuda.is_available()
Pending = Callable[[], object]


def build(*, tiny: bool) -> tuple[torch.nn.Module, Qwen2Config]:
    config = qwen(64, 128, layers=4, heads=4, shared=2) if tiny else qwen_7b()
    if tiny:
        config.vocab_size = 1000
    torch.manual_seed(0)
    with torch.device("cuda" if ON_GPU else "cpu"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32 if tiny else torch.bfloat16)
    return model.eval(), config


def in_blocks(submit: Callable[[list[Rendered]], Pending], items: list[Rendered]) -> None:
    """As the stages do it: a block is handed in before the numbers of the last one are asked for."""
    waiting: Pending | None = None
    for at in range(0, len(items), BLOCK):
        pending = submit(items[at : at + BLOCK])
        if waiting is not None:
            waiting()
        waiting = pending
    if waiting is not None:
        waiting()


@torch.inference_mode()
def usual(model: torch.nn.Module, items: list[Rendered]) -> None:
    """All layers of padded batches of 16, in the order of the file."""
    device = next(model.parameters()).device
    for at in range(0, len(items), 16):
        batch = items[at : at + 16]
        width = max(len(item.token_ids) for item in batch)
        ids = torch.tensor([item.token_ids + [0] * (width - len(item.token_ids)) for item in batch], device=device)
        real = torch.tensor([[place < len(item.token_ids) for place in range(width)] for item in batch], device=device)
        states = model(input_ids=ids, attention_mask=real.long(), output_hidden_states=True).hidden_states
        for layer in states:
            for row, item in enumerate(batch):
                start, stop = item.response
                own = layer[row, start:stop].float()
                torch.stack([layer[row, start - 1].float(), own[-1], own.mean(dim=0)]).cpu()


def synchronize() -> None:
    if ON_GPU:
        torch.cuda.synchronize()


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds and peak GiB."""
    synchronize()
    if ON_GPU:
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    work()
    synchronize()
    return time.perf_counter() - start, torch.cuda.max_memory_allocated() / GIB if ON_GPU else 0.0


class Table:
    """Measures ways and prints a row for each."""

    ROW = "| {:<44} | {:>8} | {:>7} | {:>8} | {:>10} | {:>8} |"

    def __init__(self) -> None:
        self.rates: dict[tuple[str, str], float] = {}
        print(self.ROW.format("way", "workload", "s", "tokens/s", "of scoring", "peak GiB"))

    def measure(self, way: str, name: str, items: list[Rendered], work: Callable[[list[Rendered]], None]) -> None:
        work(items[:48])
        seconds, peak = timed(lambda: work(items))
        rate = self.rates[way, name] = sum(len(item.token_ids) for item in items) / seconds
        share = rate / self.rates["scoring", name]
        print(self.ROW.format(way, name, f"{seconds:.2f}", f"{rate:.0f}", f"{share:.2f}", f"{peak:.1f}"), flush=True)


def vectors(sites: Sequence[str], width: int, n: int) -> list[Vector]:
    rng = np.random.default_rng(0)
    return [
        Vector(f"v{at}", rng.standard_normal(width), sites[at % len(sites)], "random", activation_norm=1.0)
        for at in range(n)
    ]


def readings(model: torch.nn.Module, config: Qwen2Config, tokens: int, budget: int, *, compiled: bool) -> None:
    layers = config.num_hidden_layers
    spread = [f"resid_post.{layers * quarter // 4 - 1}" for quarter in (1, 2, 3, 4)]
    half = [f"resid_post.{layers * part // 8 - 1}" for part in (1, 2, 3, 4)] if layers >= 8 else ["embed", spread[1]]
    scorer, reader = Scorer(model, compiled=compiled), Reader(model, compiled=compiled)
    onto = vectors(spread, config.hidden_size, 50)
    ways = {
        "scoring": lambda part: scorer.submit(part, budget),
        f"reading, {len(spread)} sites x 3": lambda part: reader.submit(part, spread, READOUTS, budget),
        f"reading up to layer {layers // 2} of {layers}": lambda part: reader.submit(part, half, READOUTS, budget),
        "projections onto 50 vectors": lambda part: reader.project(part, onto, READOUTS, budget),
    }
    table = Table()
    for name, sizes in WORKLOADS.items():
        n = tokens // sum(mean for mean, _ in sizes)
        items = chats(name, 2 * n, config.vocab_size)
        for submit in ways.values():
            in_blocks(submit, items[: min(n, 300)])  # compiles
        for way, submit in ways.items():
            table.measure(way, name, items[:n], partial(in_blocks, submit))
        table.measure("reading, twice the chats", name, items, partial(in_blocks, list(ways.values())[1]))
        table.measure("usual: all hidden states, 16 at a time", name, items[: min(n, 192)], partial(usual, model))
        full, stopped = (table.rates[list(ways)[at], name] for at in (1, 2))
        print(f"stopping at layer {layers // 2}: {stopped / full:.2f} times the rate of reading all, workload {name}")


def decodings(model: torch.nn.Module, config: Qwen2Config, requests: int, new_tokens: int, batch: int) -> None:
    """Sampling, plain and steered. Compiled layers are not used here: the decoder has graphs of its own."""
    rng = np.random.default_rng(0)
    lengths = np.maximum(8, rng.normal(70, 15, requests)).astype(int)
    prompts = [rng.integers(0, config.vocab_size, n).tolist() for n in lengths]
    sampling = Sampling(max_tokens=new_tokens, batch_size=batch)
    (vector,) = vectors([f"resid_post.{config.num_hidden_layers // 2}"], config.hidden_size, 1)
    decoder = Decoder(model, stops=set(), pad=0)
    seeds = [str(row) for row in range(requests)]
    rates: dict[str, float] = {}
    print("| sampling | requests | batch | s | tokens/s | of unsteered | peak GiB |")
    for name, coefficients in {
        "unsteered": [],
        "one coefficient": [1.0],
        "six coefficients": [-3.0, -1.0, 0.0, 1.0, 2.0, 3.0],
    }.items():
        steerings = [Steering(vector, coefficients[row % len(coefficients)]) for row in range(requests) if coefficients]
        work = partial(decoder.sample, prompts, seeds, sampling, steerings)
        decoder.sample(prompts[:batch], seeds[:batch], sampling, steerings[:batch])  # captures
        seconds, peak = timed(work)
        rates[name] = requests * new_tokens / seconds
        share = rates[name] / rates["unsteered"]
        cells = (name, str(requests), str(batch), f"{seconds:.2f}", f"{rates[name]:.0f}", f"{share:.2f}", f"{peak:.1f}")
        print(f"| {' | '.join(cells)} |", flush=True)


def endings(model: torch.nn.Module, config: Qwen2Config, new_tokens: int, batch: int) -> None:
    """Answers of very different lengths, where rows are taken by further requests and where a batch waits."""
    requests, mean = 4 * batch, max(2, new_tokens * 3 // 2)
    rng = np.random.default_rng(0)
    prompts = [rng.integers(0, config.vocab_size, 70).tolist() for _ in range(requests)]
    # With random weights all tokens are about equally likely, so the share of them that end an answer says how long it
    # is.
    stops = set(rng.choice(config.vocab_size, max(1, config.vocab_size // mean), replace=False).tolist())
    sampling = Sampling(max_tokens=8 * new_tokens, batch_size=batch)
    decoder, seeds = Decoder(model, stops, pad=0), [str(row) for row in range(requests)]
    decoder.sample(prompts[:1], seeds[:1], sampling)  # captures
    print("| answers that end by themselves | requests | batch | tokens | s | tokens/s | times |")
    usual = decoding.REFILL
    rates: dict[str, float] = {}
    found: dict[str, list[list[int]]] = {}
    for way, refill in {"a batch waits for its longest": 1, "rows are taken by further requests": usual}.items():
        decoding.REFILL = refill
        start = time.perf_counter()
        rows = decoder.sample(prompts, seeds, sampling)
        seconds = time.perf_counter() - start
        ends = [next((at + 1 for at, one in enumerate(row) if one in stops), len(row)) for row in rows]
        found[way] = [row[:end] for row, end in zip(rows, ends, strict=True)]
        rates[way] = sum(ends) / seconds
        times = rates[way] / next(iter(rates.values()))
        cells = (way, str(requests), str(batch), str(sum(ends)), f"{seconds:.2f}", f"{rates[way]:.0f}", f"{times:.2f}")
        print(f"| {' | '.join(cells)} |", flush=True)
    decoding.REFILL = usual
    first, second = found.values()
    print(f"{sum(one == other for one, other in zip(first, second, strict=True))} of {requests} answers are equal")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="a tiny model on the CPU")
    parser.add_argument("--tokens", type=int, default=400_000, help="tokens of a workload")
    parser.add_argument("--budget", type=int, default=16_384, help="maximum number of tokens in a batch")
    parser.add_argument("--requests", type=int, default=512)
    parser.add_argument("--new-tokens", type=int, default=128)
    parser.add_argument("--batches", type=int, nargs="+", default=[128, 256, 512], help="requests at a time")
    parser.add_argument("--only", choices=["reading", "sampling"], help="one half of the benchmark")
    options = parser.parse_args(arguments)
    if options.tiny:
        options.tokens, options.requests = min(options.tokens, 3_000), min(options.requests, 12)
        options.new_tokens, options.batches = 4, [6]
    model, config = build(tiny=options.tiny)
    if ON_GPU:
        name = torch.cuda.get_device_name()
        print(f"torch {torch.__version__}, {name}, ceiling {ceiling():.0f} TFLOP/s bf16")
    if options.only != "reading":
        for batch in options.batches:
            decodings(model, config, options.requests, options.new_tokens, batch)
        endings(model, config, options.new_tokens, options.batches[0])
    if options.only != "sampling":
        readings(model, config, options.tokens, options.budget, compiled=ON_GPU and not options.tiny)


if __name__ == "__main__":
    main()
