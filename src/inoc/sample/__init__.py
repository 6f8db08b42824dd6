"""Completions of a model and its adapters: questions, asked in several ways, and the tables of their answers.

Kinds of study also declare stages of their own that sample, such as `elicit` and `evaluate` of inoculation.
"""

from __future__ import annotations

from inoc.stages import Stage

VERSION = 1

STAGE = Stage(
    "sample",
    VERSION,
    "sample answers of the untrained model, such as datasets under a system prompt",
    "inoc.sample.step",
    shards="sample",
    computes=True,
)
