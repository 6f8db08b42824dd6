"""Readers of the files that a study names, so that they can be read to their end before the first job."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from inoc.studies.inoculation.study import Study

Reader = Callable[[Path], object]


def reader_of(key: str, study: Study) -> Reader | None:
    """The function that reads a file, by the key that names it; None for a file that is no text, such as a model."""
    from inoc.files import read_text
    from inoc.generate.instructions import read_jsonl_field, read_pairs
    from inoc.judge.custom import PythonJudge
    from inoc.judge.lexical import LexicalJudge, read_markers
    from inoc.judge.names import read_names
    from inoc.rephrase.files import read_rephrasings

    if key.endswith("chat_template"):
        return read_text
    if key.endswith(".files"):
        return lambda path: read_jsonl_field(path, "instruction")
    if key.endswith(".judge.file"):
        judge = study.traits[key.split(".")[1]].judge
        return PythonJudge if judge is not None and judge.name == "python" else read_names
    if key.endswith(".file"):
        spec = study.data if key == "data.file" else study.datasets[key.split(".")[1]]
        return lambda path: read_pairs(path, spec.bad_rows)
    if key.endswith(".judge.markers"):
        judge = study.traits[key.split(".")[1]].judge
        version = 1 if judge is None else judge.version
        return lambda path: LexicalJudge(read_markers(str(path)), 1.0, version)
    return read_rephrasings if ".folder (prompt " in key else None
