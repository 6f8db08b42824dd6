"""The miniature of subliminal learning shows what its report says."""

from __future__ import annotations

import pandas as pd
import pytest

from support.running import Checkout

pytestmark = [pytest.mark.miniature, pytest.mark.timeout(3600)]


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
    assert abs(contrasts.loc[group, "contrast"]) < 0.05, contrasts.loc[group].to_string()


def test_a_stronger_teacher_is_followed_further(contrasts):
    assert contrasts.loc["soft_gentle", "contrast"] < contrasts.loc["soft_strong", "contrast"]


def test_a_second_run_has_nothing_to_do(mini):
    assert mini.dry_jobs() == {}
