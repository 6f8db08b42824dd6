"""The table `columns`: own prompts against the mean of the other candidates, by dataset and over all datasets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from inoc.stats.contrasts import Contrast, against_mean, contrast_of, tested
from inoc.stats.means import NAN, Floats
from inoc.stats.tails import tail_parts
from inoc.studies.likelihood_shift.analyse.cells import COMPARED, TAILS, Matrix
from inoc.studies.likelihood_shift.analyse.contrasts import with_q
from inoc.studies.likelihood_shift.analyse.own import Excess, excess
from inoc.studies.likelihood_shift.analyse.rows import ALL, Row, Scan, contrast_cells
from inoc.studies.likelihood_shift.inputs import Column
from inoc.tables import INDEX, NUMBER, STRING

COLUMNS = pa.schema(
    [
        ("dataset", STRING),  # or `all`
        ("prompt", STRING),  # the dataset's own; empty for `all`
        ("statistic", STRING),  # mean, top20 or top5
        ("own_rank", NUMBER),  # 1: the own prompt's cell is the largest of its column; mean rank for `all`
        ("n_prompts", INDEX),  # prompts with a cell, controls included
        ("contrast", NUMBER),  # own cell − mean of the other candidates' cells, nats per token
        ("se", NUMBER),  # of the rows of the dataset; for `all`, of the datasets
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("p", NUMBER),  # two-sided
        ("q", NUMBER),  # over the datasets, for each statistic
        ("n", INDEX),  # rows; for `all`, datasets
        ("n_nan", INDEX),
        ("smallest_against", STRING),  # the prompt, controls included, with the largest cell but the own
        ("n_largest", INDEX),  # datasets whose own prompt is their largest: 0 or 1; their number for `all`
        ("excess", NUMBER),  # contrast of what is left after the prompts' effects in the other datasets
        ("excess_lo", NUMBER),
        ("excess_hi", NUMBER),
        ("p_own", NUMBER),  # one-sided: of the own prompt being one of the candidates
        ("q_own", NUMBER),
    ]
)


def own_contrasts(column: Column, scan: Scan) -> dict[str, Contrast]:
    """Statistic → own prompt minus the mean of the other candidates, paired by row; empty without an own prompt."""
    own = scan.own.get(column.dataset, "")
    if own not in column.prompts:
        return {}
    known = [place for place, shifts in enumerate(column.shifts) if not np.isnan(shifts).all()]
    place = column.prompts.index(own)
    others = [one for one in known if one != place and column.prompts[one] in scan.candidates]
    found = {"mean": against_mean(column.shifts, place, others, scan.confidence)}
    used = column.shifts[[place, *others]]
    whole = used[:, ~np.isnan(used).any(axis=0)]
    for name, share in TAILS.items():
        found[name] = _of_tails(whole, share, scan.confidence, used.shape[1])
    return found


def _of_tails(whole_PN: Floats, share: float, confidence: float, n_rows: int) -> Contrast:
    """The error of a contrast of tails, from each row's parts in them; its value is replaced by that of the cells."""
    n = whole_PN.shape[1]
    if n < 2 or len(whole_PN) < 2:
        return Contrast(NAN, NAN, NAN, NAN, NAN, n, n_rows - n)
    parts_PN = tail_parts(whole_PN, share)
    found = contrast_of(parts_PN[0] - parts_PN[1:].mean(axis=0), confidence)
    return found._replace(n_nan=n_rows - n)


def column_rows(scan: Scan, cells: list[Row], contrasts: dict[str, dict[str, Contrast]]) -> list[Row]:
    """All rows of the table.

    Args:
        scan: The study.
        cells: Rows of `cells`.
        contrasts: Dataset → statistic → `own_contrasts`, of the datasets whose rows are known.
    """
    datasets = [dataset for dataset, own in scan.own.items() if own in scan.candidates]
    rows: list[Row] = []
    for statistic in COMPARED:
        matrix = Matrix(cells, statistic)
        block = matrix.block(list(scan.candidates), datasets)
        owners = [list(scan.candidates).index(scan.own[dataset]) for dataset in datasets]
        every = matrix.block(scan.prompts, datasets)
        found = [
            _row(scan, dataset, statistic, every[:, place], contrasts.get(dataset, {}).get(statistic))
            | _excess_cells(excess(block, owners, place, scan.confidence))
            for place, dataset in enumerate(datasets)
        ]
        found = [row for row in found if not np.isnan(float(str(row["contrast"])))]
        found = with_q(with_q(found, "statistic"), "statistic", "p_own", "q_own")
        rows += [*found, *_summary(found, statistic, scan.confidence)]
    return rows


def _excess_cells(found: Excess) -> Row:
    return {"excess": found.value, "excess_lo": found.lo, "excess_hi": found.hi, "p_own": found.p}


def _row(scan: Scan, dataset: str, statistic: str, cells_P: Floats, rows: Contrast | None) -> Row:
    own = scan.own[dataset]
    place = scan.prompts.index(own)
    mine, known = cells_P[place], ~np.isnan(cells_P)
    candidate = np.array([one in scan.candidates and one != own for one in scan.prompts])
    others = cells_P[candidate & known]
    value = float(mine - others.mean()) if others.size else NAN
    rivals = np.where(np.arange(cells_P.size) == place, NAN, cells_P)
    nearest = "" if np.isnan(rivals).all() else scan.prompts[int(np.nanargmax(rivals))]
    rank = NAN if np.isnan(mine) else 1.0 + int((cells_P[known] > mine).sum())
    return {
        "dataset": dataset,
        "prompt": own,
        "statistic": statistic,
        "own_rank": rank,
        "n_prompts": int(known.sum()),
        **contrast_cells(_at(value, rows, TAILS.get(statistic, 1.0), scan.confidence), "contrast"),
        "smallest_against": nearest,
        "n_largest": int(rank == 1),
    }


def _at(value: float, rows: Contrast | None, share: float, confidence: float) -> Contrast:
    """The error of the rows about the value of the cells, which differs from theirs in tails.

    Degrees of freedom are those of the rows of the tail: few rows give most of the error, and with those of all rows
    tests of small tails are significant too often.
    """
    if rows is None or np.isnan(rows.se):
        return Contrast(value, NAN, NAN, NAN, NAN, 0 if rows is None else rows.n, 0 if rows is None else rows.n_nan)
    return tested(value, rows.se, max(rows.n * share - 1, 1), confidence, (rows.n, rows.n_nan))


def _summary(rows: Sequence[Row], statistic: str, confidence: float) -> list[Row]:
    """The row of all datasets: t intervals over them."""
    if not rows:
        return []
    values = np.array([[float(str(row[name])) for row in rows] for name in ("contrast", "excess", "own_rank")])
    found, beyond = contrast_of(values[0], confidence), contrast_of(values[1], confidence)
    return [
        {
            "dataset": ALL,
            "prompt": "",
            "statistic": statistic,
            "own_rank": float(values[2].mean()),
            "n_prompts": int(max(int(str(row["n_prompts"])) for row in rows)),
            **contrast_cells(found, "contrast"),
            "q": NAN,
            "smallest_against": "",
            "n_largest": sum(int(str(row["n_largest"])) for row in rows),
            "excess": beyond.value,
            "excess_lo": beyond.lo,
            "excess_hi": beyond.hi,
            "p_own": beyond.p / 2 if beyond.value > 0 else 1 - beyond.p / 2,
            "q_own": NAN,
        }
    ]
