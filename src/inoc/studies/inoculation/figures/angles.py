"""Angles between prompts' shift vectors, and their relation to suppression."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D

from inoc.figures.sources import Sources
from inoc.plots.heatmap import Scale, heatmap
from inoc.plots.labels import place_labels
from inoc.plots.save import Drawing
from inoc.plots.scatter import correlation_text
from inoc.plots.style import BLACK, GREY, colours_of, markers_of, new_figure, settle, split
from inoc.stats.means import NAN
from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.figures.captions import cell_names, failed_words, n_words, seed_words
from inoc.studies.inoculation.figures.clouds import Cloud, Statistics, draw_clouds, probability_text, with_suppression
from inoc.studies.inoculation.figures.keylist import KeyList
from inoc.studies.inoculation.figures.planes import AXIS_NAMES, LEVEL_WORDS
from inoc.studies.inoculation.figures.scatter import COORDINATES, SUPPRESSION, last_suppression
from inoc.studies.inoculation.runs import prompt_families, prompt_texts
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.captions import interval_words, rst

VIEWS: Final = {"raw": "raw rows", "pca2": "first two of the PCA", "svd2": "first two of the SVD"}
GROUPS: Final = {
    "within_negative": "unwanted × unwanted",
    "within_positive": "wanted × wanted",
    "cross_trait": "unwanted × wanted",
    "negative_neutral": "unwanted × neutral",
    "positive_neutral": "wanted × neutral",
}
PREDICTOR_LABELS: Final = {
    "angle_from_pca_axis": "angle from PC1 (°)",
    "angle_from_svd_axis": "angle from SV1 (°)",
    "angle_to_centroid_pca": "angle to other centroid, PCA (°)",
    "angle_to_centroid_svd": "angle to other centroid, SVD (°)",
    "angle_to_centroid_raw": "angle to other centroid, raw (°)",
}
PAIRWISE = ("level", "prefix", "representation", "prompt", "other", "angle_deg", "place", "other_place")
ANGLES = ("level", "prefix", "representation", "group", "mean_deg", "sd_deg", "n_pairs", "n_nan", "lo", "hi")
TESTS = ("level", "prefix", "learning_rate", "n", "n_nan", "r", "r_lo", "r_hi", "p", "q")
GLYPHS: Final = {"o": "●", "s": "■", "^": "▲", "D": "◆", "v": "▼", "P": "✚", "X": "✖"}
"""Markers of families as characters, for names that colour alone must not tell apart."""
FEW_PROMPTS = 8
MOST_WRITTEN = 14
LINE_IN = 0.155
MOST_NAMED, EVERY, WHOLE_IN = 100, 50, 6.0
"""Of more prompts only every 50th has its number beside the matrix, which is then as high as it is wide."""
FARTHEST_PT = 27.0
RIGHT_ANGLE = 90.0
DEGREES = Scale(0.0, 180.0)


class Kind(NamedTuple):
    """Which of a study's matrices a panel is about."""

    level: str
    prefix: str

    @property
    def words(self) -> str:
        """`fixed, by token`."""
        return f"{self.prefix}, {LEVEL_WORDS[self.level]}"

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """Its rows of a table."""
        found: pd.DataFrame = table[(table["level"] == self.level) & (table["prefix"] == self.prefix)]
        return found


def kinds_of(table: pd.DataFrame, study: Study) -> list[Kind]:
    """Kinds of shift in a table: by response, then by token if tokens are stored; by response if it is empty."""
    there = {Kind(*pair) for pair in zip(table["level"], table["prefix"], strict=True)}
    every = [Kind(level, prefix) for level in LEVEL_WORDS for prefix in ("fixed", "mix")]
    return [kind for kind in every if kind in there] or [Kind("point", prefix) for prefix in study.scoring.prefixes]


def draw_pairwise(study: Study, sources: Sources, prefix: str) -> Drawing:
    """Angles between all pairs of prompts.

    Args:
        study: The study.
        sources: Its tables.
        prefix: Kind of prefix whose shifts are compared.
    """
    table = sources.table("pairwise_angles", PAIRWISE)
    data = table[table["prefix"] == prefix].sort_values(["level", "representation", "place", "other_place"])
    levels = [kind.level for kind in kinds_of(data, study) if kind.prefix == prefix]
    order = data.drop_duplicates("prompt").sort_values("place")["prompt"].tolist()
    across = 3 if len(order) <= FEW_PROMPTS else 1
    down = len(levels) * (len(VIEWS) // across)
    height = WHOLE_IN if len(order) > MOST_NAMED else LINE_IN * len(order)
    figure = new_figure(0.4 + down * (0.9 + max(2.0 if across > 1 else 3.6, height)))
    grid = figure.subplots(down, across, squeeze=False)
    panels = [(level, view) for level in levels for view in VIEWS]
    for index, (axes, (level, view)) in enumerate(zip(grid.flat, panels, strict=True)):
        own = data[(data["level"] == level) & (data["representation"] == view)]
        _pairwise_panel(axes, study, own, order, named=index % across == 0)
        axes.set_title(f"{LEVEL_WORDS[level]}: {VIEWS[view]}", fontsize="medium")
    shades = ScalarMappable(Normalize(DEGREES.lo, DEGREES.hi), DEGREES.name)
    bar = figure.colorbar(shades, ax=list(grid.flat), aspect=40, shrink=0.6, ticks=[0, 45, 90, 135, 180])
    bar.set_label("angle (degrees)")
    names = choices.families(study)
    markers = markers_of(names)
    handles = [
        Line2D(
            [],
            [],
            color=colour,
            marker=markers[family],
            linestyle="",
            label=f"{choices.family_label(study, family)} prompts",
        )
        for family, colour in colours_of(names).items()
    ]
    if len(order) <= MOST_NAMED:
        figure.legend(handles=handles, loc="outside upper left", ncols=4)
    return Drawing(figure, data.reset_index(drop=True), _pairwise_caption(study, data, prefix))


def _pairwise_panel(axes: Axes, study: Study, own: pd.DataFrame, order: list[str], *, named: bool) -> None:
    families, colours = prompt_families(study), colours_of(choices.families(study))
    square = own.pivot_table(index="prompt", columns="other", values="angle_deg", dropna=False)
    values = square.reindex(index=order, columns=order).to_numpy(float, copy=True)
    # A prompt has no row with itself; where it has a direction the angle is 0.
    np.fill_diagonal(values, np.where(np.isfinite(values).any(axis=1), 0.0, np.nan))
    numbers = [str(index + 1) for index in range(len(order))]
    if len(order) > MOST_NAMED:
        heatmap(axes, values, DEGREES, rows=numbers, columns=numbers)
        places = range(EVERY - 1, len(order), EVERY)
        for side in (axes.set_xticks, axes.set_yticks):
            side(places, [numbers[place] for place in places])
        return
    markers = markers_of(choices.families(study))
    signs = [GLYPHS[markers[families[prompt]]] for prompt in order]
    names = [
        f"{choices.prompt_label(prompt)} {sign} {number}"
        for prompt, sign, number in zip(order, signs, numbers, strict=True)
    ]
    words = None
    if len(order) <= MOST_WRITTEN:
        words = [["" if np.isnan(value) else f"{value:.0f}" for value in line] for line in values]
    heatmap(axes, values, DEGREES, rows=names if named else numbers, columns=numbers, words=words)
    axes.tick_params(axis="x", labelrotation=90 if len(order) > MOST_WRITTEN else 0)
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        for label, prompt in zip(labels, order, strict=True):
            label.set_color(colours[families[prompt]])


def _pairwise_caption(study: Study, data: pd.DataFrame, prefix: str) -> str:
    names = data.assign(n=data["angle_deg"].notna().astype(int), n_nan=data["angle_deg"].isna().astype(int))
    n = data["prompt"].nunique()
    return " ".join(
        [
            "Angle between the shifts of log-probability that every two prompts cause on training completions",
            f"({prefix} prefix), 0 to 180 degrees; 90 is unrelated, 180 opposite. A panel each for all shifts and for",
            "the first two scores of the PCA and of the SVD, by response and, where tokens are stored, by token.",
            "Prompts are ordered along the first principal component by response, with the fixed prefix;",
            "numbers are places in that order, and names are in the table of the figure."
            if n > MOST_NAMED
            else "names are coloured by family.",
            "Grey: no angle, for a prompt without direction.",
            f"n = {n} prompts. The means over groups have their {interval_words(study)} in the figure of group angles.",
            "No training seed enters.",
            failed_words(names, cell_names(names, "other", "level", "representation"), "angle_deg", 1.0),
        ]
    )


def draw_groups(study: Study, sources: Sources) -> Drawing:
    """Mean angles within and between groups of prompts."""
    data = sources.table("angles", ANGLES)
    kinds = kinds_of(data, study)
    paired = set(data.loc[data["n_pairs"].fillna(0) > 0, "group"])
    groups = {group: words for group, words in GROUPS.items() if group in paired} or GROUPS
    figure = new_figure(0.6 + (0.75 + 0.27 * len(groups)) * len(kinds))
    grid = figure.subplots(len(kinds), len(VIEWS), squeeze=False, sharey=True, sharex=True)
    for line, kind in zip(grid, kinds, strict=True):
        for axes, view in zip(line, VIEWS, strict=True):
            own = kind.rows(data)
            _group_panel(axes, own[own["representation"] == view].set_index("group"), groups)
            axes.set_title(f"{kind.words}: {VIEWS[view]}", fontsize="medium")
    for axes in grid[-1]:
        axes.set_xlabel("mean angle (degrees)")
    return Drawing(figure, data.reset_index(drop=True), _groups_caption(study, data))


def _group_panel(axes: Axes, own: pd.DataFrame, groups: dict[str, str]) -> None:
    rows = own.reindex(list(groups))
    spots = np.arange(len(groups), dtype=float)
    mean, sd, lo, hi = (rows[name].to_numpy(float) for name in ("mean_deg", "sd_deg", "lo", "hi"))
    axes.barh(spots, np.nan_to_num(mean), height=0.7, color="#9DB7D5", zorder=2)
    axes.hlines(spots, mean - sd, mean + sd, color=GREY, linewidth=1.0, zorder=3)
    axes.hlines(spots, lo, hi, color=BLACK, linewidth=3.2, zorder=4)
    failed = np.isnan(mean)
    if failed.any():  # a line without points still takes part in the layout, at the corner of the canvas
        axes.plot(np.zeros(failed.sum()), spots[failed], "x", color=GREY, clip_on=False, zorder=5)
    axes.axvline(RIGHT_ANGLE, color=BLACK, linewidth=0.9, linestyle="--", zorder=3)
    axes.set_yticks(spots, list(groups.values()))
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.set_xlim(0, 180)
    axes.set_xticks([0, 45, 90, 135])
    axes.grid(visible=False, axis="y")


def _groups_caption(study: Study, data: pd.DataFrame) -> str:
    named = data.assign(prompt=data["group"].map(GROUPS), n=data["n_pairs"])
    return " ".join(
        [
            "Mean angle between the shifts that two prompts cause, by whether they name an unwanted trait, a wanted",
            "one or neither. Dashed: 90 degrees, which is unrelated. Thin whisker: standard deviation over pairs of",
            f"prompts; thick: {interval_words(study)} of the mean, over training examples. A cross has no",
            "angle; groups without a pair of prompts are left out. No training seed enters.",
            n_words(named["n"], "ordered pairs behind each mean") + ".",
            failed_words(named, cell_names(named, "level", "prefix", "representation"), "mean_deg", 1.0),
        ]
    )


def draw_per_prompt(study: Study, sources: Sources) -> Drawing:
    """Each prompt's mean angle to prompts of unwanted traits against that to prompts of wanted ones."""
    table = sources.table("pairwise_angles", PAIRWISE)
    kinds = kinds_of(table, study)
    data = mean_angles_of(study, table)
    key = KeyList(study, [prompt for prompt in prompt_texts(study) if prompt in set(data["prompt"])])
    plot_in = 0.2 + 3.0 * len(kinds)
    figure = new_figure(plot_in + max(key.height_in, 0.3))
    above, below = split(figure, plot_in, max(key.height_in, 0.3))
    grid = above.subplots(len(kinds), len(VIEWS), squeeze=False)
    panels = []
    for line, kind in zip(grid, kinds, strict=True):
        for axes, view in zip(line, VIEWS, strict=True):
            own = kind.rows(data)
            own = own[(own["representation"] == view) & own["to_unwanted"].notna() & own["to_wanted"].notna()]
            _per_prompt_panel(axes, study, own)
            axes.set_title(f"{kind.words}: {VIEWS[view]}", fontsize="medium")
            panels.append((axes, own))
        line[0].set_ylabel("mean angle to wanted (°)")
    for axes in grid[-1]:
        axes.set_xlabel("mean angle to unwanted (°)")
    if key.prompts:
        key.write(below)
    settle(figure)
    for axes, own in panels:
        x, y = own["to_unwanted"].to_numpy(float), own["to_wanted"].to_numpy(float)
        place_labels(axes, x, y, [key.label(prompt) for prompt in own["prompt"]], farthest_pt=FARTHEST_PT)
    return Drawing(figure, data, _per_prompt_caption(study, data))


def mean_angles_of(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """Mean angle of each prompt to those of unwanted and to those of wanted traits, itself left out.

    Args:
        study: Roles of the traits.
        table: `pairwise_angles`.

    Returns:
        One row for each level, prefix, representation and prompt; `to_unwanted` and `to_wanted` in degrees, NaN
        without such a prompt; n counts the other prompts, n_nan those without an angle.
    """
    role = {key: trait.role for key, trait in study.traits.items()}
    families = prompt_families(study)
    to = table["other"].map(lambda other: role.get(families[other], "neutral"))
    keys = ["level", "prefix", "representation", "prompt"]
    named = table[to != "neutral"]
    means = named.groupby([*keys, to[to != "neutral"].rename("to")])["angle_deg"].mean().unstack("to")
    means = means.reindex(columns=["unwanted", "wanted"]).add_prefix("to_")
    counts = named.groupby(keys)["angle_deg"].agg(n="count", n_nan=lambda angles: int(angles.isna().sum()))
    joined: pd.DataFrame = means.join(counts).reset_index()
    return joined.assign(family=[families[prompt] for prompt in joined["prompt"]])


def _per_prompt_panel(axes: Axes, study: Study, own: pd.DataFrame) -> None:
    names = choices.families(study)
    colours, markers = colours_of(names), markers_of(names)
    for family, rows in own.groupby("family", sort=False):
        spots = rows["to_unwanted"], rows["to_wanted"]
        axes.scatter(*spots, s=30, color=colours[str(family)], marker=markers[str(family)], zorder=4)
    for line in (axes.axhline, axes.axvline):
        line(RIGHT_ANGLE, color=BLACK, linewidth=0.9, linestyle="--", zorder=1)
    axes.margins(0.12)
    if own.empty:
        axes.text(0.5, 0.4, "no prompts of both kinds", transform=axes.transAxes, ha="center")


def _per_prompt_caption(study: Study, data: pd.DataFrame) -> str:
    return " ".join(
        [
            "Mean angle of each prompt's shifts to those of all other prompts that name an unwanted trait (across) and",
            "a wanted one (up), in degrees; dashed: 90 degrees, which is unrelated. Colours and markers are families.",
            "These means over the study's own prompts have no interval; the figure of group angles has the",
            f"{interval_words(study)} over training examples. A number is left out where there is no room for it.",
            "No training seed enters.",
            n_words(data["n"], "other prompts behind each point") + ".",
            failed_words(data, cell_names(data, "level", "prefix", "representation"), "to_unwanted", 1.0),
        ]
    )


def draw_dimensions(study: Study, sources: Sources) -> Drawing:
    """First and second coordinates against the suppression of either trait."""
    coordinates = sources.table("coordinates", COORDINATES)
    tests = sources.table("dimension_tests", (*TESTS, "method", "dimension", "trait"))
    suppression = sources.table("suppression", SUPPRESSION)
    traits = [trait for trait in (choices.focus_trait(study), choices.wanted_trait(study)) if trait is not None]
    outcomes = {trait: last_suppression(study, suppression, trait) for trait in traits}
    # The expected trait of each dimension comes first: the unwanted one for the first, the other for the second.
    order = [(1, 0), (2, 1), (1, 1), (2, 0)] if len(traits) == 2 else [(1, 0), (2, 0)]
    rows: list[list[Cloud]] = []
    for kind in kinds_of(coordinates, study):
        for method, axis in AXIS_NAMES.items():
            rows.append([])
            for dimension, which in order:
                trait = traits[which]
                own = kind.rows(coordinates)
                own = own[(own["method"] == method) & (own["component"] == dimension)]
                values = own[["level", "prefix", "method", "component", "prompt", "value", "lo", "hi"]]
                outcome = outcomes[trait][outcomes[trait]["prefix"] == kind.prefix]
                points = with_suppression(values, outcome).assign(trait=trait)
                found = kind.rows(tests)
                found = found[(found["method"] == method) & (found["dimension"] == dimension)]
                x_label = f"{axis}{dimension}, {kind.words}"
                label = f"{choices.trait_label(study, trait)} suppression (points)"
                statistics = _tested(study, found[found["trait"] == trait])
                rows[-1].append(Cloud(points, x_label, label, statistics))
    figure, data, _ = draw_clouds(study, rows, len(order), _q_lines)
    words = (
        "First and second coordinate of each prompt (PCA: columns centred, not scaled; SVD: neither), by response and, "
        "where tokens are stored, by token, against suppression; on the left the first with the unwanted and the "
        "second with the wanted trait, on the right the other way round"
    )
    data = data.assign(n=data["suppression_n"], n_nan=data["suppression_n_nan"])
    return Drawing(figure, data, _tests_caption(study, data, words, ["level", "method", "trait"]))


def draw_cross(study: Study, sources: Sources) -> Drawing:
    """Five angles against the suppression of the trait that a prompt does not name."""
    angles = sources.table(
        "cross_angles", ("level", "prefix", "unwanted", "wanted", "prompt", "predictor", "angle_deg")
    )
    tests = sources.table("cross_angle_tests", (*TESTS, "unwanted", "wanted", "predictor"))
    suppression = sources.table("suppression", SUPPRESSION)
    unwanted, wanted = choices.focus_trait(study), choices.wanted_trait(study)
    assert unwanted is not None  # the catalogue has this figure only for studies with both
    assert wanted is not None
    other = {unwanted: wanted, wanted: unwanted}
    families = prompt_families(study)
    outcomes = pd.concat([last_suppression(study, suppression, trait) for trait in other])
    crossed = outcomes[
        [
            other.get(families.get(prompt, "")) == trait
            for prompt, trait in zip(outcomes["prompt"], outcomes["trait"], strict=True)
        ]
    ]
    rows: list[list[Cloud]] = []
    for kind in kinds_of(angles, study):
        rows.append([])
        for predictor, label in PREDICTOR_LABELS.items():
            chosen = []
            for table in (angles, tests):
                own = kind.rows(table)
                own = own[(own["unwanted"] == unwanted) & (own["wanted"] == wanted) & (own["predictor"] == predictor)]
                chosen.append(own)
            values = chosen[0][["level", "prefix", "predictor", "prompt", "angle_deg"]].rename(
                columns={"angle_deg": "value"}
            )
            points = with_suppression(values.assign(lo=NAN, hi=NAN), crossed[crossed["prefix"] == kind.prefix])
            y_label = f"{kind.words}:\nother suppression (points)"
            rows[-1].append(Cloud(points, label, y_label, _tested(study, chosen[1]), compared=label))
    figure, data, _ = draw_clouds(study, rows, 3, _q_lines)
    words = (
        f"Five angles of each prompt that names {rst(choices.trait_label(study, unwanted))} or "
        f"{rst(choices.trait_label(study, wanted))}, against the suppression of the trait of the two that it does not "
        "name: the angle from the first axis in the plane of two coordinates, and the angle to the mean of the prompts "
        "that name the other trait"
    )
    data = data.assign(n=data["suppression_n"], n_nan=data["suppression_n_nan"])
    return Drawing(figure, data, _tests_caption(study, data, words, ["level", "predictor"]))


def _tested(study: Study, found: pd.DataFrame) -> Statistics:
    """A row of tests at the learning rate that the figure shows; NaN without one."""
    own = found[found["learning_rate"] == choices.main_rate(study)]
    names = ("r", "r_lo", "r_hi", "p", "q")
    if own.empty:
        return {**dict.fromkeys(names, NAN), "n_prompts": 0.0}
    row = own.iloc[0]
    return {**{name: float(row[name]) for name in names}, "n_prompts": float(row["n"])}


def _q_lines(found: Statistics) -> list[str]:
    return [
        correlation_text("r", found["r"], found["r_lo"], found["r_hi"]),
        f"{probability_text('p', found['p'])}, n = {found['n_prompts']:.0f}",
        probability_text("q", found["q"]),
    ]


def _tests_caption(study: Study, data: pd.DataFrame, words: str, names: list[str]) -> str:
    trained = data[data["suppression_n"].notna()]
    outcome = trained.assign(n=trained["suppression_n"], n_nan=trained["suppression_n_nan"])
    return " ".join(
        [
            f"{words} (control − run, points, asked without a prefix, last step, learning rate",
            f"{choices.main_rate(study):g}). Line: least squares with the interval of its mean; r is Pearson's, p that",
            "of its t test, q the false-discovery rate over all such tests of the study; n counts prompts.",
            "A number is left out where there is no room for it; the CSV file names every point.",
            f"Whiskers, band and brackets: {interval_words(study)}.",
            seed_words(study),
            n_words(outcome["n"], "pairs of completions behind each suppression") + ".",
            failed_words(outcome, cell_names(outcome, "prefix", *names), "suppression", study.statistics.max_nan),
        ]
    )
