"""Activations of chats at named sites, as they are or projected onto vectors."""

from __future__ import annotations

from inoc.stages import Stage

VERSION = 1

STAGE = Stage(
    "read",
    VERSION,
    "read activations of chats, or project them onto vectors",
    "inoc.read.step",
    shards="read",
    computes=True,
)
