"""A real SLURM on this machine for as long as a test lasts: one node, loopback, no database, devices that are no GPUs.

Needs root and Debian's packages `slurm-wlm` and `munge`. As a script it starts one and leaves it running:

    python tests/workflow/cluster.py FOLDER [--stop]
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

CONFIG = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={state}/munge/socket
CredType=cred/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
StateSaveLocation={state}/controller
SlurmdSpoolDir={state}/node
SlurmctldPidFile={state}/slurmctld.pid
SlurmdPidFile={state}/slurmd.pid
SlurmctldLogFile={state}/slurmctld.log
SlurmdLogFile={state}/slurmd.log
ReturnToService=2
SlurmdParameters=config_overrides
MinJobAge=600
KillWait=2
SlurmctldTimeout=30
SlurmdTimeout=30
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 CoresPerSocket=8 RealMemory={memory} Gres=gpu:fake:2 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=60 State=UP DefMemPerCPU=500
"""
PLACE = Path("/etc/slurm")  # a job step's own client looks nowhere else
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")


def missing() -> str:
    """Why there can be no cluster here; empty if there can."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"{', '.join(absent)} not found; Debian has them in slurm-wlm and munge"
    if os.geteuid() != 0:
        return "starting a SLURM of one's own needs root"
    ours = PLACE / "slurm.conf"
    return f"{ours} exists, so this machine is part of a cluster" if ours.exists() and not ours.is_symlink() else ""


class NoClusterError(Exception):
    """The daemons do not run on this machine."""


class Cluster:
    """One node with two devices that SLURM takes for GPUs."""

    def __init__(self, state: Path) -> None:
        self.state = state

    def start(self) -> None:
        """Start all daemons and wait for the node."""
        for name in ("controller", "node", "munge", "devices"):
            (self.state / name).mkdir(parents=True, exist_ok=True)
        # munged distrusts sockets in folders that others may write to, or may not enter.
        for folder in (self.state, self.state / "munge"):
            folder.chmod(0o755)
        key = self.state / "munge" / "key"
        if not key.exists():
            key.write_bytes(os.urandom(128))
            key.chmod(0o600)
        devices = [self.state / "devices" / f"nvidia{number}" for number in range(2)]
        for device in devices:
            device.touch()
        ports = [_free_port(), _free_port()]
        self._configure("slurm.conf", self._config(*ports))
        self._configure("gres.conf", f"Name=gpu Type=fake File={self.state}/devices/nvidia[0-1]\n")
        munge = self.state / "munge"
        places = [f"--{name}-file={munge / name}" for name in ("key", "pid", "log", "seed")]
        _call("munged", "--force", f"--socket={munge / 'socket'}", *places)
        _call("slurmctld", "-c")
        _call("slurmd")
        self.wait_until_idle()

    def _config(self, port: int, node_port: int) -> str:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
        host = socket.gethostname().split(".")[0]
        return CONFIG.format(state=self.state, host=host, port=port, node_port=node_port, memory=int(0.9 * total))

    def _configure(self, name: str, text: str) -> None:
        (self.state / name).write_text(text)
        PLACE.mkdir(exist_ok=True)
        (PLACE / name).unlink(missing_ok=True)
        (PLACE / name).symlink_to(self.state / name)

    def wait_until_idle(self) -> None:
        """Wait until the node takes jobs."""
        for _ in range(150):
            if "idle" in _call("sinfo", "--noheader", "--format=%T", check=False):
                return
            time.sleep(0.2)
        logs = "".join(path.read_text()[-2000:] for path in sorted(self.state.glob("*.log")))
        raise NoClusterError(f"the node never became idle:\n{logs}")

    def jobs(self, state: str = "RUNNING") -> list[tuple[str, str]]:
        """Number and rule of the jobs in a state."""
        lines = _call("squeue", "--noheader", f"--states={state}", "--format=%i %k").splitlines()
        return [(line.split()[0], line.split()[-1]) for line in lines if line.strip()]

    def gpus(self, job: str) -> int:
        """How many devices a job was given."""
        found = re.search(r"JOB_GRES=gpu(?::\w+)?:(\d+)", _call("scontrol", "show", "job", "--details", job))
        return int(found[1]) if found else 0

    def cancel(self, job: str) -> None:
        """Cancel a job, as a user or an administrator does."""
        _call("scancel", job, check=False)  # it may just have ended

    def restart_controller(self) -> None:
        """Kill the controller, and start it again from what it saved.

        It saves within seconds of a change, and forgets what it had not saved yet; so this waits for the next saving.
        """
        since, saved = time.time(), self.state / "controller" / "job_state"
        for _ in range(150):
            if saved.exists() and saved.stat().st_mtime > since:
                break
            time.sleep(0.2)
        pid = int((self.state / "slurmctld.pid").read_text())
        os.kill(pid, signal.SIGKILL)
        time.sleep(1)
        _call("slurmctld")
        for _ in range(100):
            if _call("sinfo", "--noheader", "--format=%T", check=False).strip():
                return
            time.sleep(0.2)
        raise AssertionError("the controller did not come up again")

    def stop(self) -> None:
        """Cancel all jobs and stop all daemons."""
        _call("scancel", "--user=root", check=False)
        time.sleep(1)
        for name in ("slurmd.pid", "slurmctld.pid", "munge/pid"):
            path = self.state / name
            if path.exists() and path.read_text().strip():
                _end(int(path.read_text()))
        for name in ("slurm.conf", "gres.conf"):
            (PLACE / name).unlink(missing_ok=True)


def _end(pid: int) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        for _ in range(25):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return
            time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _call(*command: str, check: bool = True) -> str:
    done = subprocess.run(command, text=True, capture_output=True, check=False, timeout=600)
    if check and done.returncode != 0:
        raise NoClusterError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stop", action="store_true")
    options = parser.parse_args()
    cluster = Cluster(options.folder.resolve())
    if options.stop:
        cluster.stop()
    else:
        cluster.start()


if __name__ == "__main__":
    main()
