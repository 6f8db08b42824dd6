"""Fine-tuning with LoRA: one run per prompt, prefix, learning rate and seed, and the controls."""

from __future__ import annotations

from inoc.stages import Option, Stage

VERSION = 1

STAGE = Stage(
    "train",
    VERSION,
    "fine-tune the LoRA adapters",
    "inoc.train.step",
    shards="train",
    computes=True,
    options=(Option("gpus", "number of GPUs that train one run together (default: that of config.yaml)"),),
)
