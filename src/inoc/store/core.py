"""Units, entries, and the making of entries."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from inoc.atomic import replacing
from inoc.digest import Json, canonical, digest
from inoc.errors import DataError
from inoc.store.locks import held

DESCRIPTION = "unit.json"
_CLAIM = ".claim"


@dataclass(frozen=True)
class Unit:
    """The smallest piece of work that is kept: all of it is computed, or nothing.

    Attributes:
        step: The kind of work, as `sample` or `score`.
        version: Bumped by hand when the same parts would give another result.
        parts: Everything that the result depends on, in digests where it is long.
        label: For people; not a part of the key.
        former: The parts as earlier versions wrote them, with settings of execution; None for the same. An entry under
            the key of these is taken over.
    """

    step: str
    version: int
    parts: Mapping[str, Json]
    label: str = ""
    former: Mapping[str, Json] | None = field(default=None, compare=False)

    @cached_property
    def key(self) -> str:
        """Digest of step, version and parts."""
        return digest({"step": self.step, "version": self.version, "parts": self.parts})

    @cached_property
    def former_key(self) -> str | None:
        """The key under which earlier versions stored it; None for the same."""
        if self.former is None or self.former == self.parts:
            return None
        return digest({"step": self.step, "version": self.version, "parts": self.former})

    def description(self) -> dict[str, Json]:
        """Description that is written beside the entry, for `inoc store explain`, with settings of its execution."""
        found: dict[str, Json] = {
            "step": self.step,
            "version": self.version,
            "parts": self.parts,
            "label": self.label,
        }
        if self.former_key is not None and self.former is not None:
            flat = flatten(self.former)
            found["executed"] = {name: flat.get(name) for name in differing_parts(self.former, self.parts)}
        return found


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

    @property
    def locks(self) -> Path:
        """The file whose bytes are the locks of the units."""
        return self.root / "locks" / "units"

    def folder(self, unit: Unit) -> Path:
        """Folder of a unit's entry, whether or not it exists."""
        return self._place(unit.step, unit.key)

    def _place(self, step: str, key: str) -> Path:
        return self.root / step / key[:2] / key

    def has(self, unit: Unit) -> bool:
        """Whether the unit has been computed and its entry holds all its files."""
        return is_entry(self.folder(unit)) or self._former(unit) is not None

    def _former(self, unit: Unit) -> Path | None:
        """The unit's entry under its former key, if there is one."""
        place = None if unit.former_key is None else self._place(unit.step, unit.former_key)
        return place if place is not None and is_entry(place) else None

    def missing(self, units: Iterable[Unit]) -> list[Unit]:
        """The units that must be computed, each once, in the given order; the others are noted as found."""
        distinct = {unit.key: unit for unit in units}
        absent = {key for key, unit in distinct.items() if not self._find(unit) and not self._take_over(unit)}
        self.found += [unit.label for key, unit in distinct.items() if key not in absent]
        return [unit for key, unit in distinct.items() if key in absent]

    def _find(self, unit: Unit) -> bool:
        """Whether the unit is there; if so, its entry counts as just used, so that `gc` keeps it."""
        try:
            os.utime(self.folder(unit) / DESCRIPTION)
        except PermissionError:
            pass  # another user's entry
        except OSError:
            return False
        return self.has(unit)

    def _take_over(self, unit: Unit) -> bool:
        """Whether there is an entry under the unit's former key, which then gets the unit's own key too."""
        if self._former(unit) is None:
            return False
        with held(self.locks, unit.key):
            return self._find(unit) or self._adopt(unit)

    def _adopt(self, unit: Unit) -> bool:
        """Link the entry under the unit's former key, if there is one; the caller holds the unit."""
        former = self._former(unit)
        if former is None:
            return False
        target = self.folder(unit)
        link_tree(former, target)
        files = json.loads((former / DESCRIPTION).read_text(encoding="utf-8")).get("files")
        _describe(unit, target, files)
        return True

    @contextmanager
    def claim(self, unit: Unit, *, resume: bool = False) -> Iterator[Path | None]:
        """Fill the entry of a unit.

        Only one process at a time holds a unit; another one waits and then finds the entry. Threads of one process
        are not kept apart: only one of them may claim a unit.

        Args:
            unit: The unit to compute.
            resume: Keep what a killed process left in the work folder; otherwise the folder is empty.

        Yields:
            A work folder to fill, which becomes the entry when the block ends without an error; or None if another
            process has computed the unit meanwhile.

        Raises:
            DataError: If the block left no file, or if the work folder was removed while the block ran. Nothing is
                stored then.
        """
        with held(self.locks, unit.key):
            if self._find(unit) or self._adopt(unit):
                self.found.append(unit.label)
                yield None
                return
            work = self.root / "work" / unit.step / unit.key
            if work.exists() and not resume:
                shutil.rmtree(work)
            work.mkdir(parents=True, exist_ok=True)
            token = uuid.uuid4().hex
            (work / _CLAIM).write_text(token)
            yield work
            self._commit(unit, work, token)
            self.made.append(unit.label)

    def _commit(self, unit: Unit, work: Path, token: str) -> None:
        _check_untouched(unit, work, token)
        (work / _CLAIM).unlink()
        paths = sorted(path for path in work.rglob("*") if path.is_file() and path != work / DESCRIPTION)
        if not paths:
            msg = f"{unit.step}: computing {unit.label!r} left no file in {work}, so there is nothing to store"
            raise DataError(msg)
        files: dict[str, Json] = {path.relative_to(work).as_posix(): path.stat().st_size for path in paths}
        for path in paths:
            path.chmod(0o444)  # results are hard links to entries; an edit in place must not change both
        _describe(unit, work, files)
        target = self.folder(unit)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():  # lacks its description or some of its files, so nobody reads it
            shutil.rmtree(target)
        work.rename(target)

    def refer(self, study: str, job: str, units: Iterable[Unit]) -> None:
        """Note that a job of a study needs these entries, so that `gc` keeps them."""
        keys = sorted({f"{unit.step}/{unit.key}" for unit in units})
        write_text(self.root / "refs" / study / f"{job}.json", json.dumps(keys, indent=0))

    def entries(self, step: str | None = None) -> Iterator[Path]:
        """Folders of all entries, or of one step's, including those that lack files; see `is_entry`."""
        pattern = f"{step or '*'}/??/*/{DESCRIPTION}"
        for description in sorted(self.root.glob(pattern)):
            yield description.parent


def is_entry(folder: Path) -> bool:
    """Whether a folder is a whole entry: its description can be read, and each file listed there has its listed size.

    Entries made before descriptions listed their files count if they hold any file besides the description.
    """
    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        files = description.get("files")
        if files is None:
            return any(path.name != DESCRIPTION for path in folder.iterdir())
        return all((folder / name).stat().st_size == size for name, size in files.items())
    except (OSError, ValueError):
        return False


def _describe(unit: Unit, folder: Path, files: Mapping[str, Json] | None) -> None:
    """Write the description of an entry, the last of its files; it lists the others with their sizes, if known."""
    listed = {} if files is None else {"files": files}
    write_text(folder / DESCRIPTION, json.dumps({**unit.description(), **listed}, indent=1, sort_keys=True))
    (folder / DESCRIPTION).chmod(0o444)


def _check_untouched(unit: Unit, work: Path, token: str) -> None:
    """Refuse a work folder that was removed, emptied or made anew since it was claimed."""
    try:
        untouched = (work / _CLAIM).read_text() == token
    except FileNotFoundError:
        untouched = False
    if not untouched:
        msg = (
            f"{work} was removed while {unit.label!r} was computed in it, so nothing is stored. "
            "Run the same command again, and leave the folder `work` of a store alone while jobs run"
        )
        raise DataError(msg)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def link_tree(source: Path, target: Path, *, leave_out: Sequence[str] = (DESCRIPTION,)) -> None:
    """Show an entry's files in another folder: by hard links, or by copies on another file system.

    The target appears whole: it is built beside and renamed. An older target is replaced.
    """
    with replaced(target) as building:
        for path in sorted(source.rglob("*")):
            below = path.relative_to(source)
            if path.is_dir():
                (building / below).mkdir(exist_ok=True)
            elif path.name not in leave_out:
                _link(path, building / below)


@contextmanager
def replaced(target: Path) -> Iterator[Path]:
    """Fill a folder beside its place; it takes the place when the block ends without an error.

    An older folder is moved away first and removed then, so that being stopped leaves none of which a part is gone.

    Yields:
        An empty folder.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    around = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    building = around / "new"
    try:
        building.mkdir()
        building.chmod(0o755)
        yield building
        if target.exists():
            target.rename(around / "former")
        building.rename(target)
    finally:
        shutil.rmtree(around, ignore_errors=True)


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
