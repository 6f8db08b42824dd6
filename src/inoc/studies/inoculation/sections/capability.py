"""The part of the report on closed questions before and after training."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import pandas as pd

from inoc.report.contents import Block
from inoc.report.words import Table, code, counted, escape, interval, number, probability
from inoc.studies.inoculation.analyse.rows import ALL
from inoc.studies.inoculation.capability import UNTRAINED
from inoc.studies.inoculation.study import Study

HEADING = "Capability"
MOST_ROWS = 40
FDR = 0.05


def capability_block(study: Study, table: pd.DataFrame) -> list[Block]:
    """The block; none for a study that asks no closed questions.

    Args:
        study: The study.
        table: The table `capability`; empty if it is missing.
    """
    if study.capability is None:
        return []
    if table.empty:
        return [Block(HEADING, "*Nothing to show; see what was skipped.*")]
    every = table[table["domain"] == ALL]
    trained = every[every["run"] != UNTRAINED]
    lower = int(((trained["q"] <= FDR) & (trained["difference"] < 0)).sum())
    higher = int(((trained["q"] <= FDR) & (trained["difference"] > 0)).sum())
    before = (
        f"{lower} of {len(trained)} runs answer fewer questions right than the untrained model, and {higher} more, "
        f"with q ≤ {FDR:g}."
    )
    rows = [
        [
            "untrained" if one["run"] == UNTRAINED else code(one["run"]),
            interval(float(one["accuracy"]), float(one["lo"]), float(one["hi"]), 3),
            "–" if one["run"] == UNTRAINED else _difference(one),
            "–" if one["run"] == UNTRAINED else probability(float(one["q"])),
            number(float(one["mass"]), 3),
            escape(counted(one["n"], one["n_nan"])),
        ]
        for one in every.head(MOST_ROWS).to_dict("records")
    ]
    level = f"{100 * study.statistics.confidence:g} %"
    after = (
        f"Share of closed questions whose right option is the likeliest one, at the last step, asked without a prefix; "
        f"{level} intervals, those of differences paired by question. The mass is the probability that an option is "
        "answered at all: where it is small, the shares say little. A difference that is not clear is no evidence that "
        "nothing was lost, least of all in what these questions do not ask."
    )
    head = ["run", "answered right", "difference to untrained", "q", "mass", "questions"]
    return [Block(HEADING, before, Table(head, rows), after)]


def _difference(one: Mapping[Hashable, object]) -> str:
    value, lo, hi = (float(str(one[name])) for name in ("difference", "difference_lo", "difference_hi"))
    return interval(value, lo, hi, 3)
