"""Numbers of a likelihood-shift study that can be compared with those of another."""

from __future__ import annotations

from typing import Final

from inoc.analyse.comparable import Comparable

_UNITS = "inoc.studies.likelihood_shift.analyse.compared"

COMPARABLE: Final = (
    Comparable(
        "cells",
        "Mean shift (nats per token)",
        "cells",
        ("prompt", "dataset", "statistic"),
        where={"statistic": ("mean",)},
        within=("statistic",),
        units=f"{_UNITS}:cell_units",
        unit="row",
        signed=True,
    ),
    Comparable(
        "contrasts",
        "Own prompt less another (nats per token)",
        "contrasts",
        ("dataset", "prompt", "against", "controlled"),
        where={"controlled": ("false",)},
        within=("controlled",),
        units=f"{_UNITS}:contrast_units",
        unit="row",
        signed=True,
    ),
    Comparable(
        "rates",
        "Rate of a target after the last epoch (share)",
        "students",
        ("student", "seed", "target"),
        "rate",
        where={"is_last": ("true",)},
        within=("target",),
    ),
    Comparable(
        "dose_response",
        "Rate by part of a split",
        "dose_response",
        ("split", "target", "statistic", "part"),
        within=("target", "statistic"),
        default=False,
    ),
)
"""In the order of the report."""
