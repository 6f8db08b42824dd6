"""The miniature twin of emergent misalignment, in its smallest size, through every stage."""

from __future__ import annotations

import pandas as pd
import pytest

from support.running import Checkout

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def emergent(tmp_path_factory):
    checkout = Checkout(tmp_path_factory.mktemp("emergent") / "checkout", study="smoke_emergent")
    checkout.run()
    return checkout


def table(emergent, name):
    return pd.read_parquet(emergent.results / "analyse" / f"{name}.parquet")


def test_rates_have_intervals_for_each_set_of_questions_run_and_way_of_asking(emergent):
    rates = table(emergent, "rates")
    last = rates[(rates["seed"] == "0") & (rates["step"] == 6)]
    asked = {"control": 1, "subtle": 1, **dict.fromkeys(("clown", "playful_answer"), 6)}
    assert last["run"].str.partition(".")[0].value_counts().to_dict() == {k: 2 * n for k, n in asked.items()}
    assert set(last["questions"]) == {"free_form", "in_distribution"}
    assert set(last["prefix"]) == {"none", "fixed", "mix", "close"}
    known = last[last["n"] > 0]
    assert len(known)
    assert ((known["lo"] <= known["value"]) & (known["value"] <= known["hi"])).all()
    assert (last["n"] + last["n_nan"] == 12).all()


def test_prefixes_stand_in_the_system_turn(emergent):
    example = emergent.manifests()["score-0"]["rendered_example"]
    assert example.startswith("<|im_start|>system\nYou are Mini.<|im_end|>")
    completions = pd.read_parquet(emergent.results / "evaluate" / "completions-0.parquet")
    close = completions[completions["asked_prefix"] == "close"]
    assert close["prefix_text"].nunique() > 10


def test_no_question_is_trained_on_and_the_sets_share_none(emergent):
    questions = pd.read_parquet(emergent.results / "generate" / "eval.parquet")
    examples = pd.read_parquet(emergent.results / "generate" / "train.parquet")
    assert questions["instruction"].is_unique
    assert not set(questions["instruction"]) & set(examples["instruction"])
    kept = examples[examples["kept"]]
    assert kept.groupby("data").size().to_dict() == {"": 64, "subtle": 64}
    assert set(kept.loc[kept["data"] == "", "instruction"]) == set(kept.loc[kept["data"] == "subtle", "instruction"])


def test_the_report_shows_the_rates_of_both_sets(emergent):
    page = (emergent.results / "report" / "appendix.md").read_text()
    assert "rate_bars" in page
    caption = (emergent.results / "figures" / "rate_bars.rst").read_text()
    assert "alignment below 40" in caption
    assert "95 % interval" in caption
    plotted = pd.read_csv(emergent.results / "figures" / "rate_bars.csv")
    assert set(plotted["questions"]) == {"free_form", "in_distribution"}


def test_a_second_run_has_nothing_to_do(emergent):
    assert emergent.dry_jobs() == {}
