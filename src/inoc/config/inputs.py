"""Whether the files that a study names can be read, before the first job: their encoding, and every line of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from inoc.config.models import Study
from inoc.errors import InocError

Reader = Callable[[Path], object]


def unreadable_files(study: Study, given: Iterator[tuple[str, str]], base: Path) -> Iterator[str]:
    """Why files that a study names cannot be read, with file and line.

    Args:
        study: The study.
        given: Key in the study's file → path, as `given_files` lists them. Absent and empty files are left to others.
        base: Folder that the paths are relative to.
    """
    for key, file in given:
        reader = _reader_of(key, study)
        path = base / file
        if reader is None or not path.is_file() or not path.stat().st_size:
            continue
        try:
            reader(path)
        except InocError as error:
            yield f"{key}: {error}"


def _reader_of(key: str, study: Study) -> Reader | None:
    """What reads a file, by the key that names it; None for what is no text, such as a model."""
    from inoc.files import read_text
    from inoc.generate.instructions import read_jsonl_field, read_pairs
    from inoc.judge.lexical import LexicalJudge, read_markers
    from inoc.rephrase.files import read_rephrasings

    if key.endswith("chat_template"):
        return read_text
    if key.endswith(".files"):
        return lambda path: read_jsonl_field(path, "instruction")
    if key.endswith(".file"):
        return read_pairs
    if key.endswith(".judge.markers"):
        judge = study.traits[key.split(".")[1]].judge
        version = 1 if judge is None else judge.version
        return lambda path: LexicalJudge(read_markers(str(path)), 1.0, version)
    return read_rephrasings if ".folder (prompt " in key else None
