"""A GPU for each process on a machine with several, where no cluster assigns them."""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from inoc.trouble import has_no_locks

VISIBLE = "CUDA_VISIBLE_DEVICES"
_HELD: list[TextIO] = []


def take_devices(say: Callable[[str], None], n: int = 1, devices: Path = Path("/dev"), pause: float = 2.0) -> None:
    """Take GPUs that no other process of ours holds, until this process ends; wait while there are not enough.

    Nothing happens if somebody has chosen already (`CUDA_VISIBLE_DEVICES` is set, as clusters do), if there are fewer
    than two GPUs, or fewer than are wanted. The kernel frees a lock when its holder dies, however it dies. Call it
    before CUDA starts.

    Args:
        say: Told once that the process waits.
        n: How many.
        devices: Where the machine's devices are.
        pause: Seconds between two looks.
    """
    names = (re.fullmatch(r"nvidia(\d+)", path.name) for path in devices.glob("nvidia*"))
    numbers = sorted(int(name[1]) for name in names if name)
    if VISIBLE in os.environ or len(numbers) < max(2, n):
        return
    waits = False
    while (taken := _lock(numbers, n)) is None:
        if not waits:
            say(
                f"fewer than {n} of the {len(numbers)} GPUs are free; waiting for other jobs. "
                "Fewer at a time: --resources gpu=N"
            )
        waits = True
        time.sleep(pause)
    os.environ[VISIBLE] = ",".join(map(str, taken))


def _lock(numbers: list[int], n: int) -> list[int] | None:
    """Lock this many GPUs, or none: holding some while waiting for more could deadlock."""
    folder = Path(tempfile.gettempdir()) / f"inoc-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    taken: dict[int, TextIO] = {}
    for number in numbers:
        stream: TextIO = (folder / str(number)).open("a")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            stream.close()
            if has_no_locks(error):
                raise
            continue
        taken[number] = stream
        if len(taken) == n:
            _HELD.extend(taken.values())
            return list(taken)
    for held in taken.values():
        held.close()
    return None
