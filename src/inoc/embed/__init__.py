"""Sentence embeddings of each prompt and its rephrasings."""

from __future__ import annotations

from inoc.stages import Stage

VERSION = 1

STAGE = Stage(
    "embed", VERSION, "compute sentence embeddings of each prompt and its rephrasings", "inoc.embed.step", computes=True
)
