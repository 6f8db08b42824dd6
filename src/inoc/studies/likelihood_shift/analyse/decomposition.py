"""The tables `decomposition` and `controls`: what the cells vary by, and control prompts beside the candidates."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from inoc.analyse.step import Skip
from inoc.stats.means import mean_interval, paired_difference
from inoc.stats.two_way import two_way
from inoc.studies.likelihood_shift.analyse.cells import COMPARED, Matrix
from inoc.studies.likelihood_shift.analyse.rows import Row, Scan, interval
from inoc.tables import INDEX, NUMBER, STRING

DECOMPOSITION = pa.schema(
    [
        ("statistic", STRING),
        ("source", STRING),  # columns (datasets), rows (prompts) or interaction
        ("sum_of_squares", NUMBER),
        ("share", NUMBER),  # of the total; the three add up to 1
        ("n_rows", INDEX),  # prompts
        ("n_columns", INDEX),  # datasets
    ]
)

CONTROLS = pa.schema(
    [
        ("statistic", STRING),
        ("datasets", STRING),  # own (written under a prompt) or other
        ("prompt", STRING),  # a control, `own`, `others` (candidates other than the own), or `candidates` (all of them)
        ("against", STRING),  # empty; or `others` or `candidates`, whose mean is subtracted within each dataset
        ("value", NUMBER),  # mean over the datasets of the cell, or of the mean of the cells, nats per token
        ("lo", NUMBER),  # t interval over the datasets
        ("hi", NUMBER),
        ("n", INDEX),  # datasets
        ("n_nan", INDEX),
    ]
)


def decomposition_rows(scan: Scan, cells: list[Row]) -> tuple[list[Row], list[Skip]]:
    """Three rows for each statistic: the two-way fit of datasets with an own prompt by the prompts that are own."""
    datasets = [dataset for dataset, own in scan.own.items() if own in scan.candidates]
    prompts = list(dict.fromkeys(scan.own[dataset] for dataset in datasets))
    rows: list[Row] = []
    skipped: list[Skip] = []
    for statistic in COMPARED:
        block = Matrix(cells, statistic).block(prompts, datasets)
        if np.isnan(block).all() and block.size:
            continue
        if min(block.shape) < 2 or np.isnan(block).any():
            why = "it needs every cell of at least two datasets that were written under prompts, by those prompts"
            skipped.append(Skip(f"decomposition of {statistic}", why))
            continue
        found = two_way(block)
        for source, part in (("columns", found.columns), ("rows", found.rows), ("interaction", found.interaction)):
            sizes: Row = {"n_rows": block.shape[0], "n_columns": block.shape[1]}
            head: Row = {"statistic": statistic, "source": source}
            rows.append({**head, "sum_of_squares": part, "share": found.share(part), **sizes})
    return rows, skipped


def control_rows(scan: Scan, cells: list[Row]) -> list[Row]:
    """Means over datasets of each control prompt's cells, and of the candidates' beside them."""
    rows: list[Row] = []
    written = [dataset for dataset, own in scan.own.items() if own in scan.candidates]
    groups = {"own": written, "other": [dataset for dataset in scan.own if dataset not in written]}
    for statistic in COMPARED:
        matrix = Matrix(cells, statistic)
        for name, datasets in groups.items():
            block = matrix.block(scan.prompts, datasets)
            if not datasets or np.isnan(block).all():
                continue
            candidates = block[: len(scan.candidates)]
            lines = {"candidates": candidates.mean(axis=0)}
            if name == "own":
                places = [list(scan.candidates).index(scan.own[dataset]) for dataset in datasets]
                mine = candidates[places, np.arange(len(datasets))]
                n_others = max(len(candidates) - 1, 1)
                lines |= {"own": mine, "others": (candidates.sum(axis=0) - mine) / n_others}
            lines |= dict(zip(scan.controls, block[len(scan.candidates) :], strict=True))
            rest = "others" if name == "own" else "candidates"
            for prompt, values in lines.items():
                head: Row = {"statistic": statistic, "datasets": name, "prompt": prompt}
                rows.append({**head, "against": "", **interval(mean_interval(values, scan.confidence))})
                if prompt not in (rest, "candidates"):
                    found = paired_difference(values, lines[rest], scan.confidence)
                    rows.append({**head, "against": rest, **interval(found)})
    return rows
