"""The part of a report on closed questions before and after training."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import pandas as pd

from inoc.report.contents import Block
from inoc.report.words import Table, code, counted, escape, interval, number, probability
from inoc.studies.shared.capability import ALL_DOMAINS
from inoc.studies.shared.captions import HasStatistics, level

HEADING = "Capability"
MOST_ROWS = 40
FDR = 0.05


def capability_block(study: HasStatistics, table: pd.DataFrame, names: Sequence[str], unit: str, how: str) -> Block:
    """The block; it says so if there is nothing to show.

    Args:
        study: Of the level of the intervals.
        table: `capability`; empty if it is missing.
        names: One for each row of the table over all domains.
        unit: A trained model of the study: `run`.
        how: How the questions were asked, as the end of a sentence.
    """
    if table.empty:
        return Block(HEADING, "*Nothing to show; see what was skipped.*")
    every = table[table["domain"] == ALL_DOMAINS]
    trained = every[every["step"] > 0]
    lower = int(((trained["q"] <= FDR) & (trained["difference"] < 0)).sum())
    higher = int(((trained["q"] <= FDR) & (trained["difference"] > 0)).sum())
    before = (
        f"{lower} of {len(trained)} {unit}s answer fewer questions right than the untrained model, and {higher} more, "
        f"with q ≤ {FDR:g}."
    )
    rows = [
        [
            code(name) if one["step"] > 0 else escape(name),
            interval(float(one["accuracy"]), float(one["lo"]), float(one["hi"]), 3),
            _difference(one) if one["step"] > 0 else "–",
            probability(float(one["q"])) if one["step"] > 0 else "–",
            number(float(one["mass"]), 3),
            escape(counted(one["n"], one["n_nan"])),
        ]
        for one, name in zip(every.head(MOST_ROWS).to_dict("records"), names, strict=False)
    ]
    after = (
        f"Share of closed questions whose right option is the likeliest one, {how}; {level(study)} intervals, those of "
        "differences paired by question. The mass is the probability that an option is answered at all: where it is "
        "small, the shares say little. A difference that is not clear is no evidence that nothing was lost, least of "
        "all in what these questions do not ask."
    )
    head = [unit, "answered right", "difference to untrained", "q", "mass", "questions"]
    return Block(HEADING, before, Table(head, rows), after)


def _difference(one: Mapping[Hashable, object]) -> str:
    value, lo, hi = (float(str(one[name])) for name in ("difference", "difference_lo", "difference_hi"))
    return interval(value, lo, hi, 3)
