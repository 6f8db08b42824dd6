"""Nothing is lost and nothing changes when the workflow is killed, or runs on another number of cores."""

from __future__ import annotations

import time

import numpy as np
import pytest

from support.running import Checkout, differing

pytestmark = pytest.mark.long

KILLS = 6


def test_killed_at_random_moments_on_two_cores_it_ends_as_if_undisturbed_on_one(tmp_path):
    started = time.monotonic()
    undisturbed = Checkout(tmp_path / "undisturbed")
    undisturbed.run(cores=1)
    whole = time.monotonic() - started
    assert undisturbed.dry_jobs() == {}

    rng = np.random.default_rng(7)
    checkout = Checkout(tmp_path / "killed")
    kills = 0
    for attempt in range(KILLS):
        # Of the whole group, as a machine that goes down; or of Snakemake alone, whose jobs live on.
        kills += checkout.kill_after(float(rng.uniform(0.05, 0.18) * whole), group=attempt % 3 != 2)
    assert kills >= KILLS - 2  # on a busy machine the last ones may come too late
    checkout.run(cores=2)
    assert differing(undisturbed.tables(), checkout.tables()) == []
    assert checkout.dry_jobs() == {}
