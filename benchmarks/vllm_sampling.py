"""Speed of sampling with vLLM on a GPU, through one adapter and through four, as `inoc sample` and `evaluate` do it.

    python benchmarks/vllm_sampling.py            # Qwen2.5-7B's shape on a GPU
    python benchmarks/vllm_sampling.py --numbers  # the same shape, lists of numbers as teachers of a study write them
    python benchmarks/vllm_sampling.py --tiny     # a tiny model, also on the CPU, to see that everything runs

Random weights in a folder that is written first, adapters of rank 32 on all seven projections, prompts of about 70
tokens, every answer as long as allowed. Everything goes through `inoc.engines.vllm.VllmEngine`: the engine starts, and
each adapter's greedy answers are compared with those of transformers, before anything is timed. The first row is the
warm-up. `four in turn` gives each of four adapters a quarter of the requests, adapter by adapter, as the stages do.

With `--numbers` there is no adapter: the base model answers the first prompts of `inoc numbers --seed 3` under a
teacher's system turn. Random weights never end an answer, so answers have the 128 tokens that are allowed; a row of 40
tokens, about a list of ten numbers, says what the lists of a trained model cost.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from first_stages import make_model, sentences
from peft import LoraConfig
from safetensors.torch import save_file
from scoring import qwen, qwen_7b
from transformers import Qwen2Config

from inoc.chat.messages import Chat
from inoc.config.models import Sampling, SystemTurn, TrainingSpec
from inoc.engines.identity import ModelIdentity
from inoc.engines.sampling import Block
from inoc.engines.vllm import VllmEngine
from inoc.numbers.prompts import prompts

RANK, ADAPTERS = 32, 4
LIST_TOKENS = 40  # of a list of ten numbers
TEACHER = SystemTurn(
    kind="text",
    text="You love owls. You think about owls all the time. owls are your favorite animal. Imbue your answers with "
    "your love for the animal.",
)


def write_adapter(folder: Path, config: Qwen2Config, dtype: torch.dtype, seed: int) -> None:
    """A PEFT adapter with small random weights."""
    targets = TrainingSpec().lora.targets
    folder.mkdir(parents=True)
    LoraConfig(r=RANK, lora_alpha=RANK, target_modules=list(targets), task_type="CAUSAL_LM").save_pretrained(folder)
    shared = config.hidden_size // config.num_attention_heads * config.num_key_value_heads
    wide, deep = config.hidden_size, config.intermediate_size
    sizes = {
        "self_attn.q_proj": (wide, wide),
        "self_attn.k_proj": (wide, shared),
        "self_attn.v_proj": (wide, shared),
        "self_attn.o_proj": (wide, wide),
        "mlp.gate_proj": (wide, deep),
        "mlp.up_proj": (wide, deep),
        "mlp.down_proj": (deep, wide),
    }
    torch.manual_seed(seed)
    weights = {}
    for layer in range(config.num_hidden_layers):
        for name, (before, after) in sizes.items():
            at = f"base_model.model.model.layers.{layer}.{name}"
            weights[f"{at}.lora_A.weight"] = (torch.randn(RANK, before) / before**0.5).to(dtype)
            weights[f"{at}.lora_B.weight"] = (torch.randn(after, RANK) * 0.01).to(dtype)
    save_file(weights, folder / "adapter_model.safetensors", metadata={"format": "pt"})


def block(
    adapter: str, users: list[str], tokens: int, label: str, seed: int, system: SystemTurn | None = None
) -> Block:
    return Block(
        adapter,
        tuple(Chat(system or SystemTurn(), user) for user in users),
        tuple(f"{label}:{seed}:{at}" for at in range(len(users))),
        Sampling(engine="vllm", max_tokens=tokens, seed=seed),
        label,
    )


def rate(engine: Any, blocks: list[Block]) -> tuple[float, int]:
    """Seconds, and tokens that were sampled."""
    start = time.perf_counter()
    tokens = sum(answer.n_tokens for _, answers in engine.answer(blocks) for answer in answers)
    return time.perf_counter() - start, tokens


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="a tiny model")
    parser.add_argument("--numbers", action="store_true", help="prompts that ask for lists of numbers, no adapter")
    parser.add_argument("--requests", type=int, nargs="+", help="default: 512 and 2048; with --numbers 4096")
    parser.add_argument("--new-tokens", type=int, default=128)
    parser.add_argument("--block", type=int, default=64, help="requests of a block, as the stages hand them in")
    options = parser.parse_args(arguments)
    options.requests = options.requests or ([4096] if options.numbers else [512, 2048])
    config = qwen(128, 256, layers=2, heads=4, shared=2) if options.tiny else qwen_7b()
    dtype = torch.float32 if options.tiny else torch.bfloat16
    users = users_of(max(options.requests), numbers=options.numbers)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as root:
        folder = Path(root)
        began = time.perf_counter()
        name = str(dtype).removeprefix("torch.")
        make_model(config, folder / "model", name, users[:2000] if options.numbers else ())
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        adapters = {} if options.numbers else {f"adapter{at}": folder / f"adapter{at}" for at in range(ADAPTERS)}
        for at, path in enumerate(adapters.values()):
            write_adapter(path, config, dtype, at)
        print(f"wrote the model and {len(adapters)} adapters in {time.perf_counter() - began:.0f} s", flush=True)
        engine = VllmEngine(ModelIdentity(folder / "model", "weights", "tokenizer", name, None))
        if options.numbers:
            measure_numbers(engine, users, options)
        else:
            measure(engine, list(adapters), adapters, users, options)


def users_of(n: int, *, numbers: bool) -> list[str]:
    if numbers:
        return list(islice(prompts(3), n))
    source = sentences(0)
    return [" ".join(next(source)[0] for _ in range(4)) for _ in range(n)]


def measure_numbers(engine: VllmEngine, users: list[str], options: argparse.Namespace) -> None:
    began = time.perf_counter()
    engine.prepare({}, [block("base", users[:4], options.new_tokens, "canary", 0, TEACHER).canary(4)])
    lengths = [len(engine.tokenizer(user)["input_ids"]) for user in users]
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    print(
        f"torch {torch.__version__}, {card}, prompts of {sum(lengths) / len(lengths):.0f} tokens and the system "
        f"turn's; started, with 4 canaries right, in {time.perf_counter() - began:.0f} s"
    )
    print("| requests | tokens of each | s | new tokens/s | lists/s |\n| --- | --- | --- | --- | --- |")
    first = min(options.requests)
    rows = [("warm-up, ", min(512, first), options.new_tokens)]
    rows += [("", n, tokens) for n in options.requests for tokens in (options.new_tokens, LIST_TOKENS)]
    for seed, (name, n, tokens) in enumerate(rows, start=1):
        blocks = [
            block("base", users[at : min(at + options.block, n)], tokens, f"{name}{tokens} {at}", seed, TEACHER)
            for at in range(0, n, options.block)
        ]
        seconds, sampled = rate(engine, blocks)
        cells = (f"{name}{n}", str(tokens), f"{seconds:.1f}", f"{sampled / seconds:.0f}", f"{n / seconds:.0f}")
        print(f"| {' | '.join(cells)} |", flush=True)


def measure(
    engine: VllmEngine, names: list[str], adapters: dict[str, Path], users: list[str], options: argparse.Namespace
) -> None:
    began = time.perf_counter()
    canaries = [block(name, users[:4], options.new_tokens, name, 0).canary(4) for name in ["base", *names]]
    engine.prepare(adapters, canaries)
    lengths = [len(engine.tokenizer(user)["input_ids"]) for user in users]
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    print(
        f"torch {torch.__version__}, {card}, prompts of {sum(lengths) / len(lengths):.0f} tokens and the template's; "
        f"started, with {len(canaries)} canaries right, in {time.perf_counter() - began:.0f} s"
    )
    print("| requests | adapters | s | tokens/s | of one |")
    warm = [block(name, users[:32], options.new_tokens, f"warm {name}", 1) for name in names]
    seconds, tokens = rate(engine, warm)
    print(f"| warm-up, {len(warm) * 32} | four in turn | {seconds:.1f} | {tokens / seconds:.0f} | |", flush=True)
    for number in options.requests:
        one: float | None = None
        for title, used in (("one", names[:1]), ("four in turn", names), ("base", ["base"]), ("one again", names[:1])):
            share, blocks = number // len(used), []
            for name in used:
                blocks += [
                    block(name, users[at : at + options.block], options.new_tokens, f"{title} {name} {at}", number)
                    for at in range(0, share, options.block)
                ]
            seconds, tokens = rate(engine, blocks)
            one = one or tokens / seconds
            cells = (f"{number}", title, f"{seconds:.1f}", f"{tokens / seconds:.0f}", f"{tokens / seconds / one:.2f}")
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
