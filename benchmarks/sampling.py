"""Speed of sampling on a GPU with `generate` of transformers, for several batch sizes.

    python benchmarks/sampling.py

Qwen2.5-7B's shape with random weights, prompts of 70 ± 15 tokens padded on the left, every answer as long as allowed, a
random stream of its own for each request: as `inoc` samples from families that it has no faster decoder for. That
decoder is measured by `reading.py --only sampling`.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from scoring import GIB, qwen_7b, random_model
from transformers import GenerationConfig

from inoc.config.models import Sampling
from inoc.engines.draw import SeededDraw


@torch.inference_mode()
def sample(model: torch.nn.Module, size: int, new_tokens: int, vocabulary: int) -> float:
    rng = np.random.default_rng(0)
    lengths = np.maximum(8, rng.normal(70, 15, size)).astype(int)
    width = lengths.max()
    mask = torch.tensor(np.arange(width) >= width - lengths[:, None], device="cuda").long()
    ids = torch.tensor(rng.integers(0, vocabulary, (size, width)), device="cuda") * mask
    settings = GenerationConfig(max_new_tokens=new_tokens, min_new_tokens=new_tokens, do_sample=False, pad_token_id=0)
    draw = SeededDraw([str(k) for k in range(size)], Sampling(max_tokens=new_tokens))
    torch.cuda.synchronize()
    start = time.perf_counter()
    model.generate(input_ids=ids, attention_mask=mask, generation_config=settings, logits_processor=[draw])
    torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[32, 128, 512])
    parser.add_argument("--new-tokens", type=int, default=128)
    options = parser.parse_args()
    config = qwen_7b()
    model = random_model(config, torch.bfloat16)
    sample(model, 8, 8, config.vocab_size)
    print(f"torch {torch.__version__}, {torch.cuda.get_device_name()}")
    print("| requests at a time | s | tokens/s | peak GiB |")
    for size in options.batches:
        torch.cuda.reset_peak_memory_stats()
        seconds = sample(model, size, options.new_tokens, config.vocab_size)
        peak = torch.cuda.max_memory_allocated() / GIB
        print(f"| {size} | {seconds:.1f} | {size * options.new_tokens / seconds:.0f} | {peak:.1f} |", flush=True)


if __name__ == "__main__":
    main()
