"""Scores, log-probabilities and losses of tables that anybody can give, as our own tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.chat.messages import Asked
from inoc.errors import DataError
from inoc.stats.scales import are_shares, meant
from inoc.studies.imports.findings import Findings
from inoc.studies.inoculation.released.checks import FAR, LATE_STEP, distance
from inoc.studies.inoculation.released.columns import RUN_COLUMNS, refuse_row, refuse_unknown
from inoc.studies.inoculation.released.logprobs import UNKNOWN_LENGTH
from inoc.studies.inoculation.runs import Run, condition, prefix_kinds, prompt_texts, study_runs, total_steps
from inoc.studies.inoculation.study import Study
from inoc.tables import LOGPROBS, LOSSES, SCORES, to_arrow, with_defaults

_MEAN_ROUNDING = 1e-4
_RUN = (*RUN_COLUMNS, "data")


class Given(NamedTuple):
    """One table."""

    file: str
    rows: pd.DataFrame


def check_prefixes(given: Given, prompt: str, prefix: str, study: Study) -> None:
    """Refuse prompts and prefixes that the study has not, and a prefix without a prompt or the other way round.

    Raises:
        DataError: With row and column.
    """
    frame, file = given.rows, given.file
    refuse_unknown(frame, prompt, ["", *prompt_texts(study)], file)
    refuse_unknown(frame, prefix, ["none", *prefix_kinds(study)], file)
    wrong = (frame[prompt] == "") != (frame[prefix] == "none")
    message = "does not go with its prompt; the prompt is empty exactly where the prefix is none"
    refuse_row(file, prefix, frame[prefix].to_numpy(), wrong, message)


def check_judges(tables: list[Given], study: Study) -> None:
    """Refuse traits that the study has not, and scores of one trait by two judges, in all tables together.

    Raises:
        DataError: With the files.
    """
    first: dict[str, tuple[str, int, str]] = {}
    for given in tables:
        refuse_unknown(given.rows, "trait", list(study.traits), given.file)
        seen = given.rows[["trait", "judge", "judge_version"]].drop_duplicates()
        for trait, name, version in seen.itertuples(index=False, name=None):
            known = first.setdefault(str(trait), (str(name), int(version), given.file))
            if known[:2] != (name, version):
                files = given.file if known[2] == given.file else f"{known[2]} and {given.file}"
                raise DataError(
                    f"{files}: {trait} was scored by {known[0]} version {known[1]} and {name} version {version}, which "
                    "are different scales; keep one of them"
                )


def refuse_shares(tables: list[Given]) -> None:
    """Refuse scores from 0 to 1 where points from 0 to 100 are expected: a small score would pass for no trait at all.

    Raises:
        DataError: With the file and the trait.
    """
    for given in tables:
        for trait, rows in given.rows.groupby("trait", sort=False):
            if are_shares(rows["score"].to_numpy(dtype=np.float64)):
                raise DataError(
                    f"{given.file}, column score: all scores of {trait} are from 0 to 1; accepted: points from 0 to "
                    "100. If they are shares, multiply them by 100"
                )


def with_study_rates(given: Given, study: Study) -> Given:
    """The table with the study's learning rates where it has them in single precision."""
    rates = sorted({run.learning_rate for run in study_runs(study)})
    values, of_row = np.unique(given.rows["learning_rate"].to_numpy(dtype=np.float64), return_inverse=True)
    known = [meant(float(value), rates) for value in values]
    read = np.array([value if rate is None else rate for value, rate in zip(values, known, strict=True)])
    return given._replace(rows=given.rows.assign(learning_rate=read[of_row]))


def base_scores(given: Given | None, study: Study) -> pd.DataFrame:
    """Rows of `tables.SCORES` of the untrained model."""
    if given is None:
        return pd.DataFrame(columns=SCORES.names)
    check_prefixes(given, "asked_prompt", "asked_prefix", study)
    plain = given.rows["asked_prompt"] == ""
    made = given.rows.assign(
        run="base",
        prompt="",
        prefix="none",
        learning_rate=np.nan,
        seed=-1,
        data="",
        step=0,
        condition=np.where(plain, "default", "other"),
    )
    return own_columns(made, SCORES)


class _Kinds(NamedTuple):
    """The different combinations of values of some columns, and the one of each row."""

    rows: list[tuple[Any, ...]]
    of_row: np.ndarray


def _kinds(frame: pd.DataFrame, columns: tuple[str, ...]) -> _Kinds:
    # There are few runs and ways of asking, and millions of rows: each is looked at once.
    of_row = frame.groupby(list(columns), sort=False, dropna=False).ngroup().to_numpy()
    firsts = np.unique(of_row, return_index=True)[1]
    rows = frame.iloc[firsts][list(columns)].itertuples(index=False, name=None)
    return _Kinds(list(rows), of_row)


def _run_of(key: tuple[Any, ...]) -> Run:
    prompt, prefix, rate, seed, data = key
    return Run(str(prompt), str(prefix), float(rate), int(seed), str(data))


def _run_names(given: Given, study: Study) -> np.ndarray:
    """The name of each row's run, which must be one of the study's."""
    check_prefixes(given, "prompt", "prefix", study)
    refuse_unknown(given.rows, "data", ["", *study.datasets], given.file)
    known = set(study_runs(study))
    kinds = _kinds(given.rows, _RUN)
    runs = [_run_of(key) for key in kinds.rows]
    names: np.ndarray = np.array([run.name for run in runs], dtype=object)[kinds.of_row]
    wrong = np.array([run not in known for run in runs], dtype=bool)[kinds.of_row]
    refuse_row(given.file, "prompt", names, wrong, "is no run of study.yaml")
    return names


def _conditions(frame: pd.DataFrame) -> np.ndarray:
    kinds = _kinds(frame, (*_RUN, "asked_prompt", "asked_prefix"))
    ways = [condition(_run_of(key[:5]), Asked(*key[5:])) for key in kinds.rows]
    by_row: np.ndarray = np.array(ways, dtype=object)[kinds.of_row]
    return by_row


def _with_data(given: Given) -> Given:
    return given if "data" in given.rows else given._replace(rows=given.rows.assign(data=""))


def run_scores(given: Given | None, study: Study, findings: Findings) -> pd.DataFrame:
    """Rows of `tables.SCORES` of the runs; what is missing or looks wrong is reported."""
    if given is None:
        if study_runs(study):
            findings.add("missing", "runs", "study.yaml", "it has runs, and there are no scores of them")
        return pd.DataFrame(columns=SCORES.names)
    given = with_study_rates(_with_data(given), study)
    check_prefixes(given, "asked_prompt", "asked_prefix", study)
    steps = given.rows["step"].to_numpy()
    past = f"is not from 0 to {total_steps(study)}, the steps of study.yaml"
    refuse_row(given.file, "step", steps, (steps < 0) | (steps > total_steps(study)), past)
    names = _run_names(given, study)
    made = own_columns(given.rows.assign(run=names, condition=_conditions(given.rows)), SCORES)
    _report_runs(made, study, given.file, findings)
    return made


def _report_runs(frame: pd.DataFrame, study: Study, file: str, findings: Findings) -> None:
    last = frame.groupby("run")["step"].max()
    absent = [run.name for run in study_runs(study) if run.name not in last.index]
    if absent:
        findings.add("missing", "runs", file, "runs of study.yaml without scores", absent)
    early = [str(run) for run, step in last.items() if step < total_steps(study)]
    if early:
        findings.add("missing", "steps", file, f"no scores at step {total_steps(study)}", early)
    cells = frame.groupby(["run", "asked_prompt", "asked_prefix", "trait"], sort=True)
    for (run, prompt, prefix, trait), rows in cells:
        by_step = {int(str(step)): one.to_numpy(dtype=np.float64) for step, one in rows.groupby("step")["score"]}
        for step, scores in by_step.items():
            if step > LATE_STEP and step - 1 in by_step and abs(distance(by_step[step - 1], scores)) > FAR:
                text = f"{trait}, asked with {prompt or 'no prompt'} ({prefix}): steps {step - 1} and {step} differ by "
                findings.add("warning", "steps", f"{file}: {run}", f"{text}more than {FAR:g} standard errors")


def logprob_rows(given: Given | None, study: Study) -> pd.DataFrame | list[pa.Table]:
    """Rows of `tables.LOGPROBS`, a table for each prompt and dataset, so that tokens can be streamed.

    Raises:
        DataError: If means, numbers of tokens and tokens contradict one another, or a dataset has no pass without a
            prefix.
    """
    if given is None:
        return pd.DataFrame(columns=LOGPROBS.names)
    file, frame = given
    check_prefixes(given, "prompt", "prefix", study)
    refuse_unknown(frame, "dataset", ["train", "neutral", *study.traits], file)
    plain = set(frame["dataset"][frame["prefix"] == "none"])
    message = "was never scored without a prefix, so that nothing can be subtracted"
    refuse_row(file, "dataset", frame["dataset"].to_numpy(), ~frame["dataset"].isin(plain), message)
    lists = list(frame["logprobs"]) if "logprobs" in frame else [np.empty(0, dtype=np.float32)] * len(frame)
    sizes = np.array([values.size for values in lists])
    given_sizes = frame["n_tokens"].to_numpy() if "n_tokens" in frame else np.where(sizes, sizes, UNKNOWN_LENGTH)
    refuse_row(file, "n_tokens", given_sizes, (sizes > 0) & (given_sizes != sizes), _OTHER_LENGTH)
    refuse_row(file, "n_tokens", given_sizes, given_sizes < UNKNOWN_LENGTH, "is negative")
    _refuse_other_lengths(frame.assign(n_tokens=given_sizes), file)
    means = frame["mean"].to_numpy(dtype=np.float64)
    ours = np.array([float(values.mean(dtype=np.float64)) if values.size else np.nan for values in lists])
    apart = (sizes > 0) & ~(np.abs(ours - means) <= _MEAN_ROUNDING * np.maximum(1, np.abs(means)))
    refuse_row(file, "mean", means, apart, "is not the mean of `logprobs`")
    texts = frame.get("prefix_text", "")
    full = frame.assign(n_tokens=given_sizes, logprobs=pd.Series(lists, dtype=object), prefix_text=texts)
    passes = full.groupby(["prompt", "prefix", "dataset"], sort=False)
    return [to_arrow(own_columns(rows, LOGPROBS), LOGPROBS, Path(file)) for _, rows in passes]


_OTHER_LENGTH = "is not the number of tokens in `logprobs`"


def _refuse_other_lengths(frame: pd.DataFrame, file: str) -> None:
    keys = ["dataset", "example_id"]
    plain = frame[frame["prefix"] == "none"].set_index(keys)["n_tokens"]
    base = plain.reindex(pd.MultiIndex.from_frame(frame[keys])).to_numpy(dtype=np.float64)
    sizes = frame["n_tokens"].to_numpy()
    wrong = (sizes >= 0) & (base >= 0) & (sizes != base)
    refuse_row(file, "n_tokens", sizes, wrong, "is not the number of tokens without a prefix")


def loss_rows(given: Given | None, study: Study) -> pd.DataFrame:
    """Rows of `tables.LOSSES`."""
    if given is None:
        return pd.DataFrame(columns=LOSSES.names)
    given = with_study_rates(_with_data(given), study)
    names = _run_names(given, study)
    frame = given.rows
    made = frame.assign(run=names, **{name: np.nan for name in ("rate", "grad_norm") if name not in frame})
    chosen = [*LOSSES.names, *(["source"] if "source" in frame else [])]
    return with_defaults(made, LOSSES).loc[:, chosen]


def own_columns(frame: pd.DataFrame, schema: pa.Schema) -> pd.DataFrame:
    """The columns of a schema, in their order."""
    return with_defaults(frame, schema).loc[:, list(schema.names)]
