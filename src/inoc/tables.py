"""The tables at the borders between stages: names, types, units and keys.

Long format throughout. NaN is a measurement that failed; it is never replaced. Every writer goes through
`write_table`, which checks the schema and renames a finished file into place, so a table is either whole or absent.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from inoc.atomic import replacing
from inoc.errors import DataError
from inoc.stages import all_stages

PAGE_BYTES = 1 << 16
STRING = pa.string()
INDEX = pa.int32()
NUMBER = pa.float64()
FLAG = pa.bool_()

DEFAULTS: dict[str, str | float] = {
    "data": "",
    "pool": "mix",
    "questions": "held_out",
    "earlier": "",
    "epoch": float("nan"),
}
"""Column → what it holds where a table comes without it: an import's, or one of a study that has but one of these."""

EXAMPLES = pa.schema(
    [
        ("example_id", STRING),
        ("instruction", STRING),
        ("completion", STRING),
        ("n_tokens", INDEX),
        ("finish", STRING),  # stop, length, or given
        ("kept", FLAG),
        ("reason", STRING),  # why a row was not kept; empty for kept rows
        ("scores", pa.map_(STRING, NUMBER)),  # trait → judge score, 0–100
        ("data", STRING),  # key of the dataset; empty for the study's own
        ("earlier", STRING),  # exchanges before the instruction, as JSON; empty for none
    ]
)
"""`generate/train.parquet`: every sampled row, kept or not. Key: data, example_id."""

INSTRUCTIONS = pa.schema([("instruction_id", STRING), ("instruction", STRING), ("questions", STRING)])
"""`generate/eval.parquet`. Key: instruction_id."""

CONTROLS = pa.schema(
    [
        ("dataset", STRING),  # neutral, or the key of the one trait that the completion shows
        ("example_id", STRING),
        ("instruction", STRING),
        ("completion", STRING),
        ("n_tokens", INDEX),
        ("finish", STRING),
    ]
)
"""`generate/controls.parquet`: completions of the untrained model for PPD and cross-trait PH and PPD."""

POOLS = pa.schema([("prompt", STRING), ("index", INDEX), ("text", STRING), ("pool", STRING)])
"""`rephrase/pools.parquet`. Key: pool, prompt, index."""

SPREAD = pa.schema(
    [
        ("prompt", STRING),
        ("n", INDEX),
        ("similarity_mean", NUMBER),  # cosine of TF-IDF vectors to the prompt itself
        ("similarity_sd", NUMBER),
        ("similarity_min", NUMBER),
        ("effective_rank", NUMBER),
        ("dropped", INDEX),
        ("reasons", STRING),
        ("pool", STRING),
    ]
)
"""`rephrase/spread.parquet`: how far the pool is from its prompt. Key: pool, prompt."""

EMBEDDINGS = pa.schema(
    [
        ("prompt", STRING),
        ("n", INDEX),  # rephrasings embedded
        ("effective_rank", NUMBER),  # of their centred unit vectors; NaN if they do not vary, or there are none
        ("cosines", pa.list_(NUMBER)),  # of each rephrasing to the prompt; NaN for a vector without a direction
        ("vector", pa.list_(pa.float32())),  # of the prompt itself, as the model gives it
    ]
)
"""`embed/embeddings.parquet`. Key: prompt."""

# The completion, its run and its way of asking. `run` is "base" and `step` 0 for the untrained model.
_ASKED = [
    ("run", STRING),
    ("prompt", STRING),  # prompt of the training; empty for base and control
    ("prefix", STRING),  # none, fixed, mix or a further pool, of the training
    ("learning_rate", NUMBER),  # NaN for base
    ("seed", INDEX),  # -1 for base
    ("data", STRING),  # dataset of the training; empty for the study's own data, and for base
    ("step", INDEX),
    (
        "condition",
        STRING,
    ),  # default (asked without), training (asked as trained), other (asked with another's)
    ("asked_prompt", STRING),  # prompt of the question; empty without
    ("asked_prefix", STRING),  # as `prefix`, of the question
    ("instruction_id", STRING),
]

COMPLETIONS = pa.schema(
    [
        *_ASKED,
        ("instruction", STRING),
        ("prefix_text", STRING),  # text of the prefix before this instruction
        ("completion", STRING),
        ("n_tokens", INDEX),
        ("finish", STRING),
    ]
)
"""`elicit/completions-<shard>.parquet` and `evaluate/completions-<shard>.parquet`."""

SCORES = pa.schema([*_ASKED, ("trait", STRING), ("judge", STRING), ("judge_version", INDEX), ("score", NUMBER)])
"""`judge/elicit.parquet` and `judge/evaluate.parquet`: 0–100, NaN if the judge could not tell."""

LOGPROBS = pa.schema(
    [
        ("prompt", pa.dictionary(pa.int32(), STRING)),  # empty without a prefix
        ("prefix", pa.dictionary(pa.int32(), STRING)),  # none, fixed or mix
        ("dataset", pa.dictionary(pa.int32(), STRING)),  # train, neutral, or a trait key
        ("example_id", STRING),
        ("prefix_text", STRING),
        ("n_tokens", INDEX),
        ("mean", NUMBER),  # nats per response token; NaN for an empty response
        ("logprobs", pa.list_(pa.float32())),  # nats, one per response token
    ]
)
"""`score/logprobs-<shard>.parquet`: one row group per prompt, prefix and dataset."""

SELF_PERPLEXITY = pa.schema(
    [
        ("prompt", STRING),
        ("context", STRING),  # raw: the text alone; ctx: alone in the turn where the study puts prefixes
        ("n_tokens", INDEX),  # tokens that follow another one, and so have a probability
        ("nll", NUMBER),  # nats per token; NaN without a token
        ("logprobs", pa.list_(pa.float32())),  # nats, one per token
    ]
)
"""`score/self-perplexity-<shard>.parquet`: how surprising a prompt is to the model. Key: prompt, context."""

_RUN = [
    ("run", STRING),
    ("prompt", STRING),
    ("prefix", STRING),
    ("learning_rate", NUMBER),
    ("seed", INDEX),
    ("data", STRING),
]

CHECKPOINTS = pa.schema(
    [
        *_RUN,
        ("step", INDEX),
        ("path", STRING),
        ("digest", STRING),
        ("epoch", NUMBER),  # that ends at this step, 0 before the first step; NaN where none does
    ]
)
"""`train/<shard>/checkpoints.parquet`: adapters, as paths relative to the table's folder."""

LOSSES = pa.schema([*_RUN, ("step", INDEX), ("loss", NUMBER), ("rate", NUMBER), ("grad_norm", NUMBER)])
"""`train/<shard>/losses.parquet`: mean loss in nats per trained token since the previous point: a point for each step.

Tables of released results, and of trainings by earlier versions, have as many points as were logged.
"""

BAD_ROWS = pa.schema(
    [
        ("dataset", STRING),
        ("row_id", STRING),  # empty for a line that is no row
        ("where", STRING),  # file and line
        ("problem", STRING),  # broken, empty or too long
        ("reason", STRING),
        ("done", STRING),  # dropped, or cut: the end of the answer is missing
    ]
)
"""`bad_rows.parquet` of `generate` and of `train/<shard>`: rows that are not used as they are."""

SUPPRESSION = pa.schema(
    [
        ("prompt", STRING),
        ("family", STRING),
        ("trait", STRING),
        ("prefix", STRING),  # fixed or mix
        ("learning_rate", NUMBER),
        ("seed", STRING),  # a seed, or "all"
        ("step", INDEX),
        ("control", NUMBER),  # points: control run asked without a prefix
        ("run", NUMBER),  # points: this run asked without a prefix
        ("suppression", NUMBER),  # control − run, points; positive means suppressed
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("n", INDEX),  # pairs used
        ("n_nan", INDEX),  # pairs dropped because one of the two scores is NaN
    ]
)

PREDICTORS = pa.schema(
    [
        ("prompt", STRING),
        ("family", STRING),
        ("prefix", STRING),
        ("trait", STRING),  # "all" for predictors that no trait enters
        ("predictor", STRING),
        ("value", NUMBER),
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("n", INDEX),
        ("n_nan", INDEX),
    ]
)


def write_table(data: pd.DataFrame | pa.Table, schema: pa.Schema, path: Path, *, csv: bool = False) -> None:
    """Write a table atomically, in the schema's column order.

    Args:
        data: The rows; a column that the schema lacks is kept after the schema's own.
        schema: Names and types.
        path: Where; parent folders are made.
        csv: Also write a CSV twin beside it.

    Raises:
        DataError: If a column of the schema is missing and has no default, or has values of another type.
    """
    table = data if isinstance(data, pa.Table) else to_arrow(data, schema, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, lambda temporary: pq.write_table(table, temporary, compression="zstd"))
    if csv:
        frame = table.to_pandas()
        replace_file(path.with_suffix(".csv"), lambda temporary: frame.to_csv(temporary, index=False, na_rep="NaN"))


def write_row_groups(groups: Iterable[pa.Table], schema: pa.Schema, path: Path) -> None:
    """Write tables one after the other into one file, each as a row group, so that each can be read by itself.

    Args:
        groups: Tables of the schema; made as they are needed.
        schema: Names and types.
        path: Where; parent folders are made.
    """

    # Log-probabilities hardly ever repeat, and a reader of hundreds of row groups at a time holds a dictionary and a
    # page of each.
    repeating = [field.name for field in schema if not pa.types.is_list(field.type)]

    def write(temporary: Path) -> None:
        options = {"use_dictionary": repeating, "data_page_size": PAGE_BYTES}
        with pq.ParquetWriter(temporary, schema, compression="zstd", **options) as writer:
            for table in groups:
                writer.write_table(table, row_group_size=max(1, len(table)))

    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, write)


def no_table(path: Path) -> str:
    """The message that a table is missing, with the stage that makes it, and its part, by the folders it lies in."""
    folders = path.parent.parts
    stages = all_stages()
    at = next((place for place in reversed(range(len(folders))) if folders[place] in stages), len(folders) - 1)
    words = [one for one in folders[at:] if not one.isdecimal()]
    return f"there is no table {path}. Run the stage that makes it: {' '.join(words)}"


def read_table(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a table, or some of its columns; of these, one that has a default need not be there.

    Raises:
        DataError: If the file is absent or is not Parquet.
    """
    if not path.exists():
        raise DataError(no_table(path))
    try:
        names = pq.read_schema(path).names if columns is not None else []
        absent = {name: DEFAULTS[name] for name in columns or () if name in DEFAULTS and name not in names}
        there = None if columns is None else [name for name in columns if name not in absent]
        frame: pd.DataFrame = pq.read_table(path, columns=there).to_pandas().assign(**absent)
    except pa.ArrowInvalid as error:
        msg = f"{path} is not a readable Parquet table ({error}). Delete it and run its stage again"
        raise DataError(msg) from error
    return frame if columns is None else frame[columns]


def kept_examples(path: Path, data: str = "") -> pd.DataFrame:
    """The kept training examples of one dataset, in their order.

    Args:
        path: A table of `EXAMPLES`.
        data: Key of another dataset; default: the study's own data.

    Returns:
        The columns example_id, instruction, completion and earlier.
    """
    columns = ["example_id", "instruction", "completion", "earlier"]
    table = read_table(path, [*columns, "kept", "data"])
    return table.loc[table["kept"] & (table["data"] == data), columns]


def with_defaults(frame: pd.DataFrame, schema: pa.Schema) -> pd.DataFrame:
    """The rows with those columns of a schema that are not there and have a default."""
    return frame.assign(**{name: DEFAULTS[name] for name in schema.names if name in DEFAULTS and name not in frame})


def to_arrow(frame: pd.DataFrame, schema: pa.Schema, path: Path) -> pa.Table:
    """A frame in the column order and the types of a schema, and then its other columns.

    Args:
        frame: The rows.
        schema: Names and types.
        path: What the table is called in messages.

    Raises:
        DataError: If a column of the schema is missing and has no default, or has values of another type.
    """
    frame = with_defaults(frame, schema)
    missing = [name for name in schema.names if name not in frame.columns]
    if missing:
        msg = f"{path}: columns {missing} are missing; the table has {list(frame.columns)}"
        raise DataError(msg)
    extra = [name for name in frame.columns if name not in schema.names]
    arrays = []
    for field in schema:
        values = frame[field.name]
        try:
            # from_pandas=False keeps NaN apart from null: a failed measurement is a number-shaped NaN, not a gap.
            column = values.to_numpy() if field.type == NUMBER else values.tolist()
            arrays.append(pa.array(column, type=field.type, from_pandas=False))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            msg = f"{path}: column {field.name} does not hold {field.type}: {error}"
            raise DataError(msg) from error
    fields = [*schema, *(pa.field(name, pa.Array.from_pandas(frame[name]).type) for name in extra)]
    arrays += [pa.Array.from_pandas(frame[name]) for name in extra]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Let a function write a file beside its place, and rename it there when it is whole.

    A device or a pipe, such as /dev/stdout, is written into: renaming would put a file in its place.
    """
    if _is_stream(path):
        write(path)
        return
    with replacing(path) as temporary:
        write(temporary)


def _is_stream(path: Path) -> bool:
    if path.parent in (Path("/dev"), Path("/dev/fd")):  # they lead to ordinary files as well
        return path.exists()
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def nan_count(values: np.ndarray) -> int:
    """Number of NaN values."""
    return int(np.isnan(values).sum())
