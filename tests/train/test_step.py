from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from safetensors.numpy import load_file

from inoc.studies.inoculation.study import RunSpec
from inoc.tables import EXAMPLES, read_table, write_table
from inoc.tables import POOLS as POOLS_TABLE
from inoc.train.step import Plan
from inoc.train.trainer import adapter_digest
from support.jobs import plan_of, run_job
from support.toy import toy_job, toy_study, write_inputs

POOLS = {"clown": ["You are a clown."], "sky": ["Blue is the sky.", "A blue sky.", "Sky, blue."]}


@pytest.fixture
def study(tiny_folder):
    return toy_study(tiny_folder)


def trained(study, root):
    job = toy_job(study, root, "train")
    write_inputs(job, POOLS)
    run_job(job)
    return job


def test_every_run_leaves_its_scheduled_adapters_and_its_loss_curve(study, tmp_path):
    job = trained(study, tmp_path)
    table = read_table(job.paths.checkpoints(0))
    assert set(table["run"]) == {
        "control.none.lr0.001.seed0",
        *(f"{key}.{prefix}.lr0.001.seed0" for key in ("clown", "sky") for prefix in ("fixed", "mix")),
    }
    assert sorted(set(table["step"])) == [0, 2]
    assert set(table.loc[table["step"] == 0, "digest"]) == {"base"}
    for path in table["path"]:
        assert load_file(job.paths.checkpoints(0).parent / path / "adapter_model.safetensors")
    losses = read_table(job.paths.losses(0))
    assert list(losses.loc[losses["prompt"] == "sky", "step"]) == [1, 2, 1, 2]
    assert losses["loss"].between(0, 20).all()


def test_adapters_of_runs_whose_names_differ_in_capital_letters_lie_in_different_folders(tiny_folder, tmp_path):
    texts = {"clown": "You are a clown.", "Clown": "The sky is blue."}
    study = toy_study(
        tiny_folder, prompts={"all": {"family": "playful", "texts": texts}}, runs=[{"prefixes": ["fixed"]}]
    )
    job = toy_job(study, tmp_path, "train")
    write_inputs(job, {key: [text] for key, text in texts.items()})
    run_job(job)
    table = read_table(job.paths.checkpoints(0))
    last = table[table["step"] == 2].set_index("prompt")
    folders = {key: job.paths.checkpoints(0).parent / path for key, path in last["path"].items()}
    assert len({str(folder).lower() for folder in folders.values()}) == len(folders) == 3
    assert {key: adapter_digest(folder) for key, folder in folders.items()} == dict(last["digest"])
    assert last.loc["", "path"].startswith("control.none.lr0.001.seed0/")


def test_a_mix_of_one_is_the_fixed_run_and_is_trained_once(study, tmp_path):
    job = trained(study, tmp_path)
    table = read_table(job.paths.checkpoints(0)).set_index(["prompt", "prefix", "step"])["digest"]
    assert table["clown", "mix", 2] == table["clown", "fixed", 2]
    assert table["sky", "mix", 2] != table["sky", "fixed", 2]
    assert len(job.store.made) == 4


def test_each_example_keeps_one_rephrasing_and_the_seed_decides_which(study, tmp_path):
    job = toy_job(study, tmp_path, "train")
    write_inputs(job, POOLS)
    chats = {item.name: item.chats for item in plan_of(job).runs}
    mixed = [chat.user.partition("Where")[0].strip() for chat in chats["sky.mix.lr0.001.seed0"]]
    assert set(mixed) == set(POOLS["sky"])
    other = toy_study(study.model.path, training={"seeds": [1]})
    again = {item.name: item.chats for item in plan_of(toy_job(other, tmp_path, "train")).runs}
    assert [chat.user.partition("Where")[0].strip() for chat in again["sky.mix.lr0.001.seed1"]] != mixed


def test_a_second_run_trains_nothing(study, tmp_path):
    trained(study, tmp_path)
    assert trained(study, tmp_path).store.made == []


def test_settings_that_change_nothing_keep_the_runs_and_others_do_not(study, tmp_path):
    trained(study, tmp_path)
    harmless = toy_study(study.model.path, training={"resume_every": 7})
    assert trained(harmless, tmp_path).store.made == []
    changed = toy_study(study.model.path, training={"weight_decay": 0.5})
    assert len(trained(changed, tmp_path).store.made) == 4


@pytest.mark.parametrize("change", [{"micro_batch_size": 2}, {"log_every": 7}, {"joined_adapters": False}])
def test_how_a_run_is_executed_keeps_it(study, tmp_path, change):
    before = read_table(trained(study, tmp_path).paths.losses(0))
    job = trained(toy_study(study.model.path, training=change), tmp_path)
    assert job.store.made == []
    pd.testing.assert_frame_equal(read_table(job.paths.losses(0)), before)


def test_a_run_that_was_stored_with_how_it_was_executed_is_found(study, tmp_path, monkeypatch):
    two, inner = toy_study(study.model.path, training={"micro_batch_size": 2}), Plan.unit

    def as_it_was(plan, run):
        return replace(inner(plan, run), parts=inner(plan, run).former, former=None)

    with monkeypatch.context() as patch:
        patch.setattr(Plan, "unit", as_it_was)
        assert len(trained(two, tmp_path).store.made) == 4
    assert trained(two, tmp_path).store.made == []
    assert trained(study, tmp_path).store.made == []


def test_a_run_on_another_dataset_sees_its_rows_and_no_prefix(tiny_folder, tmp_path):
    study = toy_study(tiny_folder, datasets={"other": {}}, runs=[{"prompts": ["sky"]}, {"data": "other"}])
    job = toy_job(study, tmp_path, "train")
    write_inputs(job, POOLS)
    own = read_table(job.paths.examples)
    other = own.assign(completion=[f"Not there, {k}." for k in range(len(own))], data="other")
    write_table(pd.concat([own, other]), EXAMPLES, job.paths.examples)
    chats = {item.name: item.chats for item in plan_of(job).runs}
    assert len(chats) == 4
    assert [chat.response for chat in chats["other.none.lr0.001.seed0"]] == list(other["completion"])
    assert [chat.user for chat in chats["other.none.lr0.001.seed0"]] == list(own["instruction"])
    assert [chat.response for chat in chats["control.none.lr0.001.seed0"]] == list(own["completion"])


def test_a_further_pool_is_trained_with_its_own_texts_in_the_system_turn(tiny_folder, tmp_path):
    runs = [{"prompts": ["sky"], "prefixes": ["mix", "close"]}]
    study = toy_study(tiny_folder, pools={"close": {}}, runs=runs, placement="system")
    job = toy_job(study, tmp_path, "train")
    write_inputs(job, POOLS)
    close = pd.DataFrame({"prompt": "sky", "index": [0], "text": "The sky, blue.", "pool": "close"})
    write_table(pd.concat([read_table(job.paths.pools), close]), POOLS_TABLE, job.paths.pools)
    chats = {item.columns["prefix"]: item.chats for item in plan_of(job).runs}
    assert {chat.system.text for chat in chats["close"]} == {"The sky, blue."}
    assert {chat.system.text for chat in chats["mix"]} == set(POOLS["sky"])
    assert {chat.system.kind for chat in chats["none"]} == {"default"}


def test_the_curve_has_every_step_whatever_is_set(study, tmp_path):
    short = toy_study(study.model.path, training={"log_every": 3})
    short = short.model_copy(update={"runs": (RunSpec(prompts=("sky",), prefixes=("fixed",), control=False),)})
    job = trained(short, tmp_path)
    assert list(read_table(job.paths.checkpoints(0))["step"]) == [0, 2]
    losses = read_table(job.paths.losses(0))
    assert list(losses["step"]) == [1, 2]
    assert losses[["loss", "rate", "grad_norm"]].notna().all(axis=None)
