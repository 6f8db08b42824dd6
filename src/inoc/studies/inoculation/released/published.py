"""The study's own table of heuristics and suppressions: what it says that no other file does, and what it confirms."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from inoc.errors import DataError
from inoc.stats.means import paired_difference
from inoc.studies.inoculation.analyse.heuristic_file import read_values
from inoc.studies.inoculation.released.document import checked_path, name_of
from inoc.studies.inoculation.released.findings import Findings, shortened
from inoc.studies.inoculation.released.pairs import Pair
from inoc.studies.inoculation.released.scores import CellKey, Trained

SOURCE = Path("slides") / "data" / "dataset.csv"
PUBLISHED = "imports/dataset.csv"
_BOUNDS = ["suppression_ci_lo", "suppression_ci_hi"]
_EXACT = 1e-9  # points

Key = tuple[str, str, str]
"""Prompt, prefix and trait, as the files name it."""


class Published(NamedTuple):
    """Rows of one pair of traits."""

    file: str
    text: str  # CSV, with the values as they are written in the file
    suppression: dict[Key, tuple[float, float, float]]  # points, with bounds of the interval; known ones only


def read_published(root: Path, pair: Pair, findings: Findings) -> Published | None:
    """Read the table, if the checkout has it.

    Args:
        root: The checkout.
        pair: Whose rows are kept.
        findings: What was found is added here.

    Raises:
        DataError: If it cannot be read, lacks a column that rows are known by, or has a row twice.
    """
    path = root / SOURCE
    if not (path.exists() or path.is_symlink()):
        return None
    file, place = name_of(path, root), checked_path(path, root)
    try:
        values = read_values(place)
        table = pd.read_csv(place, dtype="str", keep_default_na=False)
    except (DataError, UnicodeError, ValueError, OverflowError) as error:
        raise DataError(str(error).replace(str(place), file)) from None
    own = values.frame["trait"].isin(pair.traits).to_numpy()
    if not own.any():
        findings.add("left_out", "files", file, f"has no rows of {' or '.join(pair.traits)}")
        return None
    frame = values.frame[own]
    bounds = [
        pd.to_numeric(table[name][own], errors="coerce") if name in table else np.full(len(frame), np.nan)
        for name in _BOUNDS
    ]
    rows = zip(frame["prompt"], frame["prefix"], frame["trait"], frame["suppression"], *bounds, strict=True)
    known = {(prompt, prefix, trait): (y, lo, hi) for prompt, prefix, trait, y, lo, hi in rows if not np.isnan(y)}
    text = (
        f"{len(frame)} rows with {len(values.heuristics)} heuristics, copied for `inoc analyse heuristics`; "
        f"{len(known)} have a suppression"
    )
    findings.add("found", "published", file, text)
    return Published(file, table[own].to_csv(index=False, lineterminator="\n"), known)


def report_suppression(published: Published, runs: list[Trained], step: int, findings: Findings) -> None:
    """Report where suppression by the imported scores is not as published, and where there are no scores.

    Args:
        published: What the study's table says.
        runs: Imported runs.
        step: At which they are compared: the last one.
        findings: Where to report.
    """
    control = {run.run.learning_rate: run for run in runs if run.run.prefix == "none"}
    ours = {}
    for run in runs:
        reference = control.get(run.run.learning_rate)
        for key, values in run.cells.items():
            other = reference.cells.get(CellKey(step, "default", key.trait)) if reference is not None else None
            if run.run.prefix != "none" and other is not None and key[:2] == (step, "default"):
                ours[run.run.prompt, run.run.prefix, key.trait] = paired_difference(other, values)
    gaps = {
        key: float(np.nanmax(np.abs(np.subtract(ours[key][:3], stated))))
        for key, stated in published.suppression.items()
        if key in ours and not np.isnan(ours[key].value)
    }
    far = sorted((key for key, gap in gaps.items() if gap > _EXACT), key=lambda key: -gaps[key])
    if gaps and not far:
        text = f"{len(gaps)} suppressions with their intervals are those of the scores at step {step}"
        findings.add("found", "published", published.file, text)
    if far:
        named = shortened(
            [f"{prompt} ({prefix}, {trait}) {gaps[prompt, prefix, trait]:.3g}" for prompt, prefix, trait in far]
        )
        text = (
            f"{len(far)} of {len(gaps)} suppressions, or bounds of their intervals, differ from those of the scores at "
            f"step {step}, by points: {named}"
        )
        findings.add("warning", "published", published.file, text)
    absent = sorted({prompt for prompt, prefix, trait in published.suppression if (prompt, prefix, trait) not in ours})
    if absent:
        text = f"suppressions of {shortened(absent, 60)} stand in this table only, without scores of their runs"
        findings.add("missing", "published", published.file, text)
