"""The verb `inoc prefer link`: utilities of two fits on one scale, by the items that both have."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.errors import DataError
from inoc.prefer.read import numbers_of, read_csv
from inoc.stats.utilities.link import link, refuse_pooled
from inoc.tables import NUMBER, STRING, read_table, write_table

LINKED = pa.schema(
    [
        ("item", STRING),
        ("first", NUMBER),  # utility in the first fit; NaN for an item that it has not
        ("second", NUMBER),  # in the second, as it is there
        ("linked", NUMBER),  # the same on the scale of the first
        ("difference", NUMBER),  # linked − first; NaN unless both fits have the item
    ]
)
"""`linked.parquet`. Key: item."""


def read_utilities(path: Path) -> pd.Series:
    """Item → utility of a fit, from a table with item (or task_id) and mu.

    Raises:
        DataError: If a column is missing, an item is there twice, or several fits stand one after the other.
    """
    frame = read_table(path) if path.suffix == ".parquet" else read_csv(path)
    name = next((one for one in ("item", "task_id") if one in frame), None)
    if name is None or "mu" not in frame:
        raise DataError(f"{path}: expected columns item (or task_id) and mu; found {list(frame.columns)}")
    if "fit" in frame and frame["fit"].nunique() > 1:
        raise DataError(f"{path}: {frame['fit'].nunique()} fits in one table. Give a table with one of them")
    mu = numbers_of(frame, "mu", path)
    refuse_pooled(mu, str(path))
    items = frame[name].astype(str)
    if (again := items.duplicated()).any():
        raise DataError(f"{path}: {items[again].iloc[0]!r} is there twice. Keep one row of it")
    return pd.Series(mu, index=items.to_numpy())


def link_files(options: argparse.Namespace) -> None:
    """Write `linked.parquet` and its CSV twin, and print the link.

    Args:
        options: `first`, `second`, `location_only`, `out`.

    Raises:
        DataError: If a table is none of one fit, or the two have no common scale.
    """
    first, second = read_utilities(options.first), read_utilities(options.second)
    common = first.index.intersection(second.index)
    found = link(
        first[common].to_numpy(dtype=np.float64),
        second[common].to_numpy(dtype=np.float64),
        scaled=not options.location_only,
    )
    items = first.index.append(second.index.difference(first.index))
    rows = pd.DataFrame(
        {"item": items, "first": first.reindex(items).to_numpy(), "second": second.reindex(items).to_numpy()}
    )
    rows["linked"] = found.moved(rows["second"].to_numpy(dtype=np.float64))
    rows["difference"] = rows["linked"] - rows["first"]
    write_table(rows, LINKED, options.out / "linked.parquet", csv=True)
    r = found.agreement
    print(
        f"{options.out}: {found.n} common items, r = {r.value:.3f} ({r.lo:.3f} to {r.hi:.3f}); second fit × "
        f"{found.slope:.4g} + {found.intercept:.4g}, sd of the rest {found.residual_sd:.3g}"
    )
