"""What a further instrument or rater asks of models that are here: its own questions, and no other ones again."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from inoc.jobs.paths import Paths
from inoc.store import Store
from inoc.tables import read_table
from support.asking import KEY, spec
from support.jobs import StudyJob, run_job, units_of
from support.preferences import study_of
from support.server import chat_answer

TEXTS = {f"t{at:02d}": f"Do thing {at}." for at in range(8)}
STARS = {"template": "stated_1_5", "when": "before"}
WISH = {"template": "simple_preference", "when": "before", "pairs": {"design": "regular", "degree": 2}}
ORDER = {
    "template": "rank_preference",
    "when": "before",
    "ranking": {"size": 3, "appearances": 2},
    "sampling": {"max_tokens": 4},
}


@pytest.fixture
def jobs(tiny_folder, tmp_path):
    def of(stage: str, instruments: dict[str, object], models: dict[str, object] | None = None) -> StudyJob:
        study = study_of(
            model={"path": str(tiny_folder), "dtype": "float32"},
            tasks={"origins": {"own": {"texts": TEXTS}}},
            models=models or {"a": {}},
            instruments=instruments,
        )
        paths = Paths(tmp_path / "results", study.name)
        return StudyJob(study.name, paths, Store(tmp_path / "store"), stage, part="answers", of=study)

    return of


def computed_beside(known: set[str], job: StudyJob) -> int:
    """Number of units of a finished job besides known ones, all of which it has too."""
    keys = {unit.key for unit in units_of(job)}
    assert known <= keys
    return len(keys - known)


@pytest.mark.parametrize("stage", ["choose", "sample"])
def test_another_instrument_asks_its_own_questions_alone(jobs, stage):
    method = {"method": stage, "sampling": {"max_tokens": 4}}
    first = {"wish": {**WISH, **method}, "order": ORDER}
    run_job(jobs(stage, first))
    known = {unit.key for unit in units_of(jobs(stage, first))}
    # It stands before the others, so that nothing stays where it was.
    more = jobs(stage, {"stars": {**STARS, **method}, **first})
    run_job(more)
    assert computed_beside(known, more) == 1


def test_another_rater_asks_its_own_questions_alone(jobs):
    one = {"stars": STARS, "wish": WISH}
    run_job(jobs("choose", one))
    known = {unit.key for unit in units_of(jobs("choose", one))}
    more = jobs("choose", one, {"b": {"system": {"kind": "text", "text": "Hurry."}}, "a": {}})
    run_job(more)
    assert computed_beside(known, more) == len(known)


def test_another_instrument_changes_no_number(jobs):
    one, both = {"wish": WISH}, {"stars": STARS, "wish": WISH}
    found = []
    for instruments in (one, both):
        job = jobs("choose", instruments)
        run_job(job)
        table = read_table(job.paths.part("choose", "answers", 0) / "candidates.parquet")
        found.append(table[table["id"].str.startswith("wish")].reset_index(drop=True))
    pd.testing.assert_frame_equal(found[0], found[1])


def test_another_task_or_model_of_an_api_asks_what_is_new_alone(tmp_path, server, monkeypatch):
    monkeypatch.setenv("TEST_KEY", KEY)
    server.answer = lambda body: chat_answer("A")
    texts = dict(list(TEXTS.items())[:4])

    def asked(**sections: object) -> int:
        """Number of questions that were paid for."""
        wish = {**WISH, "pairs": {"design": "all"}, "sampling": {"max_tokens": 4}}
        study = study_of(
            **{
                "tasks": {"origins": {"own": {"texts": texts}}},
                "models": {"a": {"api": "rater"}},
                "instruments": {"wish": wish},
                **sections,
            }
        )
        paths = Paths(tmp_path / "results", study.name)
        before = sum(server.billed.values())
        job = StudyJob(study.name, paths, Store(tmp_path / "store"), "sample", part="api_answers", of=study)
        run_job(replace(job, api_spec=spec(server)))
        return sum(server.billed.values()) - before

    anchors = asked() - 4 * 3
    assert asked() == 0
    assert anchors > 0
    assert asked(tasks={"origins": {"own": {"texts": {"new": "Do another thing.", **texts}}}}) == 4 * 2
    hurried = {"api": "rater", "system": {"kind": "text", "text": "Hurry."}}
    assert asked(models={"b": hurried, "a": {"api": "rater"}}) == anchors + 4 * 3
