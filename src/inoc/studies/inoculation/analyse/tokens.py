"""Streams the token-wise shifts of all prompts, a few examples at a time, whatever the table's size.

`score` writes one row group per prompt, prefix and dataset, with the examples in the same order in each. So a
reader per prompt can walk its row group in step with the others, and a batch holds the same tokens of every prompt.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from inoc.errors import DataError
from inoc.stats.means import Floats
from inoc.studies.inoculation.analyse.inputs import Scored

_KEYS = ("prompt", "prefix", "dataset")
_VALUES = ["example_id", "n_tokens", "logprobs"]
BATCH_BYTES = 3_000_000
FEWEST_EXAMPLES = 32  # of a batch: with hundreds of prompts, smaller ones cost more for their number than their size
READ_BYTES = 1 << 15
Counts = NDArray[np.int64]


class TokenBatch(NamedTuple):
    """Some examples, one after the other, with all their tokens."""

    first: int  # place of the first example among all
    lengths: Counts  # shape (examples,): tokens of each
    base: Floats  # shape (tokens,): log-probabilities without a prefix, nats
    shifts: Floats  # shape (prompts, tokens): with − without, nats; positive means likelier; NaN if either is


class TokenRows(NamedTuple):
    """Where the rows of one way of asking lie, and which examples they are."""

    path: Path
    footer: pq.FileMetaData  # of the file, read once for all that lie in it
    groups: tuple[int, ...]  # row groups
    table: pa.Table | None  # the rows themselves, sorted, if the file is not laid out for streaming
    example_ids: pa.Array
    n_tokens: Counts


class TokenSource(NamedTuple):
    """Token-wise shifts of some prompts with one prefix, ready to be streamed as often as needed."""

    prompts: list[str]
    base: TokenRows
    rows: list[TokenRows]  # one for each prompt

    @property
    def n_examples(self) -> int:
        """Examples, the same for every prompt."""
        return len(self.base.n_tokens)

    @property
    def n_tokens(self) -> int:
        """Tokens of all examples together: the columns of the matrix."""
        return int(self.base.n_tokens.sum())

    def has_tokens(self) -> bool:
        """Whether any token value is stored: a table of mean values alone has none."""
        if self.base.table is not None:
            return any(len(values) for values in self.base.table["logprobs"].drop_null())
        place = _columns(self.base.footer)["logprobs.list.element"]
        stored = (self.base.footer.row_group(group).column(place).statistics for group in self.base.groups)
        return any(one is None or one.num_values > 0 for one in stored)

    def ranks(self) -> Counts:
        """Place of each example in the order of the ids, whatever the order of the table."""
        ranks: Counts = np.empty(self.n_examples, dtype=np.int64)
        ranks[pc.array_sort_indices(self.base.example_ids).to_numpy()] = np.arange(self.n_examples)
        return ranks

    def batches(self, batch_bytes: int | None = None) -> Iterator[TokenBatch]:
        """The matrix, a few examples at a time, in float64.

        Args:
            batch_bytes: About the size of one batch of the matrix; an example is never split. Default:
                `BATCH_BYTES`, or more for `FEWEST_EXAMPLES`.

        Raises:
            DataError: If the stored tokens of an example are not as many as the table says.
        """
        mean_tokens = max(1.0, self.n_tokens / max(1, self.n_examples))
        wanted = (batch_bytes or BATCH_BYTES) / (8 * mean_tokens * (1 + len(self.prompts)))
        size = max(1 if batch_bytes else FEWEST_EXAMPLES, int(wanted))
        readers = [_read(self.base, Scored("", "none", ""), size)]
        readers += [_read(rows, Scored(p, "", ""), size) for p, rows in zip(self.prompts, self.rows, strict=True)]
        first = 0
        for parts in zip(*readers, strict=True):
            lengths = self.base.n_tokens[first : first + size]
            base_T = parts[0].astype(np.float64)
            shift_NT = np.empty((len(self.prompts), base_T.size))
            for shift_T, values in zip(shift_NT, parts[1:], strict=True):
                np.subtract(values, base_T, out=shift_T, dtype=np.float64)
            yield TokenBatch(first, lengths, base_T, shift_NT)
            first += size


def prompts_by_token(paths: Sequence[Path], prompts: Sequence[str], prefix: str, dataset: str = "train") -> list[str]:
    """Those of the prompts of which token values are stored; none if there are none without a prefix.

    Args:
        paths: All shards of `score/logprobs-<shard>.parquet`.
        prompts: Candidates; their order is kept.
        prefix: `fixed` or `mix`.
        dataset: Which responses.
    """
    wanted = {"": Scored("", "none", dataset), **{prompt: Scored(prompt, prefix, dataset) for prompt in prompts}}
    places = _places(paths, set(wanted.values()))
    stored = {
        prompt
        for prompt, key in wanted.items()
        if key in places and TokenSource([], _order(places, key, None), []).has_tokens()
    }
    return [prompt for prompt in prompts if prompt in stored] if "" in stored else []


def open_tokens(paths: Sequence[Path], prompts: Sequence[str], prefix: str, dataset: str = "train") -> TokenSource:
    """Find the rows of each prompt and check that all have the same tokens.

    Args:
        paths: All shards of `score/logprobs-<shard>.parquet`.
        prompts: The prompts, in the order of the matrix's rows.
        prefix: `fixed` or `mix`.
        dataset: Which responses.

    Raises:
        DataError: If a prompt was not scored, lacks an example, has one twice, or has another number of tokens in
            one; the message names prompt and example. Nothing is ever padded.
    """
    wanted = [Scored("", "none", dataset), *(Scored(prompt, prefix, dataset) for prompt in prompts)]
    places = _places(paths, set(wanted))
    base = _order(places, wanted[0], None)
    return TokenSource(list(prompts), base, [_order(places, key, base) for key in wanted[1:]])


class _Place(NamedTuple):
    path: Path
    footer: pq.FileMetaData
    group: int
    pure: bool  # it holds rows of one way of asking only


def _places(paths: Sequence[Path], wanted: set[Scored]) -> dict[Scored, list[_Place]]:
    found: dict[Scored, list[_Place]] = {}
    for path in paths:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                keys = _group_keys(file, group)
                for key in sorted(keys & wanted):
                    found.setdefault(key, []).append(_Place(path, file.metadata, group, len(keys) == 1))
    return found


def _group_keys(file: pq.ParquetFile, group: int) -> set[Scored]:
    """Keys in a row group: from its statistics if they have them, else from its key columns."""
    columns = _columns(file.metadata)
    known = [file.metadata.row_group(group).column(columns[name]).statistics for name in _KEYS]
    if all(one is not None and one.has_min_max and one.min == one.max for one in known):
        return {Scored(*(str(one.min) for one in known))}
    table = file.read_row_group(group, columns=list(_KEYS)).group_by(list(_KEYS)).aggregate([])
    return {
        Scored(*(str(part) for part in row)) for row in zip(*(table[name].to_pylist() for name in _KEYS), strict=True)
    }


def _columns(footer: pq.FileMetaData) -> dict[str, int]:
    """Leaf column → its place."""
    return {footer.schema.column(i).path: i for i in range(footer.num_columns)}


def _order(places: dict[Scored, list[_Place]], key: Scored, base: TokenRows | None) -> TokenRows:
    if key not in places:
        msg = f"{_name(key)} was never scored on {key.dataset!r} responses; run `inoc score` for all shards"
        raise DataError(msg)
    path, footer = places[key][0].path, places[key][0].footer
    if any(place.path != path for place in places[key]):
        msg = f"{_name(key)} is in {path} and in {places[key][-1].path}; run `inoc score` again for all shards"
        raise DataError(msg)
    groups = tuple(place.group for place in places[key])
    if all(place.pure for place in places[key]):
        with pq.ParquetFile(path, metadata=footer) as file:
            index = file.read_row_groups(list(groups), columns=_VALUES[:2])
        rows = TokenRows(path, footer, groups, None, *_index(index))
        if base is None or rows.example_ids == base.example_ids:
            return _checked(rows, key, base)
    return _checked(_gathered(path, footer, groups, key, base), key, base)


def _index(table: pa.Table) -> tuple[pa.Array, Counts]:
    ids = table["example_id"].cast(pa.string()).combine_chunks()
    ids = ids if isinstance(ids, pa.Array) else ids.chunk(0)
    return ids, table["n_tokens"].to_numpy().astype(np.int64)


def _gathered(
    path: Path, footer: pq.FileMetaData, groups: tuple[int, ...], key: Scored, base: TokenRows | None
) -> TokenRows:
    """Rows of a file that cannot be streamed: held in memory, in the order of the others."""
    with pq.ParquetFile(path, metadata=footer) as file:
        table = file.read_row_groups(list(groups), columns=[*_KEYS, *_VALUES])
    for name, value in zip(_KEYS, key, strict=True):
        table = table.filter(pc.equal(table[name].cast(pa.string()), value))
    table = table.select(_VALUES).sort_by("example_id").combine_chunks()
    if base is not None and len(table) == len(base.example_ids):
        order = pc.index_in(base.example_ids, value_set=_index(table)[0])
        table = table if order.null_count else table.take(order).combine_chunks()
    return TokenRows(path, footer, groups, table, *_index(table))


def _checked(rows: TokenRows, key: Scored, base: TokenRows | None) -> TokenRows:
    ids = rows.example_ids
    if base is None:
        if len(ids) > len(ids.unique()):
            msg = f"{rows.path}: example {_twice(ids)} of {_name(key)} was scored twice; run `inoc score` again"
            raise DataError(msg)
        return rows
    if ids != base.example_ids:
        raise DataError(_difference(rows, key, base))
    differ = np.flatnonzero(rows.n_tokens != base.n_tokens)
    if differ.size:
        at = int(differ[0])
        msg = (
            f"{rows.path}: {_name(key)}, example {ids[at]}: {rows.n_tokens[at]} tokens with the prefix and "
            f"{base.n_tokens[at]} without, so they cannot be subtracted. They were probably tokenised with "
            "different chat templates; run `inoc score` again"
        )
        raise DataError(msg)
    # The same for every prompt, so held once: what grows with the responses then does not grow with the prompts too.
    return rows._replace(example_ids=base.example_ids, n_tokens=base.n_tokens)


def _difference(rows: TokenRows, key: Scored, base: TokenRows) -> str:
    ours, theirs = rows.example_ids, base.example_ids
    missing = theirs.filter(pc.invert(pc.is_in(theirs, value_set=ours)))
    extra = ours.filter(pc.invert(pc.is_in(ours, value_set=theirs)))
    if len(missing):
        what = f"example {missing[0]} was scored without a prefix and not with this one"
    elif len(extra):
        what = f"example {extra[0]} was scored with this prefix and not without"
    else:
        what = f"example {_twice(ours)} was scored twice"
    return f"{rows.path}: {_name(key)}: {what}; run `inoc score` again. Missing tokens are not filled with zeros"


def _twice(ids: pa.Array) -> str:
    counts = ids.value_counts()
    return str(counts.filter(pc.greater(counts.field("counts"), 1)).field("values")[0])


def _name(key: Scored) -> str:
    return f"prompt {key.prompt!r} ({key.prefix})" if key.prompt else "the untrained model without a prefix"


def _read(rows: TokenRows, key: Scored, size: int) -> Iterator[NDArray[np.float32]]:
    """Token values of `size` examples after the other, flat."""
    at = 0
    for column in _exact(_lists(rows, size), size):
        lengths = _lengths(column)
        wanted = rows.n_tokens[at : at + size]
        if not np.array_equal(lengths, wanted):
            wrong = int(np.flatnonzero(lengths != wanted)[0])
            who = f"prompt {key.prompt!r}" if key.prompt else "the untrained model without a prefix"
            msg = (
                f"{rows.path}: {who}, example {rows.example_ids[at + wrong]}: {lengths[wrong]} token values are "
                f"stored, but n_tokens is {rows.n_tokens[at + wrong]}; run `inoc score` again"
            )
            raise DataError(msg)
        at += size
        yield column.flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False)


def _lengths(column: pa.ListArray) -> Counts:
    # Read once for every prompt and batch: where nothing is null, the offsets say it without a computation of Arrow.
    if column.null_count:
        lengths: Counts = pc.fill_null(pc.list_value_length(column), 0).to_numpy().astype(np.int64)
        return lengths
    steps: Counts = np.diff(column.offsets.to_numpy()).astype(np.int64)
    return steps


def _lists(rows: TokenRows, size: int) -> Iterator[pa.ListArray]:
    if rows.table is not None:
        yield from (batch.column("logprobs") for batch in rows.table.to_batches(max_chunksize=size))
        return
    # A buffer instead of whole column chunks, which for long tables are far larger than a batch.
    with pq.ParquetFile(rows.path, metadata=rows.footer, buffer_size=READ_BYTES, pre_buffer=False) as file:
        batches = file.iter_batches(size, row_groups=list(rows.groups), columns=["logprobs"], use_threads=False)
        yield from (batch.column(0) for batch in batches)


def _exact(columns: Iterator[pa.ListArray], size: int) -> Iterator[pa.ListArray]:
    """The same lists in arrays of exactly `size`, the last one but less."""
    held: list[pa.ListArray] = []
    n = 0
    for given in columns:
        column = given
        while n + len(column) >= size:
            held.append(column.slice(0, size - n))
            column = column.slice(size - n)
            yield held[0] if len(held) == 1 else pa.concat_arrays(held)
            held, n = [], 0
        if len(column):
            held.append(column)
            n += len(column)
    if held:
        yield pa.concat_arrays(held)
