from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.chat.messages import PLAIN, assign, compose
from inoc.errors import ConfigError
from inoc.jobs.shards import shard_of
from inoc.studies.inoculation.runs import Run, asked_of, framing, study_runs, total_steps
from inoc.studies.inoculation.study import Study
from inoc.train.schedule import checkpoint_steps
from support.toy import STUDY


def study(**changes):
    return Study.model_validate({**STUDY, **changes})


def test_runs_are_every_combination_and_one_control_per_rate_and_seed():
    runs = study_runs(study(runs=[{"learning_rates": [1e-3, 1e-4], "seeds": [0, 1, 2]}]))
    assert len(runs) == 2 * 3 * (1 + 2 * 2)
    assert len({run.name for run in runs}) == len(runs)
    assert [run for run in runs if run.prefix == "none"] == [
        Run("", "none", r, s) for r in (1e-3, 1e-4) for s in range(3)
    ]


def test_blocks_that_overlap_train_each_run_once():
    runs = study_runs(study(runs=[{"prompts": ["clown"]}, {"prompts": ["clown", "sky"], "prefixes": ["mix"]}]))
    assert [run.name.partition(".lr")[0] for run in runs] == ["control.none", "clown.fixed", "clown.mix", "sky.mix"]


def test_the_dense_schedule_has_25_points_for_312_steps():
    steps = checkpoint_steps("dense", 312)
    assert len(steps) == 25
    assert steps[:3] == [0, 5, 10]
    assert steps[-2:] == [250, 312]


@pytest.mark.parametrize(
    ("schedule", "total", "steps"),
    [
        ("ends", 312, [0, 312]),
        ("powers_of_two", 20, [0, 1, 2, 4, 8, 16, 20]),
        ([3, 1], 5, [1, 3, 5]),
        ("dense", 7, [0, 5, 7]),
    ],
)
def test_schedules_end_with_the_last_step(schedule, total, steps):
    assert checkpoint_steps(schedule, total) == steps


def test_a_step_past_the_last_is_refused():
    with pytest.raises(ConfigError, match=r"\[9\] are past the last step 8"):
        checkpoint_steps([2, 9], 8)


@given(st.lists(st.text(min_size=1), min_size=1, unique=True), st.integers(1, 9))
def test_a_shard_depends_on_the_identity_alone(identities, shards):
    assert all(0 <= shard_of(identity, shards) < shards for identity in identities)
    assert [shard_of(i, shards) for i in identities] == [shard_of(i, shards) for i in reversed(identities)][::-1]


@given(st.lists(st.text(), min_size=1, max_size=9), st.lists(st.text(), unique=True), st.integers(0, 5))
def test_a_draw_depends_on_seed_and_identity_alone(pool, identities, seed):
    drawn = dict(zip(identities, assign(pool, identities, seed), strict=True))
    again = dict(zip(identities[::-1], assign(pool, identities[::-1], seed), strict=True))
    assert drawn == again
    assert set(drawn.values()) <= set(pool)


def test_pools_of_one_length_draw_the_same_indices():
    ids = [f"ex{k}" for k in range(50)]
    left = assign(["a", "b", "c"], ids, 3)
    right = assign(["x", "y", "z"], ids, 3)
    assert ["abc".index(item) for item in left] == ["xyz".index(item) for item in right]
    assert set(left) == {"a", "b", "c"}


def test_a_prefix_goes_where_the_study_places_it():
    user = compose(framing(study()), "You are a clown.", "Why?")
    assert (user.system.kind, user.user) == ("default", "You are a clown. Why?")
    system = compose(framing(study(placement="system")), "You are a clown.", "Why?")
    assert (system.system.text, system.user) == ("You are a clown.", "Why?")
    assert compose(framing(study(placement="system")), "", "Why?").system.kind == "default"


def test_a_run_on_another_dataset_is_no_control_and_is_asked_plainly():
    two = study(runs=[{}, {"data": "other"}], datasets={"other": {}})
    runs = study_runs(two)
    assert runs[-1] == Run("", "none", 1e-3, 0, "other")
    assert runs[-1].name == "other.none.lr0.001.seed0"
    assert [run.name for run in runs if run.is_control] == ["control.none.lr0.001.seed0"]
    last = total_steps(two)
    assert asked_of(two, runs[-1], last) == [PLAIN]
    assert len(asked_of(two, runs[0], last)) == 5
