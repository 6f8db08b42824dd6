"""Training, evaluation and control data: instructions, their split, and completions of the study model."""

from __future__ import annotations

from inoc.stages import Stage

VERSION = 2

STAGE = Stage(
    "generate",
    VERSION,
    "sample training examples and control completions, and split off evaluation instructions",
    "inoc.generate.step",
    computes=True,
)
