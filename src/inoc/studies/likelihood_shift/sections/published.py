"""Published numbers of an imported study beside those that its rows give here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from inoc.jobs.paths import Paths
from inoc.report.words import Table, code, escape, number
from inoc.studies.likelihood_shift.figures import choices
from inoc.studies.likelihood_shift.study import Study, own_prompt
from inoc.tables import read_table

PUBLISHED = (
    "Means over cells as the study published them, and over the same cells computed here from the rows that it "
    "released. "
    "Own prompt: the grand diagonal; other candidates: the rest of the block of candidates and the datasets written "
    "under "
    "them. The last column has the largest difference of a single number. Where no rows were released, published cells "
    "are all there is, and every figure shows them."
)
DIGITS = 5
BLOCKS = {"own": "own prompt", "others": "other candidates", "none": "datasets written under no prompt"}


def published_table(study: Study, tables: Mapping[str, pd.DataFrame], paths: Paths) -> Table:
    """Published means beside those computed here; empty for a study that was computed here.

    Args:
        study: The study.
        tables: Of the analysis.
        paths: Where the import has left the published numbers.
    """
    rows = [*_cell_rows(study, tables, paths), *_divergence_rows(tables, paths)]
    return Table(["quantity", "about", "published", "computed here", "n", "largest difference"], rows)


def _read(paths: Paths, name: str) -> pd.DataFrame | None:
    path = paths.stage("imports") / f"{name}.parquet"
    return read_table(path) if path.exists() else None


def _cell_rows(study: Study, tables: Mapping[str, pd.DataFrame], paths: Paths) -> Iterator[list[str]]:
    published, cells = _read(paths, "cells"), tables.get("cells")
    if published is None or cells is None:
        return
    keys = ["statistic", "prompt", "dataset"]
    computed = cells[cells["n"] > 0][[*keys, "value"]]
    both = published.merge(computed, how="left", on=keys, suffixes=("", "_here"))
    own = both["dataset"].map({key: own_prompt(study, key) for key in study.datasets}).fillna("")
    candidate = both["prompt"].isin(choices.candidates(study))
    blocks = {
        "own": candidate & (own == both["prompt"]),
        "others": candidate & (own != "") & (own != both["prompt"]),
        "none": candidate & (own == ""),
    }
    for statistic in dict.fromkeys(both["statistic"]):
        for block, chosen in blocks.items():
            found = both[chosen & (both["statistic"] == statistic) & both["value"].notna()]
            if len(found):
                name = choices.STATISTICS.get(str(statistic), str(statistic))
                yield [escape(name), BLOCKS[block], *_compared(found["value"], found["value_here"], "cells")]


def _divergence_rows(tables: Mapping[str, pd.DataFrame], paths: Paths) -> Iterator[list[str]]:
    published, computed = _read(paths, "divergence"), tables.get("divergence")
    if published is None or computed is None:
        return
    turned = computed.rename(columns={"dataset_a": "dataset_b", "dataset_b": "dataset_a"})
    known = pd.concat([computed[computed["n_a"] > 0], turned[turned["n_a"] > 0]], ignore_index=True)
    keys = ["prompt", "dataset_a", "dataset_b"]
    both = published.merge(known[[*keys, "jsd_bits"]], how="left", on=keys, suffixes=("", "_here"))
    both = both[both["dataset_a"] < both["dataset_b"]]
    for prompt, found in both.groupby("prompt", sort=False):
        compared = _compared(found["jsd_bits"], found["jsd_bits_here"], "pairs")
        yield ["Jensen–Shannon divergence (bits)", f"datasets under {code(prompt)}", *compared]


def _compared(published: pd.Series, here: pd.Series, unit: str) -> list[str]:
    known = here.notna().to_numpy()
    n = f"{int(known.sum())} of {len(published)} {unit}"
    if not known.any():
        return [number(float(published.mean()), DIGITS), "no rows were released", n, "–"]
    values, own = published.to_numpy(float)[known], here.to_numpy(float)[known]
    worst = float(np.abs(values - own).max())
    return [number(float(values.mean()), DIGITS), number(float(own.mean()), DIGITS), n, f"{worst:.1g}"]
