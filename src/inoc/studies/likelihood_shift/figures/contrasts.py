"""Contrasts within a column: the own prompt of a dataset less each other prompt."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from inoc.figures.sources import Sources
from inoc.plots.dots import note
from inoc.plots.save import Drawing
from inoc.plots.style import BLACK, new_figure
from inoc.studies.likelihood_shift.figures import choices, matrix
from inoc.studies.likelihood_shift.figures.choices import STATISTICS, UNIT
from inoc.studies.likelihood_shift.figures.scan import cells_of, own_cells, scan_of
from inoc.studies.likelihood_shift.study import Study, own_prompt
from inoc.studies.shared.captions import interval_words, join, missing_words, rows_words

COLUMNS = ("dataset", "prompt", "against", "value", "se", "lo", "hi", "p", "q", "n", "n_nan", "controlled")
NO_OWN = "no dataset was written under a prompt of the study"


def draw(study: Study, sources: Sources, which: str) -> Drawing:
    """Contrasts of the mean from their table, with their tests.

    Args:
        study: The study.
        sources: Its tables.
        which: `raw`, or `controlled` for those adjusted for the format of the answers.
    """
    table = sources.table("contrasts", COLUMNS)
    own = table[table["controlled"].astype(bool) == (which == "controlled")]
    data = _whole(study, own)
    sure = np.where(data["lo"] > 0, "above", np.where(data["hi"] < 0, "below", "zero"))
    data["interval"] = np.where(data["lo"].notna() & data["hi"].notna(), sure, "not known")
    known = data[data["value"].notna()]
    counts = f"{int((known['interval'] == 'above').sum())} of {len(known)} contrasts have an interval above zero"
    held = ", with the format of the answers held constant by regression" if which == "controlled" else ""
    caption = join(
        f"Contrasts within a column, paired by row: mean LLS of a dataset (column) under the prompt under which it was "
        f"written, less that under each other prompt (row){held}. Above zero the own prompt fits better.",
        f"{counts} and {int((known['q'] <= 0.05).sum())} have q ≤ 0.05 over the matrix; × marks those whose interval "
        "holds zero. The column's smallest is its closest rival.",
        rows_words(data.rename(columns={"interval": "whisker"}), "rows behind each contrast"),
        f"The {interval_words(study)} of each contrast is in the data file.",
        missing_words([f"{other} on {dataset}" for dataset, other in _gone(data)]),
    )
    return Drawing(_figure(study, data), data, caption)


def draw_of_cells(study: Study, sources: Sources, statistic: str) -> Drawing:
    """Differences of cells of another statistic, which have no interval of their own."""
    scan = scan_of(study, sources, statistic)
    values = scan.data.set_index(["prompt", "dataset"])
    data = _pairs(study)
    for column, (end, key) in itertools.product(
        ("value", "n", "n_nan", "rows_used"), {"own": "prompt", "against": "against"}.items()
    ):
        places = pd.MultiIndex.from_frame(data[[key, "dataset"]])
        data[f"{column}_{end}"] = values[column].reindex(places).to_numpy(float)
    data["value"] = data["value_own"] - data["value_against"]
    data["n"] = data[["n_own", "n_against"]].min(axis=1)
    data["n_nan"] = data[["n_nan_own", "n_nan_against"]].max(axis=1)
    data["rows_used"] = data["rows_used_own"]
    data["lo"], data["hi"], data["interval"] = np.nan, np.nan, "not known"
    caption = join(
        f"Contrasts within a column: {STATISTICS[statistic]} of a dataset (column) under the prompt under which it was "
        "written, less that under each other prompt (row). Either prompt has its own highest rows. The column's "
        "smallest is its closest rival.",
        rows_words(data, "rows of the smaller of the two cells"),
        f"Single differences have no interval; the {interval_words(study)} of each column's mean contrast is in the "
        "figure of contrasts by dataset.",
        missing_words([f"{other} on {dataset}" for dataset, other in _gone(data)]),
    )
    return Drawing(_figure(study, data), data, caption)


def _pairs(study: Study) -> pd.DataFrame:
    """Each dataset with an own prompt and each other prompt."""
    prompts = choices.split_prompts(study).all
    rows = [
        (dataset, own_prompt(study, dataset), against)
        for dataset, against in itertools.product(choices.owned_datasets(study), prompts)
        if against != own_prompt(study, dataset)
    ]
    return pd.DataFrame(rows, columns=["dataset", "prompt", "against"])


def _whole(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """Rows of the table for each pair; NaN for those that it lacks."""
    keys = ["dataset", "prompt", "against"]
    return _pairs(study).merge(table.drop_duplicates(keys, keep="last"), how="left", on=keys)


def _gone(data: pd.DataFrame) -> list[tuple[str, str]]:
    gone = data[data["value"].isna()]
    return list(zip(gone["dataset"], gone["against"], strict=True))


def _figure(study: Study, data: pd.DataFrame) -> Figure:
    prompts, datasets = choices.split_prompts(study), choices.owned_datasets(study)
    if not datasets:
        figure = new_figure(2.4)
        note(figure.subplots(), NO_OWN)
        return figure
    wide = data.pivot(index="against", columns="dataset", values="value").reindex(index=prompts.all, columns=datasets)
    unsure = (
        data.pivot(index="against", columns="dataset", values="interval").reindex(index=prompts.all, columns=datasets)
        == "zero"
    )
    own = own_cells(study, prompts.all, datasets)
    cells = cells_of(study, wide.to_numpy(float), prompts.all, datasets)
    has_unsure = bool(unsure.to_numpy().any())
    style = matrix.Style(
        matrix.diverging(cells.values[: len(prompts.main)], "PuOr_r"),
        f"own prompt − row's prompt ({UNIT})",
        which=(3,),
        boxed=matrix.Boxed(own),
        lines=(len(prompts.main), 0),
        handles=(Line2D([], [], linestyle="none", marker="x", color=BLACK, label="interval holds zero"),)
        if has_unsure
        else (),
    )
    drawn = matrix.matrix_figure(cells, style)
    at_home = {(column, row) for row, column in own}
    for text in drawn.axes.texts:
        if text.get_position() in at_home:
            text.set(text="own", color=BLACK)
    y, x = np.nonzero(unsure.to_numpy())
    if len(x):
        size = matrix.marker_size(*drawn.cell)
        drawn.axes.scatter(x - 0.38, y - 0.35, s=size**2, marker="x", color="black", linewidths=0.8, zorder=5)
    return drawn.figure
