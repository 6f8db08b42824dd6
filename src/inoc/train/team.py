"""Several processes, one GPU each, that train one run together.

Every process has the whole model and takes its part of each step's examples; gradients are summed over all of them. The
first process alone decides and writes. Processes are started and watched by torch's launcher, in this one: if one of
them ends badly, it ends the others.
"""

from __future__ import annotations

import os
import pickle
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from torch import distributed

from inoc.errors import InocError, ModelError

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

T = TypeVar("T")
CONSEQUENCE_S = 5.0
PATIENCE = timedelta(days=1)  # the first process may wait for another job's unit, the others then wait for it


def run_team(size: int, work: Callable[..., T], *arguments: Any) -> T:
    """Do work in several processes of one team, and return what the first of them returns.

    Args:
        size: How many processes.
        work: A function of a module; each process calls it.
        *arguments: What it is called with.

    Raises:
        InocError: The first error, if the work raised one of ours.
        ModelError: If a process ended otherwise.
    """
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    refuse_more_than_seen(size)
    with tempfile.TemporaryDirectory(prefix="inoc-team-") as folder:
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=size,
            run_id=uuid.uuid4().hex,
            rdzv_backend="c10d",
            rdzv_endpoint="127.0.0.1:0",
            local_addr="127.0.0.1",
            max_restarts=0,
            monitor_interval=0.2,
            # CUDA cannot be used in a fork; without it, a fork need not import everything again.
            start_method="spawn" if torch.cuda.is_available() else "fork",
        )
        try:
            return cast("T", elastic_launch(config, _member)(folder, work, arguments)[0])
        except ChildFailedError as failed:
            rank, failure = failed.get_first_failure()
            raise _reason(Path(folder), rank, size, failure) from failed


def refuse_more_than_seen(size: int) -> None:
    """Refuse a team that is larger than the number of GPUs, if there are any.

    Raises:
        ModelError: If it is.
    """
    seen = torch.cuda.device_count()
    if 0 < seen < size:
        msg = (
            f"a run is to be trained by {size} GPUs together, and this job sees {seen}. Ask for as many (config.yaml, "
            "`train_gpus`; `resources: gpu` of the rule), or lower train_gpus"
        )
        raise ModelError(msg)


def _reason(folder: Path, rank: int, size: int, failure: ProcessFailure) -> InocError:
    for note in sorted(folder.glob("*.error")):
        return cast("InocError", pickle.loads(note.read_bytes()))
    status = failure.exitcode
    how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}: {failure.message}"
    return ModelError(
        f"process {rank + 1} of the {size} that trained together {how}. The others were stopped. Saved steps are kept: "
        "the same command goes on from them"
    )


def _member(folder: str, work: Callable[..., T], arguments: tuple[Any, ...]) -> T:
    """Work of one process."""
    rank = int(os.environ["RANK"])
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(rank)
    # Decisions travel through the CPU, gradients through NCCL.
    distributed.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo", timeout=PATIENCE)
    try:
        done = work(*arguments)
    except InocError as error:
        (Path(folder) / f"{rank}.error").write_bytes(pickle.dumps(error))
        raise
    except Exception:
        # It may be only what follows from the end of another process: that one shall be noticed first.
        time.sleep(CONSEQUENCE_S)
        raise
    # Only after success: with others gone it could wait for them.
    distributed.destroy_process_group()
    return done


def team_size() -> int:
    """Number of processes that train together; 1 without a team."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def is_leader() -> bool:
    """Whether this process decides and writes."""
    return not distributed.is_initialized() or distributed.get_rank() == 0


def broadcast(value: T) -> T:
    """The first process's value, in all of them."""
    if team_size() == 1:
        return value
    box = [value]
    distributed.broadcast_object_list(box, src=0, device=torch.device("cpu"))
    return box[0]
