"""The miniature of preferences in its smallest size, through every stage, and what is computed again."""

from __future__ import annotations

import pandas as pd
import pytest

from support.computed import check_results
from support.running import ODD, Checkout
from support.sites import made_site, site_meta, site_rows, site_texts

pytestmark = pytest.mark.long
STUDY = "smoke_preferences"


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    checkout = Checkout(tmp_path_factory.mktemp("preferences") / ODD, study=STUDY)
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


def test_the_site_has_what_was_measured_with_the_texts_of_the_tasks(asked, tmp_path):
    site = made_site(asked, tmp_path / "site")
    lists = {one["name"]: one["n"] for one in site_meta(site)["sources"]}
    for name in ("comparisons", "ratings"):
        assert lists[name] == len(table(asked, name))
    comparisons = table(asked, "comparisons")
    rows = site_rows(site, "comparisons")
    assert rows["id"].is_unique
    turned, measured = comparisons["order"] == "ba", comparisons["p_a"].notna()
    wanted = comparisons["p_a"].where(~turned, 1 - comparisons["p_a"])
    assert list(rows.loc[measured, "p_first"]) == pytest.approx(list(wanted[measured]))
    assert (site_texts(site, "ratings")["task_text"] != "").all()
