"""Needs of a judge from the machine it runs on, which every kind of study asks for."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from inoc.config.judge_spec import JudgeSpec
from inoc.config.needs import GivenFile
from inoc.errors import MissingExtraError


def judge_files(spec: JudgeSpec, key: str) -> Iterator[GivenFile]:
    """Files that a judge reads, each with its reader.

    Args:
        spec: Its settings.
        key: Its place in the study file.
    """
    if spec.markers not in (None, "world"):
        yield GivenFile(f"{key}.markers", str(spec.markers), read=lambda path: _read_markers(path, spec.version))
    if spec.file is not None:
        yield GivenFile(f"{key}.file", spec.file, read=_read_names if spec.name == "names" else _read_python)


def absent_identifier(spec: JudgeSpec, key: str) -> Iterator[str]:
    """The problem that a judge of languages has where nothing identifies them.

    Args:
        spec: Its settings.
        key: Its place in the study file.
    """
    if spec.name == "language" and find_spec("lingua") is None:
        yield f"{key}.name = 'language': {MissingExtraError('lingua', 'judge')}"


def _read_markers(path: Path, version: int) -> object:
    from inoc.judge.lexical import LexicalJudge, read_markers

    return LexicalJudge(read_markers(str(path)), 1.0, version)


def _read_names(path: Path) -> object:
    from inoc.judge.names import NamesJudge, read_names

    return NamesJudge(read_names(path))


def _read_python(path: Path) -> object:
    from inoc.judge.custom import PythonJudge

    return PythonJudge(path)
