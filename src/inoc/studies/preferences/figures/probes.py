"""Figures of probes: places, protocols, baselines, predictions and directions."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from inoc.figures.sources import Sources
from inoc.plots.dots import dot_intervals, name_rows, note
from inoc.plots.heatmap import Scale, heatmap
from inoc.plots.panels import panel_grid
from inoc.plots.save import Drawing
from inoc.plots.scatter import scatter_intervals
from inoc.plots.style import BLACK, BLUE, GREY, PALETTE, new_figure
from inoc.stats.probes.probing import ALL
from inoc.studies.preferences.analyse.probed import at_places, best_places, main_metric, overall
from inoc.studies.preferences.figures import words
from inoc.studies.preferences.study import Study
from inoc.studies.shared.labels import label_of
from inoc.vectors.sites import in_order

MOST_NAMES = 20
"""Probes in a matrix of cosines; with more, numbers cannot be read."""
_COLUMNS = ("probe", "site", "readout", "protocol", "fold", "metric", "value", "lo", "hi", "n", "baseline")
_BASELINES = {
    "": "the probe",
    "origin": "means of origins",
    "length": "length of the text",
    "refused": "whether it is refused",
    "embedding": "sentence embedding",
    "words": "bag of words",
    "shuffled": "shuffled labels",
    "random": "random activations",
}
_METRICS = {"r2": "R², out of sample", "accuracy": "share of held-out choices"}


def probe_label(study: Study, key: object) -> str:
    """Name of a probe."""
    given = study.probes.get(str(key))
    return label_of(str(key).rsplit("/", 1)[-1], given.label if given is not None else None)  # imported ones are paths


def _drawn_label(study: Study, key: object) -> str:
    """Name of a probe that leaves a figure its room."""
    return words.shortened(probe_label(study, key))


def short_site(site: object) -> str:
    """Name of a site, short: the number of a block's output."""
    return str(site).removeprefix("resid_post.")


def _probes(sources: Sources) -> pd.DataFrame:
    return sources.table("probes", _COLUMNS)


def _correlations(sources: Sources) -> pd.DataFrame:
    """r of all probes at all places, over all held-out tasks."""
    table = overall(_probes(sources))
    return table[(table["metric"] == "r") & (table["baseline"] == "") & (table["site"] != "")]


def _place_label(study: Study, probe: object, readout: object) -> str:
    """Name of a probe with its read-out, if that is known."""
    name = words.shortened(probe_label(study, probe), 44)
    return f"{name}, {str(readout).replace('_', ' ')}" if readout else name


def _nothing(figure_axes: Axes, data: pd.DataFrame, drawing: object, why: str) -> Drawing:
    note(figure_axes, why)
    return Drawing(drawing, data, f"{why[0].upper()}{why[1:]}; n = 0, and there is no interval.")  # type: ignore[arg-type]


def draw_layers(study: Study, sources: Sources) -> Drawing:
    """Probes and read-outs by site: r out of sample, within folds and for origins that were held out."""
    data = _correlations(sources)
    data = data[data["protocol"].isin(["within", "held_out_origin"])]
    lines = list(dict.fromkeys(zip(data["probe"], data["readout"], strict=True)))
    figure = new_figure(1.7 + 0.27 * max(3, len(lines)))
    left, right = figure.subplots(1, 2, sharey=True)
    if data.empty:
        return _nothing(left, data, figure, "no probe could be fitted")
    sites = in_order(data["site"])
    rows = [_place_label(study, probe, readout) for probe, readout in lines]
    for axes, protocol, title in ((left, "within", "within folds"), (right, "held_out_origin", "held-out origin")):
        grid = np.full((len(lines), len(sites)), np.nan)
        for one in data[data["protocol"] == protocol].itertuples():
            grid[lines.index((one.probe, one.readout)), sites.index(str(one.site))] = one.value
        text = [[f"{value:.2f}" if np.isfinite(value) else "" for value in row] for row in grid]
        numbers = text if len(sites) <= 8 else None
        heatmap(axes, grid, Scale(-1, 1), rows=rows, columns=[short_site(site) for site in sites], words=numbers)
        axes.set_title(title, loc="left")
        axes.set_xlabel("site (block)")
    caption = words.join(
        "Pearson's r of predicted and measured labels, all out of sample: of folds that hold back groups of tasks, and "
        "of origins that were held out. Grey: not measured there.",
        f"{words.count_words(data['n'], 'tasks')}; intervals are in the table.",
    )
    return Drawing(figure, data, caption)


def draw_protocols(study: Study, sources: Sources) -> Drawing:
    """A point for each place of each probe: r for held-out origins against r within folds."""
    own = _correlations(sources)
    at = ["probe", "site", "readout"]
    columns = [*at, "value", "lo", "hi", "n"]
    within = own.loc[own["protocol"] == "within", columns]
    data = within.merge(
        own.loc[own["protocol"] == "held_out_origin", columns], on=at, suffixes=("_within", "_held_out")
    )
    grid = panel_grid(1, 2, plot_in=3.2, legend_lines=2, left_in=0.7)
    axes = grid.panels[0]
    if data.empty:
        return _nothing(axes, data, grid.figure, "no probe has both protocols")
    names = list(dict.fromkeys(data["probe"]))
    shades = {name: PALETTE[at % len(PALETTE)] for at, name in enumerate(names)}
    colours = [shades[name] for name in data["probe"]]
    x, y = (tuple(f"{part}_{side}" for part in ("value", "lo", "hi")) for side in ("within", "held_out"))
    scatter_intervals(axes, words.spread_points(data, x, y, colours))
    axes.plot([-1, 1], [-1, 1], color=GREY, linewidth=0.8, marker="", zorder=1)
    low = min(-0.1, float(data[["value_within", "value_held_out"]].min().min()) - 0.05)
    axes.set(xlim=(low, 1.02), ylim=(low, 1.02), xlabel="r within folds", ylabel="r, origin held out")
    for name in names:
        axes.scatter([], [], s=30, c=shades[name], label=_drawn_label(study, name))
    grid.figure.legend(loc="upper left", ncols=3)
    caption = words.join(
        "A point for each site and read-out. Below the line, a part of what a probe knows within folds is about the "
        "origins that it was trained on.",
        f"{words.count_words(data['n_within'], 'tasks')}; bars are {words.level(study)} intervals over groups of "
        "tasks, and over origins.",
    )
    return Drawing(grid.figure, data, caption)


def draw_baselines(study: Study, sources: Sources) -> Drawing:
    """Each probe at its best place beside its baselines: as a whole, and beyond the origin."""
    table = _probes(sources)
    places = best_places(table)
    kept = at_places(table, places)
    data = kept[(kept["fold"] == ALL) & kept["protocol"].isin(["within", ""])]
    rows = [(probe, name) for probe in places for name in _BASELINES if _has(data, probe, name)]
    figure = new_figure(1.6 + 0.24 * max(3, len(rows)))
    left, right = figure.subplots(1, 2, sharey=True)
    if not rows:
        return _nothing(left, data, figure, "no probe could be fitted")
    labels = [
        f"{_drawn_label(study, probe)}: {_BASELINES[name]}" if name == "" else _BASELINES[name] for probe, name in rows
    ]
    metric = {probe: main_metric(data[data["probe"] == probe]) for probe in places}
    _rows_of_metric(left, data, rows, metric)
    _rows_of_metric(right, data, rows, dict.fromkeys(places, "r_within"))
    for probe in places:
        ceiling = data[(data["probe"] == probe) & (data["metric"] == "r2_ceiling")]["value"]
        spots = [at for at, row in enumerate(rows) if row[0] == probe]
        if len(ceiling) and np.isfinite(ceiling.iloc[0]):
            left.vlines(ceiling.iloc[0], min(spots) - 0.5, max(spots) + 0.5, colors=BLACK, linestyles="dotted")
    name_rows(left, labels)
    for axes, title in (
        (left, "; ".join(_METRICS[one] for one in dict.fromkeys(metric.values()))),
        (right, "r within"),
    ):
        axes.axvline(0, color=BLACK, linewidth=0.8)
        axes.set_xlabel("r within origins, out of sample" if title == "r within" else title)
    left.set_xlim(left=max(left.get_xlim()[0], -1.05))
    caption = words.join(
        "Probes at the site and read-out with the highest r, chosen by these numbers, beside predictors that need no "
        "look inside the model. Left: all differences between tasks; dotted: the largest R² that the reliability of "
        "the labels allows. Right: only differences within origins. The bar of shuffled labels holds "
        f"{words.level(study)} of the shuffles.",
        f"{words.count_words(data['n'], 'tasks')}; other bars are {words.level(study)} intervals over groups of tasks.",
    )
    return Drawing(figure, data, caption)


def _has(data: pd.DataFrame, probe: str, baseline: str) -> bool:
    own = data[(data["probe"] == probe) & (data["baseline"] == baseline)]
    return bool(own["metric"].isin(["r2", "accuracy"]).any())


def _rows_of_metric(axes: Axes, data: pd.DataFrame, rows: list[tuple[str, str]], metric: dict[str, str]) -> None:
    spots, values, colours = [], [], []
    for at, (probe, name) in enumerate(rows):
        own = data[(data["probe"] == probe) & (data["baseline"] == name) & (data["metric"] == metric[probe])]
        if len(own) and np.isfinite(own["value"].iloc[0]):
            spots.append(float(at))
            values.append(own[["value", "lo", "hi"]].iloc[0].to_numpy(dtype=float))
            colours.append(BLUE if name == "" else GREY)
    if spots:
        columns = np.array(values).T
        dot_intervals(axes, np.array(spots), columns[0], columns[1], columns[2], colours=colours)


def draw_predictions(study: Study, sources: Sources) -> Drawing:
    """A panel for each probe at its best place: predicted against measured, coloured by origin."""
    places = best_places(_probes(sources))
    table = sources.table("probe_predictions", ("probe", "site", "readout", "protocol", "measured", "predicted"))
    data = at_places(table[table["protocol"] == "within"], places)
    grid = panel_grid(max(1, len(places)), 3, plot_in=2.3, title_lines=2, legend_lines=2, share_y=False, gap_in=0.6)
    origins = list(dict.fromkeys([*study.tasks.origins, *data["origin"]]))
    shades = {name: PALETTE[at % len(PALETTE)] for at, name in enumerate(origins)}
    for axes, (probe, (site, readout)) in zip(grid.panels, places.items(), strict=False):
        own = data[data["probe"] == probe]
        for origin, rows in own.groupby("origin", sort=False):
            axes.scatter(rows["measured"], rows["predicted"], s=12, color=shades[str(origin)], linewidths=0)
        title = f"{_drawn_label(study, probe)}\n{site}, {readout.replace('_', ' ')}"
        axes.set_title(title, loc="left", parse_math=False)
        axes.set(xlabel="measured", ylabel="predicted" if axes is grid.panels[0] else "")
    if not places:
        return _nothing(grid.panels[0], data, grid.figure, "no probe could be fitted")
    for origin in origins[:12]:
        grid.panels[0].scatter([], [], s=14, color=shades[origin], label=words.origin_label(study, origin))
    grid.figure.legend(loc="upper left", ncols=6)
    caption = words.join(
        "Predictions of tasks that were held out, within folds, at the site and read-out with the highest r. A cloud "
        "of each origin that rises says more than clouds that are apart.",
        f"{words.count_words(list(data.groupby('probe').size()), 'tasks in a panel')}; there is no interval.",
    )
    return Drawing(grid.figure, data, caption)


def draw_cosines(study: Study, sources: Sources) -> Drawing:
    """Cosines between the coefficients of all probes at one place, and of those of single origins."""
    table = sources.table("probe_cosines", ("probe_a", "probe_b", "origin_a", "origin_b", "site", "readout", "cosine"))
    sizes = table.groupby(["site", "readout"], sort=False).size()
    figure = new_figure(3.0)
    if table.empty:
        return _nothing(figure.subplots(), table, figure, "there are no two probes of one place")
    site, readout = max(sizes.index, key=lambda one: (sizes[one], in_order(table["site"]).index(one[0])))
    data = table[(table["site"] == site) & (table["readout"] == readout)]
    a, b = (list(zip(data[f"probe_{side}"], data[f"origin_{side}"], strict=True)) for side in "ab")
    names = sorted(dict.fromkeys([*a, *b]), key=lambda one: (one[1] != "", one))[:MOST_NAMES]
    figure = new_figure(1.4 + 0.3 * max(3, len(names)))
    axes = figure.subplots()
    grid = np.full((len(names), len(names)), np.nan)
    np.fill_diagonal(grid, 1.0)
    text = [["" for _ in names] for _ in names]
    for first, second, one in zip(a, b, data.itertuples(), strict=True):
        if first in names and second in names:
            x, y = names.index(first), names.index(second)
            grid[x, y] = grid[y, x] = one.cosine
            beyond = "*" if float(one.p) <= 1 - study.statistics.confidence + 1e-9 else ""
            text[x][y] = text[y][x] = f"{one.cosine:.2f}{beyond}"
    labels = [
        _drawn_label(study, probe) + (f", {words.shortened(words.origin_label(study, origin))}" if origin else "")
        for probe, origin in names
    ]
    numbers = [str(at + 1) for at in range(len(names))]
    rows = [f"{label} {at}" for label, at in zip(labels, numbers, strict=True)]
    heatmap(axes, grid, Scale(-1, 1), rows=rows, columns=numbers, words=text)
    place = f"{site}, {str(readout).replace('_', ' ')}" if readout else str(site)
    axes.set_title(place, loc="left", parse_math=False)
    counts = pd.concat([data["n_a"], data["n_b"]])
    known = bool((counts >= 0).all())
    caption = words.join(
        "Cosines of the coefficients alone, without intercepts, of probes that were fitted to all tasks and to those "
        "of one origin. A star: farther from its null distribution than refits on resampled tasks with shuffled labels "
        f"are in {words.level(study)} of cases."
        if known
        else "Cosines of directions of a release alone, without intercepts; its tasks and labels are not there, so no "
        "refits can be made, and there is no null distribution.",
        f"{words.count_words(counts, 'tasks')}; intervals are in the table."
        if known
        else "n = unknown, and there is no interval.",
    )
    return Drawing(figure, data, caption)
