"""Questions of a source, in its order."""

from __future__ import annotations

from inoc.config.models import InstructionSource
from inoc.errors import DataError
from inoc.generate.instructions import read_instructions
from inoc.world.grammar import instructions as world_instructions

_WORLD = 50  # questions of the miniature world where a study names no number


def texts_of(source: InstructionSource, n: int | None) -> list[str]:
    """The first questions of a source.

    Args:
        source: Procedural, or files.
        n: How many; None for all.

    Raises:
        DataError: If there are too few.
    """
    if source.kind == "world":
        return world_instructions(n or _WORLD, 0, source.topics)
    known, _ = read_instructions(source)
    if n is not None and len(known) < n:
        msg = f"{', '.join(source.files)}: {len(known)} distinct questions, but {n} are asked for; lower n or add files"
        raise DataError(msg)
    return known[:n]
