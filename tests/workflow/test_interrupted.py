"""Nothing is lost and nothing changes when the workflow is killed, or runs on another number of cores."""

from __future__ import annotations

import numpy as np
import pytest

from support.running import Checkout, differing

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]

KILLS = 6


def test_killed_at_random_moments_on_two_cores_it_ends_as_if_undisturbed_on_one(tmp_path):
    undisturbed = Checkout(tmp_path / "undisturbed")
    undisturbed.run(cores=1)
    assert undisturbed.dry_jobs() == {}

    rng = np.random.default_rng(7)
    checkout = Checkout(tmp_path / "killed")
    kills = 0
    for attempt, n_jobs in enumerate(sorted(rng.choice(len(undisturbed.manifests()) - 2, KILLS, replace=False))):
        # Of the whole group, as a machine that goes down; or of Snakemake alone, whose jobs live on.
        kills += checkout.kill_after(int(n_jobs), float(rng.uniform(0, 2)), group=attempt % 3 != 2)
    assert kills >= KILLS - 2  # what lives on may end all the rest
    checkout.run(cores=2)
    assert differing(undisturbed.tables(), checkout.tables()) == []
    assert checkout.dry_jobs() == {}
