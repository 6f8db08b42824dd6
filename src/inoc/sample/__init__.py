"""Completions of a model and its adapters: questions, asked in several ways, and the tables of their answers.

The stage of this name answers any chats, several times if need be. Stages that kinds of study declare for themselves
sample through here as well.
"""

from __future__ import annotations

from inoc.stages import Stage

VERSION = 1

STAGE = Stage(
    "sample",
    VERSION,
    "sample answers to chats",
    "inoc.sample.step",
    shards="sample",
    computes=True,
)
