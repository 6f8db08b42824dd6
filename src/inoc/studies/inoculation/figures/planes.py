"""Prompts in the planes and the space of components, and correlations of the components."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure

from inoc.figures.sources import Sources
from inoc.plots.heatmap import Scale, heatmap
from inoc.plots.labels import place_labels
from inoc.plots.save import Drawing
from inoc.plots.space import SHADES, coloured_points, shared_scale
from inoc.plots.style import GREY, colours_of, markers_of, minus, new_figure, settle, split
from inoc.stats.correlation import pearson
from inoc.stats.prediction import benjamini_hochberg
from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.figures.captions import cell_names, counted_words, failed_words, n_words, seed_words
from inoc.studies.inoculation.figures.keylist import KeyList
from inoc.studies.inoculation.figures.plane import COMPONENTS
from inoc.studies.inoculation.figures.scatter import COORDINATES as PLACES
from inoc.studies.inoculation.figures.scatter import PREDICTORS, last_suppression
from inoc.studies.inoculation.runs import prompt_families, prompt_texts
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.captions import interval_words, rst

COORDINATES = (*PLACES, "n", "n_nan")
PANEL_IN = 3.4
SPACE_IN = 4.2
SPACE_LABEL_PT = 10.0  # from the frame of an axis in space to its name, past its numbers
FARTHEST_PT = 27.0
MARKER_PT = 7.0
AXIS_NAMES: Final = {"pca": "PC", "svd": "SV"}
LEVEL_WORDS: Final = {"point": "by response", "token": "by token"}
N_CORRELATED = 4
STARS: Final = ((0.01, "**"), (0.05, "*"))


def spots_of(coordinates: pd.DataFrame, level: str, prefix: str, method: str) -> pd.DataFrame:
    """Coordinates of the prompts: index prompt, columns 1, 2, …, as far as there are components."""
    own = coordinates[
        (coordinates["level"] == level) & (coordinates["prefix"] == prefix) & (coordinates["method"] == method)
    ]
    table: pd.DataFrame = own.pivot_table(index="prompt", columns="component", values="value", sort=True, dropna=False)
    return table


def axis_label(components: pd.DataFrame, level: str, prefix: str, method: str, component: int) -> str:
    """`PC1: 71 % of variance`."""
    own = components[
        (components["level"] == level)
        & (components["prefix"] == prefix)
        & (components["method"] == method)
        & (components["component"] == component)
    ]
    name = f"{AXIS_NAMES[method]}{component}"
    share = float(own["share"].iloc[0]) if len(own) else float("nan")
    return f"{name}: {100 * share:.3g} % of variance" if np.isfinite(share) else f"{name} (share not known)"


def outcomes_of(study: Study, sources: Sources) -> dict[str, pd.DataFrame]:
    """Trait → its suppression as `last_suppression` gives it, unwanted traits first; empty if nothing was trained."""
    table = sources.optional("suppression")
    if table is None or not choices.trained_prompts(study):
        return {}
    return {
        trait: last_suppression(study, table, trait)
        for trait in (choices.focus_trait(study), choices.wanted_trait(study))
        if trait is not None and trait in choices.judged_traits(study)
    }


class Colouring(NamedTuple):
    """Values that colour the prompts in a row of panels."""

    name: str
    label: str
    values: pd.Series | None  # by prompt; None: by family


def _of_prefix(frame: pd.DataFrame, prefix: str, column: str) -> pd.Series:
    return frame[frame["prefix"] == prefix].set_index("prompt")[column].astype(float)


def draw_prompts(study: Study, sources: Sources, prefix: str) -> Drawing:
    """Prompts by their first four components, coloured by family, by suppression and by PH.

    Args:
        study: The study.
        sources: Its tables.
        prefix: Kind of prefix whose shifts are taken apart.
    """
    coordinates, components = sources.table("coordinates", COORDINATES), sources.table("components", COMPONENTS)
    predictors = sources.table("predictors", PREDICTORS)
    outcomes = outcomes_of(study, sources)
    spots = spots_of(coordinates, "point", prefix, "pca")
    rows = [Colouring("family", "family", None)]
    for trait, outcome in outcomes.items():
        label = f"{choices.trait_label(study, trait)} suppression (points)"
        rows.append(Colouring(f"suppression_{trait}", label, _of_prefix(outcome, prefix, "suppression")))
    ph = predictors[predictors["predictor"] == "ph"]
    rows.append(Colouring("ph", "PH (nats/token)", _of_prefix(ph, prefix, "value")))
    key = KeyList(study, [prompt for prompt in prompt_texts(study) if prompt in spots.index] or [])
    plot_in = 0.3 + PANEL_IN * len(rows)
    figure = new_figure(plot_in + max(key.height_in, 0.3))
    above, below = split(figure, plot_in, max(key.height_in, 0.3))
    grid = above.subplots(len(rows), 2, squeeze=False)
    for colouring, line in zip(rows, grid, strict=True):
        _coloured_row(above, study, line, spots, colouring)
        for axes, pair in zip(line, ((1, 2), (3, 4)), strict=True):
            axes.set_xlabel(axis_label(components, "point", prefix, "pca", pair[0]))
            axes.set_ylabel(axis_label(components, "point", prefix, "pca", pair[1]))
    if key.prompts:
        key.write(below)
    settle(figure)
    for line in grid:
        for axes, pair in zip(line, ((1, 2), (3, 4)), strict=True):
            _number(axes, key, spots, pair)
    data = _plane_data(study, coordinates, ("point", prefix, "pca"), outcomes, rows[-1].values)
    return Drawing(figure, data, _prompts_caption(study, data, prefix, outcomes))


def _coloured_row(
    figure: Figure | SubFigure, study: Study, line: Sequence[Axes], spots: pd.DataFrame, colouring: Colouring
) -> None:
    names, families = choices.families(study), prompt_families(study)
    markers, colours = markers_of(names), colours_of(names)
    own = [families[prompt] for prompt in spots.index]
    for axes, pair in zip(line, ((1, 2), (3, 4)), strict=True):
        _cross(axes)
        axes.set_title(f"colour: {colouring.label}", fontsize="medium")
        if not set(pair) <= set(spots.columns):
            axes.text(0.5, 0.5, "too few prompts for these components", transform=axes.transAxes, ha="center")
            continue
        x, y = (spots[component].to_numpy(float) for component in pair)
        if colouring.values is None:
            for family in dict.fromkeys(own):
                mine = np.array([one == family for one in own])
                axes.scatter(x[mine], y[mine], s=42, color=colours[family], marker=markers[family], zorder=4)
            continue
        values = colouring.values.reindex(spots.index).to_numpy(float)
        coloured_points(axes, (x, y), values, [markers[family] for family in own], shared_scale(values))
    if colouring.values is not None and len(spots):
        scale = shared_scale(colouring.values.reindex(spots.index).to_numpy(float))
        _bar(figure, line, scale, colouring.label)


def _bar(
    figure: Figure | SubFigure, panels: Sequence[Axes], scale: Normalize, label: str, *, pad: float = 0.01
) -> None:
    aspect = 12 * len(panels)  # as many rows of two panels as there are, each about as high as wide
    bar = figure.colorbar(ScalarMappable(scale, SHADES), ax=list(panels), aspect=aspect, shrink=0.85, pad=pad)
    bar.set_label(label)


def _cross(axes: Axes) -> None:
    axes.axhline(0, color=GREY, linewidth=0.6, zorder=1)
    axes.axvline(0, color=GREY, linewidth=0.6, zorder=1)
    axes.margins(0.12)


def _number(axes: Axes, key: KeyList, spots: pd.DataFrame, pair: tuple[int, int]) -> None:
    if set(pair) <= set(spots.columns):
        x, y = (spots[component].to_numpy(float) for component in pair)
        labels = [key.label(str(prompt)) for prompt in spots.index]
        place_labels(axes, x, y, labels, marker_pt=MARKER_PT, farthest_pt=FARTHEST_PT)


def _plane_data(
    study: Study,
    coordinates: pd.DataFrame,
    where: tuple[str, str, str],
    outcomes: dict[str, pd.DataFrame],
    ph: pd.Series | None = None,
) -> pd.DataFrame:
    """One row for each prompt and component, with its interval; suppression beside it."""
    level, prefix, method = where
    own = coordinates[
        (coordinates["level"] == level) & (coordinates["prefix"] == prefix) & (coordinates["method"] == method)
    ]
    families = prompt_families(study)
    data = own[["level", "prefix", "method", "prompt", "component", "value", "lo", "hi"]]
    data = data.assign(family=[families[prompt] for prompt in data["prompt"]])
    for trait, outcome in outcomes.items():
        right = outcome[outcome["prefix"] == prefix].set_index("prompt")
        right = right[["suppression", "lo", "hi", "n", "n_nan"]].add_prefix(f"{trait}_")
        data = data.join(right, on="prompt")
    data = data.assign(n=own["n"], n_nan=own["n_nan"])
    if ph is not None:
        data = data.join(ph.rename("ph"), on="prompt")
    return data.reset_index(drop=True)


def _suppression_words(study: Study, data: pd.DataFrame, outcomes: dict[str, pd.DataFrame]) -> list[str]:
    if not outcomes:
        return ["The study trains no run with these prompts."]
    trained = set(choices.trained_prompts(study))
    once = data[data["prompt"].isin(trained)].drop_duplicates(["level", "prefix", "method", "prompt"])
    once = once.drop_duplicates(["prefix", "prompt"])
    words = [
        f"Suppression: control − run in points, last step, learning rate {choices.main_rate(study):g}, asked without a",
        f"prefix; its {interval_words(study)} is in the CSV file.",
        seed_words(study),
    ]
    for trait in outcomes:
        part = once.assign(n=once[f"{trait}_n"], n_nan=once[f"{trait}_n_nan"])
        words += [
            f"{rst(choices.trait_label(study, trait))}:",
            counted_words(
                study, part, cell_names(part, "prefix"), f"{trait}_suppression", "pairs of completions for each prompt"
            ),
        ]
    return words


def _prompts_caption(study: Study, data: pd.DataFrame, prefix: str, outcomes: dict[str, pd.DataFrame]) -> str:
    return " ".join(
        [
            "Prompts by the principal components of the shifts of mean log-probability that they cause on the training",
            f"completions ({prefix} prefix; columns centred, not scaled; nats per token): the first two on the left,",
            "the next two on the right. Rows of panels differ in what colours the points; each has its own scale from",
            "the 2 % to the 98 % quantile. Markers are families; a grey × has no such number.",
            f"Percentages are shares of variance; the CSV file has the {interval_words(study)} of every coordinate.",
            "A number is left out where there is no room for it.",
            f"n = {data['prompt'].nunique()} prompts.",
            *_suppression_words(study, data, outcomes),
        ]
    )


class Map(NamedTuple):
    """One panel of the maps: the coordinates of the prompts, and the trait whose suppression colours them."""

    level: str
    prefix: str
    trait: str


def _draw_map(study: Study, sources: Sources, *, method: str, across: int) -> Drawing:
    coordinates, components = sources.table("coordinates", COORDINATES), sources.table("components", COMPONENTS)
    outcomes = outcomes_of(study, sources)
    kinds = coordinates[coordinates["method"] == method][["level", "prefix"]].drop_duplicates()
    where = [
        (level, prefix)
        for level in ("point", "token")
        for prefix in ("fixed", "mix")
        if ((kinds["level"] == level) & (kinds["prefix"] == prefix)).any()
    ]
    maps = [Map(level, prefix, trait) for level, prefix in where for trait in outcomes]
    parts = [_plane_data(study, coordinates, (level, prefix, method), outcomes) for level, prefix in where]
    data = pd.concat(parts, ignore_index=True)
    data = data[data["component"] <= across].reset_index(drop=True)
    everything = data[[f"{trait}_suppression" for trait in outcomes]].to_numpy(float).ravel()
    scale = shared_scale(everything)
    key = KeyList(study, [prompt for prompt in prompt_texts(study) if prompt in set(data["prompt"])])
    plot_in = 0.3 + (PANEL_IN if across == 2 else SPACE_IN) * len(where)
    figure = new_figure(plot_in + key.height_in)
    above, below = split(figure, plot_in, key.height_in)
    projection = {"projection": "3d"} if across == 3 else {}
    grid = above.subplots(len(where), len(outcomes), squeeze=False, subplot_kw=projection)
    for axes, one in zip(grid.flat, maps, strict=True):
        spots = spots_of(coordinates, one.level, one.prefix, method)
        labels = [axis_label(components, one.level, one.prefix, method, component + 1) for component in range(across)]
        _map_panel(axes, study, spots, _of_prefix(outcomes[one.trait], one.prefix, "suppression"), scale, labels)
        name = choices.trait_label(study, one.trait)
        axes.set_title(f"{one.prefix} prefix, {LEVEL_WORDS[one.level]}: {name} suppression", fontsize="medium")
    _bar(above, list(grid.flat), scale, "suppression (points)", pad=0.01 if across == 2 else 0.07)
    key.write(below)
    settle(figure)
    for axes, one in zip(grid.flat, maps, strict=True):
        spots = spots_of(coordinates, one.level, one.prefix, method)
        if across == 2:
            _number(axes, key, spots, (1, 2))
        elif {1, 2, 3} <= set(spots.columns):
            _number_in_space(axes, key, spots)
    return Drawing(figure, data, _map_caption(study, data, method, across, outcomes))


def draw_plane(study: Study, sources: Sources, method: str) -> Drawing:
    """Prompts by two coordinates, coloured by suppression.

    Args:
        study: The study.
        sources: Its tables.
        method: `pca` or `svd`.
    """
    return _draw_map(study, sources, method=method, across=2)


def draw_space(study: Study, sources: Sources, method: str) -> Drawing:
    """Prompts by three coordinates, coloured by suppression.

    Args:
        study: The study.
        sources: Its tables.
        method: `pca` or `svd`.
    """
    return _draw_map(study, sources, method=method, across=3)


def _map_panel(
    axes: Axes, study: Study, spots: pd.DataFrame, values: pd.Series, scale: Normalize, labels: Sequence[str]
) -> None:
    families = prompt_families(study)
    markers = markers_of(choices.families(study))
    wanted = range(1, len(labels) + 1)
    for name, label in zip("xyz", labels, strict=False):
        getattr(axes, f"set_{name}label")(label)
    if not set(wanted) <= set(spots.columns):
        axes.set_title("too few prompts for these components")
        return
    if len(labels) == 2:
        _cross(axes)
    else:
        axes.set_box_aspect(None, zoom=0.86)  # type: ignore[call-arg]
        for side in (axes.xaxis, axes.yaxis, axes.zaxis):  # type: ignore[attr-defined]
            side.labelpad = SPACE_LABEL_PT
        axes.locator_params(nbins=4)
    places = [spots[component].to_numpy(float) for component in wanted]
    own = [markers[families[str(prompt)]] for prompt in spots.index]
    coloured_points(axes, places, values.reindex(spots.index).to_numpy(float), own, scale)


def _number_in_space(axes: Axes, key: KeyList, spots: pd.DataFrame) -> None:
    """Numbers beside the points as they are seen from where the reader stands."""
    from mpl_toolkits.mplot3d import proj3d

    axes.apply_aspect()  # otherwise the points and their numbers move when the figure is drawn
    seen = [proj3d.proj_transform(*spots.loc[prompt, [1, 2, 3]], axes.get_proj())[:2] for prompt in spots.index]  # type: ignore[attr-defined]
    x, y = np.array(seen, dtype=float).T
    labels = [key.label(str(prompt)) for prompt in spots.index]
    place_labels(axes, x, y, labels, marker_pt=MARKER_PT, farthest_pt=FARTHEST_PT)


def _map_caption(study: Study, data: pd.DataFrame, method: str, across: int, outcomes: dict[str, pd.DataFrame]) -> str:
    of = {
        "pca": "principal components (columns centred, not scaled)",
        "svd": "singular vectors (columns neither centred nor scaled)",
    }[method]
    return " ".join(
        [
            f"Prompts by the first {across} {of} of the shifts of log-probability that they cause on the training",
            "completions, by response and, where tokens are stored, by token; nats per token.",
            "Colour: suppression, on one scale for all panels from the 2 % to the 98 % quantile; a grey × was not",
            "trained or not measured. Markers are families.",
            f"Percentages are shares of variance; the CSV file has the {interval_words(study)} of every coordinate.",
            "A number is left out where there is no room for it.",
            f"n = {data['prompt'].nunique()} prompts.",
            *_suppression_words(study, data, outcomes),
        ]
    )


def draw_correlations(study: Study, sources: Sources) -> Drawing:
    """r of the first components with what is known of the prompts before training, and with suppression."""
    coordinates = sources.table("coordinates", COORDINATES)
    predictors = sources.table("predictors", PREDICTORS)
    outcomes = outcomes_of(study, sources)
    rows = []
    for prefix in study.scoring.prefixes:
        spots = spots_of(coordinates, "point", prefix, "pca")
        for name, label, values in _columns(study, predictors, outcomes, prefix):
            for component in [one for one in range(1, N_CORRELATED + 1) if one in spots]:
                x = spots[component]
                r = pearson(x.to_numpy(float), values.reindex(x.index).to_numpy(float), study.statistics.confidence)
                found = {"r": r.value, "lo": r.lo, "hi": r.hi, "p": r.p, "n": r.n, "n_nan": r.n_nan}
                rows.append({"prefix": prefix, "component": component, "with": name, "label": label, **found})
    columns = ["prefix", "component", "with", "label", "r", "lo", "hi", "p", "n", "n_nan"]
    data = pd.DataFrame(rows, columns=columns)
    data = data.assign(q=benjamini_hochberg(data["p"].to_numpy(float)))
    prefixes = list(study.scoring.prefixes)
    figure = new_figure(0.6 + 2.7 * len(prefixes))
    grid = figure.subplots(len(prefixes), 1, squeeze=False)
    for axes, prefix in zip(grid.flat, prefixes, strict=True):
        _correlation_panel(axes, data[data["prefix"] == prefix])
        axes.set_title(f"{prefix} prefix", fontsize="medium")
    bar = figure.colorbar(ScalarMappable(Normalize(-1, 1), "PuOr"), ax=list(grid.flat), aspect=30, shrink=0.8)
    bar.set_label("Pearson's r")
    return Drawing(figure, data, _correlation_caption(study, data))


def _columns(
    study: Study, predictors: pd.DataFrame, outcomes: dict[str, pd.DataFrame], prefix: str
) -> list[tuple[str, str, pd.Series]]:
    """Name, label and values by prompt of the quantities that the components are compared with."""
    found = []
    own = predictors[predictors["prefix"] == prefix]
    for trait in choices.judged_traits(study):
        rows = own[(own["predictor"] == "elicitation") & (own["trait"] == trait)]
        label = f"{choices.trait_label(study, trait)}\nelicitation"
        found.append((f"elicitation_{trait}", label, rows.set_index("prompt")["value"]))
    for name, label in (("ph", "PH"), ("gamma", "γ"), ("sigma", "σ"), ("snr", "SNR")):
        found.append((name, label, own[own["predictor"] == name].set_index("prompt")["value"]))
    for trait, outcome in outcomes.items():
        label = f"{choices.trait_label(study, trait)}\nsuppression"
        found.append((f"suppression_{trait}", label, _of_prefix(outcome, prefix, "suppression")))
    return found


def _correlation_panel(axes: Axes, data: pd.DataFrame) -> None:
    labels, components = list(dict.fromkeys(data["label"])), sorted(data["component"].unique())
    cells = data.set_index(["component", "label"])
    values = np.array([[float(cells["r"].loc[one, label]) for label in labels] for one in components])
    words = [[_cell_words(cells.loc[(one, label)]) for label in labels] for one in components]
    names = [f"PC{component}" for component in components]
    heatmap(axes, values.reshape(len(names), -1), Scale(-1, 1), rows=names, columns=labels, words=words)


def _cell_words(row: pd.Series) -> str:
    if not np.isfinite(row["r"]):
        return "none"
    stars = next((marks for level, marks in STARS if row["p"] < level), "")
    bounds = f"\n[{row['lo']:.2f}, {row['hi']:.2f}]" if np.isfinite(row["lo"]) else ""
    return minus(f"{row['r']:.2f}{stars}{bounds}")


def _correlation_caption(study: Study, data: pd.DataFrame) -> str:
    named = data.assign(prompt=["PC" + str(one) for one in data["component"]])
    return " ".join(
        [
            "Pearson's r, over prompts of all families, between the principal components of the shifts of mean",
            "log-probability and what else is known of the prompts: elicitation by the untrained model, PH, γ, σ and",
            "SNR of the same shifts, and suppression after training.",
            "Stars: p < 0.05 and p < 0.01 of the t test, not corrected; q in the CSV file is the false-discovery rate",
            f"over the figure. Brackets: {interval_words(study)}.",
            seed_words(study) if choices.trained_prompts(study) else "No training seed enters.",
            n_words(data["n"], "prompts behind each r") + ".",
            failed_words(named.assign(n=data["n"], n_nan=0), cell_names(named, "prefix", "with"), "r", 1.0),
        ]
    )
