"""Rates from the manifests of earlier jobs."""

from __future__ import annotations

import pytest

from inoc.config.load import load_study
from inoc.errors import ConfigError
from inoc.jobs.costs import CostRow, Pace
from inoc.jobs.measured import Sample, pace_of, paces, sample_of
from inoc.jobs.plan import by_stage, expect, jobs_of
from inoc.progress import Spent

ROW = CostRow("score", 2, "", tokens=1_000.0)


def manifest(wall=10.0, steady=8.0, device="NVIDIA H200", hits=0, misses=5):
    return {
        "device": device,
        "wall_s": wall,
        "cpu_s": 2 * wall,
        "work": {"scoring": {"wall_s": steady, "cpu_s": 2 * steady}},
        "store": {"hits": hits, "misses": misses},
    }


def test_a_stage_of_the_same_size_is_planned_to_take_what_it_took():
    found = sample_of(ROW, 7e9, [manifest(), manifest(wall=14, steady=10)])
    pace = pace_of([found])
    assert pace.of(2, 1_000 * 7e9) == pytest.approx(Spent(24, 48))


def test_work_counts_by_tokens_and_weights_and_starts_by_jobs():
    pace = pace_of([sample_of(ROW, 7e9, [manifest(), manifest()])])
    assert pace.start == pytest.approx(Spent(2, 4))
    assert pace.of(1, 2_000 * 14e9).wall_s == pytest.approx(2 + 4 * 16)


def test_larger_studies_weigh_more_in_a_pace():
    small = Sample("score", "d", 1, 1.0, Spent(2, 2), Spent(2, 2))
    large = Sample("score", "d", 1, 99.0, Spent(99, 99), Spent(99, 99))
    assert pace_of([small, large]).per_work.wall_s == pytest.approx(101 / 100)


@pytest.mark.parametrize(
    "others",
    [
        [],
        [manifest(hits=9, misses=1)],
        [manifest(misses=0)],
        [manifest(), manifest(device="NVIDIA H100")],
        [{"device": "NVIDIA H200", "wall_s": 3.0, "store": {"hits": 0, "misses": 1}}],
    ],
    ids=["no job", "mostly found", "nothing to do", "two devices", "an older version"],
)
def test_jobs_that_do_not_tell_are_left_out(others):
    assert sample_of(ROW, 7e9, others) is None


def test_a_model_of_unknown_size_tells_nothing():
    assert sample_of(ROW, float("nan"), [manifest(), manifest()]) is None


def test_a_device_is_named_where_there_are_several():
    both = [Sample("score", name, 1, 1.0, Spent(1, 1), Spent(1, 1)) for name in ("NVIDIA H100", "NVIDIA H200")]
    with pytest.raises(ConfigError, match="'NVIDIA H100', 'NVIDIA H200'; name one"):
        paces(both, "")
    assert list(paces(both, "h100")) == ["score"]
    with pytest.raises(ConfigError, match="no job has ended here yet"):
        paces([], "")


def test_rows_of_the_parts_of_a_stage_count_together():
    rows = [CostRow("sample", 1, "", tokens=10.0), CostRow("train", 2, "", tokens=5.0), CostRow("sample", 3, "")]
    found = {row.stage: row for row in by_stage(rows)}
    assert list(found) == ["sample", "train"]
    assert (found["sample"].jobs, found["sample"].tokens) == (4, 10.0)


def test_every_job_of_a_stage_with_parts_starts_once_in_what_is_expected():
    study = load_study("smoke_subliminal")
    n = jobs_of(study, "sample", {})
    rows = [CostRow("sample", 1, "lists", tokens=30.0), CostRow("sample", 1, "answers", tokens=10.0)]
    assert n > len(rows)
    expect(study, rows, 2.0, {}, {"sample": Pace(Spent(7, 3), Spent(0.5, 0.1), 1)})
    together = [row.measured for row in rows]
    assert sum(one.wall_s for one in together) == pytest.approx(7 * n + 0.5 * 80)
    assert sum(one.cpu_s for one in together) == pytest.approx(3 * n + 0.1 * 80)


def test_nothing_is_expected_of_a_model_of_unknown_size_or_a_stage_without_a_pace():
    study = load_study("smoke_subliminal")
    rows = [CostRow("sample", 1, "", tokens=30.0), CostRow("choose", 1, "", tokens=30.0)]
    expect(study, rows, float("nan"), {}, {"sample": Pace(Spent(1, 1), Spent(1, 1), 1)})
    expect(study, rows[1:], 1.0, {}, {"sample": Pace(Spent(1, 1), Spent(1, 1), 1)})
    assert [row.measured for row in rows] == [None, None]
