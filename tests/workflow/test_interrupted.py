"""Nothing is lost and nothing changes when the workflow is killed, or runs on fewer cores."""

from __future__ import annotations

import numpy as np
import pytest

from support.running import Checkout, differing

pytestmark = pytest.mark.long


def test_killed_at_ten_random_moments_it_ends_as_if_undisturbed(finished, tmp_path):
    rng = np.random.default_rng(7)
    checkout = Checkout(tmp_path / "checkout")
    kills = 0
    for attempt in range(10):
        # Of the whole group, as a machine that goes down; or of Snakemake alone, whose jobs live on.
        kills += checkout.kill_after(float(rng.uniform(4, 16)), group=attempt % 3 != 2)
    assert kills >= 5
    checkout.run()
    assert differing(finished.tables(), checkout.tables()) == []
    assert checkout.dry_jobs() == {}


def test_one_core_gives_the_same_tables_as_two(finished, tmp_path):
    checkout = Checkout(tmp_path / "checkout")
    checkout.run(cores=1)
    assert differing(finished.tables(), checkout.tables()) == []
