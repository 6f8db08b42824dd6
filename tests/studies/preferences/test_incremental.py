"""What a further instrument, rater or task asks: its own questions, and no other ones again."""

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
    def of(
        stage: str,
        instruments: dict[str, object],
        models: dict[str, object] | None = None,
        texts: dict[str, str] = TEXTS,
        part: str = "answers",
    ) -> StudyJob:
        study = study_of(
            model={"path": str(tiny_folder), "dtype": "float32"},
            tasks={"origins": {"own": {"texts": texts}}},
            models=models or {"a": {}},
            instruments=instruments,
            completions={"sampling": {"max_tokens": 4}},
            selection={"max_rounds": 1},
        )
        paths = Paths(tmp_path / "results", study.name)
        return StudyJob(study.name, paths, Store(tmp_path / "store"), stage, part=part, of=study)

    return of


def computed_beside(known: set[str], job: StudyJob, gone: int = 0) -> int:
    """Number of questions in the units of a finished job besides known ones, of which it lacks some."""
    units = {unit.key: unit for unit in units_of(job)}
    assert len(known - units.keys()) == gone
    return sum(int(unit.parts["n"]) for key, unit in units.items() if key not in known)


@pytest.mark.parametrize("stage", ["choose", "sample"])
def test_another_instrument_asks_its_own_questions_alone(jobs, stage):
    method = {"method": stage, "sampling": {"max_tokens": 4}}
    first = {"wish": {**WISH, **method}, "order": ORDER}
    run_job(jobs(stage, first))
    known = {unit.key for unit in units_of(jobs(stage, first))}
    # It stands before the others, so that nothing stays where it was.
    more = jobs(stage, {"stars": {**STARS, **method}, **first})
    run_job(more)
    anchors = 8
    assert computed_beside(known, more) == len(TEXTS) + anchors


def test_another_rater_asks_its_own_questions_alone(jobs):
    one = {"stars": STARS, "wish": WISH}
    run_job(jobs("choose", one))
    known = {unit.key for unit in units_of(jobs("choose", one))}
    more = jobs("choose", one, {"b": {"system": {"kind": "text", "text": "Hurry."}}, "a": {}})
    alone = computed_beside(set(), jobs("choose", one))
    run_job(more)
    assert computed_beside(known, more) == alone


PAIRS = {**WISH, "pairs": {"design": "all"}}
# It stands before the others, so that nothing stays where it was.
MORE = {"new": "Do another thing.", **TEXTS}


@pytest.mark.parametrize("stage", ["choose", "sample"])
def test_another_task_asks_its_own_questions_alone(jobs, stage):
    method = {"method": stage, "sampling": {"max_tokens": 4}}
    instruments = {"stars": {**STARS, **method}, "wish": {**PAIRS, **method}}
    run_job(jobs(stage, instruments))
    known = {unit.key for unit in units_of(jobs(stage, instruments))}
    more = jobs(stage, instruments, texts=MORE)
    run_job(more)
    assert computed_beside(known, more) == 1 + 2 * len(TEXTS)
    again = jobs(stage, instruments, texts=MORE)
    run_job(again)
    assert not again.store.made


@pytest.mark.parametrize("stage", ["choose", "sample"])
def test_a_task_that_is_left_out_asks_nothing_and_another_wording_its_own_questions_alone(jobs, stage):
    method = {"method": stage, "sampling": {"max_tokens": 4}}
    instruments = {"stars": {**STARS, **method}, "wish": {**PAIRS, **method}}
    run_job(jobs(stage, instruments, texts=MORE))
    known = {unit.key for unit in units_of(jobs(stage, instruments, texts=MORE))}
    about_new = 1 + len(TEXTS)
    less = jobs(stage, instruments)
    run_job(less)
    assert computed_beside(known, less, gone=about_new) == 0
    reworded = jobs(stage, instruments, texts={**MORE, "new": "Do a thing that is new."})
    run_job(reworded)
    assert computed_beside(known, reworded, gone=about_new) == 1 + 2 * len(TEXTS)


def test_another_task_is_completed_alone(jobs):
    after = {"stars": {"template": "stated_1_5", "when": "after"}}
    run_job(jobs("sample", after, part="completions"))
    known = {unit.key for unit in units_of(jobs("sample", after, part="completions"))}
    more = jobs("sample", after, texts=MORE, part="completions")
    run_job(more)
    assert computed_beside(known, more) == 1


def test_answers_that_are_kept_do_not_change_with_another_task(jobs):
    found = []
    for texts in (TEXTS, MORE):
        job = jobs("choose", {"stars": STARS, "wish": PAIRS}, texts=texts)
        run_job(job)
        table = read_table(job.paths.part("choose", "answers", 0) / "candidates.parquet")
        found.append(table[~table["id"].str.contains("new")].sort_values(["id", "candidate"]).reset_index(drop=True))
    pd.testing.assert_frame_equal(found[0], found[1], check_exact=True)


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
