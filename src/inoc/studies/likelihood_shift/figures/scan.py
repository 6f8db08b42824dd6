"""The scan: the shift of every dataset under every prompt, as the analysis' cells have it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from inoc.figures.sources import Sources
from inoc.plots.heatmap import Scale
from inoc.plots.save import Drawing
from inoc.plots.style import WIDTH_IN
from inoc.studies.likelihood_shift.figures import choices, matrix
from inoc.studies.likelihood_shift.figures.choices import STATISTICS, UNIT, Parts
from inoc.studies.likelihood_shift.study import Study, own_prompt
from inoc.studies.shared.captions import (
    LLS_WORDS,
    interval_words,
    join,
    missing_words,
    rows_words,
)

COLUMNS = ("prompt", "dataset", "statistic", "value", "lo", "hi", "n", "n_nan", "rows_used")
APART_IN, GAP_IN = 0.66, 0.12
MOST_WIDE = 3
"""Columns apart that get the width of a signed number with four digits; of more, each gets that of the others."""


class Scan(NamedTuple):
    """One statistic of all cells."""

    data: pd.DataFrame  # a row per cell, also of those that are not in the table
    prompts: Parts
    datasets: Parts

    def grid(self, prompts: Sequence[str], datasets: Sequence[str], column: str = "value") -> np.ndarray:
        """Values of a block, shape (prompts, datasets); NaN where nothing was measured."""
        wide = self.data.pivot(index="prompt", columns="dataset", values=column)
        block: np.ndarray = wide.reindex(index=list(prompts), columns=list(datasets)).to_numpy(float)
        return block


def scan_of(study: Study, sources: Sources, statistic: str) -> Scan:
    """Cells of a statistic, one for each prompt and dataset of the study.

    Args:
        study: With the order of both.
        sources: Its tables.
        statistic: Key of `choices.STATISTICS`.
    """
    prompts, datasets = choices.split_prompts(study), choices.split_datasets(study)
    table = sources.table("cells", COLUMNS)
    own = table[table["statistic"] == statistic].drop_duplicates(["prompt", "dataset"], keep="last")
    whole = pd.DataFrame(itertools.product(prompts.all, datasets.all), columns=["prompt", "dataset"])
    data = whole.merge(own, how="left", on=["prompt", "dataset"]).assign(statistic=statistic)
    data["own"] = [own_prompt(study, dataset) == prompt for prompt, dataset in zip(*_keys(data), strict=True)]
    return Scan(data, prompts, datasets)


def _keys(data: pd.DataFrame) -> tuple[list[str], list[str]]:
    return data["prompt"].tolist(), data["dataset"].tolist()


def own_cells(study: Study, prompts: Sequence[str], datasets: Sequence[str]) -> list[tuple[int, int]]:
    """Row and column of the prompt under which each dataset was written."""
    place = {prompt: row for row, prompt in enumerate(prompts)}
    return [
        (place[own], column) for column, dataset in enumerate(datasets) if (own := own_prompt(study, dataset)) in place
    ]


def labels(study: Study, prompts: Sequence[str], datasets: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names of rows and columns."""
    return (
        [choices.prompt_label(study, prompt) for prompt in prompts],
        [choices.dataset_label(study, dataset) for dataset in datasets],
    )


def cells_of(study: Study, values: np.ndarray, prompts: Sequence[str], datasets: Sequence[str]) -> matrix.Cells:
    """A matrix with names."""
    return matrix.Cells(values, *labels(study, prompts, datasets))


def missing_cells(data: pd.DataFrame, column: str = "value") -> list[str]:
    """Names of the cells without a value."""
    gone = data[data[column].isna()]
    return [f"{prompt} on {dataset}" for prompt, dataset in zip(*_keys(gone), strict=True)]


def bar_words(statistic: str) -> str:
    """Name of a statistic with its unit."""
    name = STATISTICS[statistic]
    return name if statistic == "share_positive" else f"{name} ({UNIT})"


def draw_scan(study: Study, sources: Sources, statistic: str) -> Drawing:
    """The main grid with colours of its own; columns under no prompt and control rows apart, without colours."""
    scan = scan_of(study, sources, statistic)
    main = scan.grid(scan.prompts.main, scan.datasets.main)
    figure = _split_figure(study, scan, matrix.scale_of(main), bar_words(statistic))
    apart = [
        "controls stand apart below" if scan.prompts.apart else "",
        "datasets written under no prompt stand apart at the right" if scan.datasets.apart else "",
    ]
    words = "; ".join(part for part in apart if part)
    return Drawing(
        figure,
        scan.data,
        join(
            f"{STATISTICS[statistic].capitalize()} of each dataset (column) under each prompt (row)."
            if statistic != "mean"
            else "Mean LLS of each dataset (column) under each prompt (row).",
            f"Colours and marks are about the main grid alone: {words}." if words else "",
            "A frame is around the prompt under which the dataset was written. Compare within columns: columns differ "
            "for reasons of their own.",
            LLS_WORDS,
            rows_words(scan.data),
            f"The {interval_words(study)} of each cell is in the data file.",
            missing_words(missing_cells(scan.data)),
        ),
    )


class Sides(NamedTuple):
    """Widths and heights in inches of a figure with parts apart."""

    left: float
    top: float
    wide: float  # of a column of the main grid
    apart: float  # of a column apart
    tall: float  # of every row


def _sides(rows: Sequence[str], n_main: int, n_apart: int) -> Sides:
    left = matrix.label_width(rows) + 0.14
    room = WIDTH_IN - left - matrix.RIGHT_IN - (GAP_IN if n_apart else 0.0)
    apart = APART_IN if n_apart <= MOST_WIDE else room / (n_main + n_apart)
    wide = min(matrix.MOST_COLUMN_IN, (room - apart * n_apart) / max(1, n_main))
    return Sides(left, matrix.LEGEND_IN + matrix.BAR_IN, wide, apart, matrix.cell_height(len(rows)))


def _split_figure(study: Study, scan: Scan, scale: Scale, words: str) -> Figure:
    prompts, datasets = scan.prompts, scan.datasets
    rows, columns = labels(study, prompts.all, datasets.all)
    n_rows, n_columns = len(prompts.main), len(datasets.main)
    side = _sides(rows, n_columns, len(datasets.apart))
    upper = side.tall * n_rows
    lower_gap = GAP_IN if prompts.apart else 0.0
    grids = upper + lower_gap + side.tall * len(prompts.apart)
    upright = matrix.stand_upright(columns[:n_columns], side.wide, side.left)
    below = matrix.names_height(columns, upright=upright) + matrix.NAME_IN
    figure = matrix.blank(side.top + grids + below)
    right = side.left + side.wide * n_columns + GAP_IN
    blocks = [
        (prompts.main, datasets.main, side.left, side.top, side.wide),
        (prompts.main, datasets.apart, right, side.top, side.apart),
        (prompts.apart, datasets.main, side.left, side.top + upper + lower_gap, side.wide),
        (prompts.apart, datasets.apart, right, side.top + upper + lower_gap, side.apart),
    ]
    bars = [(scale, words, side.left)]
    coloured = scan.grid(prompts.apart, datasets.all) if prompts.apart else scan.grid(prompts.all, datasets.apart)
    greys = matrix.scale_of(coloured, "Greys")
    for index, (own_rows, own_columns, left, top, wide) in enumerate(blocks):
        if not own_rows or not own_columns:
            continue
        cells = cells_of(study, scan.grid(own_rows, own_columns), own_rows, own_columns)
        axes = matrix.place(figure, left, top, wide * len(own_columns), side.tall * len(own_rows))
        digits = matrix.digits_that_fit(cells.values, wide, side.tall, 4)
        if index == 0:
            matrix.draw_cells(axes, cells, scale, digits)
            matrix.mark_extremes(axes, cells.values, matrix.marker_size(wide, side.tall))
        elif digits is not None:
            matrix.draw_plain(axes, cells, digits)
        else:
            matrix.draw_cells(axes, cells, greys, None)
            bars[1:] = [(greys, "the same, apart", side.left + 4.4)]
        matrix.frame_cells(axes, matrix.Boxed(own_cells(study, own_rows, own_columns)))
        if left == side.left:
            matrix.row_names(axes, cells.rows, side.tall)
        if own_rows == prompts.all[-len(own_rows) :]:
            matrix.column_names(axes, cells.columns, wide, upright=upright)
    for own_scale, name, left in bars:
        matrix.colour_bar(figure, own_scale, (left, matrix.LEGEND_IN, 3.8), name)
    handles = matrix.extreme_handles()
    if choices.owned_datasets(study):
        handles.append(matrix.frame_handle("own prompt"))
    matrix.legend_above(figure, handles)
    matrix.axis_name(
        figure, "dataset", side.top + grids + below - matrix.NAME_IN, side.left + side.wide * n_columns / 2
    )
    return figure


def draw_combined(study: Study, sources: Sources, statistic: str) -> Drawing:
    """All cells in one grid, on one scale whose white is zero."""
    scan = scan_of(study, sources, statistic)
    prompts, datasets = scan.prompts.all, scan.datasets.all
    cells = cells_of(study, scan.grid(prompts, datasets), prompts, datasets)
    style = matrix.Style(
        matrix.diverging(cells.values),
        bar_words(statistic),
        boxed=matrix.Boxed(own_cells(study, prompts, datasets)),
        lines=(len(scan.prompts.main), len(scan.datasets.main)),
    )
    return Drawing(
        matrix.matrix_figure(cells, style).figure,
        scan.data,
        join(
            f"All cells on one scale whose white is zero: {STATISTICS[statistic]} of each dataset (column) under each "
            "prompt (row). Marks are about the whole grid; lines divide off controls and datasets written under no "
            "prompt.",
            LLS_WORDS,
            rows_words(scan.data),
            f"The {interval_words(study)} of each cell is in the data file.",
            missing_words(missing_cells(scan.data)),
        ),
    )


def normalised(values: np.ndarray) -> np.ndarray:
    """Each column less its mean, in its population standard deviations; NaN stays NaN and takes no part.

    Args:
        values: Shape (prompts, datasets). A column whose values are all equal becomes zero.
    """
    known = np.isfinite(values)
    n = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, values, 0.0).sum(axis=0) / n
    centred = np.where(known, values - mean, np.nan)
    spread = np.sqrt(np.nansum(centred**2, axis=0) / n)
    z: np.ndarray = centred / np.where(spread > 0, spread, 1.0)
    return z


def draw_normalised(study: Study, sources: Sources, statistic: str) -> Drawing:
    """Each column in its own standard deviations."""
    scan = scan_of(study, sources, statistic)
    prompts, datasets = scan.prompts.all, scan.datasets.all
    cells = cells_of(study, normalised(scan.grid(prompts, datasets)), prompts, datasets)
    # The rows of the data are those of the matrix, in its order.
    data = scan.data.assign(z=cells.values.ravel())
    style = matrix.Style(
        matrix.diverging(cells.values),
        f"{STATISTICS[statistic]}, z within the column",
        digits=2,
        which=(2, 3),
        boxed=matrix.Boxed(own_cells(study, prompts, datasets)),
        lines=(len(scan.prompts.main), len(scan.datasets.main)),
    )
    return Drawing(
        matrix.matrix_figure(cells, style).figure,
        data,
        join(
            f"{STATISTICS[statistic].capitalize() if statistic != 'mean' else 'Mean LLS'}, normalised by column: less "
            "the mean over all prompts, in population standard deviations over prompts. Only the order and the "
            "relative distances within a column are left.",
            rows_words(data),
            f"The {interval_words(study)} in the data file is that of the value before it is normalised.",
            missing_words(missing_cells(data)),
        ),
    )
