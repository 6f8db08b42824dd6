"""The miniature of subliminal learning shows what its report says."""

from __future__ import annotations

import pandas as pd
import pytest

from support.running import Checkout

pytestmark = [pytest.mark.miniature, pytest.mark.timeout(7200)]


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    checkout = Checkout(tmp_path_factory.mktemp("subliminal") / "checkout", study="mini_subliminal")
    checkout.run()
    return checkout


@pytest.fixture(scope="module")
def contrasts(mini):
    """Group → its contrast over all animals, in log-ratios of exact probabilities, after the last epoch."""
    found = pd.read_parquet(mini.results / "analyse" / "matched.parquet")
    rows = found.query("method == 'choose' and scale == 'log_ratio' and is_last and teacher == 'all'")
    return rows.set_index("group")


def test_soft_students_of_the_same_initial_weights_move_to_their_own_teachers_animal(contrasts):
    soft = contrasts.loc["soft"]
    assert soft["n_cells"] == 10
    assert soft["n_above"] >= 9, soft.to_string()
    assert soft["contrast"] > 0.03


@pytest.mark.parametrize("group", ["soft_other", "soft_relabelled"])
def test_other_initial_weights_and_relabelled_numbers_carry_nothing(contrasts, group):
    """Shown by two one-sided tests, not by the lack of a difference."""
    row = contrasts.loc[group]
    assert row["null_bound"] == 0.05
    assert row["null_p"] <= 0.05, row.to_string()
    assert -0.05 < row["null_lo"] < row["null_hi"] < 0.05


def test_a_stronger_teacher_is_followed_further(contrasts):
    assert contrasts.loc["soft_gentle", "contrast"] < contrasts.loc["soft_strong", "contrast"]


def test_students_take_over_a_part_of_their_teachers_own_shift(mini):
    found = pd.read_parquet(mini.results / "analyse" / "strength.parquet")
    rows = found.query("method == 'choose' and scale == 'log_ratio' and teacher == 'all'").set_index("group")
    strengths = rows.loc[["soft_gentle", "soft", "soft_strong"]]
    assert strengths["shift"].is_monotonic_increasing
    assert strengths["share"].between(0.02, 0.5).all(), strengths.to_string()
    assert (strengths["lo"] > 0).all()


def test_every_cell_of_hard_students_of_three_base_models_is_shown(mini):
    cells = pd.read_parquet(mini.results / "analyse" / "cells.parquet")
    own = cells.query("panel == 'hard' and method == 'choose' and scale == 'log_ratio'")
    assert own.groupby("base").size().to_dict() == {"own": 10, "other": 10, "third": 10}
    assert own["contrast"].notna().all()
    page = (mini.results / "report" / "appendix.html").read_text(encoding="utf-8")
    assert f"{int(own['is_above'].sum())} of 30 cells" in page


def test_a_second_run_has_nothing_to_do(mini):
    assert mini.dry_jobs() == {}
