"""Figures of students: rate of a target over the parts of a split, and over epochs."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from inoc.figures.sources import Sources
from inoc.plots.dots import note
from inoc.plots.panels import panel_grid
from inoc.plots.save import Drawing
from inoc.plots.style import BLACK, BLUE, GREEN, GREY, ORANGE, new_figure
from inoc.studies.likelihood_shift.figures import choices
from inoc.studies.likelihood_shift.study import Study
from inoc.studies.shared.captions import interval_words, join, missing_words, p_text, records, rows_words

SEED_COLUMNS = ("split", "part", "seed", "target", "rate", "is_last")
COLUMNS = ("split", "part", "dataset", "epoch", "target", "rate", "lo", "hi", "n", "n_nan", "n_seeds", "is_last")
UNTRAINED = "untrained"
REFERENCES = (BLUE, GREEN, ORANGE, GREY)
PLOT_IN = 2.2
NOTHING = "no student has been evaluated"


def part_order(parts: Sequence[str]) -> list[str]:
    """Parts from low to high: q1, q2, …; bottom, top; what has no order comes last."""

    def place(part: str) -> tuple[int, int, str]:
        quantile = re.fullmatch(r"q(\d+)", part)
        if quantile:
            return 0, int(quantile[1]), part
        return (1, ["bottom", "top"].index(part), part) if part in ("bottom", "top") else (2, 0, part)

    return sorted(dict.fromkeys(map(str, parts)), key=place)


def is_ordered(part: str) -> bool:
    """Whether a part is one of a split by the shift."""
    return bool(re.fullmatch(r"q\d+|bottom|top", part))


def _rates(sources: Sources) -> pd.DataFrame:
    """Rates over all seeds."""
    table = sources.table("rates", COLUMNS).copy()
    for column in ("split", "part", "dataset", "target"):
        table[column] = table[column].fillna("").astype(str)
    return table


def draw_dose(study: Study, sources: Sources) -> Drawing:
    """Rate at the last epoch over the parts of each split; the other students of its dataset as lines across."""
    students, rates = sources.table("students", SEED_COLUMNS), _rates(sources)
    last, means = (table[table["is_last"].astype(bool)] for table in (students, rates))
    ordered = means[means["part"].map(is_ordered).astype(bool)]
    panels = [
        (str(split), str(target))
        for split, target in ordered[["split", "target"]].drop_duplicates().itertuples(index=False)
    ]
    if not panels:
        return _nothing(study, means, "no student was trained on a part of a split by LLS")
    across = min(3, len(panels))
    figure, axes_of = panel_grid(
        len(panels), across, plot_in=PLOT_IN, title_lines=2, legend_lines=2, gap_in=0.25, left_in=0.85
    )
    used: dict[str, str] = {}
    shown = []
    for index, (axes, (split, target)) in enumerate(zip(axes_of, panels, strict=True)):
        own = ordered[(ordered["split"] == split) & (ordered["target"] == target)]
        datasets = {*own["dataset"]}
        beside = means[(means["target"] == target) & ~means["part"].map(is_ordered).astype(bool)]
        beside = beside[beside["dataset"].isin([*datasets, ""])]
        seeds = last[(last["split"] == split) & (last["target"] == target)]
        _dose_panel(axes, own, seeds)
        for row in records(beside):
            name = _beside_name(str(row["part"]), str(row["dataset"]))
            colour = used.setdefault(name, REFERENCES[len(used) % len(REFERENCES)])
            axes.axhline(100 * row["rate"], color=colour, dashes=(4, 2), linewidth=1.2, zorder=1)
            if np.isfinite(row["lo"]):
                axes.axhspan(100 * row["lo"], 100 * row["hi"], color=colour, alpha=0.1, linewidth=0)
        shown.append(pd.concat([own, beside]).assign(panel=split))
        title = f"{choices.short(split.replace('_', ' '), 30)}\n{choices.target_label(study, target)}"
        axes.set_title(title, fontsize="medium", parse_math=False)
        axes.set_xlabel("part, from low LLS to high")
        if index % across == 0:
            axes.set_ylabel("answers with the target (%)")
    axes_of[0].set_ylim(-4, 104)
    handles = [Line2D([], [], color=BLACK, marker="o", label="part, all seeds")]
    if last["seed"].nunique() > 1:
        handles.append(Line2D([], [], linestyle="none", color=GREY, marker=".", label="one seed"))
    handles += [Line2D([], [], color=colour, dashes=(4, 2), label=name) for name, colour in used.items()]
    figure.legend(handles=handles, loc="upper left", ncols=4)
    data = pd.concat(shown, ignore_index=True)
    return Drawing(figure, data, _dose_caption(study, sources, data))


def _beside_name(part: str, dataset: str) -> str:
    if not dataset:
        return UNTRAINED
    return "random part" if part == "random" else "whole dataset"


def _dose_panel(axes: Axes, own: pd.DataFrame, seeds: pd.DataFrame) -> None:
    order = part_order(list(own["part"]))
    place = {part: index for index, part in enumerate(order)}
    own = own.assign(x=own["part"].map(place)).sort_values("x")
    x, rate, lo, hi = (own[name].to_numpy(float) for name in ("x", "rate", "lo", "hi"))
    known = np.isfinite(rate)
    sure = known & np.isfinite(lo) & np.isfinite(hi)
    if len(seeds) > len(own):
        spots = seeds["part"].map(place)
        axes.plot(spots, 100 * seeds["rate"], ".", color=GREY, zorder=3)
    axes.plot(x[known], 100 * rate[known], color=BLACK, marker="o", zorder=4)
    axes.vlines(x[sure], 100 * lo[sure], 100 * hi[sure], color=BLACK, linewidth=1.2, zorder=4)
    axes.plot(x[~known], np.zeros((~known).sum()), "x", color=GREY, markersize=6, zorder=5)
    axes.set_xticks(range(len(order)), order)
    axes.set_xlim(-0.4, len(order) - 0.6)


def _dose_caption(study: Study, sources: Sources, data: pd.DataFrame) -> str:
    tests = sources.optional("dose_response")
    words = ""
    if tests is not None and len(tests):
        trend = tests[tests["statistic"] == "trend"]
        parts = [
            f"{row['split'].replace('_', ' ')}, {row['target']}: {p_text(row['p'])}"
            for row in records(trend)
            if np.isfinite(row["p"])
        ]
        words = f"Trend over the parts: {'; '.join(parts)}." if parts else ""
    seeds = int(data["n_seeds"].max()) if len(data) else 0
    one = (
        "One training seed: intervals leave out the spread between seeds." if seeds == 1 else f"{seeds} training seeds."
    )
    gone = [f"{row['split']}, {row['part']}, {row['target']}" for row in records(data[data["rate"].isna()])]
    return join(
        "Share of answers with the target after the last epoch of training, over the parts of a split by LLS, from the "
        "lowest to the highest. Lines across: students of the same dataset on a random part or on all of it, and the "
        "untrained model.",
        f"Whiskers and bands: {interval_words(study)} over seeds and questions, and no narrower than that of the "
        f"answers alone. {one}",
        words,
        rows_words(data, "answers behind each point"),
        "Rows used for each part are in the table of splits.",
        missing_words(gone),
    )


def draw_epochs(study: Study, sources: Sources) -> Drawing:
    """Bars by epoch for each part, a panel for each split or dataset and target."""
    means = _rates(sources)
    trained = means[means["dataset"] != ""]
    groups = [
        (str(split), str(dataset))
        for split, dataset in trained[["split", "dataset"]].drop_duplicates().itertuples(index=False)
    ]
    targets = list(dict.fromkeys(trained["target"]))
    panels = [(split, dataset, target) for target in targets for split, dataset in groups]
    panels = [panel for panel in panels if len(_own(trained, *panel))]
    if not panels:
        return _nothing(study, means, NOTHING)
    epochs = sorted(trained["epoch"].dropna().unique())
    shades = colormaps["viridis"](np.linspace(0.9, 0.15, len(epochs))) if len(epochs) > 1 else [BLUE]
    crowded = max(len(_own(trained, *panel)) for panel in panels) > 30
    across = 1 if crowded else min(2, len(panels))
    figure, axes_of = panel_grid(
        len(panels), across, plot_in=1.5, title_lines=1, legend_lines=1 + len(epochs) // 9, left_in=0.85
    )
    for index, (axes, panel) in enumerate(zip(axes_of, panels, strict=True)):
        own = _own(trained, *panel)
        order = part_order(list(own["part"]))
        for number, (epoch, shade) in enumerate(zip(epochs, shades, strict=True)):
            one = own[own["epoch"] == epoch].drop_duplicates("part").set_index("part").reindex(order)
            _bars(axes, one, number, len(epochs), shade)
        split, dataset, target = panel
        name = split.replace("_", " ") if split else f"whole {choices.dataset_label(study, dataset)}"
        axes.set_title(
            f"{choices.short(name, 30)}: {choices.target_label(study, target)}", fontsize="medium", parse_math=False
        )
        axes.set_xticks(range(len(order)), [part or "all rows" for part in order])
        axes.grid(visible=False, axis="x")
        axes.set_xlabel("part" if index + across >= len(panels) else "")
        if index % across == 0:
            axes.set_ylabel("answers with\nthe target (%)")
    axes_of[0].set_ylim(0, 104)
    handles = [Patch(facecolor=shade, label=f"epoch {epoch:g}") for epoch, shade in zip(epochs, shades, strict=True)]
    figure.legend(handles=handles, loc="upper left", ncols=9)
    gone = [f"{row['split']} {row['part']}, epoch {row['epoch']:g}" for row in records(trained[trained["rate"].isna()])]
    caption = join(
        "Share of answers with the target by epoch. The last epoch is the result; a best epoch, chosen on the same "
        "answers, is too large by the choice itself. × marks what was not measured.",
        f"Whiskers: {interval_words(study)} over seeds and questions, and no narrower than that of the answers alone. "
        f"{rows_words(trained, 'answers behind each bar')}",
        "Rows used for each part are in the table of splits.",
        missing_words(gone),
    )
    return Drawing(figure, trained.reset_index(drop=True), caption)


def _own(rows: pd.DataFrame, split: str, dataset: str, target: str) -> pd.DataFrame:
    found: pd.DataFrame = rows[(rows["split"] == split) & (rows["dataset"] == dataset) & (rows["target"] == target)]
    return found


def _bars(axes: Axes, rows: pd.DataFrame, number: int, n: int, shade: object) -> None:
    width = 0.84 / n
    x = np.arange(len(rows)) + (number - (n - 1) / 2) * width
    rate, lo, hi = (100 * rows[name].to_numpy(float) for name in ("rate", "lo", "hi"))
    axes.bar(x, np.nan_to_num(rate), width=width * 0.92, color=shade, zorder=2)
    sure = np.isfinite(rate) & np.isfinite(lo) & np.isfinite(hi)
    axes.vlines(x[sure], lo[sure], hi[sure], color=BLACK, linewidth=0.9, zorder=4)
    failed = rows["n_nan"].notna().to_numpy() & ~np.isfinite(rate)
    axes.plot(x[failed], np.full(failed.sum(), 2.0), "x", color=GREY, markersize=5, zorder=5, clip_on=False)


def _nothing(study: Study, data: pd.DataFrame, why: str) -> Drawing:
    figure = new_figure(2.4)
    note(figure.subplots(), why)
    return Drawing(figure, data, join(f"{why.capitalize()}; n = 0, and there is no {interval_words(study)}."))
