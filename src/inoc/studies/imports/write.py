"""Writes an import as a whole: results and study file are both there afterwards, or neither is."""

from __future__ import annotations

import fcntl
import io
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from inoc.config.load import load_study
from inoc.errors import ConfigError, DataError, InocError
from inoc.jobs.paths import Paths
from inoc.signals import held_back
from inoc.studies.imports.findings import Findings
from inoc.tables import write_row_groups, write_table
from inoc.vectors.files import save_vectors
from inoc.vectors.vector import Vector

FINDINGS = Path("imports") / "findings.json"
_REPLACED = "replaced"
_BUILDING = ".import-"  # begins the names of folders in which an import is built
HEAD = "Made by `inoc import`, from released results; import again rather than edit."


Tables = dict[str, tuple[pd.DataFrame | Iterable[pa.Table], pa.Schema]]
"""Path below the study's results → rows and their schema; of several tables, each becomes a row group."""


class Imported(NamedTuple):
    """The results and the study file that an import writes."""

    study: dict[str, object]  # content of the study file
    tables: Tables
    findings: Findings
    texts: dict[str, str]  # path below the study's results → content
    vectors: Mapping[str, Sequence[Vector]] = {}  # path below the study's results → vectors of a file


def check_name(name: str, results: Path, out: Path, *, replace: bool) -> None:
    """Refuse a study name that is none, or that is taken.

    Raises:
        ConfigError: With what would be accepted.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", name):
        raise ConfigError(f"--study {name!r}: accepted: up to 64 letters, digits and underscores, a letter first")
    folder, file = results / name, out / f"{name}.yaml"
    taken = [path for path in (folder, file) if path.exists() or path.is_symlink()]
    if not taken:
        return
    if not (folder / FINDINGS).is_file():
        raise ConfigError(f"--study {name}: {taken[0]} is there, and no import made it. Choose another name")
    if not replace:
        raise ConfigError(f"--study {name}: it was imported before. Choose another name, or add --replace")


Check = Callable[[Path, Paths], None]
"""Reads the study file and the results as the analysis will, and raises what is wrong with them."""


def write_import(imported: Imported, name: str, results: Path, out: Path, check: Check) -> None:
    """Write results and study file; both are built beside their places, checked, and then moved there.

    Args:
        imported: What to write.
        name: Name of the study.
        results: Folder of all results.
        out: Folder of study files.
        check: Called with the study file and the results before they are moved.

    Raises:
        DataError: If what was read does not make a study that the analysis can read.
    """
    try:
        _write(imported, name, results, out, check)
    except OSError as error:
        raise DataError(f"the import cannot be written ({error}); nothing was imported") from error


def _write(imported: Imported, name: str, results: Path, out: Path, check: Check) -> None:
    results.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    with _alone(results):
        for place in (results, out):
            _clear(place, results)
        with (
            tempfile.TemporaryDirectory(prefix=_BUILDING, dir=results) as made,
            tempfile.TemporaryDirectory(prefix=_BUILDING, dir=out) as made_study,
        ):
            folder, file = Path(made) / name, Path(made_study) / f"{name}.yaml"
            _build(imported, name, folder, file, check)
            with held_back():  # what is put aside would go with the folder in which the import was built
                _move_both(folder, results / name, file, out / f"{name}.yaml", Path(made) / _REPLACED / name)


@contextmanager
def _alone(results: Path) -> Iterator[None]:
    """Hold the folder of results, so that no other import is writing there.

    Raises:
        DataError: If another one is.
    """
    handle = os.open(results, os.O_RDONLY)
    try:
        if not _locked(handle):
            raise DataError(f"another import is writing to {results}. Wait until it has ended")
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    """Whether the folder is ours; a file system that cannot lock folders says yes."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _clear(folder: Path, results: Path) -> None:
    """Remove what an import that was killed left behind; results that it had put aside are put back."""
    for left in sorted(folder.glob(f"{_BUILDING}*")):
        if not left.is_dir() or left.is_symlink():
            continue
        for aside in sorted((left / _REPLACED).glob("*")):
            if not (results / aside.name).exists():
                aside.rename(results / aside.name)
        shutil.rmtree(left, ignore_errors=True)


def _build(imported: Imported, name: str, folder: Path, file: Path, check: Check) -> None:
    file.write_text(yaml_text(imported.study, HEAD), encoding="utf-8")
    try:
        load_study(file)
        for place, (rows, schema) in imported.tables.items():
            if isinstance(rows, pd.DataFrame):
                write_table(rows, schema, folder / place)
            else:
                write_row_groups(rows, schema, folder / place)
        for place, vectors in imported.vectors.items():
            save_vectors(vectors, folder / place)
        check(file, Paths(folder.parent, name))
    except InocError as error:
        text = str(error).replace(f"{folder.parent}/", "").replace(f"{file.parent}/", "")
        raise DataError(f"what was read does not make a study: {text}") from error
    (folder / FINDINGS).parent.mkdir(parents=True, exist_ok=True)
    for place, text in imported.texts.items():
        (folder / place).write_text(text, encoding="utf-8")
    (folder / FINDINGS).write_text(imported.findings.as_json(), encoding="utf-8")


def _move_both(folder: Path, folder_place: Path, file: Path, file_place: Path, aside: Path) -> None:
    """Move results and study file to their places; put back what was there if the second cannot be moved."""
    if folder_place.exists():
        aside.parent.mkdir()
        folder_place.rename(aside)
    try:
        folder.rename(folder_place)
        file.replace(file_place)
    except OSError:
        shutil.rmtree(folder_place, ignore_errors=True)
        if aside.exists():
            aside.rename(folder_place)
        raise


def yaml_text(values: Mapping[str, object], head: str) -> str:
    """A study file.

    Args:
        values: Its content; the order is kept.
        head: One line of comment above it.
    """
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 110
    yaml.indent(mapping=2, sequence=4, offset=2)
    out = io.StringIO()
    yaml.dump(dict(values), out)
    return f"# {head}\n{out.getvalue()}"
