"""The analysis of a comparison: every measure in every two studies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from inoc.analyse.comparable import Units
from inoc.analyse.step import Analysed, Skip
from inoc.errors import DataError
from inoc.studies.comparison.analyse.agreement import agreement
from inoc.studies.comparison.analyse.pairs import differences, linked
from inoc.studies.comparison.analyse.rows import NUMBERS, Key, labelled, measured, single, unknown_columns
from inoc.studies.comparison.measures import Matched, chosen
from inoc.studies.comparison.sides import Side, computed_otherwise, sides_of, unfinished
from inoc.studies.comparison.study import Study
from inoc.tables import INDEX, NUMBER, STRING

_INTERVAL = [("lo", NUMBER), ("hi", NUMBER)]
_COUNTS = [("n", INDEX), ("n_nan", INDEX)]


def compared_schema(keys: list[str]) -> pa.Schema:
    """`compared`: the numbers of each study that another one has too.

    Args:
        keys: Columns that identify the rows of any measure; empty text in rows of measures that do not have them.
    """
    head = [("study", STRING), ("measure", STRING), ("table", STRING), *((key, STRING) for key in keys)]
    return pa.schema([*head, ("row", STRING), ("value", NUMBER), *_INTERVAL, *_COUNTS])


def differences_schema(keys: list[str]) -> pa.Schema:
    """`differences`: the number of the second study less that of the first, for each row that both have.

    `how` is `paired` where it is the mean difference of single measurements, each of which is a `unit`, and
    `intervals` where it follows from the intervals of the two numbers. `q` is the false-discovery rate over the rows of
    the same two studies and measure.
    """
    return pa.schema(
        [
            *((name, STRING) for name in ("first", "second", "measure", "table", *keys, "row")),
            *((name, NUMBER) for name in ("first_value", "second_value", "difference", "lo", "hi", "p", "q")),
            *_COUNTS,  # single measurements: pairs where they are paired, else those of the smaller of the two
            ("how", STRING),
            ("unit", STRING),
        ]
    )


AGREEMENT = pa.schema(
    [
        *((name, STRING) for name in ("first", "second", "measure", "table", "within", "statistic")),
        ("value", NUMBER),
        *_INTERVAL,
        ("p", NUMBER),  # of correlations only
        *_COUNTS,  # common rows
    ]
)
"""`agreement`. Statistics: pearson, spearman, same_sign (a share, for numbers whose sign means something),
mean_difference (second less first), mean_absolute_difference. Rows count as independent."""


class Gathered(NamedTuple):
    """One measure in all studies."""

    one: Matched
    frames: Mapping[str, pd.DataFrame]  # study → its rows
    common: pd.DataFrame  # keys that two studies have, with their labels in `row`


def gathered(study: Study, sides: list[Side]) -> Iterator[Gathered]:
    """Each measure, read from the tables.

    Raises:
        DataError: If a table lacks a column, or its rows are not told apart.
    """
    for one in chosen(study):
        frames = {side.key: measured(side, one, study.statistics.confidence) for side in sides}
        keys = list(one.keys)
        rows = pd.concat([frame[keys] for frame in frames.values()], ignore_index=True)
        counts = rows.groupby(keys, sort=False).size()
        common = counts[counts > 1].reset_index()[keys]
        yield Gathered(one, frames, common.assign(row=labelled(common, keys)))


def nothing_common(study: Study) -> Iterator[str]:
    """A problem if no measure has a row that two studies have, with rows of either, or a column is none of the tables'.

    The tables are there.
    """
    sides = sides_of(study)
    unknown = list(unknown_columns(sides, chosen(study)))
    if unknown:
        yield from unknown
        return
    found = []
    for gather in gathered(study, sides):
        if len(gather.common):
            return
        shown = [f"studies.{key}: {_shown(frame, gather.one)}" for key, frame in gather.frames.items()]
        found.append(f"{gather.one.of.name}: {'; '.join(shown)}")
    yield (
        "no row of any measure is in two of the studies. Match what is named differently with `rename`, and leave out "
        "columns with `ignore`. Their rows: " + " | ".join(found)
    )


def _shown(frame: pd.DataFrame, one: Matched) -> str:
    if frame.empty:
        return "none"
    first = ", ".join(f"{key} = {frame[key].iloc[0]!r}" for key in one.keys)
    return f"{len(frame)} such as {first}"


def analyse(study: Study) -> Analysed:
    """Every table of a comparison.

    Raises:
        DataError: If a study is not finished or was computed in another way than others, or its tables are not as the
            measures need them.
    """
    missing = list(unfinished(study))
    if missing:
        raise DataError("\n".join([f"study {study.name} compares studies that are not finished:", *missing]))
    mixed = [f"studies.{key} {why}" for key, why in computed_otherwise(study)]
    if mixed:
        raise DataError("\n".join([f"study {study.name} cannot be computed:", *mixed]))
    sides = sides_of(study)
    found = list(gathered(study, sides))
    keys = list(dict.fromkeys(key for gather in found for key in gather.one.keys))
    rows: dict[str, list[pd.DataFrame]] = {"compared": [], "differences": [], "agreement": []}
    skips: list[Skip] = []
    for gather in found:
        rows["compared"] += _compared(gather)
        skips += _left_out(gather)
        units = _single(study, gather, sides)
        for first, second in combinations([side.key for side in sides], 2):
            table, failed = _differences(study, gather, first, second, units)
            skips += [Skip(f"{gather.one.of.name} of {name}, {first} and {second}", why) for name, why in failed]
            head = {"first": first, "second": second, "measure": gather.one.of.name, "table": gather.one.of.table}
            rows["differences"].append(table.assign(**head))
            if len(table):
                stated = agreement(table, gather.one, study.statistics.confidence)
                rows["agreement"].append(pd.DataFrame(stated).assign(**head))
    schemas = {"compared": compared_schema(keys), "differences": differences_schema(keys), "agreement": AGREEMENT}
    return Analysed({name: _joined(rows[name], schema, keys) for name, schema in schemas.items()}, schemas, skips)


def _compared(gather: Gathered) -> list[pd.DataFrame]:
    keys = list(gather.one.keys)
    head = {"measure": gather.one.of.name, "table": gather.one.of.table}
    return [
        gather.common.merge(frame, on=keys, how="inner").assign(study=key, **head)
        for key, frame in gather.frames.items()
    ]


def _left_out(gather: Gathered) -> Iterator[Skip]:
    """Rows that only one study has."""
    for key, frame in gather.frames.items():
        shared = gather.common.merge(frame, on=list(gather.one.keys), how="inner")
        if alone := len(frame) - len(shared):
            name = gather.one.of.name
            yield Skip(f"{name}: {alone} of {len(frame)} rows of {key}", "no other of the studies has them")


def _single(study: Study, gather: Gathered, sides: list[Side]) -> dict[str, Mapping[Key, Units]]:
    """Study → its single measurements of the common rows."""
    if study.pairing == "never" or gather.one.of.linked:
        return {}
    wanted = {tuple(row) for row in gather.common[list(gather.one.keys)].itertuples(index=False)}
    return {side.key: single(side, gather.one, wanted) for side in sides}


def _differences(
    study: Study, gather: Gathered, first: str, second: str, units: Mapping[str, Mapping[Key, Units]]
) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    one, keys = gather.one, list(gather.one.keys)
    left, right = (
        gather.frames[key].rename(columns={name: name + ending for name in NUMBERS})
        for key, ending in ((first, "_1"), (second, "_2"))
    )
    matched, failed = linked(left.merge(right, on=keys, how="inner"), one)
    nothing: Mapping[Key, Units] = {}
    sides = (units.get(first, nothing), units.get(second, nothing))
    table = differences(matched, one, *sides, study.statistics.confidence)
    return table.merge(gather.common, on=keys, how="left"), failed


def _joined(parts: list[pd.DataFrame], schema: pa.Schema, keys: list[str]) -> pd.DataFrame:
    """All rows, with empty text in the columns that a measure does not have."""
    full = [part for part in parts if len(part)]
    if not full:
        return pd.DataFrame({name: [] for name in schema.names})
    found = pd.concat(full, ignore_index=True)
    names = [key for key in keys if key in schema.names]
    found[names] = found[names].fillna("")
    counts = {name: found[name].fillna(0).astype(int) for name in ("n", "n_nan")}
    whole: pd.DataFrame = found.assign(**counts)[schema.names]
    return whole
