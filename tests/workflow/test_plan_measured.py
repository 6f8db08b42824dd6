"""The plan of a study by the rates of what has run here."""

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


def texts(n: int, words: str) -> str:
    return "\n".join(f"      more_{words.split()[0].lower()}_{k}: {words} {k}." for k in range(n))


def promised(checkout: Checkout, study: str) -> dict[str, float]:
    """Stage → seconds of processors that a study's plan promises by measured rates."""
    planned = json.loads(checkout.inoc("plan", study, "--measured", "--json").stdout)
    return {row["stage"]: row["measured"]["cpu_s"] for row in planned["stages"] if row["measured"]}


def test_a_plan_by_measured_rates_says_what_the_study_itself_took_and_more_for_a_larger_one(finished, copy_of):
    """The seconds of a run on a machine with other work tell little about another run, so no two runs are compared."""
    checkout: Checkout = copy_of(finished)
    study = checkout.folder / "config" / "studies" / "larger.yaml"
    study.write_text(LARGER.format(playful=texts(4, "Joke about number"), neutral=texts(4, "Count to")))
    own, larger = promised(checkout, "smoke"), promised(checkout, "larger")
    assert set(own) == set(larger) == {"generate", "elicit", "score", "train", "evaluate"}

    taken: dict[str, float] = dict.fromkeys(own, 0.0)
    for manifest in checkout.manifests().values():
        if manifest["stage"] in taken:
            taken[manifest["stage"]] += manifest["cpu_s"]
    assert own == pytest.approx(taken, rel=1e-3, abs=0.1)
    assert larger["score"] > own["score"]
    assert larger["elicit"] > own["elicit"]
