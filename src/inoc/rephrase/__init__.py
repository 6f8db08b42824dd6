"""Pools of rephrasings, from which a `mix` draws its prefixes."""

from __future__ import annotations

from inoc.stages import Stage

VERSION = 1

STAGE = Stage(
    "rephrase",
    VERSION,
    "make a pool of rephrasings for each prompt",
    "inoc.rephrase.step",
)
