"""A folder that is there when it is complete, and not before."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from inoc.errors import DataError


def filled(folder: Path, fill: Callable[[Path], None]) -> int:
    """Fill a folder beside its place, and rename it there.

    Args:
        folder: The folder; it may be there already if it is empty.
        fill: Writes into the folder that it is given.

    Returns:
        Number of files.

    Raises:
        DataError: If something is there: what an earlier export wrote is not removed.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"--out {folder} is not an empty folder. Remove it, or name another one")
    folder = folder.resolve()  # a link stays, and what it leads to is filled
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        fill(scratch)
        scratch.chmod(0o755)
        scratch.replace(folder)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return sum(path.is_file() for path in folder.rglob("*"))
