"""The miniature of preferences finds what was planted in it."""

from __future__ import annotations

import pandas as pd
import pytest

from support.running import Checkout

pytestmark = [pytest.mark.miniature, pytest.mark.timeout(7200)]


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    checkout = Checkout(tmp_path_factory.mktemp("preferences") / "checkout", study="mini_preferences")
    checkout.run()
    return checkout


@pytest.fixture(scope="module")
def planted(mini):
    return pd.read_parquet(mini.results / "analyse" / "planted.parquet")


def test_utilities_of_the_rater_without_noise_are_those_that_were_planted(planted):
    found = planted.query("check == 'utilities' and rater == 'mini'").set_index("instrument")["found"]
    assert (found[["liking", "wish"]] >= 0.95).all(), found.to_string()


def test_the_planted_position_is_in_the_interval_over_wordings(planted):
    found = planted[planted["check"].str.startswith("position")].set_index(["check", "instrument"])
    assert (found["holds"] == "yes").loc["position, all wordings"].all(), found.to_string()
    assert (found.loc["position", "found"] - found.loc["position", "planted"]).abs().max() < 0.15, found.to_string()


def test_the_reversed_rating_is_caught_and_no_other_one(planted):
    found = planted.query("check == 'reversed'")
    assert (found["holds"] == "yes").all(), found.to_string()


def test_the_refused_topic_is_a_category(mini, planted):
    assert (planted.query("check in ['refused', 'refused_others']")["holds"] == "yes").all()
    ratings = pd.read_parquet(mini.results / "analyse" / "ratings.parquet")
    assert ratings.loc[ratings["category"] == "refused", "value"].isna().all()


def test_probes_find_the_planted_utilities_out_of_sample_and_nothing_in_shuffled_labels(mini, planted):
    found = planted[planted["check"].str.startswith("probe ")].set_index("check")
    for probe in ("utility", "pairs", "topics"):
        assert found.loc[f"probe {probe}", "holds"] == "yes", found.to_string()
    shuffled = found[found.index.str.endswith("shuffled labels")]
    assert len(shuffled) >= 3
    assert (shuffled["holds"] == "yes").all(), found.to_string()


def test_a_steered_vector_moves_choices_as_planted_by_more_than_all_of_20_random_ones(mini, planted):
    found = planted[planted["check"].str.startswith("steering ")].set_index("check")
    assert (found["n"] == 20).all()
    for target in ("first", "both"):
        assert found.loc[f"steering {target} by utility", "holds"] == "yes", found.to_string()
        assert found.loc[f"steering {target} by utility, shuffled labels", "holds"] == "yes", found.to_string()


def test_refusal_is_told_apart_on_tasks_that_had_no_part_in_its_direction(mini):
    vectors = pd.read_parquet(mini.results / "analyse" / "vectors.parquet")
    assert (vectors.loc[vectors["vector"] == "refusal", "auc"] > 0.8).all()


def test_a_second_run_has_nothing_to_do(mini):
    assert mini.dry_jobs() == {}
