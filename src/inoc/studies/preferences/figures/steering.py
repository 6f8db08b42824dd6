"""Figures of steering: dose and response beside random vectors, and what of the answers is left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from inoc.figures.sources import Sources
from inoc.plots.panels import panel_grid
from inoc.plots.save import Drawing
from inoc.plots.style import BLACK, BLUE, GREEN, GREY, ORANGE, VERMILION
from inoc.studies.preferences.figures import words
from inoc.studies.preferences.figures.blank import blank
from inoc.studies.preferences.steering_vectors import COMBINATION, NULLS, OWN, RANDOM, SHUFFLED
from inoc.studies.preferences.study import Study
from inoc.studies.shared.labels import label_of

COLUMNS = (
    "coefficient",
    "difference",
    "difference_lo",
    "difference_hi",
    "n",
    "n_lost",
    "n_answers",
    "kept",
    "coherence",
)
COLOURS = (BLUE, ORANGE, GREEN, VERMILION, BLACK)
MOST_TARGETS = 6
MOST_VECTORS = len(COLOURS)
FEWEST_OF_BAND = 5
"""Vectors of a null below which each has a line of its own."""
BANDS: dict[str, dict[str, Any]] = {
    RANDOM: {"color": GREY, "alpha": 0.35, "linewidth": 0},
    COMBINATION: {"facecolor": "none", "edgecolor": GREY, "hatch": "////", "linewidth": 0.6},
}
"""Kind of a null → look of its band."""


def vector_label(study: Study, name: object) -> str:
    """Name of a vector in figures and tables."""
    start, _, key = str(name).partition(":")
    if start in ("probe", SHUFFLED):
        own = study.probes.get(key)
        label = label_of(key, own.label if own is not None else None)
        return f"{label} (shuffled labels)" if start == SHUFFLED else f"{label} (probe)"
    if start == "concept" and key in study.concepts:
        return f"{label_of(key, study.concepts[key].label)} (concept)"
    return str(name)


def target_label(study: Study, target: object) -> str:
    """Name of a target, with where in its question the vector is added."""
    given = study.steering.targets.get(str(target)) if study.steering is not None else None
    if given is None:
        return str(target).replace("_", " ")
    where = {"first": ", first text", "second": ", second text", "differential": ", first less second"}
    return f"{words.instrument_label(study, given.instrument)}{where.get(given.text, '')}"


def shown_vectors(table: pd.DataFrame) -> list[str]:
    """Vectors that have a line: those of the study, then that of shuffled labels."""
    own = table[~table["kind"].isin(NULLS)]
    return list(dict.fromkeys([*own.loc[own["kind"] == OWN, "vector"], *own["vector"]]))[:MOST_VECTORS]


def with_lines(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of the vectors of the study, and of those of a null of which a target has few."""
    null = table["kind"].isin(NULLS)
    many = table.groupby(["target", "kind"])["vector"].transform("nunique") >= FEWEST_OF_BAND
    return table[~(null & many)]


def swept(sources: Sources) -> tuple[pd.DataFrame, list[str]]:
    """Doses with all answers, coherent or not, and the targets that have a panel."""
    whole = sources.table("dose_response", COLUMNS)
    table = whole[whole["answers"] == "all"].reset_index(drop=True)
    return table, list(dict.fromkeys(table["target"]))[:MOST_TARGETS]


def draw_dose(study: Study, sources: Sources) -> Drawing:
    """A panel for each target: answers by coefficient, each vector with its interval, and the band of random ones."""
    table, targets = swept(sources)
    if not targets:
        return blank(table, "nothing was steered")
    vectors = shown_vectors(table)
    figure, axes_of = panel_grid(
        len(targets), min(2, len(targets)), plot_in=1.9, legend_lines=4, share_y=False, gap_in=1.05, left_in=1.05
    )
    shown: list[pd.DataFrame] = []
    for axes, target in zip(axes_of, targets, strict=True):
        rows = table[table["target"] == target]
        nulls = [_null(axes, rows, kind, "difference") for kind in NULLS]
        lines = list(_lines(axes, rows, vectors))
        _limits(axes, [*nulls, *lines])
        shown += [*nulls, *lines]
        axes.set_title(words.shortened(target_label(study, target), 40), fontsize="medium", parse_math=False)
        axes.set(xlabel="coefficient", ylabel="change of the answer")
    _legend(figure, study, vectors, table)
    data = pd.concat(shown, ignore_index=True)
    known = data[data["n_lost"].notna()]
    caption = words.join(
        "Answers under each vector by coefficient, less the unsteered answer of the same task. A choice is the share "
        "for the steered text, for the first one where both or all are steered; a rating is oriented so that higher "
        "is better; the attitude of an open answer is −1 to 1.",
        _null_words(table),
        f"{words.count_words(data.loc[data['n'] >= 0, 'n'], 'tasks, or pairs in one order')}; bands of vectors are "
        f"{words.level(study)} intervals over tasks.",
        "Means that were published without their answers have no band." if (data["n"] < 0).any() else "",
        f"Answers that were lost: {known['n_lost'].sum():,.0f} of {known['n_answers'].sum():,}.",
    )
    return Drawing(figure, data, caption)


def _null_words(table: pd.DataFrame) -> str:
    """A sentence on each null that a figure has."""
    grey = {
        RANDOM: "Grey is the middle 95 % of random vectors of the same norm; where they are few, each is a line.",
        COMBINATION: "Hatched is the same of random combinations of activations, along which a model reacts more than "
        "along most directions: a vector says something of its own where it leaves that band.",
    }
    return words.join(*(text for kind, text in grey.items() if (table["kind"] == kind).any()))


def _null(axes: Axes, rows: pd.DataFrame, kind: str, column: str) -> pd.DataFrame:
    """The middle of what the vectors of a null do at each coefficient; their lines, where they are few."""
    null = rows[rows["kind"] == kind]
    if null["vector"].nunique() < FEWEST_OF_BAND:
        for _, own in null.groupby("vector", sort=False):
            line = own.sort_values("coefficient")
            axes.plot(line["coefficient"], line[column], color=GREY, marker="o", markersize=2, linewidth=1)
            if f"{column}_lo" in line:
                bounds = line[f"{column}_lo"], line[f"{column}_hi"]
                axes.fill_between(line["coefficient"], *bounds, color=GREY, alpha=0.15, linewidth=0)
        return null
    lo, hi = (null.groupby("coefficient")[column].quantile(share) for share in (0.025, 0.975))
    axes.fill_between(lo.index, lo, hi, **BANDS[kind])
    return null


def _limits(axes: Axes, parts: list[pd.DataFrame]) -> None:
    """Limits by the values, so that the wide interval of a few answers does not hide them."""
    values = np.concatenate([part["difference"].to_numpy(dtype=float) for part in parts])
    most = float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 0.0
    axes.axhline(0, color=BLACK, linewidth=0.8)
    axes.set_ylim(-1.6 * most - 1e-3, 1.6 * most + 1e-3)


def _lines(axes: Axes, rows: pd.DataFrame, vectors: list[str]) -> Iterator[pd.DataFrame]:
    for vector, colour in zip(vectors, COLOURS, strict=False):
        own = rows[rows["vector"] == vector].sort_values("coefficient")
        if own.empty:
            continue
        style = "--" if (own["kind"] == SHUFFLED).any() else "-"
        axes.plot(own["coefficient"], own["difference"], style, color=colour, marker="o", markersize=3)
        axes.fill_between(
            own["coefficient"], own["difference_lo"], own["difference_hi"], color=colour, alpha=0.15, linewidth=0
        )
        yield own


def _legend(figure: Figure, study: Study, vectors: list[str], table: pd.DataFrame) -> None:
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=colour, marker="o", markersize=3, label=words.shortened(vector_label(study, vector), 34))
        for vector, colour in zip(vectors, COLOURS, strict=False)
    ]
    names = {RANDOM: "random vectors", COMBINATION: "combinations of activations"}
    handles += [Patch(**BANDS[kind], label=name) for kind, name in names.items() if (table["kind"] == kind).any()]
    figure.legend(handles=handles, loc="upper left", ncols=2)


def draw_coherence(study: Study, sources: Sources) -> Drawing:
    """A panel for each target: the share of answers that were read and are coherent, by coefficient."""
    table, targets = swept(sources)
    table = table[table["kept"].notna()].reset_index(drop=True)  # of published means it is not known
    targets = [one for one in targets if (table["target"] == one).any()]
    if not targets:
        return blank(table, "nothing was steered")
    vectors = shown_vectors(table)
    figure, axes_of = panel_grid(len(targets), min(2, len(targets)), plot_in=1.6, legend_lines=4, gap_in=0.4)
    for axes, target in zip(axes_of, targets, strict=True):
        rows = table[table["target"] == target]
        for kind in NULLS:
            _null(axes, rows, kind, "kept")
        for vector, colour in zip(vectors, COLOURS, strict=False):
            own = rows[rows["vector"] == vector].sort_values("coefficient")
            axes.plot(own["coefficient"], own["kept"], color=colour, marker="o", markersize=3)
        plain = rows.loc[rows["coefficient"] == 0, "kept"]
        if study.steering is not None and len(plain):
            axes.axhline(study.steering.min_kept * float(plain.iloc[0]), color=BLACK, linewidth=0.8, linestyle=":")
        axes.set_title(words.shortened(target_label(study, target), 40), fontsize="medium", parse_math=False)
        axes.set_xlabel("coefficient")
    axes_of[0].set_ylim(-0.03, 1.03)
    axes_of[0].set_ylabel("share kept")
    _legend(figure, study, vectors, table)
    caption = words.join(
        "Share of answers that were read and are coherent, by coefficient.",
        "The dotted line is the least share of a usable coefficient, relative to the unsteered answers."
        if study.steering is not None
        else "",
        _null_words(table),
        "Of exact probabilities, the share is what is on the accepted answers. Shares of all answers have no interval.",
        f"{words.count_words(table['n_answers'], 'answers')}.",
    )
    return Drawing(figure, table, caption)


def draw_concepts(study: Study, sources: Sources) -> Drawing:
    """For each site: how well the sides of concepts and refusal are told apart, and how reliable the vectors are."""
    columns = ("vector", "readout", "site", "context", "auc", "auc_lo", "auc_hi", "split_half", "n")
    table = sources.table("vectors", columns)
    data = table[table["auc"].notna()].reset_index(drop=True)
    if data.empty:
        return blank(table, "no concept and no refusal was read")
    series = list(dict.fromkeys(zip(data["vector"], data["readout"], data["context"], strict=True)))[:MOST_VECTORS]
    figure, axes_of = panel_grid(2, 2, plot_in=1.9, legend_lines=2, gap_in=0.4)
    sites = list(dict.fromkeys(data["site"]))
    for (vector, readout, context), colour in zip(series, COLOURS, strict=False):
        own = data[(data["vector"] == vector) & (data["readout"] == readout) & (data["context"] == context)]
        x = np.array([sites.index(one) for one in own["site"]], dtype=float)
        places = own["auc"] - own["auc_lo"], own["auc_hi"] - own["auc"]
        axes_of[0].errorbar(x, own["auc"], yerr=places, color=colour, marker="o", markersize=3, linewidth=1)
        axes_of[1].plot(x, own["split_half"], color=colour, marker="o", markersize=3)
    for axes, title in zip(axes_of, ("separability (AUC)", "split-half cosine"), strict=True):
        axes.set_title(title, fontsize="medium")
        axes.set_xticks(range(len(sites)), [one.removeprefix("resid_post.") for one in sites])
        axes.set_xlabel("site (block)")
    axes_of[0].set_ylim(-0.05, 1.05)
    handles = [
        Line2D([], [], color=colour, marker="o", label=words.shortened(_series(study, *one), 40))
        for one, colour in zip(series, COLOURS, strict=False)
    ]
    figure.legend(handles=handles, loc="upper left", ncols=2)
    caption = words.join(
        "How well both sides of each direction are told apart on tasks that had no part in it, and the cosine of the "
        "directions from two halves of the tasks; of concepts with their system turns in the context, and without.",
        f"{words.count_words(data['n'], 'tasks')}; bars are {words.level(study)} intervals over tasks.",
    )
    return Drawing(figure, data, caption)


def _series(study: Study, vector: str, readout: str, context: str) -> str:
    where = f", {context} its turn" if context else ""
    return f"{vector_label(study, vector)}, {readout.replace('_', ' ')}{where}"
