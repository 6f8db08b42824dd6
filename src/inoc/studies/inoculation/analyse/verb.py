"""The verb `inoc analyse heuristics`: the judgement of a study's heuristics, or of those of a table file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from inoc.errors import DataError
from inoc.jobs.paths import Paths
from inoc.stats.bootstrap import Resampler
from inoc.studies.inoculation.analyse.heuristic_file import read_values
from inoc.studies.inoculation.analyse.heuristics import HEURISTIC_TESTS, Protocol, judge_heuristics
from inoc.studies.inoculation.analyse.rows import ALL, frame
from inoc.tables import read_table, replace_file

RESAMPLES, SEED = 2_000, 0
STUDY_SUFFIXES = ("", ".yaml", ".yml")


class Judged(NamedTuple):
    """Rows of `heuristics` by one protocol, and what was left out."""

    table: pd.DataFrame
    left_out: list[str]


def print_heuristics(options: argparse.Namespace) -> None:
    """Print r and held-out R² of every heuristic and target, and write all columns if a file is named.

    Args:
        options: `table` (the name or file of an analysed study, or a table file), `protocol`, `out`, `config`.

    Raises:
        ConfigError: If there is no such study.
        DataError: If the study has not been analysed, or the table file cannot be read or contradicts itself.
    """
    asked = Path(options.table)
    found = (
        of_study(str(asked), options.config, options.protocol)
        if asked.suffix.lower() in STUDY_SUFFIXES
        else of_table_file(asked, options.protocol)
    )
    print(shown(found.table))
    for line in found.left_out:
        print(f"left out: {line}", file=sys.stderr)
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        replace_file(options.out, lambda temporary: found.table.to_csv(temporary, index=False, na_rep="NaN"))
        print(f"{options.out}: {len(found.table)} rows by the protocol {options.protocol!r}", file=sys.stderr)


def of_table_file(path: Path, protocol: Protocol) -> Judged:
    """Judge the heuristics of a table file with one row for each prompt, trait role and prefix.

    Raises:
        DataError: If the table cannot be read or contradicts itself.
    """
    values = read_values(path)
    rows, skipped = judge_heuristics(values, protocol, Resampler(RESAMPLES, SEED))
    return Judged(frame(rows, HEURISTIC_TESTS), [f"{skip.what}: {skip.why}" for skip in skipped])


def of_study(name: str, config: Path, protocol: Protocol) -> Judged:
    """The rows of `heuristics` that the analysis of a study wrote.

    Raises:
        ConfigError: If there is no such study.
        DataError: If it has not been analysed, or by a version that judged by one protocol only.
    """
    from inoc.jobs.make import RESULTS
    from inoc.studies.inoculation.load import load_inoculation

    study = load_inoculation(name, config)
    path = Paths(RESULTS, study.name).table("heuristics")
    if not path.exists():
        msg = f"study {study.name} has not been analysed: there is no {path}; run `inoc analyse {study.name}` first"
        raise DataError(msg)
    table = read_table(path)
    lacking = [column for column in HEURISTIC_TESTS.names if column not in table.columns]
    if lacking:
        msg = f"{path} lacks the columns {lacking}: an earlier version wrote it; run `inoc analyse {study.name}` again"
        raise DataError(msg)
    return Judged(table[table["protocol"] == protocol].reset_index(drop=True), [])


def shown(table: pd.DataFrame) -> str:
    """The rows of all seeds as text: r, held-out R² and n for each heuristic (down) and target (across)."""
    parts = []
    for rate, rows in table[table["seed"] == ALL].groupby("learning_rate", dropna=False):
        title = "" if pd.isna(rate) else f", learning rate {float(str(rate)):g}"
        for column, text, number in (
            ("r", "Pearson's r", "{:+.2f}"),
            ("r2_out", "R², leave-prompt-out", "{:+.2f}"),
            ("n", "Rows", "{:.0f}"),
        ):
            wide = rows.set_index(["heuristic", "target"])[column].unstack()
            wide = wide.reindex(index=rows["heuristic"].unique(), columns=rows["target"].unique())
            body = wide.rename_axis(index=None, columns=None).to_string(float_format=number.format, na_rep="NaN")
            parts.append(f"{text}{title}\n{body}")
    return "\n\n".join(parts) or "no heuristic could be judged"
