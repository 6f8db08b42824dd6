"""Anybody's tables, in the documented layout: a study file beside Parquet or CSV files."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from inoc.chat.messages import Asked
from inoc.config.document import read_document
from inoc.errors import ConfigError, DataError, did_you_mean
from inoc.studies.inoculation.load import load_inoculation
from inoc.studies.inoculation.released.checks import FAR, LATE_STEP, distance
from inoc.studies.inoculation.released.document import name_of, shown
from inoc.studies.inoculation.released.findings import Findings, shortened
from inoc.studies.inoculation.released.logprobs import UNKNOWN_LENGTH
from inoc.studies.inoculation.released.study_file import yaml_text
from inoc.studies.inoculation.released.write import Imported, Tables
from inoc.studies.inoculation.runs import Run, condition, prefix_kinds, prompt_texts, study_runs, total_steps
from inoc.studies.inoculation.study import Study
from inoc.tables import LOGPROBS, LOSSES, SCORES, to_arrow, with_defaults

_RUN = ("prompt", "prefix", "learning_rate", "seed")
_ASKED = ("asked_prompt", "asked_prefix", "instruction_id", "trait", "judge", "judge_version", "score")
_TEXTS = {
    "prompt",
    "prefix",
    "asked_prompt",
    "asked_prefix",
    "instruction_id",
    "trait",
    "judge",
    "dataset",
    "example_id",
}
_WHOLE = {"seed", "step", "judge_version", "n_tokens"}
_MEAN_ROUNDING = 1e-4
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.ASCII | re.IGNORECASE)


class Layout(NamedTuple):
    """Columns of one table."""

    needed: tuple[str, ...]
    key: tuple[str, ...]  # no two rows have the same
    low: float  # least and most value of the measured column, the last of `needed`
    high: float


LAYOUTS = {
    "scores": Layout((*_RUN, "step", *_ASKED), (*_RUN, "step", *_ASKED[:4]), 0, 100),
    "elicitation": Layout(_ASKED, _ASKED[:4], 0, 100),
    "logprobs": Layout(
        ("prompt", "prefix", "dataset", "example_id", "mean"),
        ("prompt", "prefix", "dataset", "example_id"),
        -np.inf,
        1e-3,
    ),
    "losses": Layout((*_RUN, "step", "loss"), (*_RUN, "step"), 0, np.inf),
}
"""Table → columns, for `<table>.parquet` or `<table>.csv`."""


def read_tables(root: Path, name: str) -> Imported:
    """Read `study.yaml` and the tables beside it.

    Args:
        root: The folder.
        name: Name of the study to make.

    Returns:
        Everything that is to be written.

    Raises:
        ConfigError: If the study file is wrong.
        DataError: If there is no table, or one is not as documented; with file, row and column.
    """
    if not (root / "study.yaml").is_file():
        raise DataError(f"there is no file {root / 'study.yaml'}; it says what the tables are of (docs/import.md)")
    values, study = _study(root / "study.yaml", name)
    findings = Findings()
    tables = {table: _read(root, table, findings) for table in LAYOUTS}
    if all(frame is None for frame in tables.values()):
        raise DataError(f"{root} has no table; expected one of {', '.join(LAYOUTS)}, as .parquet or .csv")
    places: Tables = {
        "judge/elicit.parquet": (_base_scores(tables["elicitation"], study, root), SCORES),
        "judge/evaluate.parquet": (_run_scores(tables["scores"], study, root, findings), SCORES),
        "score/logprobs-0.parquet": (_logprobs(tables["logprobs"], study, root), LOGPROBS),
        "train/0/losses.parquet": (_losses(tables["losses"], study, root), LOSSES),
    }
    return Imported(values, places, findings, {})


def _study(path: Path, name: str) -> tuple[dict[str, Any], Study]:
    values = {**read_document(path).value, "name": name}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / f"{name}.yaml"
        copy.write_text(yaml_text(values, "copy"), encoding="utf-8")
        try:
            return values, load_inoculation(copy)
        except ConfigError as error:
            raise ConfigError(str(error).replace(str(copy), str(path))) from None


def _read(root: Path, table: str, findings: Findings) -> pd.DataFrame | None:
    found = [path for suffix in ("parquet", "csv") if (path := root / f"{table}.{suffix}").exists()]
    if len(found) > 1:
        raise DataError(f"{root} has both {found[0].name} and {found[1].name}; keep one of them")
    if not found:
        findings.add("missing", "files", table, f"there is no {table}.parquet and no {table}.csv")
        return None
    path = found[0]
    file = name_of(path, root)
    if not path.resolve().is_relative_to(root.resolve()) or not path.is_file():
        raise DataError(f"{file} is not a regular file in {root}. Put the file itself there")
    layout = LAYOUTS[table]
    frame = _checked(_frame(path, file, layout), file, layout)
    findings.add("found", "files", file, f"{len(frame)} rows")
    return frame


def _frame(path: Path, file: str, layout: Layout) -> pd.DataFrame:
    """The columns that are known, of the types that are documented."""
    known = {*layout.needed, "rate", "grad_norm", "n_tokens", "prefix_text", "logprobs"}
    try:
        if path.suffix == ".parquet":
            names = pq.read_schema(path).names
            _need_columns(names, file, layout)
            table = pq.read_table(path, columns=[name for name in names if name in known])
        else:
            texts = {name: pa.string() for name in known}
            table = pyarrow.csv.read_csv(
                path,
                convert_options=pyarrow.csv.ConvertOptions(column_types=texts, strings_can_be_null=False),
                parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
            )
            _need_columns(table.column_names, file, layout)
            table = table.select([name for name in table.column_names if name in known - {"logprobs"}])
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowKeyError, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read as {path.suffix[1:]}: {error}. Write it again") from None
    return pd.DataFrame({name: _column(table[name], name, file) for name in table.column_names})


def _need_columns(names: list[str], file: str, layout: Layout) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{file}: the column {shown(twice[0])} is there twice")
    absent = [name for name in layout.needed if name not in names]
    if absent:
        raise DataError(f"{file}: the column {absent[0]!r} is missing{did_you_mean(absent[0], names)}")


def _column(column: pa.ChunkedArray, name: str, file: str) -> Any:
    """Values of one column as documented; a text stands for its number, an empty one for NaN."""
    if name == "logprobs":
        return _token_lists(column, file)
    if name in _TEXTS:
        texts = _as(column, pa.string(), name, file).to_pylist()
        _refuse_row(file, name, texts, [text is None for text in texts], "is not a text")
        return texts
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        numbers = _parsed(column, name, file)
    else:
        if pa.types.is_boolean(column.type):
            raise DataError(f"{file}: column {name}: expected numbers, found bool")
        numbers = _as(column, pa.float64(), name, file).to_numpy(zero_copy_only=False).astype(np.float64)
    _refuse_row(file, name, numbers, np.isinf(numbers), "is not finite")
    if name not in _WHOLE:
        return numbers
    _refuse_row(file, name, numbers, ~(numbers == np.round(numbers)) | (np.abs(numbers) >= 2**31), "is not whole")
    return numbers.astype(np.int64)


def _parsed(column: pa.ChunkedArray, name: str, file: str) -> np.ndarray:
    """Numbers that are written as text; an empty one or NaN is NaN."""
    stripped = pc.utf8_trim_whitespace(column)
    empty = pc.fill_null(pc.is_in(stripped, value_set=pa.array(["", "NaN", "nan"])), fill_value=True)
    known = pc.if_else(empty, pa.scalar(None, pa.string()), stripped)
    try:
        return np.asarray(known.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
    except pa.ArrowInvalid:
        wrong = [text is not None and not _NUMBER.fullmatch(text) for text in known.to_pylist()]
        _refuse_row(file, name, column.to_pylist(), wrong, "is not a number")
        raise DataError(f"{file}: column {name}: some value is not a number") from None


def _as(column: pa.ChunkedArray, kind: pa.DataType, name: str, file: str) -> pa.ChunkedArray:
    try:
        return column.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"{file}: column {name}: expected {kind}, found {column.type} ({error})") from None


def _token_lists(column: pa.ChunkedArray, file: str) -> list[np.ndarray]:
    lists = _as(column, pa.list_(pa.float32()), "logprobs", file)
    return [np.asarray([] if values is None else values, dtype=np.float32) for values in lists.to_pylist()]


def _refuse_row(file: str, column: str, values: Any, wrong: Any, message: str) -> None:
    rows = np.flatnonzero(np.asarray(wrong, dtype=bool))
    if rows.size:
        row = int(rows[0])
        raise DataError(f"{file}: row {row + 1}, column {column}: {shown(values[row])} {message}")


def _checked(frame: pd.DataFrame, file: str, layout: Layout) -> pd.DataFrame:
    if frame.empty:
        raise DataError(f"{file} has no rows; leave it out or fill it")
    measured = layout.needed[-1]
    values = frame[measured].to_numpy(dtype=np.float64)
    range_text = f"is outside {layout.low:g} to {layout.high:g}"
    _refuse_row(file, measured, values, (values < layout.low) | (values > layout.high), range_text)
    if "learning_rate" in frame:
        rates = frame["learning_rate"].to_numpy(dtype=np.float64)
        _refuse_row(file, "learning_rate", rates, ~(rates > 0), "is not above 0")
    again = frame.duplicated(list(layout.key)).to_numpy()
    if again.any():
        row = int(np.flatnonzero(again)[0])
        which = ", ".join(f"{name}={shown(frame[name].iloc[row])}" for name in layout.key)
        raise DataError(f"{file}: row {row + 1}: {which} is there twice")
    return frame


def _among(frame: pd.DataFrame, column: str, accepted: Collection[str], file: str) -> None:
    wrong = ~frame[column].isin(list(accepted)).to_numpy()
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        value = frame[column].iloc[row]
        known = shortened(map(repr, accepted), 12)
        hint = did_you_mean(value, accepted)
        raise DataError(f"{file}: row {row + 1}, column {column}: {shown(value)}; accepted: {known}{hint}")


def _prefixes(frame: pd.DataFrame, prompt: str, prefix: str, study: Study, file: str) -> None:
    """Prompts and prefixes are known, and a prompt has a prefix exactly where there is one."""
    _among(frame, prompt, ["", *prompt_texts(study)], file)
    _among(frame, prefix, ["none", *prefix_kinds(study)], file)
    wrong = (frame[prompt] == "") != (frame[prefix] == "none")
    message = "does not go with its prompt; the prompt is empty exactly where the prefix is none"
    _refuse_row(file, prefix, frame[prefix].to_numpy(), wrong, message)


def _file(root: Path, table: str) -> str:
    return next(path.name for path in sorted(root.glob(f"{table}.*")) if path.suffix in (".parquet", ".csv"))


def _asked(frame: pd.DataFrame, study: Study, file: str) -> None:
    _prefixes(frame, "asked_prompt", "asked_prefix", study, file)
    _among(frame, "trait", list(study.traits), file)
    for trait, rows in frame.groupby("trait", sort=True):
        judges = rows[["judge", "judge_version"]].drop_duplicates()
        if len(judges) > 1:
            said = " and ".join(f"{name} version {version}" for name, version in judges.itertuples(index=False))
            raise DataError(f"{file}: {trait} was scored by {said}, which are different scales; keep one of them")


def _base_scores(frame: pd.DataFrame | None, study: Study, root: Path) -> pd.DataFrame:
    if frame is None:
        return pd.DataFrame(columns=SCORES.names)
    _asked(frame, study, _file(root, "elicitation"))
    plain = frame["asked_prompt"] == ""
    made = frame.assign(
        run="base",
        prompt="",
        prefix="none",
        learning_rate=np.nan,
        seed=-1,
        step=0,
        condition=np.where(plain, "default", "other"),
    )
    return _columns(made, SCORES)


class _Kinds(NamedTuple):
    """The different combinations of values of some columns, and which one each row has."""

    rows: list[tuple[Any, ...]]
    of_row: np.ndarray


def _kinds(frame: pd.DataFrame, columns: tuple[str, ...]) -> _Kinds:
    # There are few runs and ways of asking, and millions of rows: each is looked at once.
    of_row = frame.groupby(list(columns), sort=False, dropna=False).ngroup().to_numpy()
    firsts = np.unique(of_row, return_index=True)[1]
    rows = frame.iloc[firsts][list(columns)].itertuples(index=False, name=None)
    return _Kinds(list(rows), of_row)


def _run_of(key: tuple[Any, ...]) -> Run:
    prompt, prefix, rate, seed = key
    return Run(str(prompt), str(prefix), float(rate), int(seed))


def _run_names(frame: pd.DataFrame, study: Study, file: str) -> np.ndarray:
    """The name of each row's run, which must be one of the study's."""
    _prefixes(frame, "prompt", "prefix", study, file)
    known = set(study_runs(study))
    kinds = _kinds(frame, _RUN)
    runs = [_run_of(key) for key in kinds.rows]
    names: np.ndarray = np.array([run.name for run in runs], dtype=object)[kinds.of_row]
    wrong = np.array([run not in known for run in runs], dtype=bool)[kinds.of_row]
    _refuse_row(file, "prompt", names, wrong, "is no run of study.yaml")
    return names


def _conditions(frame: pd.DataFrame) -> np.ndarray:
    kinds = _kinds(frame, (*_RUN, "asked_prompt", "asked_prefix"))
    ways = [condition(_run_of(key[:4]), Asked(*key[4:])) for key in kinds.rows]
    by_row: np.ndarray = np.array(ways, dtype=object)[kinds.of_row]
    return by_row


def _run_scores(frame: pd.DataFrame | None, study: Study, root: Path, findings: Findings) -> pd.DataFrame:
    if frame is None:
        if study_runs(study):
            findings.add("missing", "runs", "study.yaml", "it has runs, and there are no scores of them")
        return pd.DataFrame(columns=SCORES.names)
    file = _file(root, "scores")
    _asked(frame, study, file)
    steps = frame["step"].to_numpy()
    past = f"is not from 0 to {total_steps(study)}, the steps of study.yaml"
    _refuse_row(file, "step", steps, (steps < 0) | (steps > total_steps(study)), past)
    names = _run_names(frame, study, file)
    made = _columns(frame.assign(run=names, condition=_conditions(frame)), SCORES)
    _report_runs(made, study, file, findings)
    return made


def _report_runs(frame: pd.DataFrame, study: Study, file: str, findings: Findings) -> None:
    last = frame.groupby("run")["step"].max()
    absent = [run.name for run in study_runs(study) if run.name not in last.index]
    if absent:
        findings.add("missing", "runs", file, f"runs of study.yaml without scores: {shortened(absent)}")
    early = [str(run) for run, step in last.items() if step < total_steps(study)]
    if early:
        findings.add("missing", "steps", file, f"no scores at step {total_steps(study)}: {shortened(early)}")
    cells = frame.groupby(["run", "asked_prompt", "asked_prefix", "trait"], sort=True)
    for (run, prompt, prefix, trait), rows in cells:
        by_step = {int(str(step)): one.to_numpy(dtype=np.float64) for step, one in rows.groupby("step")["score"]}
        for step, scores in by_step.items():
            if step > LATE_STEP and step - 1 in by_step and abs(distance(by_step[step - 1], scores)) > FAR:
                text = f"{trait}, asked with {prompt or 'no prompt'} ({prefix}): steps {step - 1} and {step} differ by "
                findings.add("warning", "steps", f"{file}: {run}", f"{text}more than {FAR:g} standard errors")


def _logprobs(frame: pd.DataFrame | None, study: Study, root: Path) -> pd.DataFrame | list[pa.Table]:
    """A table for each prompt and dataset, as `score` writes them, so that tokens can be streamed."""
    if frame is None:
        return pd.DataFrame(columns=LOGPROBS.names)
    file = _file(root, "logprobs")
    _prefixes(frame, "prompt", "prefix", study, file)
    _among(frame, "dataset", ["train", "neutral", *study.traits], file)
    lists = list(frame["logprobs"]) if "logprobs" in frame else [np.empty(0, dtype=np.float32)] * len(frame)
    sizes = np.array([values.size for values in lists])
    given = frame["n_tokens"].to_numpy() if "n_tokens" in frame else np.where(sizes, sizes, UNKNOWN_LENGTH)
    wrong = (sizes > 0) & (given != sizes)
    _refuse_row(file, "n_tokens", given, wrong, "is not the number of tokens in `logprobs`")
    _refuse_row(file, "n_tokens", given, given < UNKNOWN_LENGTH, "is negative")
    means = frame["mean"].to_numpy(dtype=np.float64)
    ours = np.array([float(values.mean(dtype=np.float64)) if values.size else np.nan for values in lists])
    apart = (sizes > 0) & ~(np.abs(ours - means) <= _MEAN_ROUNDING * np.maximum(1, np.abs(means)))
    _refuse_row(file, "mean", means, apart, "is not the mean of `logprobs`")
    texts = frame.get("prefix_text", "")
    full = frame.assign(n_tokens=given, logprobs=pd.Series(lists, dtype=object), prefix_text=texts)
    passes = full.groupby(["prompt", "prefix", "dataset"], sort=False)
    return [to_arrow(_columns(rows, LOGPROBS), LOGPROBS, root / file) for _, rows in passes]


def _losses(frame: pd.DataFrame | None, study: Study, root: Path) -> pd.DataFrame:
    if frame is None:
        return pd.DataFrame(columns=LOSSES.names)
    names = _run_names(frame, study, _file(root, "losses"))
    missing = {name: np.nan for name in ("rate", "grad_norm") if name not in frame}
    return _columns(frame.assign(**missing, run=names), LOSSES)


def _columns(frame: pd.DataFrame, schema: pa.Schema) -> pd.DataFrame:
    """The columns of a schema, in their order."""
    return with_defaults(frame, schema).loc[:, list(schema.names)]
