from __future__ import annotations

from pathlib import Path

import pytest

from inoc.jobs.paths import Paths
from inoc.jobs.work import expected_jobs, stage_files, work_of
from inoc.studies.inoculation.analyse.names import TABLES
from support.toy import toy_study

PATHS = Paths(Path("results"), "toy")


@pytest.fixture
def study(tmp_path: Path):
    return toy_study(tmp_path)


def test_figures_are_drawn_again_when_any_table_changes(study) -> None:
    read = work_of(study, "figures").inputs(study, PATHS, {}, 0)
    assert {path.stem for path in read if path.suffix == ".parquet"} == set(TABLES)
    assert set(read) == set(stage_files(study, "analyse", PATHS, {}))


def test_a_study_has_no_job_for_what_it_does_not_do(study) -> None:
    predicting = study.model_copy(update={"runs": ()})
    jobs = {one.job for one in expected_jobs(predicting, PATHS, {"score": 2, "train": 3})}
    assert {"score-0", "score-1", "judge-elicit-0", "analyse-0"} <= jobs
    assert not any(job.startswith(("world", "embed", "train", "evaluate", "judge-evaluate")) for job in jobs)
    trained = {one.job for one in expected_jobs(study, PATHS, {"train": 3})}
    assert {"train-2", "evaluate-2", "judge-evaluate-0"} <= trained


def test_every_output_of_a_stage_is_read_by_a_later_one_or_is_a_result(study) -> None:
    read = {
        path
        for stage in ("elicit", "score", "train", "evaluate", "judge", "analyse", "figures", "report")
        for path in work_of(study, stage).inputs(study, PATHS, {}, 0)
    } | set(work_of(study, "judge", "evaluate").inputs(study, PATHS, {}, 0))
    for stage in ("generate", "rephrase", "elicit", "score", "train", "evaluate", "judge", "analyse"):
        for path in stage_files(study, stage, PATHS, {}):
            assert path in read, path
