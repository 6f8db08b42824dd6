"""Sites along an axis, and names of vectors, for the figures about persona vectors."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from inoc.studies.shared.labels import label_of
from inoc.studies.subliminal.study import Study
from inoc.vectors.sites import in_order

BETWEEN = 6
"""Number of blocks that have a label, at most."""


def short_name(site: str) -> str:
    """`embed`, the number of the block, or `norm`."""
    return {"embed": "embed", "final_norm": "norm"}.get(site, site.rpartition(".")[2])


def site_axis(axes: Axes, sites: list[str]) -> None:
    """Label the sites at 0, 1, … of the x axis: the ends, and some blocks between them."""
    step = max(1, -(-len(sites) // BETWEEN))
    shown = [place for place in range(len(sites)) if place % step == 0]
    axes.set_xticks(shown, [short_name(sites[place]) for place in shown])
    axes.set_xlim(-0.5, len(sites) - 0.5)
    axes.set_xlabel("site (block)")


def places(sites: list[str], column: pd.Series) -> np.ndarray:
    """Position of each row's site among the sites."""
    return np.array([sites.index(str(site)) for site in column], dtype=float)


def trait_label(study: Study, key: str) -> str:
    """Name of a trait."""
    return label_of(key, study.persona[key].label if key in study.persona else None)


def shown_site(table: pd.DataFrame, column: str = "site") -> str:
    """The one site that a figure shows: the middle one of those that the table has; empty for none."""
    known = in_order(table[column])
    return known[len(known) // 2] if known else ""
