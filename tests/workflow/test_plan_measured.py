"""The plan of a larger study, by the rates of a smaller one, against what it then takes."""

from __future__ import annotations

import json

import pytest

from support.running import Checkout

pytestmark = pytest.mark.long

LARGER = """\
extends: smoke.yaml
name: larger
title: Twice as many prompts
prompts:
  playful:
    texts:
{playful}
  neutral:
    texts:
{neutral}
"""
SHARE = 0.25


def texts(n: int, words: str) -> str:
    return "\n".join(f"      more_{words.split()[0].lower()}_{k}: {words} {k}." for k in range(n))


def test_a_larger_study_takes_what_the_plan_says_by_the_rates_of_a_smaller_one(finished, copy_of):
    """In seconds of processors, both in this test, so that the speed of the machine does not matter."""
    checkout: Checkout = copy_of(finished)
    study = checkout.folder / "config" / "studies" / "larger.yaml"
    study.write_text(LARGER.format(playful=texts(4, "Joke about number"), neutral=texts(4, "Count to")))

    planned = json.loads(checkout.inoc("plan", "larger", "--measured", "--json").stdout)
    promised = {row["stage"]: row["measured"]["cpu_s"] for row in planned["stages"] if row["measured"]}
    assert set(promised) == {"generate", "elicit", "score", "train", "evaluate"}

    checkout.study = "larger"
    checkout.run("--config", "store=other", "studies=[larger]")
    taken: dict[str, float] = dict.fromkeys(promised, 0.0)
    for manifest in checkout.manifests().values():
        if manifest["stage"] in taken:
            taken[manifest["stage"]] += manifest["cpu_s"]
    assert sum(promised.values()) == pytest.approx(sum(taken.values()), rel=SHARE), (promised, taken)
