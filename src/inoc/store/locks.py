"""One process at a time for each unit, by locks that the kernel frees when their holder dies.

All locks of a store are bytes of one file, so nothing is left behind however many units there are: the byte of a unit
is a number taken from its key. These are POSIX record locks, which shared file systems (NFS, Lustre, GPFS) hand out
across nodes.

They belong to a process, not to a thread, and closing a file frees all locks that the process has in it. The file of a
store is therefore opened once per process and never closed.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inoc.errors import InocError

_DIGITS = 15  # 60 bits: file offsets have 63, and two of a million units share a byte once in two million stores

_OPEN: dict[tuple[int, int], int] = {}
"""Device and inode of a file of locks → its descriptor in this process."""


@contextmanager
def held(path: Path, key: str) -> Iterator[None]:
    """Hold the lock of a unit, after waiting for the process that holds it.

    Args:
        path: The file of locks; made if it is not there.
        key: The unit's key, in hexadecimal digits.

    Raises:
        InocError: If the file system has no locks.
    """
    descriptor = _descriptor(path)
    _lock(descriptor, path, key, fcntl.LOCK_EX)
    try:
        yield
    finally:
        _unlock(descriptor, key)


@contextmanager
def held_if_free(path: Path, key: str) -> Iterator[bool]:
    """Hold the lock of a unit if no other process does, without waiting.

    Args:
        path: The file of locks; made if it is not there.
        key: The unit's key, in hexadecimal digits.

    Yields:
        Whether the lock is held now.

    Raises:
        InocError: If the file system has no locks.
        PermissionError: If the file of locks cannot be written.
    """
    descriptor = _descriptor(path)
    try:
        _lock(descriptor, path, key, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # POSIX allows either for a lock that is taken
        yield False
        return
    try:
        yield True
    finally:
        _unlock(descriptor, key)


def _lock(descriptor: int, path: Path, key: str, how: int) -> None:
    try:
        fcntl.lockf(descriptor, how, 1, _byte(key))
    except (BlockingIOError, PermissionError):
        raise
    except OSError as error:
        msg = (
            f"{path} cannot be locked: {error.strerror}. A store must be on a file system with locks (NFS: not "
            "mounted with `nolock`; Lustre: mounted with `flock`); name another place as `store` in config/config.yaml"
        )
        raise InocError(msg) from error


def _unlock(descriptor: int, key: str) -> None:
    fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, _byte(key))


def _byte(key: str) -> int:
    # The first digits, so that the bytes have the order of the keys, in which several units are claimed at once.
    return int(key[:_DIGITS], 16)


def _descriptor(path: Path) -> int:
    try:
        status = path.stat()
        known = _OPEN.get((status.st_dev, status.st_ino))
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        known = None
    if known is not None:
        return known
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    status = os.fstat(descriptor)
    return _OPEN.setdefault((status.st_dev, status.st_ino), descriptor)
