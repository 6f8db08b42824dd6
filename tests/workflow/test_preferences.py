"""The miniature of preferences in its smallest size, through every stage, and what is computed again."""

from __future__ import annotations

import pandas as pd
import pytest

from support.computed import check_results
from support.running import Checkout

pytestmark = pytest.mark.long
STUDY = "smoke_preferences"


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    checkout = Checkout(tmp_path_factory.mktemp("preferences") / "checkout", study=STUDY)
    checkout.run()
    return checkout


def table(asked, name):
    return pd.read_parquet(asked.results / "analyse" / f"{name}.parquet")


def test_every_table_figure_and_page_is_there(asked):
    listed = (asked.folder / "results" / "figures" / "all").read_text().split()
    assert len(listed) > 10
    assert all((asked.folder / path).exists() for path in listed)
    ratings = table(asked, "ratings")
    assert set(ratings["category"]) <= {"answered", "refused", "unclear", "failed"}
    assert (ratings["value"].notna() == (ratings["category"] == "answered")).all()
    assert set(table(asked, "comparisons")["order"]) == {"ab", "ba"}
    assert (asked.results / "report" / "appendix.html").exists()


def test_a_second_run_has_nothing_to_do(asked):
    assert asked.dry_jobs() == {}


def test_its_results_can_be_read_from_python_and_exported(asked, tmp_path):
    check_results(asked.folder, STUDY, tmp_path / "exports")
