"""Prompts in the plane of the first two components."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from inoc.figures.sources import Sources
from inoc.plots.labels import place_labels
from inoc.plots.save import Drawing
from inoc.plots.style import GREY, markers_of, new_figure, settle, split
from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.figures.captions import cell_names, failed_words, n_words, seed_words
from inoc.studies.inoculation.figures.keylist import KeyList
from inoc.studies.inoculation.figures.scatter import COORDINATES, last_suppression
from inoc.studies.inoculation.runs import prompt_families, prompt_texts
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.captions import interval_words, rst

COMPONENTS = ("level", "prefix", "method", "component", "share", "lo", "hi")
PLANE_IN = 5.3
MOST_NAMED = 14


def draw_components(study: Study, sources: Sources) -> Drawing:
    """Prompts in the plane of the first two components, coloured by suppression."""
    coordinates = _pointwise(sources.table("coordinates", COORDINATES))
    shares = _pointwise(sources.table("components", COMPONENTS))
    figure, data = draw_planes(study, sources, coordinates, shares, {one: one for one in study.scoring.prefixes})
    return Drawing(figure, data, _plane_caption(study, data))


def draw_planes(
    study: Study, sources: Sources, coordinates: pd.DataFrame, shares: pd.DataFrame, prefixes: dict[str, str]
) -> tuple[Figure, pd.DataFrame]:
    """A plane of the first two components for each kind of prefix with known suppression.

    Args:
        study: The study.
        sources: Its tables.
        coordinates: Rows of `coordinates`, of one level and method.
        shares: Rows of `components`, of the same.
        prefixes: Prefix of the suppression → prefix in the two tables.

    Returns:
        The figure, and what it shows.
    """
    known, focus = sources.optional("suppression"), choices.focus_trait(study)
    suppression = None if known is None or focus is None else last_suppression(study, known, focus)
    prompts = list(prompt_texts(study))
    panels = {
        prefix: _plane(_of(coordinates, own, prefix), _of(shares, own, prefix), suppression, prefix)
        for prefix, own in prefixes.items()
    }
    data = pd.concat(panels.values(), ignore_index=True)
    key = KeyList(study, prompts if len(prompts) > MOST_NAMED else [])
    figure = new_figure(PLANE_IN + key.height_in)
    above: Figure | SubFigure = figure
    if key.prompts:
        above, below = split(figure, PLANE_IN, key.height_in)
        key.write(below)
    grid = above.subplots(1, len(prefixes), squeeze=False)
    scale = suppression_scale(data["suppression"].to_numpy(float))
    for axes, prefix in zip(grid.flat, prefixes, strict=True):
        _plane_panel(axes, study, panels[prefix], scale, prefix)
    if data["suppression"].notna().any():
        bar = above.colorbar(ScalarMappable(scale, "cividis"), ax=list(grid.flat), shrink=0.8, aspect=30)
        bar.set_label("suppression (points)")
    above.legend(handles=_family_handles(study), loc="outside upper left", ncols=4)
    settle(figure)
    for axes, prefix in zip(grid.flat, prefixes, strict=True):
        plane = panels[prefix]
        names = [key.label(prompt) for prompt in plane["prompt"]]
        place_labels(axes, plane["pc1"].to_numpy(float), plane["pc2"].to_numpy(float), names, marker_pt=8)
    return figure, data


def _of(table: pd.DataFrame, own: str, prefix: str) -> pd.DataFrame:
    return table[table["prefix"] == own].assign(prefix=prefix)


def _pointwise(table: pd.DataFrame) -> pd.DataFrame:
    return table[(table["level"] == "point") & (table["method"] == "pca")]


def _plane(
    coordinates: pd.DataFrame, shares: pd.DataFrame, suppression: pd.DataFrame | None, prefix: str
) -> pd.DataFrame:
    own = coordinates[coordinates["prefix"] == prefix]
    plane = pd.DataFrame(index=pd.Index(own["prompt"].unique(), name="prompt"))
    for component in (1, 2):
        spots = own[own["component"] == component].set_index("prompt")
        share = shares[(shares["prefix"] == prefix) & (shares["component"] == component)]
        for source, end in (("value", ""), ("lo", "_lo"), ("hi", "_hi")):
            plane[f"pc{component}{end}"] = spots[source]
        for source, end in (("share", ""), ("lo", "_lo"), ("hi", "_hi")):
            plane[f"share_pc{component}{end}"] = share[source].iloc[0] if len(share) else float("nan")
    columns = ["suppression", "lo", "hi", "n", "n_nan"]
    if suppression is None:
        plane = plane.assign(**dict.fromkeys(columns, float("nan")))
    else:
        plane = plane.join(suppression[suppression["prefix"] == prefix].set_index("prompt")[columns])
    return plane.assign(prefix=prefix).reset_index()


def suppression_scale(values: np.ndarray) -> Normalize:
    """Colours from 0, or the smallest suppression below it, to the largest; in points."""
    known = values[np.isfinite(values)]
    return Normalize(min(0.0, float(known.min())), max(1.0, float(known.max()))) if known.size else Normalize(0, 100)


def _plane_panel(axes: Axes, study: Study, plane: pd.DataFrame, scale: Normalize, prefix: str) -> None:
    families = prompt_families(study)
    markers = markers_of(choices.families(study))
    shades = colormaps["cividis"]
    spots = [plane[name].to_numpy(float) for name in ("pc1", "pc2", "suppression")]
    axes.hlines(spots[1], plane["pc1_lo"], plane["pc1_hi"], color=GREY, linewidth=0.7, alpha=0.6, zorder=2)
    axes.vlines(spots[0], plane["pc2_lo"], plane["pc2_hi"], color=GREY, linewidth=0.7, alpha=0.6, zorder=2)
    for prompt, x, y, suppressed in zip(plane["prompt"], *spots, strict=True):
        known = bool(np.isfinite(suppressed))
        axes.scatter(
            [x],
            [y],
            s=55,
            color=shades(scale(suppressed)) if known else "#D0D0D0",
            marker=markers[families[prompt]],
            edgecolors="black" if known else GREY,
            linewidths=0.6,
            zorder=4,
        )
    axes.axhline(0, color=GREY, linewidth=0.6, zorder=1)
    axes.axvline(0, color=GREY, linewidth=0.6, zorder=1)
    axes.margins(0.18)
    first = plane.iloc[0] if len(plane) else pd.Series(dtype=float)
    axes.set_xlabel(_share_text(first, 1))
    axes.set_ylabel(_share_text(first, 2))
    axes.set_title(f"{prefix} prefix, n = {len(plane)} prompts", fontsize="medium")


def _share_text(row: pd.Series, component: int) -> str:
    share, lo, hi = (100 * float(row.get(f"share_pc{component}{end}", float("nan"))) for end in ("", "_lo", "_hi"))
    if not np.isfinite(share):
        return f"PC{component} (share not known)"
    bounds = f" [{lo:.0f}, {hi:.0f}]" if np.isfinite(lo) and np.isfinite(hi) else ""
    return f"PC{component}: {share:.0f}{bounds} % of variance"


def _family_handles(study: Study) -> list[Line2D]:
    return [
        Line2D(
            [],
            [],
            color=GREY,
            marker=marker,
            linestyle="",
            label=f"{choices.family_label(study, family)} prompts",
        )
        for family, marker in markers_of(choices.families(study)).items()
    ]


def _plane_caption(study: Study, data: pd.DataFrame) -> str:
    trained = set(choices.trained_prompts(study))
    measured = data[data["prompt"].isin(trained)]
    names = cell_names(measured, "prefix")
    focus = choices.focus_trait(study)
    colour = (
        "Colour: suppression of the unwanted trait "
        f"({rst(choices.trait_label(study, focus))}; control − run in points, last step, asked without a prefix);"
        " grey: not trained or not measured."
        if focus is not None and len(trained)
        else "Grey: the study trains no run with these prompts."
    )
    words = [
        "Prompts by the first two principal components of the shifts of mean log-probability that",
        "they cause on the training",
        "completions (columns centred, not scaled), in nats per token; in brackets and as whiskers the",
        f"{interval_words(study)} of the share of variance and of the coordinates.",
        f"n = {data['prompt'].nunique()} prompts.",
        colour,
    ]
    if len(measured) and focus is not None:
        words += [
            f"The {interval_words(study)} of each suppression is in the CSV file.",
            seed_words(study),
            n_words(measured["n"], "pairs of completions behind each suppression") + ".",
            failed_words(measured, names, "suppression", study.statistics.max_nan),
        ]
    return " ".join(words)
