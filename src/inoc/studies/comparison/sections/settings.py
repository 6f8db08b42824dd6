"""Settings of the compared studies that are not the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from inoc.digest import Json
from inoc.report.words import Table, code, escape
from inoc.studies.comparison.sides import sides_of
from inoc.studies.comparison.study import Study, label_of

MOST_ROWS = 40
ABSENT = "–"
_NOT_SETTINGS = ("kind", "name", "title", "description")


def settings_table(study: Study) -> tuple[Table, str]:
    """Settings whose values differ between the files of the compared studies, and a sentence about them."""
    sides = [side for side in sides_of(study) if side.study is not None]
    flat = {side.key: dict(_flat(side.study.in_key(but=_NOT_SETTINGS))) for side in sides if side.study is not None}
    names = list(dict.fromkeys(name for values in flat.values() for name in values))
    differing = [name for name in names if len({str(values.get(name, ABSENT)) for values in flat.values()}) > 1]
    rows = [
        [code(name), *(code(str(values.get(name, ABSENT))[:80]) for values in flat.values())]
        for name in differing[:MOST_ROWS]
    ]
    head = ["setting", *(escape(label_of(study, key)) for key in flat)]
    without = len(study.studies) - len(flat)
    words = f"{len(differing)} settings differ; the first {len(rows)} are here."
    return Table(head, rows), words + (f" {without} of the studies have no file here." if without else "")


def _flat(value: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """Key path and value of every setting."""
    if isinstance(value, Mapping) and value:
        for key, part in value.items():
            yield from _flat(part, f"{path}.{key}" if path else str(key))
    else:
        yield path, value
