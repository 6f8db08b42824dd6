"""The miniature of preferences in its smallest size, through every stage, and what is computed again."""

from __future__ import annotations

import pandas as pd
import pytest

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


def test_a_second_run_has_nothing_to_do_and_another_instrument_asks_its_own_questions_alone(asked):
    assert asked.dry_jobs() == {}
    path = asked.folder / "config" / "studies" / f"{STUDY}.yaml"
    text = path.read_text(encoding="utf-8")
    assert "  tedium: null\n" in text
    path.write_text(text.replace("  tedium: null\n", ""), encoding="utf-8")
    before, completions = table(asked, "comparisons"), asked.manifests()["sample-completions-0"]
    asked.run("--until", f"analyse_{STUDY}")
    assert asked.manifests()["sample-completions-0"] == completions  # nothing was sampled again
    pd.testing.assert_frame_equal(table(asked, "comparisons"), before)
    assert "tedium" in set(table(asked, "ratings")["instrument"])
