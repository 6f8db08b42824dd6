"""One workflow at a time in a folder, without leftovers: the kernel frees the lock when its holder dies."""

from __future__ import annotations

import fcntl
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
