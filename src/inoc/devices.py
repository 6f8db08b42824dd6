"""A GPU for each process on a machine with several, where no cluster hands them out."""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

VISIBLE = "CUDA_VISIBLE_DEVICES"
_HELD: list[TextIO] = []


def take_device(say: Callable[[str], None], devices: Path = Path("/dev"), pause: float = 2.0) -> None:
    """Take a GPU that no other process of ours holds, until this process ends; wait if there is none.

    Nothing happens if somebody has chosen already (`CUDA_VISIBLE_DEVICES` is set, as clusters do), or if there are
    fewer than two GPUs. The kernel frees a lock when its holder dies, however it dies. Call it before CUDA starts.

    Args:
        say: Told once that the process waits.
        devices: Where the machine's devices are.
        pause: Seconds between two looks.
    """
    names = (re.fullmatch(r"nvidia(\d+)", path.name) for path in devices.glob("nvidia*"))
    numbers = sorted(int(name[1]) for name in names if name)
    if VISIBLE in os.environ or len(numbers) < 2:
        return
    waits = False
    while (number := _lock_one(numbers)) is None:
        if not waits:
            say(f"all {len(numbers)} GPUs are taken by other jobs; waiting. Fewer at a time: --resources gpu=N")
        waits = True
        time.sleep(pause)
    os.environ[VISIBLE] = str(number)


def _lock_one(numbers: list[int]) -> int | None:
    folder = Path(tempfile.gettempdir()) / f"inoc-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for number in numbers:
        stream = (folder / str(number)).open("a")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            stream.close()
            continue
        _HELD.append(stream)
        return number
    return None
