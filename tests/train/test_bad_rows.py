"""Training on rows that are cut, and the table of those that are not used as they are."""

from __future__ import annotations

import math

import pytest

from inoc.chat.messages import Chat
from inoc.chat.rows import BadRow
from inoc.chat.trained import render_trained
from inoc.config.models import LoraSpec, SystemTurn, TrainingSpec
from inoc.engines.transformers import load_tokenizer
from inoc.jobs.job import Job
from inoc.jobs.paths import Paths
from inoc.store import Store
from inoc.tables import BAD_ROWS, CHECKPOINTS, read_table
from inoc.train import step
from inoc.train.epochs import epoch_plan
from inoc.train.step import Plan, RunPlan

CHATS = [Chat(SystemTurn(), f"Where is thing {k}?", "It is there.") for k in range(6)]
SPEC = TrainingSpec(lora=LoraSpec(rank=2, alpha=2), warmup_steps=0, batch_size=4, micro_batch_size=2)


@pytest.mark.parametrize("loss_on", ["last_answer", "all_answers", "whole_sequence"])
def test_a_cut_answer_teaches_no_end(tiny_model, loss_on):
    tokenizer = load_tokenizer(tiny_model)
    whole = render_trained(tokenizer, CHATS, loss_on, "include")
    (plain,) = render_trained(tokenizer, CHATS[1:2], loss_on, "exclude")
    found = render_trained(tokenizer, CHATS, loss_on, "include", cut=[1])
    assert found[:1] + found[2:] == whole[:1] + whole[2:]
    assert tokenizer.decode(found[1].token_ids).endswith("It is there.")
    assert found[1].token_ids == whole[1].token_ids[: len(found[1].token_ids)]
    assert found[1].labels() == plain.labels()[: len(found[1].token_ids)]
    assert found[1].labels()[-1] == found[1].token_ids[-1]


def test_the_key_of_a_run_has_its_cut_rows_only_where_there_are_some(tiny_model):
    plan = Plan(tiny_model, SPEC, [])
    run = RunPlan({"run": "a"}, CHATS, 1e-2, 3, 1, (1,))
    assert "cut" not in plan.unit(run).parts
    assert plan.unit(run._replace(cut={4, 1})).parts["cut"] == [1, 4]


def test_tables_have_the_epochs_of_checkpoints_and_the_bad_rows(tiny_model, tmp_path):
    epochs = epoch_plan(len(CHATS), SPEC, 1, (0, 1))
    columns = {"prompt": "", "prefix": "none", "learning_rate": 1e-2, "seed": 3, "data": ""}
    runs = [
        RunPlan({"run": "a", **columns}, CHATS, 1e-2, 3, epochs.steps, epochs.save_at, epochs.epoch_of, cut=[0]),
        RunPlan({"run": "b", **columns}, CHATS, 1e-2, 3, 1, (1,)),
    ]
    bad = {"x": [BadRow("f.jsonl, line 7", "90 tokens", "too long", "row7", "cut")]}
    job = Job("toy", Paths(tmp_path / "results", "toy"), Store(tmp_path / "store"), "train", 0)
    step.run(job, Plan(tiny_model, SPEC, runs, bad))
    found = read_table(job.paths.checkpoints(0), CHECKPOINTS.names)
    assert found.loc[found["run"] == "a", ["step", "epoch"]].to_numpy().tolist() == [[0, 0], [2, 1]]
    assert [math.isnan(one) for one in found.loc[found["run"] == "b", "epoch"]] == [True]
    table = read_table(job.paths.checkpoints(0).parent / "bad_rows.parquet", BAD_ROWS.names)
    assert table.to_dict("records") == [
        {"dataset": "x", "row_id": "row7", "where": "f.jsonl, line 7", "problem": "too long", "reason": "90 tokens",
         "done": "cut"}
    ]  # fmt: skip
    assert job.record["bad rows"] == {"x": {"cut, too long": 1}}
