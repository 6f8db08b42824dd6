"""Removal of entries that no study needs, and of abandoned work."""

from __future__ import annotations

import fcntl
import json
import shutil
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from inoc.store.core import DESCRIPTION, Store, is_entry
from inoc.store.locks import held_if_free

Jobs = Mapping[str, Collection[str] | None]
"""Study → names of its present jobs, as `score-3`; None if they are not known, so that all references count."""


class Garbage(NamedTuple):
    """The result of a collection."""

    entries: list[Path]  # folders of entries and of abandoned work
    n_bytes: int
    kept: int  # entries that stay


def collect(store: Store, studies: Jobs, *, delete: bool, grace_s: float = 3600.0) -> Garbage:
    """Find, and with `delete` remove, entries that no job of the given studies referred to, and abandoned work.

    The work folder of a job that lives is never removed: its unit is locked. With `delete`, references of other
    studies and of former jobs are dropped too. A former job's references count until the present jobs of its stage
    have written theirs, so that a new number of shards does not throw away what its jobs are about to find.

    Args:
        store: The store.
        studies: The studies, with the names of their present jobs.
        delete: Really remove.
        grace_s: Entries that were made or found by a job within this many seconds stay, since a running job refers to
            its entries only when it ends; and so does work that was written to.
    """
    former = list(_former(store, studies))
    referred = _referred(store, studies, former)
    in_use = _held_old_locks(store, delete=delete)

    def is_garbage(entry: Path) -> bool:
        name = f"{entry.parent.parent.name}/{entry.name}"
        young = time.time() - _modified(entry / DESCRIPTION) < grace_s
        return not young and (name not in referred or not is_entry(entry))

    def is_abandoned(work: Path) -> bool:
        newest = max(map(_modified, (work, *work.rglob("*"))), default=0.0)
        return work.name not in in_use and time.time() - newest >= grace_s

    found, n_bytes, kept = [], 0, 0
    for entry in store.entries():
        size = _remove_if(store, entry, is_garbage, delete=delete)
        kept += size is None
        if size is not None:
            found.append(entry)
            n_bytes += size
    for work in sorted((store.root / "work").glob("*/*")):
        size = _remove_if(store, work, is_abandoned, delete=delete)
        if size is not None:
            found.append(work)
            n_bytes += size
    if delete:
        for reference in former:
            reference.unlink(missing_ok=True)
        _drop_studies(store, studies)
        shutil.rmtree(store.root / "trash", ignore_errors=True)
    return Garbage(found, n_bytes, kept)


def _remove_if(store: Store, folder: Path, unwanted: Callable[[Path], bool], *, delete: bool) -> int | None:
    """Bytes of a folder that is unwanted and whose unit no process holds, else None; with `delete` it is removed."""
    if not unwanted(folder):
        return None
    with held_if_free(store.locks, folder.name) as free:
        # Looked at again under the lock: a job may have ended, or found the entry, since the first look.
        if not free or not unwanted(folder):
            return None
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        if delete:
            # Renamed first, so that an entry vanishes at once: being killed here leaves no half entry behind.
            trash = store.root / "trash" / uuid.uuid4().hex
            trash.parent.mkdir(exist_ok=True)
            folder.rename(trash)
            shutil.rmtree(trash, ignore_errors=True)  # another collection may be at it
        return size


def _references(store: Store) -> Iterator[Path]:
    yield from sorted((store.root / "refs").glob("*/*.json"))


def _former(store: Store, studies: Jobs) -> Iterator[Path]:
    """References of jobs that their study no longer has, once the present jobs of the same stage have theirs."""
    for reference in _references(store):
        jobs = studies.get(reference.parent.name)
        if jobs is None or reference.stem in jobs:
            continue
        stage = reference.stem.rpartition("-")[0]
        present = [reference.with_name(f"{job}.json") for job in jobs if job.rpartition("-")[0] == stage]
        if all(_modified(one) >= _modified(reference) for one in present):
            yield reference


def _referred(store: Store, studies: Jobs, former: Collection[Path]) -> set[str]:
    """Entries, as `step/key`, that the present jobs of the studies need."""
    referred: set[str] = set()
    for reference in _references(store):
        if reference.parent.name in studies and reference not in former:
            referred |= set(json.loads(reference.read_text()))
    return referred


def _drop_studies(store: Store, studies: Jobs) -> None:
    for folder in (store.root / "refs").glob("*"):
        if folder.name not in studies:
            shutil.rmtree(folder)


def _held_old_locks(store: Store, *, delete: bool) -> set[str]:
    """Keys that jobs of an earlier version hold, which kept a file for each lock; with `delete`, free ones go."""
    in_use = set()
    for path in store.locks.parent.glob("*"):
        if path == store.locks:
            continue
        with path.open("r+") as stream:
            try:
                fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                in_use.add(path.name)
                continue
            if delete:
                path.unlink()
    return in_use


def _modified(path: Path) -> float:
    """Time of the last change of a file or folder; 0 if it is gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
