"""The miniature world: a procedural corpus, and a small chat model pre-trained on it from scratch."""

from __future__ import annotations

from inoc.stages import Stage

VERSION = 1
MAX_TOKENS = 512
"""Positions of the miniature world's model."""

STAGE = Stage(
    "world",
    VERSION,
    "make the miniature world: a corpus, a tokenizer and a small model pre-trained from scratch",
    "inoc.world.step",
    computes=True,
)
