"""Names and sentences that the figures share."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from inoc.plots.scatter import Points
from inoc.studies.preferences.roles import template_of
from inoc.studies.preferences.study import NONE, Study
from inoc.studies.shared.captions import join as join
from inoc.studies.shared.captions import level as level
from inoc.studies.shared.captions import rst as rst
from inoc.studies.shared.labels import label_of

MOST_CHARACTERS = 36
"""Of a name: a longer one would leave no room for what is drawn."""


def instrument_label(study: Study, key: object) -> str:
    """Name of an instrument."""
    given = study.instruments.get(str(key))
    return _name(key, given.label if given is not None else None)


def model_label(study: Study, key: object) -> str:
    """Name of a model; of none, for questions before the task."""
    given = study.models.get(str(key))
    return _name(key, given.label if given is not None else None)


def origin_label(study: Study, key: object) -> str:
    """Name of an origin of tasks."""
    given = study.tasks.origins.get(str(key))
    return _name(key, given.label if given is not None else None)


def context_label(study: Study, key: object) -> str:
    """Name of a context."""
    given = study.contexts.turns.get(str(key))
    return _name(key, given.label if given is not None else None)


def who_label(study: Study, instrument: object, rater: object, completer: object = "") -> str:
    """Name of what an instrument says of a rater, with the completer if it is another one; without one, the rater."""
    if not instrument:
        return model_label(study, rater)
    other = f", of {model_label(study, completer)}" if completer not in ("", rater) else ""
    return f"{instrument_label(study, instrument)}: {model_label(study, rater)}{other}"


def _name(key: object, label: str | None) -> str:
    """A label as long as fits in a figure; without one, the key."""
    return shortened(label_of(str(key), label), MOST_CHARACTERS)


def count_words(n: Sequence[float] | pd.Series, unit: str) -> str:
    """`n = 12 tasks`, or `n = 8 to 12 tasks`."""
    sizes = [int(one) for one in n if one == one]
    if not sizes:
        return f"n = 0 {unit}"
    low, high = min(sizes), max(sizes)
    return f"n = {low:,} {unit}" if low == high else f"n = {low:,} to {high:,} {unit}"


def without_contexts(ratings: pd.DataFrame) -> pd.DataFrame:
    """Ratings under no context."""
    return ratings[(ratings["context_completion"] == NONE) & (ratings["context_measurement"] == NONE)]


def kinds(study: Study) -> set[str]:
    """Kinds of the study's instruments."""
    return {template_of(given).kind for given in study.instruments.values()}


def spread_points(data: pd.DataFrame, x: Sequence[str], y: Sequence[str], colours: Sequence[str]) -> Points:
    """Points of a scatter plot with their intervals.

    Args:
        data: A row per point.
        x: Columns of value, lower and upper bound.
        y: The same.
        colours: One per point.
    """
    across, up = ([data[name].to_numpy(dtype=float) for name in names] for names in (x, y))
    filled = np.ones(len(data), dtype=bool)
    return Points(across[0], across[1], across[2], up[0], up[1], up[2], colours, ["o"] * len(data), filled)


def shortened(name: object, most: int = 30) -> str:
    """A long name with its middle left out."""
    text = str(name)
    return text if len(text) <= most else f"{text[: most // 2 - 1]}…{text[-(most - most // 2) :]}"


def plain_ticks(axis: Axis, ticks: Sequence[float]) -> None:
    """Ticks of a logarithmic axis, with numbers as they are."""
    axis.set_major_locator(FixedLocator(list(ticks)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def wrapped(text: str, width: int) -> str:
    """A title in lines of about so many characters, for a narrow panel."""
    return textwrap.fill(text, max(8, width), break_long_words=False)
