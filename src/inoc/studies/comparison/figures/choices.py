"""Rows and panels of the figures: which studies, which measures, and how much there is room for."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from inoc.shorten import shortened
from inoc.studies.comparison.measures import Matched, chosen
from inoc.studies.comparison.study import Study, label_of

NOTHING = "no row of any measure is in two of the studies"
MOST_PANELS = 9
MOST_OF_STUDY = 40
"""Characters of the name of a study, which leave room for the others beside it."""
MOST_OF_ROW = 46
"""Characters of the name of a row, which leave room for its panel."""
FDR = 0.05
"""False-discovery rate up to which a difference counts as found, in figures and report."""


class Panel(NamedTuple):
    """One measure in the first study and another one."""

    one: Matched
    first: str
    second: str
    rows: pd.DataFrame  # of `differences`


class Panels(NamedTuple):
    """Panels of a figure."""

    shown: list[Panel]
    left_out: int


def panels_of(study: Study, differences: pd.DataFrame) -> Panels:
    """Every measure that has common rows, for the first study against each other one."""
    first, *others = study.studies
    found = []
    for second in others:
        for one in chosen(study):
            at = (differences["first"] == first) & (differences["second"] == second)
            rows = differences[at & (differences["measure"] == one.of.name)]
            if rows["difference"].notna().any():
                found.append(Panel(one, first, second, rows.reset_index(drop=True)))
    return Panels(found[:MOST_PANELS], len(found) - len(found[:MOST_PANELS]))


def left_out_words(panels: Panels) -> str:
    """Sentence on panels for which there is no room."""
    return f"{panels.left_out} more are in the tables." if panels.left_out else ""


def short_label(study: Study, key: str) -> str:
    """Name of a compared study, as long as fits in a figure."""
    return shortened(label_of(study, key), MOST_OF_STUDY)


def pair_words(study: Study, panel: Panel) -> str:
    """`second − first`."""
    return f"{short_label(study, panel.second)} − {short_label(study, panel.first)}"


def method_words(rows: pd.DataFrame) -> str:
    """A sentence on the way in which differences were found."""
    paired = rows[rows["how"] == "paired"]
    units = ", ".join(dict.fromkeys(paired["unit"]))
    if len(paired) == len(rows):
        return f"All differences are paired ({units})"
    if paired.empty:
        return "Differences follow from the intervals of the two numbers"
    return f"{len(paired)} of {len(rows)} differences are paired ({units}), the others follow from the two intervals"
