"""Probabilities of the answers of a closed set, without sampling."""

from __future__ import annotations

from inoc.stages import Stage

VERSION = 1

STAGE = Stage(
    "choose",
    VERSION,
    "measure the probability of each answer of a closed set",
    "inoc.choose.step",
    shards="choose",
    computes=True,
)
