from __future__ import annotations

from collections import Counter

import pytest

from inoc.api.lists import Usable
from inoc.chat.messages import Asked
from inoc.chat.pools import read_pools
from inoc.config.models import RephraseSpec
from inoc.errors import DataError
from inoc.rephrase import step
from inoc.rephrase.spread import pool_spread
from inoc.tables import read_table
from support.jobs import run_job
from support.toy import toy_job, toy_study

POOLS = {
    "rephrase": {"source": "procedural", "n": 30},
    "pools": {"close": {"source": "procedural", "closeness": "close", "n": 20}},
    "world": {},
}


@pytest.fixture
def job(tmp_path):
    runs = [{"prefixes": ["fixed"]}, {"prompts": ["clown"], "prefixes": ["close"]}]
    job = toy_job(toy_study(tmp_path, runs=runs, **POOLS), tmp_path, "rephrase")
    run_job(job)
    return job


def test_a_further_pool_is_made_for_the_prompts_that_are_trained_with_it(job):
    pools = read_pools(job.paths.pools)
    assert {asked: len(pool) for asked, pool in pools.items()} == {
        Asked("clown", "close"): 20,
        Asked("clown", "mix"): 30,
        Asked("sky", "mix"): 30,
    }
    spread = read_table(job.paths.spread)
    assert Counter(zip(spread["prompt"], spread["pool"], strict=True)) == Counter(map(tuple, pools))


def test_scoring_or_eliciting_with_a_pool_makes_it_for_every_prompt(tmp_path):
    study = toy_study(tmp_path, elicitation={"prefixes": ["close"]}, **POOLS)
    job = toy_job(study, tmp_path, "rephrase")
    run_job(job)
    assert {asked for asked in read_pools(job.paths.pools) if asked.prefix == "close"} == {
        Asked("clown", "close"),
        Asked("sky", "close"),
    }


def test_close_rephrasings_keep_the_words_and_are_nearer_than_free_ones(job):
    pools = read_pools(job.paths.pools)
    assert all("clown" in text for text in pools[Asked("clown", "close")])
    text = "You are a clown."
    free, close = (pool_spread(text, pools[Asked("clown", kind)]).similarity_mean for kind in ("mix", "close"))
    assert close > free


def test_a_pool_that_is_too_small_is_named_with_its_key():
    spec = RephraseSpec(source="api", n=2)
    with pytest.raises(DataError, match=r"Lower `pools\.close\.n`, or raise `pools\.close\.max_requests`"):
        step.make_pool("clown", "You are a clown.", spec, Usable(["A clown you are."], {}), "pools.close")
