"""The demonstration really shows what it says. The same stages in a smaller size: `test_smoke`."""

from __future__ import annotations

import pandas as pd
import pytest

from support.running import Checkout
from support.sites import made_site

pytestmark = [pytest.mark.miniature, pytest.mark.timeout(7200)]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    checkout = Checkout(tmp_path_factory.mktemp("demo") / "checkout", study="mini")
    checkout.run()
    return checkout


def table(demo, name):
    return pd.read_parquet(demo.results / "analyse" / f"{name}.parquet")


def test_it_has_eight_prompts_fixed_and_mixed_and_two_seeds(demo):
    rows = table(demo, "suppression")
    for prefix in ("fixed", "mix"):
        assert rows.loc[rows["prefix"] == prefix, "prompt"].nunique() >= 8
    assert set(rows["seed"]) >= {"0", "1", "all"}


def test_every_expectation_holds_over_all_seeds(demo):
    verdict = table(demo, "verdict")
    pooled = verdict[(verdict["seed"] == "all") & (verdict["statement"] != "wanted_survives")]
    assert len(pooled) >= 6
    assert pooled["holds"].all(), pooled[["text", "value", "threshold", "holds"]].to_string()


def test_the_verdict_says_that_french_is_held_back_too(demo):
    verdict = table(demo, "verdict").query("statement == 'wanted_survives' and seed == 'all'")
    assert verdict["trait"].tolist() == ["french"]
    assert verdict["answer"].tolist() == ["does not hold"]


def test_predictions_stand_beside_their_held_out_figure(demo):
    prediction = table(demo, "prediction").query("trait == 'playful'")
    for predictor in ("elicitation", "ph"):
        rows = prediction[(prediction["predictor"] == predictor) & (prediction["prefix"] == "fixed")]
        assert (rows["r"] > 0).any()
        assert rows[["r_lo", "r_hi", "r2_out"]].notna().all(axis=None)


def test_a_second_run_has_nothing_to_do(demo):
    assert demo.dry_jobs() == {}


def test_the_site_is_small(demo, tmp_path):
    whole, small = made_site(demo, tmp_path / "whole"), made_site(demo, tmp_path / "small", "--no-tokens")
    sizes = [sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) for site in (whole, small)]
    assert sizes[0] <= 15_000_000
    assert sizes[1] <= 5_000_000
