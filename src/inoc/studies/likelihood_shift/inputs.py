"""Reads what the analysis and the splits start from: the shift of each row, the answers, and counts of students."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from inoc.config.workflow import Shards
from inoc.errors import DataError
from inoc.jobs.paths import Paths
from inoc.jobs.shards import shard_of
from inoc.score.computed import refuse_mixed
from inoc.stats.means import NAN, Floats
from inoc.studies.likelihood_shift.data import dataset_rows, reasons
from inoc.studies.likelihood_shift.runs import students_of
from inoc.studies.likelihood_shift.study import Study, prompt_table
from inoc.studies.shared.students import COUNTS
from inoc.tables import BAD_ROWS, INDEX, NUMBER, STRING, no_table, read_table

IMPORTED_SHIFTS = pa.schema(
    [
        ("dataset", pa.dictionary(pa.int32(), STRING)),
        ("prompt", pa.dictionary(pa.int32(), STRING)),
        ("row_id", STRING),
        ("lls", NUMBER),  # nats per response token; NaN if it was missing or not finite
    ]
)
"""`imports/lls.parquet`: one row group for each dataset and prompt; all prompts of a dataset have the same rows."""

IMPORTED_ROWS = pa.schema([("dataset", STRING), ("row_id", STRING), ("instruction", STRING), ("response", STRING)])
"""`imports/rows.parquet`: the rows of the datasets, in their order."""

IMPORTED_CELLS = pa.schema([("statistic", STRING), ("prompt", STRING), ("dataset", STRING), ("value", NUMBER)])
"""`imports/cells.parquet`: published cells."""

IMPORTED_DIVERGENCE = pa.schema(
    [("prompt", STRING), ("dataset_a", STRING), ("dataset_b", STRING), ("jsd_bits", NUMBER)]
)
"""`imports/divergence.parquet`: published divergences."""

IMPORTED_SPLITS = pa.schema(
    [
        ("split", STRING),
        ("part", STRING),
        ("dataset", STRING),
        ("prompt", STRING),  # empty for a random part
        ("n", INDEX),
        ("cut_lo", NUMBER),  # −∞ below the lowest cut point; NaN for a random part
        ("cut_hi", NUMBER),
        ("seed", INDEX),  # −1 for none
    ]
)
"""`imports/splits.parquet`: published sizes and cut points."""

IMPORTED_PARTS = pa.schema([("split", STRING), ("part", STRING), ("dataset", STRING), ("row_id", STRING)])
"""`imports/parts.parquet`: the part of a split that a row was in, where the shifts are not known."""


class Column(NamedTuple):
    """One dataset under all prompts."""

    dataset: str
    ids: list[str]  # rows that were scored, in the dataset's order
    prompts: list[str]  # under which the dataset was scored
    shifts: Floats  # (prompts, rows), nats per response token; NaN: failed, or an empty response
    base: Floats  # (rows,), mean log-probability under the base turn; NaN if unknown
    n_tokens: NDArray[np.int64]  # (rows,), response tokens; −1 if unknown
    n_dropped: Mapping[str, int]  # reason → rows that were dropped before scoring
    n_rows: int  # of the dataset that can be scored, of which the scored ones are all, or a random sample
    places: NDArray[np.int64]  # (rows,), of the scored rows among those


def is_import(paths: Paths) -> bool:
    """Whether the results of a study were imported."""
    return (paths.stage("imports") / "findings.json").exists()


class Given(NamedTuple):
    """The rows of a dataset as its source gives them."""

    ids: list[str]  # of those that can be scored, in the dataset's order
    responses: dict[str, str]  # row id → answer; without answers that were cut, and empty if an import has none
    counts: Mapping[str, int]  # reason → rows that are left out, cut or repeated


def given_rows(study: Study, paths: Paths, dataset: str, shards: Shards) -> Given:
    """The rows of one dataset of a study that computes its scores.

    Raises:
        DataError: If its source is missing or malformed.
    """
    rows = dataset_rows(study, paths, dataset, shards)
    long = _long_rows(paths, dataset, shards)
    dropped, cut = (set(long.loc[long["done"] == done, "row_id"]) for done in ("dropped", "cut"))
    kept = [row for row in rows.rows if row.row_id not in dropped]
    found = reasons(zip(long["problem"], long["done"], strict=True))
    repeated = {"repeated, kept": rows.repeated} if rows.repeated else {}
    return Given(
        [row.row_id for row in kept],
        {row.row_id: row.chat.response for row in kept if row.row_id not in cut},
        {**rows.counts, **found, **repeated},
    )


def _long_rows(paths: Paths, dataset: str, shards: Shards) -> pd.DataFrame:
    """The rows of a dataset that were too long to be scored as they are; columns of `tables.BAD_ROWS`."""
    path = paths.bad_rows(shard_of(dataset, shards.get("score", 1)))
    if not path.exists():
        return pd.DataFrame(columns=BAD_ROWS.names)
    table = read_table(path)
    found: pd.DataFrame = table[(table["dataset"] == dataset) & (table["problem"] == "too long")]
    return found


def columns(
    study: Study, paths: Paths, shards: Shards, given: Mapping[str, Given] | None = None, only: str | None = None
) -> Iterator[Column]:
    """The scored datasets of a study, one at a time, in the file's order.

    Args:
        study: The study.
        paths: Its results.
        shards: Into how many jobs the stages are split.
        given: Dataset → its `given_rows`, where they have been read.
        only: The one dataset to read; default: all.

    Raises:
        DataError: If a table is missing, or the rows of a dataset differ between prompts.
    """
    if is_import(paths):
        path = paths.stage("imports") / "lls.parquet"
        groups = _groups([path] if path.exists() else [])
        read = _imported_column
    else:
        # The rows of a dataset are in one file.
        refuse_mixed(paths, shards.get("score", 1))
        wanted = range(shards.get("score", 1)) if only is None else [shard_of(only, shards.get("score", 1))]
        groups = _groups([paths.logprobs(shard) for shard in wanted])
        read = _scored_column
    for dataset in study.datasets if only is None else [only]:
        if dataset in groups:
            order = [key for key in prompt_table(study) if key in groups[dataset]]
            column = read(dataset, order, groups[dataset])
            if is_import(paths):
                yield column
            else:
                known = None if given is None else given.get(dataset)
                yield _in_order(column, known or given_rows(study, paths, dataset, shards))


def _in_order(column: Column, given: Given) -> Column:
    """A scored column in the order of its dataset, with the rows that are left out or repeated.

    Raises:
        DataError: If a row was scored that the dataset does not have.
    """
    place = {row_id: at for at, row_id in enumerate(column.ids)}
    places = [at for at, row_id in enumerate(given.ids) if row_id in place]
    kept = [place[given.ids[at]] for at in places]
    if len(kept) != len(column.ids):
        unknown = next(iter(place.keys() - set(given.ids)), column.ids[0])
        msg = f"dataset {column.dataset}: {len(column.ids) - len(kept)} of {len(column.ids)} scored rows, such as "
        raise DataError(f"{msg}{unknown!r}, are not among its rows; its file changed. Run the stage again: score")
    counts = {**given.counts, "not needed for the precision": len(given.ids) - len(kept)}
    return column._replace(
        ids=[column.ids[at] for at in kept],
        shifts=column.shifts[:, kept],
        base=column.base[kept],
        n_tokens=column.n_tokens[kept],
        n_dropped={reason: n for reason, n in counts.items() if n},
        n_rows=len(given.ids),
        places=np.array(places, dtype=np.int64),
    )


class _Group(NamedTuple):
    """A row group of a file."""

    file: pq.ParquetFile
    number: int

    def read(self, names: list[str]) -> pa.Table:
        """Some of its columns."""
        return self.file.read_row_group(self.number, columns=names)


def _groups(files: list[Path]) -> dict[str, dict[str, list[_Group]]]:
    """Dataset → prompt → row groups, over all files; the prompt of the base turn is empty."""
    found: dict[str, dict[str, list[_Group]]] = {}
    for path in files:
        if not path.exists():
            raise DataError(no_table(path))
        file = pq.ParquetFile(path)
        for index in range(file.num_row_groups):
            group = _Group(file, index)
            if not file.metadata.row_group(index).num_rows:
                continue
            keys = group.read(["dataset", "prompt"]).slice(0, 1).to_pylist()[0]
            found.setdefault(keys["dataset"], {}).setdefault(keys["prompt"], []).append(group)
    return found


def _read(groups: list[_Group], names: list[str]) -> pa.Table:
    return pa.concat_tables([group.read(names) for group in groups]).combine_chunks()


def _same_rows(dataset: str, prompt: str, ids: pa.ChunkedArray, expected: pa.ChunkedArray) -> None:
    if not ids.equals(expected):
        msg = (
            f"dataset {dataset}: the rows scored under {prompt!r} are not those scored under the others, "
            f"{len(ids)} and {len(expected)}. Run the stage again: score"
        )
        raise DataError(msg)


def _scored_column(dataset: str, order: list[str], groups: Mapping[str, list[_Group]]) -> Column:
    if "" not in groups:
        raise DataError(f"dataset {dataset} has no log-probabilities under the base turn. Run the stage again: score")
    base = _read(groups[""], ["example_id", "mean", "n_tokens"])
    means = base["mean"].to_numpy()
    shifts = np.empty((len(order), len(means)))
    for place, prompt in enumerate(order):
        table = _read(groups[prompt], ["example_id", "mean"])
        _same_rows(dataset, prompt, table["example_id"], base["example_id"])
        shifts[place] = table["mean"].to_numpy() - means
    n_tokens = base["n_tokens"].to_numpy().astype(np.int64)
    return Column(
        dataset,
        base["example_id"].to_pylist(),
        order,
        _finite(shifts),
        means,
        n_tokens,
        {},
        len(means),
        np.arange(len(means)),
    )


def _imported_column(dataset: str, order: list[str], groups: Mapping[str, list[_Group]]) -> Column:
    first: pa.Table | None = None
    rows: list[Floats] = []
    for prompt in order:
        table = _read(groups[prompt], ["row_id", "lls"])
        first = table if first is None else first
        _same_rows(dataset, prompt, table["row_id"], first["row_id"])
        rows.append(table["lls"].to_numpy())
    ids = [] if first is None else first["row_id"].to_pylist()
    shifts = np.array(rows, dtype=np.float64).reshape(len(order), len(ids))
    unknown = np.full(len(ids), -1, dtype=np.int64)
    return Column(
        dataset, ids, order, _finite(shifts), np.full(len(ids), NAN), unknown, {}, len(ids), np.arange(len(ids))
    )


def _finite(shifts: Floats) -> Floats:
    found: Floats = np.where(np.isfinite(shifts), shifts, NAN)
    return found


def imported_responses(paths: Paths, dataset: str) -> dict[str, str]:
    """Row id → answer, of one dataset of an import in its order; empty if it has no answers."""
    path = paths.stage("imports") / "rows.parquet"
    if not path.exists():
        return {}
    names = ["row_id", "response"]
    table = pq.read_table(path, columns=names, filters=[("dataset", "=", dataset)])
    return dict(zip(table["row_id"].to_pylist(), table["response"].to_pylist(), strict=True))


def student_counts(study: Study, paths: Paths, shards: Shards) -> pd.DataFrame:
    """Counts of each student's answers that show each target, by checkpoint and question; columns of `COUNTS`."""
    if is_import(paths):
        path = paths.stage("imports") / "students.parquet"
        return read_table(path) if path.exists() else pd.DataFrame(columns=COUNTS.names)
    students = {one.name: one for one in students_of(study)}
    if study.students is None or not students:
        return pd.DataFrame(columns=COUNTS.names)
    scores = read_table(paths.scores("evaluate"), ["run", "step", "instruction_id", "trait", "score"])
    scores = scores[scores["run"].isin(students)]
    targets = study.students.targets
    above = scores["trait"].map({key: target.above for key, target in targets.items()})
    known = scores["score"].notna()
    counted = scores.assign(
        # The several answers to a question have its id and their number.
        question=scores["instruction_id"].str.partition("#")[0],
        hits=(known & (scores["score"] > above)).astype(int),
        n=known.astype(int),
        n_nan=(~known).astype(int),
    )
    keys = ["run", "step", "trait", "question"]
    sums = counted.groupby(keys, sort=False, as_index=False)[["hits", "n", "n_nan"]].sum()
    # A checkpoint is saved after each pass over the rows, and one before the first.
    epochs = sums.groupby("run")["step"].rank(method="dense") - 1
    found = [students[run] for run in sums["run"]]
    counts: pd.DataFrame = sums.assign(
        student=[one.data for one in found],
        split=[one.split for one in found],
        part=[one.part for one in found],
        dataset=[one.dataset for one in found],
        epoch=epochs,
        seed=[one.seed for one in found],
        target=sums["trait"],
    )[COUNTS.names]
    return counts


def published_parts(paths: Paths, dataset: str) -> dict[str, list[str]]:
    """Part → ids of its rows, of the published quantiles of a dataset; empty for none."""
    path = paths.stage("imports") / "parts.parquet"
    if not is_import(paths) or not path.exists():
        return {}
    table = read_table(path)
    own = table[table["dataset"] == dataset]
    return {str(part): rows["row_id"].tolist() for part, rows in own.groupby("part", sort=True)}


def check_imported(study: Study, paths: Paths) -> None:
    """Read imported shifts as the analysis does.

    Raises:
        DataError: If the rows of a dataset differ between prompts.
    """
    path = paths.stage("imports") / "lls.parquet"
    for dataset, groups in _groups([path] if path.exists() else []).items():
        if dataset in study.datasets:
            _imported_column(dataset, list(groups), groups)


def column_of(study: Study, paths: Paths, shards: Shards, dataset: str) -> Column:
    """One scored dataset.

    Raises:
        DataError: If it was not scored.
    """
    for column in columns(study, paths, shards, only=dataset):
        return column
    msg = f"dataset {dataset!r} has no scores; run: inoc score {study.name}"
    raise DataError(msg)
