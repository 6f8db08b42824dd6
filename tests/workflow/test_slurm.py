"""The study on a real SLURM, through trouble: it ends with the tables of an undisturbed run on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from typing import ClassVar

import pyarrow.parquet as pq
import pytest

from support import cluster as slurm
from support.running import SNAKEMAKE, Checkout, differing

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.timeout(7200),
    pytest.mark.skipif(bool(slurm.missing()), reason=f"no SLURM: {slurm.missing()}"),
]

FAST = ["--slurm-init-seconds-before-status-checks", "2", "--seconds-between-status-checks", "2", "--latency-wait", "5"]
# The first attempt has too little memory for Python itself.
STARVED = ["--set-resources", "rephrase_prompts:mem_mb=20*100**(attempt-1)"]


@pytest.fixture
def cluster(tmp_path):
    one = slurm.Cluster(tmp_path / "slurm")
    try:
        one.start()
    except (slurm.NoClusterError, subprocess.TimeoutExpired) as error:
        one.stop()
        pytest.skip(f"no SLURM: {error}")
    yield one
    for process in Submission.started:
        process.kill()
        process.wait()
    one.stop()


class Submission:
    """The documented command, running."""

    started: ClassVar[list[subprocess.Popen[bytes]]] = []

    def __init__(self, checkout: Checkout, home, *arguments: str, target: str = "results/figures/all") -> None:
        profiles = home / ".config" / "snakemake"
        profiles.mkdir(parents=True, exist_ok=True)
        if not (profiles / "slurm").exists():
            (profiles / "slurm").symlink_to(checkout.folder / "workflow" / "profiles" / "slurm")
        command = [SNAKEMAKE, "--profile", "slurm", target, "--config", "studies=[smoke]"]
        environment = {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}
        self.log = home / f"snakemake-{time.monotonic_ns()}.log"
        with self.log.open("w") as stream:
            self.process = subprocess.Popen(
                [*command, *FAST, *arguments], cwd=checkout.folder, stdout=stream, stderr=stream, env=environment
            )
        self.started.append(self.process)

    def until(self, holds: Callable[[], bool], what: str, seconds: float = 1200) -> None:
        for _ in range(int(seconds / 0.5)):
            if holds():
                return
            assert self.process.poll() is None, f"it ended before {what}:\n{self.log.read_text()[-5000:]}"
            time.sleep(0.5)
        raise AssertionError(f"waited in vain until {what}:\n{self.log.read_text()[-5000:]}")

    def end(self, seconds: float = 3600) -> str:
        code = self.process.wait(timeout=seconds)
        output = self.log.read_text()
        assert code == 0, output[-6000:]
        return output


def running(cluster: slurm.Cluster, rule: str) -> list[str]:
    return [job for job, name in cluster.jobs() if rule in name]


def test_no_trouble_on_a_cluster_loses_or_changes_anything(finished, cluster, tmp_path):
    """A killed workflow, a job with too little memory, a cancelled job, a controller that dies: one after the other."""
    checkout, home = Checkout(tmp_path / "checkout"), tmp_path / "home"

    killed = Submission(checkout, home, *STARVED)
    killed.until(lambda: bool(running(cluster, "generate_data")), "sampling")
    killed.process.kill()
    killed.process.wait()
    assert "Trying to restart job" in killed.log.read_text()
    # A cluster does not know that nobody waits any more; the next workflow would ask for the same.
    for job, _ in cluster.jobs() + cluster.jobs("PENDING"):
        cluster.cancel(job)

    submission = Submission(checkout, home)
    log = checkout.folder / "logs" / "train" / "smoke" / "0.log"
    cancelled: list[str] = []

    def training() -> bool:
        cancelled[:] = running(cluster, "train_adapters")
        return bool(cancelled) and log.exists()

    submission.until(training, "training")
    cluster.cancel(cancelled[0])
    submission.until(lambda: bool(set(running(cluster, "train_adapters")) - set(cancelled)), "training again")
    submission.until(lambda: bool(running(cluster, "evaluate_checkpoints")), "evaluating")
    cluster.restart_controller()
    output = submission.end()

    assert output.count("Trying to restart job") == 1
    assert "logs/train/smoke/0.log" in output
    assert differing(finished.tables(), checkout.tables()) == []
    assert checkout.dry_jobs() == {}


def test_a_run_that_two_gpus_train_is_one_job_with_both_and_learns_the_same(finished, cluster, copy_of, tmp_path):
    checkout = copy_of(finished)
    shutil.rmtree(checkout.results / "train")
    shutil.rmtree(checkout.folder / "store" / "train")
    config = checkout.folder / "config" / "config.yaml"
    config.write_text(config.read_text().replace("train_gpus: {}", "train_gpus: {smoke: 2}"))

    target = "results/smoke/train/0/checkpoints.parquet"
    Submission(checkout, tmp_path / "home", target=target).end()

    (job,) = [number for number, rule in cluster.jobs("COMPLETED") if "train_adapters" in rule]
    assert cluster.gpus(job) == 2
    assert checkout.manifests()["train-0"]["gpus"] == 2
    losses = "train/0/losses.parquet"
    together, alone = (pq.read_table(one.results / losses).to_pandas() for one in (checkout, finished))
    assert together.drop(columns=["loss", "grad_norm"]).equals(alone.drop(columns=["loss", "grad_norm"]))
    assert together["loss"].to_numpy() == pytest.approx(alone["loss"].to_numpy(), rel=1e-3)
