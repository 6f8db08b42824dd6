from __future__ import annotations

import shutil

import pandas as pd
import pytest

from inoc.jobs.make import Made, changed_before
from inoc.tables import read_table
from support.jobs import run_job
from support.toy import toy_job, toy_study, write_inputs

POOLS = {"clown": ["Be a clown.", "Act as a clown."], "sky": ["Blue is the sky.", "A blue sky."]}


@pytest.fixture(scope="module")
def study(tiny_folder):
    return toy_study(tiny_folder)


@pytest.fixture(scope="module")
def trained_once(study, tmp_path_factory):
    root = tmp_path_factory.mktemp("trained")
    job = toy_job(study, root, "train")
    write_inputs(job, POOLS)
    run_job(job)
    return root


@pytest.fixture
def trained(trained_once, tmp_path):
    shutil.copytree(trained_once, tmp_path, dirs_exist_ok=True)
    return tmp_path


def evaluated(study, root):
    job = toy_job(study, root, "evaluate")
    run_job(job)
    return job, read_table(job.paths.completions("evaluate", 0))


def test_checkpoints_are_asked_without_and_as_trained_and_the_control_with_every_prefix(study, trained):
    _, table = evaluated(study, trained)
    ways = set(table[["run", "step", "condition", "asked_prompt", "asked_prefix"]].itertuples(index=False, name=None))
    run = "clown.mix.lr0.001.seed0"
    assert {way for way in ways if way[0] == run} == {
        (run, at, *rest) for at in (0, 2) for rest in [("default", "", "none"), ("training", "clown", "mix")]
    }
    control = "control.none.lr0.001.seed0"
    assert {way for way in ways if way[0] == control} == {
        (control, 0, "default", "", "none"),
        (control, 2, "default", "", "none"),
        *((control, 2, "other", key, prefix) for key in ("clown", "sky") for prefix in ("fixed", "mix")),
    }


def test_a_control_is_asked_with_the_rephrasings_that_its_partner_is_asked_with(study, trained):
    _, table = evaluated(study, trained)
    mixed = table[(table["asked_prompt"] == "sky") & (table["asked_prefix"] == "mix") & (table["step"] == 2)]
    texts = mixed.groupby("run")["prefix_text"].apply(list)
    assert len(texts) == 2
    assert texts.iloc[0] == texts.iloc[1]


def test_an_untrained_adapter_answers_as_the_base_model_and_is_asked_once(study, trained):
    job, table = evaluated(study, trained)
    plain = table[(table["step"] == 0) & (table["condition"] == "default")]
    assert plain.groupby("instruction_id")["completion"].nunique().eq(1).all()
    assert len([label for label in job.store.made if "step 0" in label and label.endswith("none")]) == 1


def test_a_batch_of_another_size_samples_nothing_again(study, trained):
    _, before = evaluated(study, trained)
    sampling = study.evaluation.sampling.model_copy(update={"batch_size": 3})
    other = study.model_copy(update={"evaluation": study.evaluation.model_copy(update={"sampling": sampling})})
    job, after = evaluated(other, trained)
    assert job.store.made == []
    pd.testing.assert_frame_equal(after, before)


def test_explanations_of_evaluations_follow_a_changed_training(study, trained):
    # The data were written without a job, so `generate` is missing in both.
    assert "train" not in "\n".join(changed_before(Made(toy_job(study, trained, "evaluate"), study, {})))
    lora = study.training.lora.model_copy(update={"rank": 4})
    other = study.model_copy(update={"training": study.training.model_copy(update={"lora": lora})})
    said = "\n".join(changed_before(Made(toy_job(other, trained, "evaluate"), other, {})))
    assert "5 of 5 units of train are missing" in said
    assert "settings.lora.rank: wanted 4, nearest has 2" in said


def test_elicitation_asks_the_base_model_what_step_zero_was_asked(study, trained):
    evaluated(study, trained)
    job = toy_job(study, trained, "elicit")
    run_job(job)
    assert job.store.made == []
    table = read_table(job.paths.completions("elicit", 0))
    assert set(table["condition"]) == {"default", "other"}
    assert set(table["seed"]) == {-1}


def test_nothing_is_sampled_where_the_canary_fails(study, trained, monkeypatch):
    from inoc.engines.transformers import TransformersEngine
    from inoc.errors import ModelError

    def fail(self, chats, max_tokens):
        raise ModelError("greedy answers differ")

    monkeypatch.setattr(TransformersEngine, "check", fail)
    job = toy_job(study, trained, "evaluate")
    with pytest.raises(ModelError):
        run_job(job)
    assert job.store.made == []
    assert not job.paths.completions("evaluate", 0).exists()
