"""Fine-tuning with LoRA: one run per prompt, prefix, learning rate and seed, and the controls."""

VERSION = 1
