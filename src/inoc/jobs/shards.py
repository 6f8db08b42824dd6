"""Assignment of a stage's work to several jobs."""

from __future__ import annotations

import hashlib

from inoc.config.workflow import Shards
from inoc.errors import ConfigError
from inoc.stages import Stage


def shard_count(stage: Stage, shards: Shards) -> int:
    """The number of jobs into which a stage is split."""
    return shards.get(stage.shards, 1) if stage.shards else 1


def shard_of(identity: str, shards: int) -> int:
    """Stable shard of an identity: by its hash, never its position, so that new identities change no other's shard."""
    return int(hashlib.sha256(identity.encode()).hexdigest(), 16) % shards


def parse_shard(text: str, stage: Stage, shards: Shards) -> tuple[int, Shards]:
    """Read a shard as the command line names it: `3`, or `3/8` for a split that differs from config.yaml's.

    Returns:
        The shard, and the shards of all stages.

    Raises:
        ConfigError: If it is neither, or there is no such shard.
    """
    number, _, count = text.partition("/")
    if not number.isdecimal() or (count and not (count.isdecimal() and int(count))):
        msg = f"--shard {text!r}: expected a number as 3, or a number and a count as 3/8"
        raise ConfigError(msg)
    if count:
        shards = {**shards, stage.shards: int(count)}
    n = shard_count(stage, shards)
    if int(number) >= n:
        msg = f"--shard {text}: {stage.name} has the shards 0 to {n - 1} (config.yaml, section shards)"
        raise ConfigError(msg)
    return int(number), shards
