from __future__ import annotations

import pytest

from inoc.config.workflow import Shards
from inoc.errors import ConfigError
from inoc.jobs.shards import parse_shard, shard_count
from inoc.stages import stage_named


def test_evaluation_is_split_like_the_runs():
    shards = Shards(train=4, score=2)
    assert [
        shard_count(stage_named(stage), shards) for stage in ("train", "evaluate", "score", "elicit", "analyse")
    ] == [
        4,
        4,
        2,
        1,
        1,
    ]


def test_a_shard_may_bring_its_own_count():
    assert parse_shard("1", stage_named("score"), Shards(score=2)) == (1, Shards(score=2))
    number, shards = parse_shard("5/8", stage_named("evaluate"), Shards(train=2))
    assert (number, shards["train"]) == (5, 8)


@pytest.mark.parametrize("text", ["x", "-1", "1/x", "1/0", "", "1/2/3"])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(ConfigError, match="--shard"):
        parse_shard(text, stage_named("score"), Shards())


def test_a_shard_past_the_last_is_refused_with_what_there_is():
    with pytest.raises(ConfigError, match="score has the shards 0 to 1"):
        parse_shard("2", stage_named("score"), Shards(score=2))
