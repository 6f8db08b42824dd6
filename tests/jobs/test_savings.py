"""Settings that a plan names are worth what it says, and leave the store as it says."""

from __future__ import annotations

import pytest

from inoc.config.load import load_study
from inoc.config.workflow import Workflow
from inoc.errors import ConfigError
from inoc.jobs.costs import CostRow, Size
from inoc.jobs.paths import Paths
from inoc.jobs.plan import print_plan, rows_at
from inoc.jobs.rates import FP8, GPUS, H100, H200
from inoc.jobs.savings import LEAST, by_the_clock, savings, split
from inoc.jobs.work import settings_of, works_of

SIZE = Size(7.6e9, 70, 350, measured=False)
LARGE = (
    "playful_french_7b",
    "emergent_misalignment_32b",
    "german_flattering_8b",
    "likelihood_scan_14b",
    "preferences_8b",
    "subliminal_7b",
    "subliminal_14b",
)


def hours(study, gpu=H100, workflow=None):
    return {row.stage: row.gpu_hours for row in rows_at(study, workflow or Workflow(), SIZE, gpu)}


def changed(study, **sections):
    """A study with changed values in some of its sections."""
    return study.model_copy(
        update={name: getattr(study, name).model_copy(update=update) for name, update in sections.items()}
    )


def few_at_a_time():
    """The large study with settings that could be faster."""
    study = load_study("playful_french_7b")
    sampling = study.evaluation.sampling.model_copy(update={"batch_size": 128})
    return changed(study, training={"micro_batch_size": 8}, evaluation={"sampling": sampling})


def test_eight_bits_save_in_scoring_and_in_training_what_was_measured():
    study = few_at_a_time()
    usual, eight = hours(study), hours(changed(study, model={"compute": "fp8"}))
    start = H100.start
    for stage, gain, before in (("score", FP8.score, start.other), ("train", FP8.train[0].rate, start.train)):
        assert 3600 * eight[stage] - before == pytest.approx((3600 * usual[stage] - before) / gain)
    assert {stage: eight[stage] for stage in ("generate", "elicit", "evaluate")} == {
        stage: usual[stage] for stage in ("generate", "elicit", "evaluate")
    }


def test_a_step_in_eight_bits_takes_the_time_of_the_benchmark():
    """0.72 s for 32 rows of 422 tokens, 8 at a time, of 7.6 billion weights on an H100."""
    study = changed(few_at_a_time(), model={"compute": "fp8"})
    size = SIZE._replace(response_tokens=352)
    train = next(row for row in rows_at(study, Workflow(), size, H100) if row.stage == "train")
    assert (3600 * train.gpu_hours - H100.start.train) / (97 * 312) == pytest.approx(0.72, rel=0.05)


@pytest.mark.parametrize(
    ("rows", "compute", "seconds"), [(8, "dtype", 0.776), (16, "dtype", 0.715), (16, "fp8", 0.536)]
)
def test_a_step_on_an_h200_takes_the_time_of_the_benchmark(rows, compute, seconds):
    """32 rows of 422 tokens, of 7.6 billion weights."""
    study = changed(few_at_a_time(), model={"compute": compute}, training={"micro_batch_size": rows})
    size = SIZE._replace(response_tokens=352)
    train = next(row for row in rows_at(study, Workflow(), size, H200) if row.stage == "train")
    assert (3600 * train.gpu_hours - H200.start.train) / (97 * 312) == pytest.approx(seconds, rel=0.02)


def test_a_gpu_that_cannot_compute_so_is_refused_with_those_that_can():
    study = changed(few_at_a_time(), model={"compute": "fp8"})
    with pytest.raises(ConfigError, match=r"'fp8'.*accepted for --gpu: h200, h100, l40s"):
        rows_at(study, Workflow(), SIZE, GPUS["a100"])


@pytest.mark.parametrize("name", LARGE)
def test_what_is_named_saves_something_and_all_of_it_together_no_less_than_the_largest(name):
    study = load_study(name)
    rows = rows_at(study, Workflow(), SIZE, H100)
    before = sum(row.gpu_hours for row in rows)
    found, with_all = savings(study, lambda one: rows_at(one, Workflow(), SIZE, H100))
    assert [one.hours for one in found] == sorted((one.hours for one in found), reverse=True)
    assert all(one.hours >= LEAST * before for one in found)
    if found:
        assert before - sum(one.hours for one in found) <= with_all + 1e-9 <= before - found[0].hours + 2e-9
    else:
        assert with_all == before
    if study.model.quantization:
        assert not any("fp8" in one.setting or "vllm" in one.setting for one in found)


def test_the_settings_of_the_large_study_are_named_with_what_they_save():
    study = few_at_a_time()
    found, with_all = savings(study, lambda one: rows_at(one, Workflow(), SIZE, H100))
    by_name = {one.setting: one for one in found}
    rows = "training.micro_batch_size: 16"
    sixteen = changed(study, training={"micro_batch_size": 16})
    assert by_name[rows].hours == pytest.approx(sum(hours(study).values()) - sum(hours(sixteen).values()))
    assert not by_name[rows].anew
    assert by_name["model.compute: fp8"].anew
    every = changed(sixteen, model={"compute": "fp8"})
    for one in found:
        section, _, value = one.setting.partition(".sampling.batch_size: ")
        if value:
            asked = getattr(every, section).sampling.model_copy(update={"batch_size": int(value)})
            every = changed(every, **{section: {"sampling": asked}})
    assert with_all == pytest.approx(sum(hours(every).values()))


def slices(study):
    """What every job of a study depends on."""
    return [
        settings_of(work.stage, study, 0, {}, work.part)
        for work in works_of(study)
        if work.wanted(study) and work.stage != "report"
    ]


def test_a_setting_that_leaves_the_store_as_it_is_changes_no_job():
    study = few_at_a_time()
    more = changed(study, training={"micro_batch_size": 16})
    wide = study.evaluation.sampling.model_copy(update={"batch_size": 512})
    assert slices(changed(more, evaluation={"sampling": wide})) == slices(study)
    assert slices(changed(study, model={"compute": "fp8"})) != slices(study)


def test_gpus_share_the_jobs_of_a_stage():
    rows = [CostRow("train", 4, "", 1.0, 8.0), CostRow("score", 1, "", 1.0, 2.0), CostRow("judge", 9, "")]
    assert by_the_clock(rows, 1) == 10
    assert by_the_clock(rows, 2) == 6
    assert by_the_clock(rows, 4) == by_the_clock(rows, 8) == 4
    assert split(rows, 4) == {"train": 4, "score": 4}


def test_a_plan_ends_with_what_would_save_time(tmp_path, capsys):
    study = few_at_a_time()
    print_plan(study, Workflow(), Paths(tmp_path, study.name), "h100", None)
    said = capsys.readouterr().out.partition("Would save GPU time")[2]
    assert "training.micro_batch_size: 16" in said
    assert "results in the store stay" in said
    assert "model.compute: fp8" in said
    assert "results are computed anew" in said
    assert "On 4 GPUs, with `shards` of 4" in said
    print_plan(study, Workflow(), Paths(tmp_path, study.name), "a100", None)
    assert "fp8" not in capsys.readouterr().out


def test_every_checkpoint_that_answers_has_its_canary():
    """Thirty that choose took 47 s together; those that sample read as long, and have canaries of short answers."""
    study = load_study("subliminal_7b")
    rows = rows_at(study, Workflow(), SIZE, H100)
    students = next(row.work for row in rows if row.stage == "train")
    assert students.endswith("students")
    answers = [row for row in rows if "answers about preferences" in row.work]
    chosen = [row for row in rows if row.stage == "choose"]
    assert chosen or answers
    none = H100._replace(start=H100.start._replace(adapter=0.0, canary=0.0))
    before = rows_at(study, Workflow(), SIZE, none)
    longer = {row.work: row.gpu_hours for row in rows}
    for row in before:
        if row in answers or row.stage == "choose":
            assert longer[row.work] > row.gpu_hours
