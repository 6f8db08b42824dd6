"""The classifier of prompts: their positions, its predictions for held-out prompts, and its most informative inputs."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from inoc.figures.sources import Sources
from inoc.plots.dots import dot_intervals, name_rows, note
from inoc.plots.panels import panel_grid
from inoc.plots.save import Drawing
from inoc.plots.scatter import Band, Points, regression, scatter_intervals
from inoc.plots.style import GREY, VERMILION, minus, new_figure
from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.figures.captions import seed_words
from inoc.studies.inoculation.figures.pairs import trait_looks
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.captions import interval_words

KEY = ("level", "prefix", "trait", "learning_rate", "pca_fit")
TABLE = (
    *KEY,
    *(name + end for name in ("auc", "r2_out") for end in ("", "_lo", "_hi", "_sd")),
    *("n", "n_nan", "n_train", "n_eval", "repeats", "n_undefined"),
    *(f"logistic_pc{c}{end}" for c in range(1, 5) for end in ("", "_sd")),
)
PREDICTIONS = (*KEY, "prompt", "family", "suppression", "high", "predicted", "predicted_lo", "predicted_hi", "n")
ROC = (*KEY, "false_rate", "true_rate", "lo", "hi", "n")
COORDINATES = ("level", "prefix", "method", "prompt", "component", "value")
DASHES: dict[str, tuple[float, ...]] = {"inside": (), "all": (3.0, 2.0)}
FIT_WORDS = {"inside": "components of the training half", "all": "published recipe: of all prompts, one split"}


def draw(study: Study, sources: Sources) -> Drawing:
    """Six panels: prompts in the plane, ROC curves, coefficients, predicted against actual, AUC and R² of all."""
    table = _of_rate(study, sources.table("classifier", TABLE))
    if table.empty:
        figure = new_figure(2.4)
        note(figure.subplots(), "no prompts were classified; the skipped things of the analysis say why")
        return Drawing(figure, table.assign(lo=np.nan, hi=np.nan, part="measures"), _caption(study, table))
    predictions = _of_rate(study, sources.table("classifier_predictions", PREDICTIONS))
    roc = _of_rate(study, sources.table("classifier_roc", ROC))
    prefix = str(table["prefix"].iloc[0])
    shown = [trait for trait in choices.judged_traits(study) if (table["trait"] == trait).any()]
    focus = shown[0]
    figure, panels = panel_grid(
        6, 3, plot_in=2.5, title_lines=2, legend_lines=2, share_y=False, gap_in=0.8, left_in=0.8
    )
    first = predictions[(predictions["level"] == "point") & (predictions["prefix"] == prefix)]
    _plane(panels[0], study, sources, first[first["trait"] == focus], prefix)
    _roc(panels[1], study, roc[(roc["level"] == "point") & (roc["prefix"] == prefix)], shown)
    one = table[(table["level"] == "point") & (table["prefix"] == prefix)]
    _coefficients(panels[2], study, one[one["pca_fit"] == "inside"], shown)
    _actual(panels[3], study, first[first["pca_fit"] == "inside"], shown)
    _measures(panels[4], study, table, "auc", 0.5)
    _measures(panels[5], study, table, "r2_out", 0.0)
    figure.legend(handles=_handles(study, shown), loc="upper left", ncols=2)
    return Drawing(figure, _data(table, predictions, roc), _caption(study, table))


def _of_rate(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    return table[table["learning_rate"] == choices.main_rate(study)].reset_index(drop=True)


def _plane(axes: Axes, study: Study, sources: Sources, rows: pd.DataFrame, prefix: str) -> None:
    table = sources.table("coordinates", COORDINATES)
    chosen = table[(table["level"] == "point") & (table["prefix"] == prefix) & (table["method"] == "pca")]
    spots = chosen.pivot_table(index="prompt", columns="component", values="value").reindex(columns=[1, 2])
    inside = rows[rows["pca_fit"] == "inside"]
    x, y = spots.reindex(inside["prompt"]).to_numpy(float).T
    high = inside["high"].to_numpy(float) > 0.5
    unknown = np.full(len(inside), np.nan)
    colours = [VERMILION if one else GREY for one in high]
    markers = ["D" if one else "X" for one in high]
    points = Points(x, unknown, unknown, y, unknown, unknown, colours, markers, np.ones(len(inside), bool))
    scatter_intervals(axes, points, size=34)
    axes.axhline(0, color=GREY, linewidth=0.6, zorder=1)
    axes.axvline(0, color=GREY, linewidth=0.6, zorder=1)
    axes.set_xlabel("PC1 (nats)")
    axes.set_ylabel("PC2 (nats)")
    trait = choices.trait_label(study, str(inside["trait"].iloc[0]))
    axes.set_title(f"◆ {trait} suppressed much\n✖ little ({prefix}, by response)", fontsize="medium")


def _roc(axes: Axes, study: Study, rows: pd.DataFrame, traits: list[str]) -> None:
    looks = trait_looks(study)
    for trait in traits:
        for fit, dashes in DASHES.items():
            own = rows[(rows["trait"] == trait) & (rows["pca_fit"] == fit)].sort_values("false_rate")
            x, y, lo, hi = (own[name].to_numpy(float) for name in ("false_rate", "true_rate", "lo", "hi"))
            regression(axes, Band(x, y, lo, hi), len(own), colour=looks.colours[trait], dashes=dashes, shade=0.1)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, zorder=1)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("false-positive rate")
    axes.set_ylabel("true-positive rate")
    axes.set_title("ROC of held-out prompts\n(mean over splits)", fontsize="medium")


def _coefficients(axes: Axes, study: Study, rows: pd.DataFrame, traits: list[str]) -> None:
    looks = trait_looks(study)
    for index, trait in enumerate(traits):
        own = rows[rows["trait"] == trait].iloc[0]
        middle, sd = (np.array([float(own[f"logistic_pc{c}{end}"]) for c in range(1, 5)]) for end in ("", "_sd"))
        spots = np.arange(4) + (index - (len(traits) - 1) / 2) * 0.28
        shades = [looks.colours[trait]] * 4
        dot_intervals(axes, spots, middle, middle - sd, middle + sd, colours=shades, marker=looks.markers[trait])
    name_rows(axes, [f"PC{c}" for c in range(1, 5)])
    axes.axvline(0, color=GREY, linewidth=0.8, zorder=1)
    axes.set_xlabel("log odds per sd of the component")
    axes.set_title("Coefficients of the classifier\n(bars: ± sd over splits)", fontsize="medium")


def _actual(axes: Axes, study: Study, rows: pd.DataFrame, traits: list[str]) -> None:
    looks = trait_looks(study)
    columns = ("suppression", "predicted", "predicted_lo", "predicted_hi")
    x, y, lo, hi = (rows[name].to_numpy(float) for name in columns)
    unknown = np.full(len(rows), np.nan)
    shades, marks = ([names[trait] for trait in rows["trait"]] for names in looks)
    scatter_intervals(axes, Points(x, unknown, unknown, y, lo, hi, shades, marks, np.ones(len(rows), bool)), size=24)
    known = np.concatenate([x[np.isfinite(x)], y[np.isfinite(y)]])
    if known.size:
        ends = [float(known.min()), float(known.max())]
        axes.plot(ends, ends, color=GREY, linewidth=0.8, zorder=1)
    axes.set_xlabel("suppression (points)")
    axes.set_ylabel("predicted when held out (points)")
    axes.set_title("The line's predictions\n(bars: over splits)", fontsize="medium")


def _measures(axes: Axes, study: Study, table: pd.DataFrame, name: str, chance: float) -> None:
    kinds = list(dict.fromkeys(zip(table["level"], table["prefix"], strict=True)))
    traits = [trait for trait in choices.judged_traits(study) if (table["trait"] == trait).any()]
    looks = trait_looks(study)
    by_key = table.set_index(["level", "prefix", "trait", "pca_fit"])
    rows = [(kind, fit) for kind in kinds for fit in DASHES]
    for index, trait in enumerate(traits):
        keys = [(*kind, trait, fit) for kind, fit in rows]
        own = by_key.reindex(pd.MultiIndex.from_tuples(keys, names=by_key.index.names))
        middle, lo, hi = (own[column].to_numpy(float) for column in (name, f"{name}_lo", f"{name}_hi"))
        spots = np.arange(len(rows)) + (index - (len(traits) - 1) / 2) * 0.3
        shades = [looks.colours[trait]] * len(rows)
        solid = np.array([fit == "inside" for _, fit in rows])
        dot_intervals(axes, spots, middle, lo, hi, colours=shades, marker=looks.markers[trait], filled=solid)
    name_rows(axes, [f"{kind[0]}, {kind[1]}" if fit == "inside" else "published" for kind, fit in rows])
    axes.axvline(chance, color=GREY, linewidth=0.8, zorder=1)
    least = float(np.nanmin([*table[name], chance - 0.5])) - 0.1
    axes.set_xlim(least, 1.03)
    words = {"auc": "AUC", "r2_out": "R² of the line's predictions"}[name]
    axes.set_title(f"{words},\nhollow: published recipe", fontsize="medium")
    axes.set_xlabel("held-out prompts")


def _handles(study: Study, traits: list[str]) -> list[Line2D]:
    looks = trait_looks(study)
    handles = [
        Line2D([], [], color=looks.colours[trait], marker=looks.markers[trait], label=choices.trait_label(study, trait))
        for trait in traits
    ]
    for fit, dashes in DASHES.items():
        line = Line2D([], [], color=GREY, label=FIT_WORDS[fit])
        if dashes:
            line.set_dashes(list(dashes))
        handles.append(line)
    return handles


def _data(table: pd.DataFrame, predictions: pd.DataFrame, roc: pd.DataFrame) -> pd.DataFrame:
    parts = {"measures": table, "predictions": predictions, "roc": roc}
    return pd.concat([frame.assign(part=name) for name, frame in parts.items()], ignore_index=True)


def _caption(study: Study, table: pd.DataFrame) -> str:
    inside = table[table["pca_fit"] == "inside"]
    sizes = f"n = {int(inside['n'].max())} prompts" if len(inside) else "n = 0 prompts"
    halves = (
        f"{int(inside['n_train'].max())} to fit and {int(inside['n_eval'].max())} to predict in each of "
        f"{int(inside['repeats'].max())} random splits"
        if len(inside)
        else "too few to part in halves"
    )
    without = int(inside["n_nan"].max()) if len(inside) else 0
    undefined = int(table["n_undefined"].fillna(0).sum())
    failed = table[table["auc"].isna()]
    listed = ", ".join(
        f"{level} {prefix} {choices.trait_label(study, str(trait))}"
        for level, prefix, trait in zip(failed["level"], failed["prefix"], failed["trait"], strict=True)
    )
    return minus(
        " ".join(
            [
                "Can the first four principal components of the shifts of log-probability tell prompts that suppress",
                "a trait more than the median from the others? Logistic regression for the classes, least squares for",
                f"the points; {sizes}, {halves}.",
                "Filled and solid: components, scaling and median come from the training half alone, and the",
                f"{interval_words(study)} is the corrected resampled t interval of the mean over splits, which share",
                "prompts. Hollow and dashed: the published recipe, whose components and median have seen the held-out",
                "prompts, in its one split; its interval draws held-out prompts anew. Bars beside predictions, and the",
                "band of a ROC curve, are the middle share of the splits.",
                "R² is against the mean of the training half; below 0 is worse than that.",
                seed_words(study),
                f"n_nan = {without} prompts lack suppression; {undefined} splits had all held-out prompts on one side.",
                f"Failed cells: {listed}." if listed else "No cell failed.",
            ]
        )
    )
