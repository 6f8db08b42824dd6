"""A comparison through Snakemake: it waits for the tables of its studies, and reads those of others as they are."""

from __future__ import annotations

import pandas as pd
import pytest


@pytest.fixture
def both(finished, copy_of):
    checkout = copy_of(finished)
    checkout.study = "smoke,smoke_comparison"
    return checkout


def test_it_runs_after_the_studies_that_it_compares_and_has_nothing_to_do_then(both):
    of_the_comparison = {"analyse_smoke_comparison": 1, "draw_figures_smoke_comparison": 1, "write_report": 1}
    planned = both.dry_jobs()
    assert {name: planned.get(name) for name in of_the_comparison} == of_the_comparison
    assert "analyse_smoke" not in planned
    (both.folder / "results" / "smoke" / "analyse" / "scores.parquet").unlink()
    planned = both.dry_jobs()
    assert {"analyse_smoke", "analyse_smoke_comparison"} <= set(planned)
    both.run()
    assert both.dry_jobs() == {}
    folder = both.folder / "results" / "smoke_comparison"
    rows = pd.read_parquet(folder / "analyse" / "differences.parquet")
    assert set(rows["measure"]) == {"scores", "suppression", "predictors"}
    assert set(rows.loc[rows["measure"] != "predictors", "how"]) == {"paired"}
    assert set(rows.loc[rows["measure"] != "predictors", "unit"]) == {"instruction"}
    for name in ("compared", "differences", "agreement"):
        assert (folder / "analyse" / f"{name}.csv").exists()
    assert "What the studies differ in" in (folder / "report" / "appendix.md").read_text()
    means = rows[rows["measure"] == "scores"]
    assert (means["difference"] - (means["second_value"] - means["first_value"])).abs().max() < 1e-9


def test_studies_outside_the_configuration_are_read_and_not_made(both):
    both.study = "smoke_comparison"
    planned = both.dry_jobs()
    assert planned["analyse_smoke_comparison"] == 1
    assert "analyse_smoke" not in planned
    both.inoc("config", "check", "smoke_comparison").check_returncode()
    (both.folder / "results" / "smoke" / "analyse" / "scores.parquet").unlink()
    done = both.inoc("config", "check", "smoke_comparison")
    assert done.returncode == 1
    assert "run it, alone or together" in done.stderr
