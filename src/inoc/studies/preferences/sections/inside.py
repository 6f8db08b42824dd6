"""The section on the inside of a model: what its activations say about preferences."""

from __future__ import annotations

import pandas as pd

from inoc.report.contents import EMPTY, Block
from inoc.report.words import Table, escape, interval, number
from inoc.studies.preferences.analyse.probed import at_places, best_places, overall
from inoc.studies.preferences.figures import words
from inoc.studies.preferences.figures.probes import probe_label
from inoc.studies.preferences.sections.front import Tables
from inoc.studies.preferences.study import Study

MOST_ROWS = 80
_PROTOCOLS = {"within": "folds", "held_out_origin": "held-out origin", "train_k": "few origins"}
_SHOWN = ("r2", "accuracy", "r", "r_within", "r_between", "r2_mean_adjusted", "r2_beyond_origin")


def has_probes(study: Study, tables: Tables) -> bool:
    """Whether a study has probes, or an import measures or directions of any."""
    return bool(study.probes) or any(name in tables and len(tables[name]) for name in ("probes", "probe_cosines"))


def probe_blocks(study: Study, tables: Tables) -> list[Block]:
    """Measures of probes at their best places, their baselines, and cosines."""
    return [
        Block(
            "Probes",
            "All out of sample, at the site and read-out with the highest r within folds, or else on held-out origins, "
            "which flatters a little. The "
            "adjusted R² takes the mean of the held-out labels for granted, which no probe knows.",
            _measures(study, tables),
            always=False,
        ),
        Block(
            "What needs no look inside",
            "The same labels from features of the task, from shuffled labels and from random activations; R², or the "
            "share of held-out choices.",
            _baselines(study, tables),
            always=False,
        ),
        Block(
            "Directions",
            "Cosines of coefficients alone; the null is of refits on resampled tasks with shuffled labels.",
            _cosines(study, tables),
            always=False,
        ),
    ]


def _table(tables: Tables) -> pd.DataFrame | None:
    table = tables.get("probes")
    if table is None or table.empty:
        return None
    kept = at_places(table, best_places(table))
    return overall(kept)


def _measures(study: Study, tables: Tables) -> Table:
    table = _table(tables)
    if table is None:
        return EMPTY
    own = table[(table["baseline"] == "") & (table["site"] != "")]
    rows = []
    for (probe, protocol), part in own.groupby(["probe", "protocol"], sort=False):
        found = {str(row["metric"]): row for row in part.to_dict("records")}
        first = part.iloc[0]
        p = [f"{float(found[name]['value']):.3g}" if name in found else "" for name in ("p", "p_within")]
        place = ", ".join(str(first[name]) for name in ("site", "readout") if first[name])
        rows.append(
            [
                escape(probe_label(study, probe)),
                escape(place),
                _PROTOCOLS.get(str(protocol), str(protocol)),
                *(_value(found.get(name)) for name in _SHOWN),
                *p,
                str(first["n"]),
            ]
        )
    head = ["probe", "place", "test", "R²", "right choices", "r", "r within", "r between", "R² adjusted"]
    head += ["R² beyond origin", "p", "p within", "n"]
    return Table(head, rows[:MOST_ROWS]) if rows else EMPTY


def _value(row: dict[object, object] | None) -> str:
    if row is None:
        return ""
    return interval(float(str(row["value"])), float(str(row["lo"])), float(str(row["hi"])), 2)


def _baselines(study: Study, tables: Tables) -> Table:
    table = _table(tables)
    if table is None:
        return EMPTY
    own = table[(table["baseline"] != "") & table["metric"].isin(["r2", "accuracy"])]
    own = own[(own["protocol"] == "within") & ~((own["metric"] == "accuracy") & _has_r2(own))]
    ceilings = table[table["metric"] == "r2_ceiling"]
    rows = [
        [escape(probe_label(study, row["probe"])), escape(row["baseline"]), _value(dict(row)), str(row["n"])]
        for row in own.to_dict("records")
    ]
    rows += [
        [escape(probe_label(study, row["probe"])), "largest that the labels allow", _value(dict(row)), str(row["n"])]
        for row in ceilings.to_dict("records")
        if row["value"] == row["value"]
    ]
    return Table(["probe", "baseline", "value", "n"], rows[:MOST_ROWS]) if rows else EMPTY


def _has_r2(own: pd.DataFrame) -> pd.Series:
    return own["probe"].isin(set(own.loc[own["metric"] == "r2", "probe"]))


def _cosines(study: Study, tables: Tables) -> Table:
    table = tables.get("probe_cosines")
    if table is None or table.empty:
        return EMPTY
    rows = [
        [
            *(escape(_named(study, row, side)) for side in "ab"),
            escape(f"{row['site']}, {row['readout']}"),
            interval(float(row["cosine"]), float(row["lo"]), float(row["hi"]), 2),
            f"{number(float(row['null_lo']), 2)} to {number(float(row['null_hi']), 2)}",
            f"{float(row['p']):.3g}",
        ]
        for row in table.head(MOST_ROWS).to_dict("records")
    ]
    return Table(["probe", "and", "place", "cosine", "null", "p"], rows)


def _named(study: Study, row: dict[object, object], side: str) -> str:
    origin = str(row[f"origin_{side}"])
    name = probe_label(study, row[f"probe_{side}"])
    return f"{name}, {words.origin_label(study, origin)}" if origin else name
