"""Distances between the distributions of the shift: Jensen–Shannon divergences of datasets."""

from __future__ import annotations

import numpy as np
import pandas as pd

from inoc.figures.sources import Sources
from inoc.plots.dots import note
from inoc.plots.heatmap import Scale, heatmap
from inoc.plots.panels import LINE_IN
from inoc.plots.save import Drawing
from inoc.plots.style import WIDTH_IN, new_figure
from inoc.studies.likelihood_shift.figures import choices, matrix
from inoc.studies.likelihood_shift.study import Study, own_prompt, prompt_table
from inoc.studies.shared.captions import interval_words, join, missing_words, spread_words

COLUMNS = ("dataset_a", "dataset_b", "prompt", "jsd_bits", "jsd_corrected", "lo", "hi", "n_a", "n_b", "n_nan")
COLOURS = "YlOrRd"
BAR = "Jensen–Shannon divergence (bits)"
MOST_ACROSS = 5
NOTHING = "no divergence was computed"


def symmetric(table: pd.DataFrame) -> pd.DataFrame:
    """Rows for both orders of each pair of datasets."""
    turned = table.rename(columns={"dataset_a": "dataset_b", "dataset_b": "dataset_a", "n_a": "n_b", "n_b": "n_a"})
    both = pd.concat([table, turned[list(table)]], ignore_index=True)
    return both.drop_duplicates(["dataset_a", "dataset_b", "prompt"], ignore_index=True)


def _square(data: pd.DataFrame, datasets: list[str]) -> np.ndarray:
    """Divergences of one prompt, shape (datasets, datasets), with a zero diagonal."""
    wide = data.pivot(index="dataset_a", columns="dataset_b", values="jsd_bits")
    values = wide.reindex(index=datasets, columns=datasets).to_numpy(float).copy()
    known = np.isfinite(values).any(axis=1)
    values[known, known] = np.where(np.isfinite(values[known, known]), values[known, known], 0.0)
    return values


def _shown_prompts(study: Study, data: pd.DataFrame) -> list[str]:
    return [prompt for prompt in prompt_table(study) if (data["prompt"] == prompt).any()]


def draw_own(study: Study, sources: Sources) -> Drawing:
    """Each dataset against each other, under the prompt under which the first was written."""
    both = symmetric(sources.table("divergence", COLUMNS))
    datasets = choices.split_datasets(study).all
    rows = [key for key in choices.owned_datasets(study) if (both["prompt"] == own_prompt(study, key)).any()]
    own = both["dataset_a"].map({key: own_prompt(study, key) for key in rows})
    data = both[both["prompt"] == own].reset_index(drop=True)
    if not rows:
        return _nothing(study, data)
    squares = {key: _square(both[both["prompt"] == own_prompt(study, key)], datasets) for key in rows}
    values = np.array([squares[key][datasets.index(key)] for key in rows])
    names = [choices.dataset_label(study, key) for key in rows]
    cells = matrix.Cells(values, names, [choices.dataset_label(study, key) for key in datasets])
    style = matrix.Style(
        _scale(values),
        BAR,
        digits=3,
        which=(),
        boxed=matrix.Boxed([(row, datasets.index(key)) for row, key in enumerate(rows)], "the dataset itself"),
        lines=(0, len(choices.split_datasets(study).main)),
        across="other dataset",
    )
    caption = join(
        "Divergence between the distributions of LLS of two datasets, under the prompt under which the dataset of the "
        "row was written: 100 equal bins over the pooled range, in bits, from 0 (the same) to 1 (apart). Values are "
        "not corrected for bias; the data file has the corrected ones.",
        *_end(study, data),
    )
    return Drawing(matrix.matrix_figure(cells, style).figure, data, caption)


def draw_prompts(study: Study, sources: Sources) -> Drawing:
    """All pairs of datasets, a small matrix for each prompt."""
    data = symmetric(sources.table("divergence", COLUMNS))
    prompts, datasets = _shown_prompts(study, data), choices.split_datasets(study).all
    datasets = [key for key in datasets if (data["dataset_a"] == key).any()]
    if not prompts or not datasets:
        return _nothing(study, data)
    squares = [_square(data[data["prompt"] == prompt], datasets) for prompt in prompts]
    scale = _scale(np.array(squares))
    names = [choices.dataset_label(study, key) for key in datasets]
    if len(prompts) == 1:
        style = matrix.Style(scale, BAR, digits=4, which=(), across="other dataset")
        return Drawing(
            matrix.matrix_figure(matrix.Cells(squares[0], names, names), style).figure, data, _all(study, data)
        )
    across = min(MOST_ACROSS, len(prompts))
    left = matrix.label_width(names) + 0.1
    side = (WIDTH_IN - left - 0.15 - 0.15 * (across - 1)) / across
    cell = side / len(datasets)
    tall, below = max(side, 1.0), matrix.names_height(names, upright=True)
    rows = -(-len(prompts) // across)
    figure = matrix.blank(0.7 + rows * (tall + 0.15 + LINE_IN) + below)
    for index, (prompt, values) in enumerate(zip(prompts, squares, strict=True)):
        down, over = divmod(index, across)
        top = 0.7 + down * (tall + 0.15 + LINE_IN) + LINE_IN + 0.05
        axes = matrix.place(figure, left + over * (side + 0.15), top, side, tall)
        heatmap(axes, values, scale, rows=names, columns=names)
        axes.tick_params(labelleft=False, labelbottom=False)
        axes.set_title(
            choices.short(choices.prompt_label(study, prompt), int(side / 0.095)),
            fontsize="medium",
            pad=3,
            parse_math=False,
        )
        if over == 0:
            matrix.row_names(axes, names, tall / len(datasets))
        if index + across >= len(prompts):
            matrix.column_names(axes, names, cell, upright=True)
    matrix.colour_bar(figure, scale, (left, 0.02, 3.8), BAR)
    return Drawing(figure, data, _all(study, data))


def _all(study: Study, data: pd.DataFrame) -> str:
    return join(
        "Divergence between the distributions of LLS of each two datasets under each prompt: 100 equal bins over the "
        "pooled range, in bits. Not corrected for bias; the data file has the corrected ones.",
        *_end(study, data),
    )


def _scale(values: np.ndarray) -> Scale:
    known = values[np.isfinite(values)]
    return Scale(0.0, float(known.max()) if known.size and known.max() > 0 else 1.0, COLOURS)


def _end(study: Study, data: pd.DataFrame) -> tuple[str, ...]:
    gone = data[data["jsd_bits"].isna()]
    names = [f"{row.dataset_a} and {row.dataset_b} under {row.prompt}" for row in gone.itertuples()]
    return (
        f"n = {spread_words(data['n_a'])} rows of a dataset used; n_nan = {int(data['n_nan'].fillna(0).sum()):,} "
        "scores failed and are left out.",
        f"The bootstrap {interval_words(study)} of each corrected value is in the data file.",
        missing_words(names),
    )


def _nothing(study: Study, data: pd.DataFrame) -> Drawing:
    figure = new_figure(2.4)
    note(figure.subplots(), NOTHING)
    return Drawing(figure, data, join(f"{NOTHING.capitalize()}; n = 0, and there is no {interval_words(study)}."))
