"""The miniature of likelihood shift in its smallest size, through every stage, and what is computed again."""

from __future__ import annotations

import pandas as pd
import pytest

from support.computed import check_results
from support.running import Checkout
from support.sites import made_site, site_meta, site_rows, site_texts

pytestmark = pytest.mark.long
STUDY = "smoke_likelihood_shift"


@pytest.fixture(scope="module")
def shift(tmp_path_factory):
    checkout = Checkout(tmp_path_factory.mktemp("shift") / "checkout", study=STUDY)
    checkout.run()
    return checkout


def test_every_table_figure_and_page_is_there(shift):
    listed = (shift.folder / "results" / "figures" / "all").read_text().split()
    assert len(listed) > 10
    assert all((shift.folder / path).exists() for path in listed)
    cells = pd.read_parquet(shift.results / "analyse" / "cells.parquet")
    assert set(cells["statistic"]) == {"mean", "median", "share_positive", "top20", "top5"}
    assert (cells["n"] + cells["n_nan"] == cells["rows_used"]).all()
    students = pd.read_parquet(shift.results / "analyse" / "students.parquet")
    assert set(students["part"]) == {"q1", "q2"}
    assert set(students["n"] + students["n_nan"]) == {12}


def test_a_second_run_has_nothing_to_do_and_another_prompt_computes_its_cells_alone(shift):
    assert shift.dry_jobs() == {}
    before = pd.read_parquet(shift.results / "analyse" / "cells.parquet")
    path = shift.folder / "config" / "studies" / f"{STUDY}.yaml"
    text = path.read_text(encoding="utf-8")
    assert "      both: null\n" in text
    path.write_text(text.replace("      both: null\n", "      both: Answer in a French and playful way.\n"))
    manifests = shift.manifests()
    shift.run("--until", f"analyse_{STUDY}")
    made = shift.manifests()["score-0"]["store"]["made"]
    assert len(made) == 4
    assert all("system both" in label for label in made)
    for job in ("sample-datasets-0", "train-0", "evaluate-0"):
        assert not shift.manifests()[job]["store"]["made"] or shift.manifests()[job] == manifests[job]
    after = pd.read_parquet(shift.results / "analyse" / "cells.parquet")
    same = after[after["prompt"] != "both"].reset_index(drop=True)
    pd.testing.assert_frame_equal(same, before, check_exact=True)


def test_its_results_can_be_read_from_python_and_exported(shift, tmp_path):
    check_results(shift.folder, STUDY, tmp_path / "exports")


def test_the_site_has_the_shift_of_every_row_and_every_answer_of_a_student(shift, tmp_path):
    site = made_site(shift, tmp_path / "site")
    assert {"rows", "answers"} <= {one["name"] for one in site_meta(site)["sources"]}
    rows = site_rows(site, "rows")
    cells = pd.read_parquet(shift.results / "analyse" / "cells.parquet")
    for _, cell in cells[(cells["statistic"] == "mean") & (cells["prompt"] != "")].iterrows():
        own = rows[rows["dataset"] == cell["dataset"]]
        assert own[f"score.{cell['prompt']}"].mean() == pytest.approx(cell["value"], abs=1e-6)
    texts = site_texts(site, "answers")
    files = list((shift.results / "evaluate").glob("completions-*.parquet"))
    assert sorted(texts["completion"]) == sorted(pd.concat([pd.read_parquet(one) for one in files])["completion"])
