from __future__ import annotations

import json
import os
import shutil
import signal

import pytest
from safetensors.torch import load_file

from inoc.errors import ConfigError, DataError, ModelError
from inoc.progress import Meter
from inoc.studies.inoculation.study import RunSpec
from inoc.tables import read_table
from inoc.train import trainer  # noqa: F401 - forks have what is imported before them
from inoc.train.team import broadcast, is_leader, run_team, team_size
from support.jobs import run_job
from support.toy import toy_job, toy_study, write_inputs

POOLS = {"clown": ["Be a clown."], "sky": ["Blue is the sky."]}


@pytest.fixture(scope="module")
def study(tiny_folder):
    training = {"batch_size": 4, "micro_batch_size": 4, "steps": 6, "resume_every": 2, "checkpoints": [0, 3]}
    study = toy_study(tiny_folder, training=training)
    return study.model_copy(update={"runs": (RunSpec(prompts=("sky",), prefixes=("fixed",), control=False),)})


def trained(study, root, gpus):
    job = toy_job(study, root, "train")
    job.gpus = gpus
    write_inputs(job, POOLS)
    run_job(job)
    return job


@pytest.fixture(scope="module")
def team(study, tmp_path_factory):
    return trained(study, tmp_path_factory.mktemp("team"), 2)


def weights(job):
    table = read_table(job.paths.checkpoints(0)).set_index("step")["path"]
    folder = job.paths.checkpoints(0).parent
    return {step: load_file(str(folder / path / "adapter_model.safetensors")) for step, path in table.items()}


def largest_gap(left, right):
    return max(float((left[step][name] - right[step][name]).abs().max()) for step in left for name in left[step])


def introduce(number):
    if broadcast(int(os.environ["RANK"])) != 0:
        raise DataError("the value of another process than the first")
    return number * 10, team_size(), is_leader()


def fail_as(kind):
    if not is_leader():
        if kind == "error":
            raise DataError("the second process has found something")
        os.kill(os.getpid(), signal.SIGKILL)
    broadcast(None)


def test_two_processes_train_as_one_does_up_to_rounding(study, team, tmp_path):
    """Sums over two halves of a batch differ from those over the whole in the last bits of float32."""
    alone = trained(study, tmp_path, 1)
    left, right = (read_table(job.paths.losses(0)) for job in (alone, team))
    assert list(left["step"]) == list(right["step"]) == [1, 2, 3, 4, 5, 6]
    for column in ("loss", "grad_norm", "rate"):
        assert right[column].to_numpy() == pytest.approx(left[column].to_numpy(), rel=1e-4)
    assert weights(alone).keys() == weights(team).keys() == {0, 3, 6}
    assert largest_gap(weights(alone), weights(team)) < 2e-5
    assert team.store.made == alone.store.made
    assert team.record["gpus"] == 2


def test_the_first_process_gives_the_answer_and_its_values_to_all():
    assert run_team(2, introduce, 4) == (40, 2, True)


def test_an_error_of_one_process_ends_all_and_is_the_error_of_the_whole():
    with pytest.raises(DataError, match="the second process has found something"):
        run_team(2, fail_as, "error")


def test_a_process_that_is_killed_ends_all_and_is_named():
    with pytest.raises(ModelError, match="process 2 of the 2 that trained together was ended by signal 9"):
        run_team(2, fail_as, "kill")


def test_a_team_larger_than_the_gpus_that_the_job_sees_is_refused(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with pytest.raises(ModelError, match="trained by 2 GPUs together, and this job sees 1"):
        run_team(2, introduce, 4)


def test_a_batch_that_cannot_be_shared_evenly_is_refused(study, tmp_path):
    with pytest.raises(ConfigError, match=r"3 GPUs cannot share training.batch_size = 4.*1, 2, 4"):
        trained(study, tmp_path, 3)


def test_a_killed_team_goes_on_where_it_was_also_as_one_process(study, team, tmp_path, monkeypatch):
    advance = Meter.advance

    def kill_at_five(meter, n=1):
        advance(meter, n)
        if meter.done == 5 and meter._heart is not None:
            os.kill(os.getpid(), signal.SIGKILL)

    with monkeypatch.context() as patched:
        patched.setattr(Meter, "advance", kill_at_five)
        with pytest.raises(ModelError, match="process 1 of the 2"):
            trained(study, tmp_path, 2)
    (state,) = (tmp_path / "store/work/train").glob("*/trainer/checkpoint-*/trainer_state.json")
    assert json.loads(state.read_text())["global_step"] == 4
    shutil.copytree(tmp_path / "store", tmp_path / "alone/store")
    assert largest_gap(weights(team), weights(trained(study, tmp_path, 2))) == 0
    assert largest_gap(weights(team), weights(trained(study, tmp_path / "alone", 1))) < 2e-5
