from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from inoc.chat.messages import PLAIN, Asked
from inoc.studies.inoculation.analyse.inputs import Cell, Scores
from inoc.studies.inoculation.analyse.late_steps import LateSteps, chance_of_far, in_standard_errors, late_steps
from inoc.studies.inoculation.runs import Run, asked_of, study_runs
from inoc.studies.inoculation.study import Study
from support.fake_study import make_study

N = 40


def study(checkpoints: tuple[int, ...] = (0, 50, 96, 98, 100)) -> Study:
    return make_study(training={"steps": 100, "seeds": [0, 1], "checkpoints": list(checkpoints), "learning_rate": 1e-3})


def made_up(study: Study) -> Scores:
    """Every cell has its own level, which the late steps share."""
    rng = np.random.default_rng(0)
    cells = {}
    for run in study_runs(study):
        for asked in dict.fromkeys(way for step in (0, 100) for way in asked_of(study, run, step)):
            for trait in study.traits:
                level = rng.uniform(20, 80) + rng.normal(0, 10, N)
                for step in study.training.checkpoints:
                    cells[Cell(run, step, asked, trait)] = level + rng.uniform(-5, 5, N)
    return Scores(cells, [f"i{place}" for place in range(N)], {})


def tables(found: LateSteps) -> tuple[pd.DataFrame, pd.DataFrame]:
    return pd.DataFrame(found.rows), pd.DataFrame(found.counts)


def test_every_late_step_is_compared_with_the_last_and_no_early_one() -> None:
    rows, counts = tables(late_steps(study(), made_up(study())))
    assert set(rows["step"]) == {96, 98}
    assert set(rows["last_step"]) == {100}
    assert len(rows) == counts.query("family == 'all'")["n"].sum() == counts.query("family != 'all'")["n"].sum()


def test_a_row_is_the_paired_test_of_its_two_steps() -> None:
    scores = made_up(study())
    clown = Run("clown", "fixed", 1e-3, 1)
    scores.cells[Cell(clown, 96, PLAIN, "playful")][3] = np.nan
    scores.cells[Cell(Run("", "none", 1e-3, 1), 96, PLAIN, "playful")][5] = np.nan
    rows, _ = tables(late_steps(study(), scores))
    row = rows.query("run == @clown.name and asked_prompt == '' and trait == 'playful' and step == 96").iloc[0]
    early, late = (scores.cells[Cell(clown, step, PLAIN, "playful")] for step in (96, 100))
    test = scipy.stats.ttest_rel(late, early, nan_policy="omit")
    assert row["z"] == pytest.approx(test.statistic)
    assert (row["difference"], row["n"], row["n_nan"]) == (pytest.approx(np.nanmean(late - early)), N - 1, 1)
    assert [row["lo"], row["hi"]] == pytest.approx(list(test.confidence_interval()))
    control = [scores.cells[Cell(Run("", "none", 1e-3, 1), step, PLAIN, "playful")] for step in (96, 100)]
    assert row["suppression"] == pytest.approx(np.nanmean(control[0] - early))
    assert row["last_suppression"] == pytest.approx((control[1] - late).mean())
    assert (row["suppression_n"], row["last_suppression_n"]) == (N - 2, N)


def test_suppression_is_told_of_runs_asked_without_their_prefix_only() -> None:
    rows, _ = tables(late_steps(study(), made_up(study())))
    told = rows["suppression"].notna()
    assert (told == ((rows["prefix"] != "none") & (rows["asked_prompt"] == ""))).all()


def test_a_checkpoint_of_another_run_is_flagged() -> None:
    one = study((0, 98, 100))
    scores = made_up(one)
    before = late_steps(one, scores)
    stale, other = Run("witty", "mix", 1e-3, 0), Run("sky", "fixed", 1e-3, 0)
    for asked, theirs in ((PLAIN, PLAIN), (Asked("witty", "mix"), Asked("sky", "fixed"))):
        for trait in ("playful", "french"):
            scores.cells[Cell(stale, 100, asked, trait)] = scores.cells[Cell(other, 100, theirs, trait)] - 100
    after = late_steps(one, scores)
    flagged = {
        (str(row["run"]), str(row["asked_prompt"]), str(row["trait"]))
        for old, row in zip(before.rows, after.rows, strict=True)
        if row["differs"] and not old["differs"]
    }
    assert flagged == {(stale.name, prompt, trait) for prompt in ("", "witty") for trait in ("playful", "french")}
    for old, new in zip(before.counts, after.counts, strict=True):
        touched = 4 if old["family"] == "all" else 2 * (old["family"] == "playful" and old["prefix"] == "mix")
        assert new["n_differ"] == old["n_differ"] + touched


def test_as_many_differ_by_chance_as_are_expected() -> None:
    rng = np.random.default_rng(0)
    far = [abs(in_standard_errors(row)) > 3 for row in rng.normal(size=(20_000, 8))]
    assert np.mean(far) == pytest.approx(chance_of_far(8), rel=0.15)
    assert chance_of_far(200) == pytest.approx(2 * scipy.stats.t.sf(3, 199))
    _, counts = tables(late_steps(study(), made_up(study())))
    for row in counts.itertuples():
        assert row.expected == pytest.approx(row.n * chance_of_far(N))


def test_a_cell_that_cannot_be_told_is_counted_as_such() -> None:
    scores = made_up(study((0, 98, 100)))
    run = Run("clown", "fixed", 1e-3, 1)
    scores.cells[Cell(run, 98, PLAIN, "playful")][:] = np.nan
    rows, counts = tables(late_steps(study((0, 98, 100)), scores))
    row = rows.query("run == @run.name and asked_prompt == '' and trait == 'playful'").iloc[0]
    assert np.isnan([row["z"], row["chance"], row["difference"]]).all()
    assert row["failed"]
    assert not row["differs"]
    assert counts.query("family == 'all'")[["n", "n_nan"]].to_numpy().tolist() == [[len(rows) - 1, 1]]


def test_a_study_without_a_second_late_step_says_so() -> None:
    found = late_steps(study((0, 50, 100)), made_up(study((0, 50, 100))))
    assert (found.rows, found.counts) == ([], [])
    assert "no run was asked both at step 100 and at an earlier one" in found.skipped[0].why


def test_equal_differences_have_no_spread() -> None:
    assert in_standard_errors(np.zeros(5)) == 0
    assert in_standard_errors(np.full(5, -2.0)) == -np.inf
    assert np.isnan(in_standard_errors(np.array([1.0, np.nan])))
