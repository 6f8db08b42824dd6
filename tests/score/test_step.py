from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from inoc.config.workflow import Shards
from inoc.jobs.shards import shard_of
from inoc.studies.inoculation.analyse.tokens import open_tokens
from inoc.tables import LOGPROBS, read_table
from support.jobs import plan_of, run_job
from support.toy import ANSWERS, toy_job, toy_study, write_inputs

POOLS = {"clown": ["Be a clown.", "Act as a clown.", "A clown you are."], "sky": ["Blue is the sky."]}


@pytest.fixture
def study(tiny_folder):
    return toy_study(tiny_folder)


def scored(study, root, pools=POOLS, **options):
    job = toy_job(study, root, "score", **options)
    write_inputs(job, pools)
    run_job(job)
    return job, read_table(job.paths.logprobs(job.shard))


def cell(table, prompt, prefix, dataset="train"):
    rows = table[(table["prompt"] == prompt) & (table["prefix"] == prefix) & (table["dataset"] == dataset)]
    return rows.set_index("example_id").sort_index()


def test_every_way_of_asking_has_a_row_group_over_the_same_examples(study, tmp_path):
    job, table = scored(study, tmp_path)
    asked = [("", "none"), ("clown", "fixed"), ("clown", "mix"), ("sky", "fixed"), ("sky", "mix")]
    assert pq.ParquetFile(job.paths.logprobs(0)).num_row_groups == len(asked) * 2
    assert pq.read_schema(job.paths.logprobs(0)).equals(LOGPROBS)
    plain = cell(table, "", "none")
    assert len(plain) == 6
    for prompt, prefix in asked:
        rows = cell(table, prompt, prefix)
        assert list(rows.index) == list(plain.index)
        assert list(rows["n_tokens"]) == list(plain["n_tokens"])
        assert np.allclose([np.mean(row) for row in rows["logprobs"]], rows["mean"])


def test_a_mix_of_one_equals_the_fixed_prefix_and_is_scored_once(study, tmp_path):
    job, table = scored(study, tmp_path, {"clown": ["You are a clown."], "sky": ["Blue is the sky."]})
    fixed, mixed = cell(table, "clown", "fixed"), cell(table, "clown", "mix")
    assert list(fixed["mean"]) == list(mixed["mean"])
    assert len([label for label in job.store.made if label.endswith("clown")]) == 2  # train and neutral


def test_an_empty_response_is_nan_and_stays_nan(study, tmp_path):
    _, table = scored(study, tmp_path)
    controls = cell(table, "clown", "fixed", "neutral")
    assert list(np.isnan(controls["mean"])) == [False, True]
    assert list(controls["n_tokens"])[1] == 0


def test_the_split_into_shards_changes_no_number(study, tmp_path):
    _, whole = scored(study, tmp_path / "whole")
    shards = Shards(score=3)
    for key in ("clown", "sky"):
        _, part = scored(study, tmp_path / "split", shards=shards, shard=shard_of(key, 3))
        for prefix in ("fixed", "mix"):
            assert list(cell(part, key, prefix)["mean"]) == list(cell(whole, key, prefix)["mean"])


def test_a_second_run_loads_no_model_and_scores_nothing(study, tmp_path, monkeypatch):
    _, first = scored(study, tmp_path)
    monkeypatch.setattr("inoc.score.step._load", lambda model, responses: pytest.fail("the model was loaded"))
    job, second = scored(study, tmp_path)
    assert job.store.made == []
    assert first["mean"].equals(second["mean"])


def test_index_matched_gives_the_kth_rephrasing_to_the_kth_example(tiny_folder, tmp_path):
    _, table = scored(toy_study(tiny_folder, scoring={"mix": "index_matched"}), tmp_path)
    rows = cell(table, "clown", "mix")
    assert list(rows["prefix_text"]) == [POOLS["clown"][k % 3] for k in range(6)]


def test_as_trained_gives_each_example_the_rephrasing_of_the_training(study, tmp_path):
    _, table = scored(study, tmp_path)
    planned = {item.name: item for item in plan_of(toy_job(study, tmp_path, "train")).runs}
    trained = [chat.user for chat in planned["clown.mix.lr0.001.seed0"].chats]
    for text in cell(table, "clown", "mix")["prefix_text"]:
        assert any(user.startswith(f"{text} ") for user in trained)
    by_response = dict(zip(ANSWERS, trained, strict=True))
    rows = cell(table, "clown", "mix")
    for example_id, text in rows["prefix_text"].items():
        assert by_response[ANSWERS[int(example_id[2:])]].startswith(text)


def test_the_end_of_turn_can_be_scored_too(tiny_folder, tmp_path):
    _, without = scored(toy_study(tiny_folder), tmp_path / "a")
    _, included = scored(toy_study(tiny_folder, scoring={"end_of_turn": "include"}), tmp_path / "b")
    left, right = cell(without, "", "none"), cell(included, "", "none")
    assert (right["n_tokens"] > left["n_tokens"]).all()
    for short, long in zip(left["logprobs"], right["logprobs"], strict=True):
        np.testing.assert_allclose(short, long[: len(short)], atol=1e-5)


def test_without_tokens_the_means_stay_and_their_number_too(tiny_folder, tmp_path):
    _, whole = scored(toy_study(tiny_folder), tmp_path / "a")
    study = toy_study(tiny_folder, scoring={"tokens": False, "self_perplexity": False})
    job, means = scored(study, tmp_path / "b")
    assert list(means["mean"].dropna()) == list(whole["mean"].dropna())
    assert list(means["n_tokens"]) == list(whole["n_tokens"])
    assert means["logprobs"].isna().all()
    assert not open_tokens([job.paths.logprobs(0)], ["clown"], "fixed").has_tokens()
    assert read_table(job.paths.self_perplexity(0)).empty
