"""One workflow at a time in a folder, without leftovers: the kernel frees the lock when its holder dies."""

from __future__ import annotations

import fcntl
import tempfile
from pathlib import Path
from typing import TextIO

from inoc.errors import InocError
from inoc.trouble import has_no_locks

_HELD: list[TextIO] = []


def hold(path: Path) -> None:
    """Hold a lock until this process ends.

    Raises:
        InocError: If another process holds it.
        OSError: If the file system has no locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = path.open("a")
    try:
        fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        stream.close()
        if has_no_locks(error):
            raise
        msg = f"another workflow runs in this folder (it holds {path}). Wait for it, or stop it"
        raise InocError(msg) from error
    _HELD.append(stream)


SNAKEMAKE_FOLDERS = ("", "auxiliary", "incomplete", "locks", "log", "metadata", "shadow")


def check_snakemake_folder(folder: Path) -> None:
    """Try whether Snakemake can keep its records, so that it does not fail with a traceback.

    Args:
        folder: `.snakemake` of the working directory; made if it is not there, as Snakemake would.

    Raises:
        OSError: If it or a folder in it cannot be made or written, or the disk is full.
    """
    for name in SNAKEMAKE_FOLDERS:
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place) as stream:
            stream.write(b"\n")
