"""Activations of chats at named sites, as they are or projected onto vectors."""

from __future__ import annotations

from inoc.called import make_callable
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

make_callable(__name__, "inoc.python.compute:read")
