"""Filling entries of the store, while the device is kept busy.

While one block is computed, the next is prepared and handed in, and the last one is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from inoc.store import Store, Unit

T = TypeVar("T")
P = TypeVar("P")
R = TypeVar("R")


class Filling(NamedTuple, Generic[T, P, R]):
    """Recipe for the store entry of one block."""

    prepare: Callable[[T], P]  # on the host, ahead of time
    submit: Callable[[P], Callable[[], R]]  # starts to compute; returns a function that waits for the result
    write: Callable[[Path, P, R, slice], None]  # writes some rows of the result into the folder of their entry


class Joined(NamedTuple, Generic[T]):
    """Blocks that are computed as one."""

    units: tuple[Unit, ...]
    rows: tuple[slice, ...]  # of the block, for each unit
    block: T


def missing_blocks(store: Store, work: Sequence[tuple[Unit, T]]) -> list[tuple[Unit, T]]:
    """The blocks without entries, each once, in the order of their keys.

    Two claims are held at a time; in one order everywhere, jobs cannot wait for each other in a circle.
    """
    by_key = {unit.key: (unit, block) for unit, block in work}
    missing = sorted(store.missing(unit for unit, _ in by_key.values()), key=lambda unit: unit.key)
    return [by_key[unit.key] for unit in missing]


def fill(store: Store, todo: Sequence[Joined[T]], filling: Filling[T, P, R], advance: Callable[[T], None]) -> None:
    """Make the entries of blocks.

    Args:
        store: Where they go.
        todo: Units and their blocks, in the order of `missing_blocks`.
        filling: How an entry is made.
        advance: Told of each block that has been handed in.
    """
    last: Callable[[], None] | None = None
    with ThreadPoolExecutor(1) as executor:
        following = executor.submit(filling.prepare, todo[0].block) if todo else None
        try:
            for at, joined in enumerate(todo):
                prepared = following.result() if following is not None else filling.prepare(joined.block)
                following = executor.submit(filling.prepare, todo[at + 1].block) if at + 1 < len(todo) else None
                before, last = last, _started(store, joined, prepared, filling)
                if before is not None:
                    before()
                advance(joined.block)
        finally:
            if last is not None:
                last()


def _started(store: Store, joined: Joined[T], prepared: P, filling: Filling[T, P, R]) -> Callable[[], None] | None:
    """Start a block; returns what finishes it, or None if other jobs have made all its entries meanwhile."""
    with ExitStack() as claims:
        # A claim ends with an entry, so each has a stack of its own, in the order of keys as everywhere.
        folders: list[tuple[ExitStack, Path, slice]] = []
        for unit, rows in zip(joined.units, joined.rows, strict=True):
            claim = claims.enter_context(ExitStack())
            folder = claim.enter_context(store.claim(unit))
            if folder is not None:
                folders.append((claim, folder, rows))
        if not folders:
            return None
        pending = filling.submit(prepared)
        held = claims.pop_all()

    def finish() -> None:
        with held:
            found = pending()
            for claim, folder, rows in folders:
                filling.write(folder, prepared, found, rows)
                claim.close()  # makes the entry

    return finish
