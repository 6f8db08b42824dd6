"""The smallest stage: it counts the characters of some texts."""

from __future__ import annotations

from inoc.stages import Option, Stage

VERSION = 1
STAGE = Stage(
    "count",
    VERSION,
    "count the characters of some texts",
    "support.toy_stage.step",
    shards="count",
    computes=True,
    options=(Option("times", "how often to count"),),
)
