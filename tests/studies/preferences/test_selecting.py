"""Active selection in a job: a crash anywhere changes nothing, and nothing is asked twice."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from inoc.choose import step as choose_step
from inoc.jobs.paths import Paths
from inoc.store import Store
from inoc.studies.preferences import plans
from inoc.studies.preferences.answers import comparison_rows, exact_answers
from inoc.studies.preferences.planted import choice_probability
from inoc.studies.preferences.selecting import Steps, Track, replayed, tracks
from inoc.studies.preferences.study import PlantedSpec
from inoc.studies.preferences.tasks import Task
from support.jobs import StudyJob, run_job, units_of
from support.preferences import study_of

TASKS = [Task(f"t{at:02d}", f"Do thing {at}.", "maths") for at in range(14)]
UTILITY = {task.id: float(value) for task, value in zip(TASKS, np.linspace(-1.5, 1.5, 14), strict=True)}


def a_study(**more):
    instrument = {"template": "simple_preference", "when": "before", "pairs": {"design": "active", "degree": 3}}
    return study_of(
        models={"a": {}},
        instruments={"wish": instrument},
        fit={"models": ["case_v"]},
        selection={"batch": 8, "max_rounds": 4, "reliability": 1.0},
        **more,
    )


def answered(study, asked):
    """Shares that follow the utilities."""
    spec = PlantedSpec(utilities={})
    shares = {}
    for one in asked:
        p = choice_probability(spec, UTILITY[one.tasks[0]] - UTILITY[one.tasks[1]])
        shares[one.id] = [0.98 * p, 0.98 * (1 - p), 0.0]
    return comparison_rows(study, exact_answers(study, asked, shares), {})


def steps_of(study):
    return Steps(study, TASKS, [Track("wish", "a", "")], list, lambda asked, found: answered(study, found))


def walked(study):
    """All rounds of a selection, as a job would ask them."""
    steps, found = steps_of(study), []
    while (plan := steps(found)) is not None:
        found.append(plan)
    return found


def test_a_selection_ends_and_asks_every_pair_once_in_both_orders():
    rounds = walked(a_study())
    assert len(rounds) == 4
    count = Counter(one.tasks for asked in rounds for one in asked)
    assert set(count.values()) == {1}
    assert all(pair[::-1] in count for pair in count)
    assert [one.round for asked in rounds for one in asked] == sorted(one.round for asked in rounds for one in asked)


def test_a_job_that_starts_again_makes_the_same_choices_wherever_it_stopped():
    study = a_study()
    whole = walked(study)
    for at in range(len(whole) + 1):
        again = steps_of(study)
        assert again(whole[:at]) == (whole[at] if at < len(whole) else None)


def test_the_history_that_is_told_afterwards_is_the_one_that_was_asked():
    study = a_study()
    told = replayed(study, TASKS, Track("wish", "a", ""), lambda asked: answered(study, asked))
    assert told.asked == [one for asked in walked(study) for one in asked]
    assert [row.round for row in told.history] == [0, 1, 2, 3]
    assert [row.stop for row in told.history] == ["", "", "", "rounds"]


def test_only_active_choices_of_the_method_are_selected():
    study = a_study()
    assert tracks(study, "a", "choose") == [Track("wish", "a", "")]
    assert tracks(study, "a", "sample") == []


@pytest.fixture
def job_of(tiny_folder, tmp_path, monkeypatch):
    """A job of a selection, over a tiny model, in a store of its own."""
    shares = plans.blocks_shares

    def always_answered(found):
        """A model without training answers hardly ever with a label; only the share of either is taken of it."""
        return {name: [a / (a + b), b / (a + b), 0.0] for name, (a, b, _) in shares(found).items()}

    monkeypatch.setattr(plans, "blocks_shares", always_answered)
    texts = {task.id: task.text for task in TASKS}
    study = a_study(model={"path": str(tiny_folder), "dtype": "float32"}, tasks={"origins": {"m": {"texts": texts}}})

    def make(name):
        paths = Paths(tmp_path / name / "results", study.name)
        return StudyJob(study.name, paths, Store(tmp_path / name / "store"), "choose", part="selected", of=study)

    return make


class KilledError(Exception):
    """Stands for a killed job."""


def test_a_crash_anywhere_leaves_the_same_files_and_nothing_is_asked_twice(job_of, monkeypatch):
    written = []
    write = choose_step.write_choices

    def counting(folder, found, example):
        if len(written) == counting.until:
            raise KilledError
        write(folder, found, example)
        written.append(len(found))

    monkeypatch.setattr(choose_step, "write_choices", counting)
    counting.until = -1  # never
    run_job(job_of("whole"))
    n_units = len(written)
    assert n_units > 40
    expected = pd.read_parquet(job_of("whole").paths.part("choose", "selected", 0) / "candidates.parquet")
    for until in (0, 1, 20, n_units - 1):
        written.clear()
        counting.until = until
        job = job_of(f"crash{until}")
        with pytest.raises(KilledError):
            run_job(job)
        assert len(job.store.made) == until
        counting.until = -1
        run_job(job)
        assert len(written) == n_units
        found = pd.read_parquet(job.paths.part("choose", "selected", 0) / "candidates.parquet")
        pd.testing.assert_frame_equal(found, expected)
    assert len(units_of(job)) == n_units
