"""All heuristics at once: how each correlates with every target, sorted, with false-discovery rates."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from inoc.figures.sources import Sources
from inoc.plots.dots import ROW_IN, dot_intervals, name_rows, note
from inoc.plots.panels import panel_grid
from inoc.plots.save import Drawing
from inoc.plots.style import BLACK, BLUE, GREY, ORANGE, PURPLE, new_figure
from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.figures.captions import n_words, seed_words
from inoc.studies.inoculation.figures.pairs import heuristic_label
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.captions import interval_words, rst

COLUMNS = (
    "heuristic",
    "target",
    "protocol",
    "learning_rate",
    "n",
    "n_nan",
    "n_prompts",
    "r",
    "r_lo",
    "r_hi",
    "p",
    "q",
    "r2_out",
    "r2_lo",
    "r2_hi",
    "same_as",
)
TARGETS = {
    "own_fixed": ("own trait, fixed", BLUE),
    "own_mix": ("own trait, mix", ORANGE),
    "own_gap": ("fixed − mix", PURPLE),
    "off": ("the other trait", BLACK),
}
FDR = 0.05
LABEL_IN = 2.7


def draw(study: Study, sources: Sources) -> Drawing:
    """r of every heuristic with every target; the strongest on top."""
    data = _rows(study, sources)
    targets = [target for target in TARGETS if (data["target"] == target).any()]
    if not targets:
        figure = new_figure(2.4)
        note(figure.subplots(), "no heuristic could be judged; the skipped things of the analysis say why")
        return Drawing(figure, data, _caption(study, data))
    order = _order(data, targets[0])
    repeated = repeats(data, order)
    n = len(targets)
    figure, panels = panel_grid(n, n, plot_in=0.2 + ROW_IN * len(order), title_lines=2, left_in=LABEL_IN)
    for axes, target in zip(panels, targets, strict=True):
        words, colour = TARGETS[target]
        rows = data[data["target"] == target].set_index("heuristic").reindex(order)
        middle, lo, hi, q = (rows[name].to_numpy(float) for name in ("r", "r_lo", "r_hi", "q"))
        colours = [GREY if one else colour for one in repeated]
        dot_intervals(axes, np.arange(len(order), dtype=float), middle, lo, hi, colours=colours, filled=q <= FDR)
        axes.tick_params(axis="y", length=0)
        axes.axvline(0, color=GREY, linewidth=0.8, zorder=1)
        axes.set_xlim(-1.05, 1.05)
        axes.set_xticks([-1, -0.5, 0, 0.5, 1], ["−1", "", "0", "", "1"])
        n_points = rows["n"].dropna()
        size = f"n = {int(n_points.max())}, {int(rows['n_prompts'].max())} prompts" if len(n_points) else "n = 0"
        axes.set_title(f"{words}\n{size}", fontsize="medium")
        axes.set_xlabel("Pearson's r")
    name_rows(panels[0], [heuristic_label(key) for key in order])
    for label, one in zip(panels[0].get_yticklabels(), repeated, strict=True):
        label.set_color(GREY if one else BLACK)
    figure.legend(handles=_handles(), loc="upper left", ncols=3)
    return Drawing(figure, data, _caption(study, data))


def _rows(study: Study, sources: Sources) -> pd.DataFrame:
    table = sources.table("heuristics", COLUMNS)
    chosen = table[
        (table["protocol"] == "fair")
        & (table["learning_rate"] == choices.main_rate(study))
        & table["target"].isin(TARGETS)
    ]
    if "seed" in chosen:
        chosen = chosen[chosen["seed"].astype(str) == "all"]
    return chosen[list(COLUMNS)].reset_index(drop=True)


def _order(data: pd.DataFrame, target: str) -> list[str]:
    """Largest |r| with the first target on top; unknown ones last."""
    rows = data[data["target"] == target]
    size = rows.set_index("heuristic")["r"].abs()
    keys = list(dict.fromkeys(data["heuristic"]))
    return sorted(keys, key=lambda key: -np.nan_to_num(size.get(key, np.nan), nan=-1.0))


def repeats(data: pd.DataFrame, order: list[str]) -> list[bool]:
    """Heuristics that equal others that are shown.

    Args:
        data: Columns heuristic and same_as, which names what is repeated.
        order: The heuristics that are shown.
    """
    same = {str(key): str(text or "") for key, text in zip(data["heuristic"], data["same_as"], strict=True)}
    return [bool(set(re.findall(r"H\w*\d\w*", same[key])) & (set(order) - {key})) for key in order]


def _handles() -> list[Line2D]:
    looks = (
        (BLUE, BLUE, f"filled: q ≤ {FDR:g} over all tests"),
        (BLUE, "white", "hollow: it may be chance"),
        (GREY, GREY, "grey: repeats another heuristic"),
    )
    return [
        Line2D([], [], linestyle="", marker="o", color=edge, markerfacecolor=face, label=label)
        for edge, face, label in looks
    ]


def _caption(study: Study, data: pd.DataFrame) -> str:
    same = data.drop_duplicates("heuristic")
    listed = "; ".join(
        f"{key}: {rst(text)}" for key, text in zip(same["heuristic"], same["same_as"], strict=True) if text
    )
    unknown = int(data["r"].isna().sum())
    left_out = int(data.drop_duplicates("target")["n_nan"].fillna(0).sum())
    return " ".join(
        [
            "Pearson's r of every heuristic with the suppression of the trait that a prompt points to (fixed prefix,",
            "and rephrasings), with fixed − mix suppression, and with the suppression of the trait that it does not",
            "point to. Every heuristic is judged on the same rows of a target; the strongest with the first target is",
            f"on top. Bars: {interval_words(study)}, whole prompts drawn anew. q is the false-discovery rate of",
            "permutation tests, over all of the analysis; a cross is a correlation that cannot be computed.",
            f"Repetitions (grey where what they repeat is shown): {listed}." if listed else "None repeats another.",
            seed_words(study),
            n_words(data["n"], "rows behind each r") + ";",
            f"n_nan = {left_out} rows were left out because a heuristic or the outcome is not known of them.",
            f"{unknown} correlations could not be computed." if unknown else "No cell failed.",
        ]
    )
