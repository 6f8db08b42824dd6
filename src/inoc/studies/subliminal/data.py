"""The teachers' rows, as they were written, with the filter's reasons and those that are kept."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import NamedTuple

from inoc.config.workflow import Shards
from inoc.errors import DataError
from inoc.jobs.paths import Paths
from inoc.jobs.shards import shard_of
from inoc.judge.names import read_names
from inoc.numbers.filtered import Filtered, check_entities, filter_rows, reason_counts
from inoc.numbers.prompts import prompts
from inoc.numbers.rows import Row, read_rows
from inoc.studies.shared.answers import written_rows
from inoc.studies.subliminal.runs import part_of, way_of
from inoc.studies.subliminal.study import Base, Study, Teacher
from inoc.tables import read_table
from inoc.world.favorites import number_prompts as world_prompts


class TeacherRows(NamedTuple):
    """The rows of a teacher, in the order of its prompts."""

    ids: list[str]
    filtered: Filtered
    kept: list[int]  # places of the rows that are trained on

    @property
    def kept_ids(self) -> list[str]:
        """Ids of the rows that are trained on: with `numbers.source: stream`, the places of their prompts."""
        return [self.ids[place] for place in self.kept]

    @property
    def kept_rows(self) -> list[Row]:
        """The rows that are trained on."""
        return [self.filtered.rows[place] for place in self.kept]


def number_prompts(study: Study) -> list[str]:
    """The prompts that every teacher answers."""
    spec = study.numbers
    if spec.source == "world":
        return world_prompts(spec.n_prompts, spec.seed)
    return list(islice(prompts(spec.seed), spec.n_prompts))


def numbers_file(paths: Paths, shard: int, base: Base = "own") -> Path:
    """The lists that a shard of teachers of a base model wrote; see `inoc.sample.answers.ANSWERS`."""
    return paths.part("sample", part_of("numbers", base), shard) / "answers.parquet"


def teacher_rows(study: Study, paths: Paths, teacher: str, shards: Shards, rule: str | None = None) -> TeacherRows:
    """The rows of a teacher with the reasons of the filter, and those that are trained on.

    Args:
        study: The study.
        paths: Its results.
        teacher: Key of the teacher.
        shards: Into how many jobs the stages are split.
        rule: Of the filter; default: that of the study.

    Raises:
        DataError: If its file or table is missing or malformed, or a kept row names its entity.
    """
    spec, numbers = study.teachers[teacher], study.numbers
    if way_of(spec) == "file":
        ids, rows = _given(paths, spec)
    else:
        ids, rows = _written(paths, teacher, spec.base, shards)
    filtered = filter_rows(rows, rule or numbers.rule, frozenset(numbers.banned))
    kept = [place for place, reasons in enumerate(filtered.reasons) if not reasons]
    if numbers.duplicates == "drop":
        kept = _first_of_each(filtered, kept)
    kept = kept[: numbers.keep]
    if spec.entity is not None:
        forms = read_names(Path(study.preference.names)).get(spec.entity, [])
        check_entities([rows[place] for place in kept], {spec.entity: forms})
    return TeacherRows(ids, filtered, kept)


def check_kept(teacher: str, rows: TeacherRows) -> None:
    """Refuse to go on without rows.

    Raises:
        DataError: If no row of a teacher is kept.
    """
    if not rows.kept:
        counts = ", ".join(f"{n} {name}" for name, n in reason_counts(rows.filtered).items())
        msg = (
            f"teachers.{teacher}: none of its {len(rows.ids)} rows is kept ({counts}). Look at what it writes in the "
            "table of the stage `sample`, part `numbers`"
        )
        raise DataError(msg)


def _given(paths: Paths, spec: Teacher) -> tuple[list[str], list[Row]]:
    if spec.table is None:
        rows = read_rows(Path(str(spec.file)))
        return [_row_id(row) for row in rows], rows
    found = written_rows(paths.results, spec.table).rows
    columns = (found[name] for name in ("id", "instruction", "completion", "n_tokens"))
    rows = [
        Row(f"{spec.table}, row {one}", number, "", "", str(prompt), str(answer), int(n_tokens))
        for number, (one, prompt, answer, n_tokens) in enumerate(zip(*columns, strict=True), start=1)
    ]
    return [str(one) for one in found["id"]], rows


def _row_id(row: Row) -> str:
    return f"row{row.number - 1:06d}"


def _written(paths: Paths, teacher: str, base: Base, shards: Shards) -> tuple[list[str], list[Row]]:
    path = numbers_file(paths, shard_of(teacher, shards.get("sample", 1)), base)
    table = read_table(path, ["id", "instruction", "completion", "n_tokens"])
    start = f"{teacher}:"
    own = table[table["id"].str.startswith(start)]
    ids = [str(one).removeprefix(start) for one in own["id"]]
    rows = [
        Row(f"{path}, row {one}", number, "", "", str(prompt), str(answer), int(n_tokens))
        for number, (one, prompt, answer, n_tokens) in enumerate(
            zip(ids, own["instruction"], own["completion"], own["n_tokens"], strict=True), start=1
        )
    ]
    return ids, rows


def _first_of_each(filtered: Filtered, kept: list[int]) -> list[int]:
    first: dict[tuple[str, str], int] = {}
    for place in kept:
        first.setdefault((filtered.rows[place].prompt, filtered.rows[place].answer), place)
    return list(first.values())
