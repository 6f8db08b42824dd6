"""Sentences that every caption needs: n, the interval, how seeds are pooled, and what failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.figures.choices import run_seeds
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.captions import rst

MOST_NAMED = 40


def seed_words(study: Study) -> str:
    """Sentence on the pooling of training seeds."""
    seeds = run_seeds(study)
    if len(seeds) == 1:
        return f"One training seed ({seeds[0]}); the interval covers instructions only, not the spread between seeds."
    listed = ", ".join(map(str, seeds))
    return f"Pooled over {len(seeds)} training seeds ({listed}) with intervals for other instructions and other seeds."


def n_words(n: pd.Series, unit: str) -> str:
    """`n = 300 completions` or `n = 280 to 300 completions`.

    Args:
        n: Sizes of the samples behind each plotted number.
        unit: What is counted.
    """
    sizes = n.dropna()
    if sizes.empty:
        return f"n = 0 {unit}"
    low, high = int(sizes.min()), int(sizes.max())
    return f"n = {low} {unit}" if low == high else f"n = {low} to {high} {unit}"


def failed_words(frame: pd.DataFrame, names: Sequence[str], value: str, max_nan: float) -> str:
    """Sentence on plotted numbers that could not be measured, or with many NaN.

    Args:
        frame: Plotted data with the columns `value`, n and n_nan, and perhaps `failed`, the analysis' own flag.
        names: A name for each row; rows of one name are points of one cell.
        value: Column of the plotted number.
        max_nan: A larger share of NaN makes a cell a failed one.
    """
    total = int(frame["n_nan"].fillna(0).sum())
    counted = frame["n"].fillna(0) + frame["n_nan"].fillna(0)
    share = (frame["n_nan"] / counted.where(counted > 0)).fillna(0.0)
    flagged = frame["failed"].fillna(value=False).astype(bool) if "failed" in frame else share > max_nan
    failed = np.asarray(frame[value].isna() | flagged)
    cells = Counter(names)
    bad = Counter(name for name, is_bad in zip(names, failed, strict=True) if is_bad)
    listed = [f"{name} ({n} of {cells[name]} points)" if cells[name] > 1 else name for name, n in bad.items()]
    words = f"n_nan = {total} measurements could not be scored and are left out."
    if not listed:
        return words + " No cell failed."
    shown = "; ".join(rst(name) for name in listed[:MOST_NAMED])
    more = f" and {len(listed) - MOST_NAMED} more" if len(listed) > MOST_NAMED else ""
    return f"{words} Failed cells (no score, or more than {100 * max_nan:g} % without one): {shown}{more}."


def counted_words(study: Study, frame: pd.DataFrame, names: Sequence[str], value: str, unit: str) -> str:
    """Sentence on n of plotted numbers, and on those that could not be measured.

    Args:
        study: The study, for the share of NaN that is allowed.
        frame: As of `failed_words`.
        names: As of `failed_words`.
        value: As of `failed_words`.
        unit: What n counts.
    """
    return f"{n_words(frame['n'], unit)}; {failed_words(frame, names, value, study.statistics.max_nan)}"


def alike_words(names: Sequence[str]) -> str:
    """Panels left out because their value is the same for every prompt, so that no line can be drawn through it.

    Args:
        names: Of the values.
    """
    return f" The same for every prompt, and left out: {rst('; '.join(names))}." if names else ""


def cell_names(frame: pd.DataFrame, *columns: str) -> list[str]:
    """A name for each row, as captions give it: `clown, mix, playful, training`.

    Args:
        frame: Plotted data with the column `prompt`.
        columns: What else tells the cells apart; rows that differ in other columns share their name.
    """
    parts = [frame["prompt"].map(choices.prompt_label), *(frame[column].astype(str) for column in columns)]
    return [", ".join(part for part in row if part != "none") for row in zip(*parts, strict=True)]
