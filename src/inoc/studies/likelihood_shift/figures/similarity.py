"""The scan with similar prompts, and similar datasets, side by side."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from scipy.cluster.hierarchy import dendrogram, linkage

from inoc.figures.sources import Sources
from inoc.plots.save import Drawing
from inoc.plots.style import GREY
from inoc.studies.likelihood_shift.figures import matrix
from inoc.studies.likelihood_shift.figures.scan import bar_words, cells_of, missing_cells, own_cells, scan_of
from inoc.studies.likelihood_shift.study import Study
from inoc.studies.shared.captions import interval_words, join, missing_words, rows_words

TREE_IN = 0.55


def tree_of(values: np.ndarray) -> np.ndarray:
    """Average linkage of rows by Euclidean distance, ordered so that neighbours are as close as the tree allows.

    Args:
        values: Shape (rows, columns), finite; at least two rows.

    Returns:
        As `scipy.cluster.hierarchy.linkage`.
    """
    tree: np.ndarray = linkage(values, method="average", metric="euclidean", optimal_ordering=True)
    return tree


def filled(values: np.ndarray) -> np.ndarray:
    """Values less their column's mean; what is not known becomes that mean, which is zero.

    Differences between columns, which are most of the variance, so have no part in the distances of rows.
    """
    known = np.isfinite(values)
    n = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, values, 0.0).sum(axis=0) / n
    centred: np.ndarray = np.where(known, values - mean, 0.0)
    return centred


def draw(study: Study, sources: Sources, statistic: str) -> Drawing:
    """The whole grid in the order of two trees, which stand beside it."""
    scan = scan_of(study, sources, statistic)
    prompts, datasets = scan.prompts.all, scan.datasets.all
    values = scan.grid(prompts, datasets)
    centred = filled(values)
    trees = [tree_of(part) if len(part) > 1 else None for part in (centred, centred.T)]
    found = [None if tree is None else dendrogram(tree, no_plot=True) for tree in trees]
    order = [[0] if one is None else list(one["leaves"]) for one in found]
    prompts = [prompts[index] for index in order[0]]
    datasets = [datasets[index] for index in order[1]]
    cells = cells_of(study, values[np.ix_(order[0], order[1])], prompts, datasets)
    style = matrix.Style(
        matrix.diverging(cells.values),
        bar_words(statistic),
        boxed=matrix.Boxed(own_cells(study, prompts, datasets)),
        which=(),
        left_in=TREE_IN,
        top_in=TREE_IN,
    )
    drawn = matrix.matrix_figure(cells, style)
    drawn.axes.tick_params(axis="y", pad=2 + 72 * (TREE_IN + 0.04))
    wide, tall = drawn.cell
    n_rows, n_columns = cells.values.shape
    side = matrix.place(drawn.figure, drawn.left - TREE_IN - 0.03, drawn.top, TREE_IN, tall * n_rows)
    above = matrix.place(drawn.figure, drawn.left, drawn.top - TREE_IN - 0.03, wide * n_columns, TREE_IN)
    _branches(side, found[0], n_rows, turned=True)
    _branches(above, found[1], n_columns, turned=False)
    data = scan.data.copy()
    data["row"] = data["prompt"].map({prompt: index + 1 for index, prompt in enumerate(prompts)})
    data["column"] = data["dataset"].map({dataset: index + 1 for index, dataset in enumerate(datasets)})
    return Drawing(
        drawn.figure,
        data.sort_values(["row", "column"], ignore_index=True),
        join(
            "The whole grid with similar prompts and similar datasets side by side: average linkage of Euclidean "
            "distances between rows, and between columns, of values less their column's mean. Lengths in the trees are "
            "distances; a value that is missing counts as its column's mean there.",
            rows_words(data),
            f"The {interval_words(study)} of each cell is in the data file.",
            missing_words(missing_cells(data)),
        ),
    )


def _branches(axes: Axes, tree: dict[str, list[list[float]]] | None, n: int, *, turned: bool) -> None:
    """Draw a tree whose leaves are at 0, 1, …; turned, it grows to the left of rows that run down the page."""
    axes.set_axis_off()
    if tree is None:
        return
    along = np.array(tree["icoord"]) / 10 - 0.5
    away = np.array(tree["dcoord"])
    reach = float(away.max()) or 1.0
    lines = np.stack([away, along] if turned else [along, away], axis=-1)
    axes.add_collection(LineCollection(list(lines), colors=GREY, linewidths=0.9), autolim=False)
    if turned:
        axes.set(xlim=(reach * 1.03, 0), ylim=(n - 0.5, -0.5))
    else:
        axes.set(xlim=(-0.5, n - 0.5), ylim=(0, reach * 1.03))
