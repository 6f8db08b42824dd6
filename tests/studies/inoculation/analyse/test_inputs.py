from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inoc.chat.messages import PLAIN
from inoc.errors import DataError, JudgeError
from inoc.jobs.job import Job
from inoc.studies.inoculation.analyse.inputs import Cell, Scored, check_same_judges, read_means, read_scores, shifts
from inoc.studies.inoculation.runs import Run
from support.fake_study import N_EVAL, Tables


def test_scores_are_aligned_by_instruction(tables: Tables, tmp_path: Path) -> None:
    scores = read_scores(tables.job(tmp_path).paths.scores("evaluate"))
    run = Run("clown", "fixed", 1e-3, 1)
    rows = tables.evaluate.query("run == @run.name and step == 8 and asked_prompt == '' and trait == 'french'")
    expected = rows.sort_values("instruction_id")["score"].to_numpy()
    assert (scores.cells[Cell(run, 8, PLAIN, "french")] == expected).all()
    assert scores.instructions == sorted(rows["instruction_id"])
    assert scores.steps(run, PLAIN, "french") == [0, 4, 8]


def test_a_completion_that_is_not_there_is_nan(tables: Tables, tmp_path: Path) -> None:
    first = (tables.evaluate["run"] == "clown.fixed.lr0.001.seed0") & (tables.evaluate["instruction_id"] == "i03")
    tables.evaluate = tables.evaluate[~first]
    scores = read_scores(tables.job(tmp_path).paths.scores("evaluate"))
    values = scores.get(Run("clown", "fixed", 1e-3, 0), 8, PLAIN, "playful")
    assert values is not None
    assert np.flatnonzero(np.isnan(values)).tolist() == [3]
    assert values.size == N_EVAL


def test_the_untrained_model_has_no_run(tables: Tables, tmp_path: Path) -> None:
    scores = read_scores(tables.job(tmp_path).paths.scores("elicit"))
    assert scores.get(None, 0, PLAIN, "playful") is not None


@pytest.mark.parametrize(("column", "value"), [("judge", "language"), ("judge_version", 2)])
def test_two_judges_of_one_trait_are_refused(tables: Tables, tmp_path: Path, column: str, value: object) -> None:
    rows = (tables.evaluate["trait"] == "playful") & (tables.evaluate["prompt"] == "")
    tables.evaluate.loc[rows, column] = value
    with pytest.raises(JudgeError, match=r"'playful'.*lexical version 1"):
        read_scores(tables.job(tmp_path).paths.scores("evaluate"))


def test_elicitation_and_evaluation_must_have_one_judge(tables: Tables, tmp_path: Path) -> None:
    tables.elicit["judge_version"] = 2
    paths = tables.job(tmp_path).paths
    with pytest.raises(JudgeError, match="judge/elicit and judge/evaluate"):
        check_same_judges(read_scores(paths.scores("elicit")), read_scores(paths.scores("evaluate")))


def test_a_completion_scored_twice_is_refused(tables: Tables, tmp_path: Path) -> None:
    tables.evaluate.loc[1, "instruction_id"] = tables.evaluate.loc[0, "instruction_id"]
    with pytest.raises(DataError, match=r"instruction_id=i00.*occurs 2 times"):
        read_scores(tables.job(tmp_path).paths.scores("evaluate"))


def test_shifts_are_with_less_without(tables: Tables, tmp_path: Path) -> None:
    found = shifts(read_means([tables.job(tmp_path).paths.logprobs(0)]))
    rows = tables.logprobs.set_index(["prompt", "prefix", "dataset", "example_id"])["mean"].sort_index()
    expected = rows["clown", "mix", "neutral"] - rows["", "none", "neutral"]
    assert np.allclose(found[Scored("clown", "mix", "neutral")], expected)


def test_shards_together_are_the_whole(tables: Tables, tmp_path: Path) -> None:
    one, three = tables.job(tmp_path / "1"), tables.job(tmp_path / "3", shards=3)
    whole = shifts(read_means([one.paths.logprobs(0)]))
    parts = shifts(read_means(three.paths.logprobs(shard) for shard in range(3)))
    assert whole.keys() == parts.keys()
    assert all((whole[key] == parts[key]).all() for key in whole)


def test_an_empty_response_is_nan_in_every_shift(tables: Tables, tmp_path: Path) -> None:
    empty = tables.logprobs["example_id"] == "train004"
    tables.logprobs.loc[empty, ["n_tokens", "mean"]] = [0, np.nan]
    found = shifts(read_means([tables.job(tmp_path).paths.logprobs(0)]))
    for scored, values in found.items():
        assert np.flatnonzero(np.isnan(values)).tolist() == ([4] if scored.dataset == "train" else [])


def test_an_example_that_was_not_scored_with_the_prefix_is_nan(tables: Tables, tmp_path: Path) -> None:
    gone = (tables.logprobs["example_id"] == "train004") & (tables.logprobs["prompt"] == "sky")
    tables.logprobs = tables.logprobs[~gone]
    found = shifts(read_means([tables.job(tmp_path).paths.logprobs(0)]))
    assert np.flatnonzero(np.isnan(found[Scored("sky", "fixed", "train")])).tolist() == [4]


def _read(job: Job) -> None:
    shifts(read_means([job.paths.logprobs(0)]))


def test_other_token_counts_are_refused(tables: Tables, tmp_path: Path) -> None:
    rows = (tables.logprobs["example_id"] == "neutral003") & (tables.logprobs["prompt"] == "cats")
    tables.logprobs.loc[rows, "n_tokens"] = 3
    with pytest.raises(DataError, match=r"neutral003 has 3 tokens with the prefix and 2 without"):
        _read(tables.job(tmp_path))


def test_a_dataset_without_baseline_is_refused(tables: Tables, tmp_path: Path) -> None:
    tables.logprobs = tables.logprobs.query("not (prompt == '' and dataset == 'french')")
    with pytest.raises(DataError, match=r"'french' was scored with .* but never without"):
        _read(tables.job(tmp_path))


def test_an_example_scored_twice_is_refused(tables: Tables, tmp_path: Path) -> None:
    rows = (tables.logprobs["example_id"] == "train003") & (tables.logprobs["prompt"] == "cats")
    tables.logprobs.loc[rows, "example_id"] = "train002"
    with pytest.raises(DataError, match=r"train002 of .*cats.* scored twice"):
        _read(tables.job(tmp_path))


def test_one_shard_read_twice_is_refused(tables: Tables, tmp_path: Path) -> None:
    path = tables.job(tmp_path).paths.logprobs(0)
    with pytest.raises(DataError, match="earlier shard"):
        read_means([path, path])
