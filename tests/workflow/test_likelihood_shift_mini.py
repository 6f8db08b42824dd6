"""The miniature of likelihood shift shows what its report says."""

from __future__ import annotations

import pandas as pd
import pytest

from support.running import Checkout

pytestmark = [pytest.mark.miniature, pytest.mark.timeout(7200)]


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    checkout = Checkout(tmp_path_factory.mktemp("scan") / "checkout", study="mini_likelihood_shift")
    checkout.run()
    return checkout


def table(mini, name):
    return pd.read_parquet(mini.results / "analyse" / f"{name}.parquet")


def test_the_own_prompt_is_the_largest_of_its_column(mini):
    columns = table(mini, "columns").query("statistic == 'mean'")
    own = columns[columns["dataset"] != "all"]
    assert len(own) == 6
    assert (own["own_rank"] == 1).all(), own.to_string()
    assert (columns.loc[columns["dataset"] == "all", "lo"] > 0).all()


def test_students_of_the_part_that_the_prompt_favours_show_more_of_it(mini):
    doses = table(mini, "dose_response").query("split == 'quintiles' and statistic == 'top_minus_bottom'")
    assert (doses["lo"] > 0).all()
    assert len(doses) == 1


def test_a_second_run_has_nothing_to_do(mini):
    assert mini.dry_jobs() == {}
