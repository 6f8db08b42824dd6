"""The study's own table of heuristics and suppressions: what it says that no other file does, and what it confirms.

It accompanies the scores. If it is cut off or damaged, it is left out with a finding, and stops nothing.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from inoc.errors import DataError
from inoc.stats.means import paired_difference
from inoc.studies.imports.findings import Findings
from inoc.studies.inoculation.analyse.heuristic_file import table_values
from inoc.studies.inoculation.released.document import name_of, read_text
from inoc.studies.inoculation.released.pairs import Pair
from inoc.studies.inoculation.released.scores import CellKey, Elicited, Trained
from inoc.studies.inoculation.released.table_damage import Odd, csv_table, lost_rows, odd_cells

SOURCE = Path("slides") / "data" / "dataset.csv"
PUBLISHED = "imports/dataset.csv"
_BOUNDS = ["suppression_ci_lo", "suppression_ci_hi"]
_EXACT = 1e-9  # points
_PROMPT = ["experiment", "prompt_key"]
_ROW = ["trait_role", "prefix_type"]
_GROUPINGS = (_PROMPT, [*_PROMPT, "prefix_type"], [*_PROMPT, "trait_role"])
_OF_RUNS = ["suppression", *_BOUNDS, "inoc_score", "no_inoc_score", "n_eval"]

Key = tuple[str, str, str]
"""Prompt, prefix and trait, as the files name it."""


class Published(NamedTuple):
    """Rows of one pair of traits."""

    file: str
    text: str  # CSV, with the values as they are written in the file
    table: pd.DataFrame  # the same rows, as texts
    suppression: dict[Key, tuple[float, float, float]]  # points, with bounds of the interval; known ones only

    def number(self, column: str) -> dict[Key, float]:
        """Prompt, prefix and trait → value of a column; NaN where there is none."""
        if column not in self.table:
            return {}
        values = pd.to_numeric(self.table[column], errors="coerce")
        names = (self.table[name] for name in ("prompt_key", "prefix_type", "trait_name"))
        return {key[:3]: float(key[3]) for key in zip(*names, values, strict=True)}

    def of_prompt(self, column: str) -> dict[str, float]:
        """Prompt → value of a column that depends on nothing else; prompts without one are left out."""
        return {key[0]: value for key, value in self.number(column).items() if not np.isnan(value)}


def read_published(root: Path, pair: Pair, findings: Findings) -> Published | None:
    """Read the table, if the checkout has it and it is whole.

    Args:
        root: The checkout.
        pair: Whose rows are kept.
        findings: What was found, and why a table is left out, is added here.
    """
    path = root / SOURCE
    if not (path.exists() or path.is_symlink()):
        return None
    file = name_of(path, root)
    try:
        table = csv_table(read_text(path, root), file)
        values = table_values(pd.read_csv(io.StringIO(_csv(table)), dtype=dict.fromkeys(_names(), "str")), file)
        odd = list(odd_cells(table.drop(columns=_OF_RUNS, errors="ignore"), _GROUPINGS))
        _refuse_last_line(table, file, odd)
    except (DataError, ValueError, OverflowError) as error:
        findings.add("left_out", "published", file, f"cannot be read, and is left out whole: {error}")
        return None
    if odd:
        text = "cells contradict other rows of their prompt; they are kept as they are"
        findings.add("warning", "published", file, text, [one.text for one in odd])
    own = values.frame["trait"].isin(pair.traits).to_numpy()
    if not own.any():
        findings.add("left_out", "files", file, f"has no rows of {' or '.join(pair.traits)}")
        return None
    frame, rows = values.frame[own], table[own]
    lost = lost_rows(rows, _PROMPT, _ROW)
    if lost:
        text = "rows of these prompts are missing, which other prompts have; the table is probably cut off"
        findings.add("warning", "published", file, text, lost)
    bounds = [
        pd.to_numeric(rows[name], errors="coerce") if name in rows else np.full(len(frame), np.nan) for name in _BOUNDS
    ]
    listed = zip(frame["prompt"], frame["prefix"], frame["trait"], frame["suppression"], *bounds, strict=True)
    known = {(prompt, prefix, trait): (y, lo, hi) for prompt, prefix, trait, y, lo, hi in listed if not np.isnan(y)}
    text = (
        f"{len(frame)} rows with {len(values.heuristics)} heuristics, copied for `inoc analyse heuristics`; "
        f"{len(known)} have a suppression"
    )
    findings.add("found", "published", file, text)
    return Published(file, _csv(rows), rows, known)


def _names() -> list[str]:
    return ["experiment", "prompt_key", "prompt_family", "trait_role", "trait_name", "prefix_type"]


def _csv(table: pd.DataFrame) -> str:
    return table.to_csv(index=False, lineterminator="\n")


def _refuse_last_line(table: pd.DataFrame, file: str, odd: list[Odd]) -> None:
    last = next((one for one in odd if len(table) - 1 in one.rows), None)
    if last is not None:
        raise DataError(
            f"{file}: the last line contradicts other rows of its prompt ({last.text}), so it was probably cut off. "
            "Fetch the file again"
        )


def report_rows(published: Published, prompts: Collection[str], findings: Findings) -> None:
    """Report prompts that other files have, and the table has not.

    Args:
        published: The table.
        prompts: Prompts of the other files.
        findings: Where to report.
    """
    there = set(published.table["prompt_key"])
    absent = [prompt for prompt in prompts if prompt not in there]
    if absent:
        text = "has no rows of these prompts, which other files have; it may be cut off"
        findings.add("warning", "published", published.file, text, absent)


def report_values(
    published: Published, elicited: Sequence[Elicited], shifts: Mapping[str, float], findings: Findings
) -> None:
    """Report where elicitation and mean shifts are not those that follow from the other files.

    Args:
        published: The table.
        elicited: Scores of the untrained model.
        shifts: Prompt → mean shift of the training responses by the fixed prefix, nats.
        findings: Where to report.
    """
    base = next((one for one in elicited if not one.prompt), None)
    ours: dict[str, dict[Key, float]] = {"elicitation": {}, "ph_combined": {}}
    for prompt, prefix, trait in published.number("elicitation"):
        entry = next((one for one in elicited if one.prompt == prompt), None)
        if base is not None and entry is not None and trait in entry.values and trait in base.values:
            difference = float(np.nanmean(entry.values[trait]) - np.nanmean(base.values[trait]))
            ours["elicitation"][prompt, prefix, trait] = difference
    for prompt, prefix, trait in published.number("ph_combined"):
        if prompt in shifts:
            ours["ph_combined"][prompt, prefix, trait] = shifts[prompt]
    for column, values in ours.items():
        stated = published.number(column)
        far = sorted({key[0] for key, value in values.items() if abs(stated[key] - value) > _LOOSE})
        if far:
            text = f"{column} of these prompts is not what follows from the other files"
            findings.add("warning", "published", published.file, text, far)


_LOOSE = 1e-2
"""Points or nats; the released means of two jobs on the same responses differ by less."""


def report_suppression(published: Published, runs: list[Trained], step: int, findings: Findings) -> None:
    """Report where suppression by the imported scores is not as published, and where there are no scores.

    Args:
        published: The study's table.
        runs: Imported runs.
        step: At which they are compared: the last one.
        findings: Where to report.
    """
    ours = _suppressions(runs, step)
    gaps = {
        key: float(np.nanmax(np.abs(np.subtract(ours[key], stated))))
        for key, stated in published.suppression.items()
        if key in ours and not np.isnan(ours[key][0])
    }
    far = sorted((key for key, gap in gaps.items() if gap > _EXACT), key=lambda key: -gaps[key])
    if gaps and not far:
        text = f"{len(gaps)} suppressions with their intervals are those of the scores at step {step}"
        findings.add("found", "published", published.file, text)
    if far:
        text = (
            f"{len(far)} of {len(gaps)} suppressions, or bounds of their intervals, differ from those of the scores at "
            f"step {step}, by points"
        )
        named = [f"{prompt} ({prefix}, {trait}) {gaps[prompt, prefix, trait]:.3g}" for prompt, prefix, trait in far]
        findings.add("warning", "published", published.file, text, named)
    absent = sorted({prompt for prompt, prefix, trait in published.suppression if (prompt, prefix, trait) not in ours})
    if absent:
        text = "suppressions of {names} stand in this table only, without scores of their runs"
        findings.add("missing", "published", published.file, text, absent)
    unstated = sorted({key[0] for key in ours if key not in published.suppression})
    if unstated:
        text = "has no suppression of these prompts, although there are scores of their runs; rows may be lost"
        findings.add("warning", "published", published.file, text, unstated)


def _suppressions(runs: list[Trained], step: int) -> dict[Key, tuple[float, float, float]]:
    control = {run.run.learning_rate: run for run in runs if run.run.prefix == "none"}
    ours = {}
    for run in runs:
        reference = control.get(run.run.learning_rate)
        for key, values in run.cells.items():
            other = reference.cells.get(CellKey(step, "default", key.trait)) if reference is not None else None
            if run.run.prefix != "none" and other is not None and key[:2] == (step, "default"):
                found = paired_difference(other, values)
                ours[run.run.prompt, run.run.prefix, key.trait] = (found.value, found.lo, found.hi)
    return ours
