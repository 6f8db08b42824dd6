"""Files that the verbs `numbers` and `filter` write: none is lost, and none is half written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from inoc.errors import ConfigError
from inoc.tables import replace_file
from inoc.trouble import explanation


def check_outputs(outputs: Mapping[str, Path | None], inputs: Sequence[Path]) -> None:
    """Refuse files that would be lost, before anything is computed.

    Args:
        outputs: Option → file that is to be written; None for one that was not given.
        inputs: Files that are read.

    Raises:
        ConfigError: If a file is also read, or named twice, or a folder.
    """
    read = {path.resolve() for path in inputs}
    seen: dict[Path, str] = {}
    for option, path in outputs.items():
        if path is None:
            continue
        place = path.resolve()
        if place in read:
            raise ConfigError(f"{option} {path}: this file is read too, and would be lost; name another one")
        if place in seen:
            raise ConfigError(f"{option} {path}: {seen[place]} names the same file; name another one")
        if place.is_dir():
            raise ConfigError(f"{option} {path} is a folder; name a file in it")
        seen[place] = option


def write_output(path: Path, text: str) -> None:
    """Write a whole file, with its folder.

    Raises:
        ConfigError: If it cannot be written where it is to be.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, lambda place: place.write_bytes(text.encode()))
    except OSError as error:
        if explanation(error) is not None:
            raise
        raise ConfigError(f"{path} cannot be written: {error.strerror}; name another file") from None
