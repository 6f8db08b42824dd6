"""Reads the rows of a measure from the tables of a study, under the names by which they are matched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from inoc.analyse.comparable import Units
from inoc.errors import DataError, did_you_mean
from inoc.stages import load
from inoc.studies.comparison.measures import Matched
from inoc.studies.comparison.sides import Side
from inoc.studies.comparison.study import Values
from inoc.tables import read_table

NUMBERS = ("value", "lo", "hi", "n", "n_nan")
Key = tuple[str, ...]


def text_of(value: object) -> str:
    """A cell of a column that identifies rows, as text: empty for NaN and for nothing."""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, np.float16 | np.float32):
        value = float(str(value))  # as it was meant, so that 0.001 is what it is in a table of float64
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else f"{value:.12g}"
    return "" if value is None else str(value)


def measured(side: Side, one: Matched, confidence: float) -> pd.DataFrame:
    """The rows of a measure in one study.

    Args:
        side: The study.
        one: The measure.
        confidence: Level of intervals that are computed here.

    Returns:
        The columns `one.keys`, as text, then value, lo, hi, n and n_nan; one row for each key.

    Raises:
        DataError: If the table lacks a column, or several rows have the same key.
    """
    spec, path = one.of, side.paths.table(one.of.table)
    frame = read_table(path)
    if spec.prepare:
        frame = load(spec.prepare)(frame, confidence)
    numbers = {"value": spec.value, "lo": spec.lo, "hi": spec.hi, "n": spec.n, "n_nan": spec.n_nan}
    wanted = [*spec.keys, *(name for name in numbers.values() if name), *spec.where]
    absent = [name for name in dict.fromkeys(wanted) if name not in frame]
    if absent:
        hint = did_you_mean(absent[0], [str(name) for name in frame])
        raise DataError(f"measure {spec.name}: {path} has no column {', '.join(absent)}; it has {list(frame)}{hint}")
    own = [name for name in side.spec.where if name in frame]
    chosen = pd.DataFrame({name: _texts(frame[name]) for name in dict.fromkeys([*spec.keys, *spec.where, *own])})
    kept = _kept(chosen, {**spec.where, **{name: side.spec.where[name] for name in own}})
    keys = _renamed(chosen.loc[kept, list(dict.fromkeys([*spec.keys, *spec.where]))], side.spec.rename)
    cells = {
        name: _numbers(frame.loc[kept], column, f"measure {spec.name}: {path}") if column else np.zeros(int(kept.sum()))
        for name, column in numbers.items()
    }
    if np.isinf(cells["value"]).any():  # a bound may be infinite
        raise DataError(
            f"measure {spec.name}: {path}, column {spec.value}, is infinite; accepted: finite numbers, or NaN"
        )
    found = keys[list(one.keys)].reset_index(drop=True).assign(**cells)
    _refuse_repeated(found, keys.reset_index(drop=True), side, one)
    return found


def _numbers(frame: pd.DataFrame, column: str, where: str) -> np.ndarray:
    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=float)
    wrong = np.isnan(values) & frame[column].notna().to_numpy()
    if wrong.any():
        said = frame[column].iloc[int(wrong.argmax())]
        raise DataError(f"{where}, column {column}: {said!r} is no number; accepted: a column of numbers")
    return values


def _texts(column: pd.Series) -> pd.Series:
    names = {value: text_of(value) for value in column.unique()}
    return pd.Series([names.get(value, "") for value in column], index=column.index, dtype=object)


def unknown_columns(sides: Sequence[Side], measures: Sequence[Matched]) -> Iterator[str]:
    """Columns of `where` and `rename` of a study that none of its compared tables has, so that they would do nothing.

    Raises:
        DataError: If a table cannot be read.
    """
    for side in sides:
        tables = [read_table(side.paths.table(name)) for name in dict.fromkeys(one.of.table for one in measures)]
        keys = [key for one in measures for key in one.of.keys]
        known = dict.fromkeys([*(str(column) for frame in tables for column in frame), *keys])
        for field, columns, accepted in (("where", side.spec.where, known), ("rename", side.spec.rename, keys)):
            for column in columns:
                if column not in accepted:
                    hint = did_you_mean(column, list(accepted))
                    yield f"studies.{side.key}.{field}: no compared table has the column {column!r}{hint}"


def _kept(keys: pd.DataFrame, where: Mapping[str, Values]) -> pd.Series:
    kept = pd.Series(True, index=keys.index)
    for column, values in where.items():
        kept &= keys[column].isin(values)
    return kept


def _renamed(keys: pd.DataFrame, rename: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    changes = {column: keys[column].replace(dict(names)) for column, names in rename.items() if column in keys}
    return keys.assign(**changes)


def _refuse_repeated(found: pd.DataFrame, keys: pd.DataFrame, side: Side, one: Matched) -> None:
    again = found.duplicated(list(one.keys), keep=False)
    if not again.any():
        return
    first = found[again].iloc[0]
    same = keys[(found[list(one.keys)] == first[list(one.keys)]).all(axis=1)]
    differ = [str(name) for name in same if same[name].nunique() > 1]
    named = ", ".join(f"{name} = {first[name]!r}" for name in one.keys)
    advice = f"they differ in {', '.join(differ)}: choose one value with `where`" if differ else "they are repeated"
    raise DataError(f"measure {one.of.name}: studies.{side.key} has {len(same)} rows with {named}; {advice}")


def single(side: Side, one: Matched, wanted: set[Key]) -> dict[Key, Units]:
    """The single measurements behind some of the rows; nothing where they are not known.

    Args:
        side: The study.
        one: The measure.
        wanted: Keys of the rows.
    """
    if not one.of.units or side.study is None:
        return {}
    where = {**one.of.where, **side.spec.where}
    found: dict[Key, Units] = {}
    try:
        for units in load(one.of.units)(side.study, side.paths, side.shards):
            texts = {name: text_of(value) for name, value in units.key.items()}
            if any(name in texts and texts[name] not in values for name, values in where.items()):
                continue
            texts = {name: side.spec.rename.get(name, {}).get(value, value) for name, value in texts.items()}
            key = tuple(texts[name] for name in one.keys)
            if key in wanted:
                found[key] = units
    except DataError:
        # Tables of earlier stages are not kept by everybody; the analysis has the means and their intervals.
        return {}
    return found


def labelled(frame: pd.DataFrame, keys: Sequence[str]) -> pd.Series:
    """A short name of each row of one measure: its values of the columns that vary."""
    varying = [key for key in keys if frame[key].nunique() > 1]
    parts = frame[varying].to_numpy(dtype=object) if varying else np.full((len(frame), 1), "all", dtype=object)
    return pd.Series([" · ".join(str(one) for one in row if one != "") or "–" for row in parts], index=frame.index)
