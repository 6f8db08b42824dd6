"""Units, entries, and how an entry comes to be."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from inoc.digest import Json, canonical, digest

DESCRIPTION = "unit.json"


@dataclass(frozen=True)
class Unit:
    """The smallest piece of work that is kept: all of it is computed, or nothing.

    Attributes:
        step: The kind of work, as `sample` or `score`.
        version: Bumped by hand when the same parts would give another result.
        parts: Everything that the result depends on, in digests where it is long.
        label: For people; not a part of the key.
    """

    step: str
    version: int
    parts: Mapping[str, Json]
    label: str = ""

    @cached_property
    def key(self) -> str:
        """Digest of step, version and parts."""
        return digest({"step": self.step, "version": self.version, "parts": self.parts})

    def description(self) -> dict[str, Json]:
        """What is written beside the entry, for `inoc store explain`."""
        return {"step": self.step, "version": self.version, "parts": self.parts, "label": self.label}


@dataclass
class Store:
    """A folder of entries.

    Attributes:
        root: The folder.
        found: Labels of units that were there when a job asked for them.
        made: Labels of units that this process computed.
    """

    root: Path
    found: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)

    def folder(self, unit: Unit) -> Path:
        """Where the entry of a unit is, or would be."""
        return self.root / unit.step / unit.key[:2] / unit.key

    def has(self, unit: Unit) -> bool:
        """Whether the unit has been computed."""
        return (self.folder(unit) / DESCRIPTION).is_file()

    def missing(self, units: Iterable[Unit]) -> list[Unit]:
        """The units that must be computed, each once, in the given order; the others are noted as found."""
        distinct = {unit.key: unit for unit in units}
        absent = {key for key, unit in distinct.items() if not self.has(unit)}
        self.found += [unit.label for key, unit in distinct.items() if key not in absent]
        return [unit for key, unit in distinct.items() if key in absent]

    @contextmanager
    def claim(self, unit: Unit, *, resume: bool = False) -> Iterator[Path | None]:
        """Fill the entry of a unit.

        Only one process at a time holds a unit; another one waits and then finds the entry.

        Args:
            unit: What to compute.
            resume: Keep what a killed process left in the work folder; otherwise the folder is empty.

        Yields:
            A work folder to fill, which becomes the entry when the block ends without an error; or None if another
            process has computed the unit meanwhile.
        """
        with self._lock(unit.key):
            if self.has(unit):
                self.found.append(unit.label)
                yield None
                return
            work = self.root / "work" / unit.step / unit.key
            if work.exists() and not resume:
                shutil.rmtree(work)
            work.mkdir(parents=True, exist_ok=True)
            yield work
            self._commit(unit, work)
            self.made.append(unit.label)

    def _commit(self, unit: Unit, work: Path) -> None:
        write_text(work / DESCRIPTION, json.dumps(unit.description(), indent=1, sort_keys=True))
        for path in work.rglob("*"):
            if path.is_file():
                path.chmod(0o444)  # results are hard links to entries; an edit in place must not change both
        target = self.folder(unit)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():  # an entry without its description: never complete
            shutil.rmtree(target)
        work.rename(target)

    @contextmanager
    def _lock(self, key: str) -> Iterator[None]:
        # The kernel frees this lock when its process dies, however it dies.
        folder = self.root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / key).open("w") as stream:
            fcntl.lockf(stream, fcntl.LOCK_EX)
            yield

    def refer(self, study: str, job: str, units: Iterable[Unit]) -> None:
        """Note that a job of a study needs these entries, so that `gc` keeps them."""
        keys = sorted({f"{unit.step}/{unit.key}" for unit in units})
        write_text(self.root / "refs" / study / f"{job}.json", json.dumps(keys, indent=0))

    def entries(self, step: str | None = None) -> Iterator[Path]:
        """Folders of all entries, or of one step's."""
        pattern = f"{step or '*'}/??/*/{DESCRIPTION}"
        for description in sorted(self.root.glob(pattern)):
            yield description.parent


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
    Path(name).chmod(0o644)
    Path(name).replace(path)


def link_tree(source: Path, target: Path, *, leave_out: Sequence[str] = (DESCRIPTION,)) -> None:
    """Show an entry's files in another folder: by hard links, or by copies on another file system.

    The target appears whole: it is built beside and renamed. An older target is replaced.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    building.chmod(0o755)
    for path in sorted(source.rglob("*")):
        below = path.relative_to(source)
        if path.is_dir():
            (building / below).mkdir(exist_ok=True)
        elif path.name not in leave_out:
            _link(path, building / below)
    if target.exists():
        shutil.rmtree(target)
    building.rename(target)


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copy2(source, target)


def differing_parts(left: Mapping[str, Json], right: Mapping[str, Json]) -> list[str]:
    """Dotted names of the parts that differ between two units."""
    flat_left, flat_right = flatten(left), flatten(right)
    names = sorted(set(flat_left) | set(flat_right))
    return [name for name in names if flat_left.get(name) != flat_right.get(name)]


def flatten(parts: Mapping[str, Json], prefix: str = "") -> dict[str, str]:
    """Nested parts → dotted name → canonical text."""
    flat: dict[str, str] = {}
    for name, value in parts.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = canonical(value)
    return flat
