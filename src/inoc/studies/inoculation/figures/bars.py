"""Bars: scores after training for each prompt, and what the untrained model does under each prompt."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from inoc.figures.sources import Sources
from inoc.plots.bars import Series, grouped_bars, height_of, reference_line
from inoc.plots.save import Drawing
from inoc.plots.style import BLACK, GREY, SKY, colours_of, minus, new_figure
from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.figures.captions import cell_names, failed_words, n_words, seed_words
from inoc.studies.inoculation.figures.choices import Trained
from inoc.studies.inoculation.figures.curves import COLUMNS, curve_data
from inoc.studies.inoculation.runs import prompt_families, prompt_texts, study_runs
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.captions import interval_words, rst

ELICITATION = ("prompt", "family", "prefix", "trait", "value", "lo", "hi", "n", "n_nan")
MOST_COLUMNS = 4


def draw_scores(study: Study, sources: Sources) -> Drawing:
    """Scores at the last step: fixed and mix bars for each prompt, with the control and the untrained model."""
    curves = curve_data(study, sources.table("scores", COLUMNS))
    data = curves[curves["step"] == curves["step"].max()].reset_index(drop=True)
    elicited = sources.table("elicitation", ELICITATION)
    rows = _rows(study, elicited)
    prefixes = choices.trained_kinds(study) or ["none"]
    conditions = study.evaluation.conditions if choices.trained_prompts(study) else study.evaluation.conditions[:1]
    panels = [(trait, condition) for trait in choices.judged_traits(study) for condition in conditions]
    across = min(MOST_COLUMNS, len(panels))
    down = -(-len(panels) // across)
    figure = new_figure(1.0 + down * height_of(len(rows), len(prefixes)))
    grid = figure.subplots(down, across, squeeze=False, sharey=True)
    for index, axes in enumerate(grid.flat):
        if index >= len(panels):
            axes.set_visible(False)
            continue
        _score_panel(axes, study, data, rows, prefixes, *panels[index])
        _baseline(axes, elicited, panels[index][0])
    _score_legend(figure, study, prefixes)
    untrained = elicited[elicited["prompt"] == ""].assign(condition="untrained")
    kept = ["prompt", "prefix", "condition", "trait", "value", "lo", "hi", "n", "n_nan"]
    plotted = pd.concat([data, untrained[kept]])
    return Drawing(figure, plotted.reset_index(drop=True), _score_caption(study, data))


def _rows(study: Study, elicited: pd.DataFrame) -> list[Trained]:
    order = prompts_by_elicitation(study, elicited, choices.trained_prompts(study))
    runs = {Trained(run.prompt, run.learning_rate) for run in study_runs(study)}
    rates = choices.learning_rates(study)
    return [Trained(prompt, rate) for rate in rates for prompt in ["", *order] if Trained(prompt, rate) in runs]


def prompts_by_elicitation(study: Study, elicited: pd.DataFrame, prompts: list[str]) -> list[str]:
    """Prompts, those first that make the untrained model show the unwanted trait most; unknown ones last.

    Args:
        study: Its focus trait decides.
        elicited: Table of the analysis.
        prompts: What to order.
    """
    rows = elicited[(elicited["trait"] == choices.focus_trait(study)) & (elicited["prefix"] == "fixed")]
    strength = dict(zip(rows["prompt"], rows["value"], strict=True))
    place = {prompt: index for index, prompt in enumerate(prompts)}
    known = {prompt: strength.get(prompt, float("nan")) for prompt in prompts}
    return sorted(prompts, key=lambda prompt: (np.isnan(known[prompt]), -np.nan_to_num(known[prompt]), place[prompt]))


def _score_panel(
    axes: Axes,
    study: Study,
    data: pd.DataFrame,
    rows: list[Trained],
    prefixes: list[str],
    trait: str,
    condition: str,
) -> None:
    own = data[data["trait"] == trait].set_index(["prompt", "prefix", "learning_rate", "condition"])
    looks, runs = choices.looks(study), {run[:3] for run in study_runs(study)}
    series = []
    # A control has no prefix to be asked with: its default is the reference in every panel.
    for prefix, asked in [
        ("none", "default"),
        *((prefix, condition) for prefix in prefixes if prefix != "none"),
    ]:
        keys = [(row.prompt, prefix, row.learning_rate, asked) for row in rows]
        values = own.reindex(pd.MultiIndex.from_tuples(keys, names=own.index.names))[["value", "lo", "hi"]].to_numpy(
            float
        )
        colour = GREY if prefix == "none" else looks[prefix].colour
        present = np.array([(row.prompt, prefix, row.learning_rate) in runs for row in rows])
        middle, lo, hi = values.T
        series.append(Series("", middle, lo, hi, colour, looks[prefix].hatch, present))
    several = len(choices.learning_rates(study)) > 1
    labels = [choices.prompt_label(row.prompt) + (f" ({row.learning_rate:g})" if several else "") for row in rows]
    grouped_bars(axes, labels, series)
    controls = np.array([place for place, row in enumerate(rows) if not row.prompt])
    if not several and controls.size:
        first = controls[0]
        bounds = series[0].middle[first], series[0].lo[first], series[0].hi[first]
        reference_line(axes, *bounds, colour=BLACK, dashes=(1.0, 1.2))
    axes.set_xlim(0, 103)
    axes.set_xlabel("judge score (points)")
    axes.set_title(f"{choices.trait_label(study, trait)}\n{choices.CONDITION_WORDS[condition]}", fontsize="medium")


def _baseline(axes: Axes, elicited: pd.DataFrame, trait: str) -> None:
    base = elicited[(elicited["prompt"] == "") & (elicited["trait"] == trait)]
    if len(base):
        row = base.iloc[0]
        reference_line(axes, row["value"], row["lo"], row["hi"], colour=SKY, dashes=(5.0, 2.0))


def _score_legend(figure: Figure, study: Study, prefixes: list[str]) -> None:
    handles = [
        Patch(facecolor=look.colour, hatch=look.hatch, edgecolor="white", label=choices.kind_words(prefix))
        for prefix, look in choices.looks(study).items()
        if prefix in prefixes and prefix != "none"
    ]
    handles.append(Patch(facecolor=GREY, label="control: trained and asked without prefix"))
    handles.append(Patch(facecolor=SKY, alpha=0.6, label="untrained model, asked without prefix"))
    figure.legend(handles=handles, loc="outside upper left", ncols=2)


def _score_caption(study: Study, data: pd.DataFrame) -> str:
    step = "" if data.empty else f" ({int(data['step'].max())})"
    return " ".join(
        [
            f"Judge score (0 to 100 points) at the last training step{step} for each training prompt",
            f"of {rst(study.title)}:",
            "solid bars are trained with the fixed prefix, hatched ones with rephrasings of it;",
            "dotted line: the control,",
            "trained and asked without a prefix; dashed light line: the untrained model.",
            "Prompts are ordered by how much they elicit the unwanted trait before training.",
            f"Whiskers and shades: {interval_words(study)}. A cross is a cell without a score.",
            seed_words(study),
            n_words(data["n"], "completions behind each bar") + ".",
            failed_words(data, cell_names(data, "prefix", "trait", "condition"), "value", study.statistics.max_nan),
        ]
    )


def draw_elicitation(study: Study, sources: Sources) -> Drawing:
    """Increase of each trait of the untrained model by each prompt."""
    table = sources.table("elicitation", ELICITATION)
    traits = choices.judged_traits(study)
    prompts = prompts_by_elicitation(study, table, list(prompt_texts(study)))
    prefixes: list[str] = list(study.elicitation.prefixes)
    figure = new_figure(1.2 + height_of(len(prompts), len(prefixes)))
    grid = figure.subplots(1, len(traits), squeeze=False, sharey=True)
    colours = colours_of(choices.families(study))
    for axes, trait in zip(grid.flat, traits, strict=True):
        _elicitation_panel(axes, study, table[table["trait"] == trait], prompts, prefixes)
    handles = [
        Patch(facecolor=colours[family], label=f"{choices.family_label(study, family)} prompts") for family in colours
    ]
    handles += [
        Patch(
            facecolor=GREY, hatch=choices.looks(study)[prefix].hatch, edgecolor="white", label=f"rephrasings ({prefix})"
        )
        for prefix in prefixes
        if prefix != "fixed"
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=4)
    data = table[table["trait"].isin(traits)].reset_index(drop=True)
    return Drawing(figure, data, _elicitation_caption(study, data))


def _elicitation_panel(axes: Axes, study: Study, table: pd.DataFrame, prompts: list[str], prefixes: list[str]) -> None:
    families = prompt_families(study)
    colours = colours_of(choices.families(study))
    series = []
    for prefix in prefixes:
        own = table[table["prefix"] == prefix].set_index("prompt").reindex(prompts)
        values = own[["value", "lo", "hi"]].to_numpy(float)
        middle, lo, hi = values.T
        series.append(Series("", middle, lo, hi, GREY, choices.looks(study)[prefix].hatch))
    grouped_bars(axes, [choices.prompt_label(prompt) for prompt in prompts], series)
    for patch, prompt in zip(axes.patches, prompts * len(prefixes), strict=True):
        patch.set_facecolor(colours[families[prompt]])
    axes.axvline(0, color=BLACK, linewidth=0.9)
    axes.set_xlabel("with − without prompt (points)")
    axes.set_title(_elicitation_title(study, table), fontsize="medium")


def _elicitation_title(study: Study, table: pd.DataFrame) -> str:
    base = table[table["prompt"] == ""]
    if base.empty:
        return "no measurement without a prompt"
    row = base.iloc[0]
    name = choices.trait_label(study, str(row["trait"]))
    return minus(f"{name}\nwithout prompt: {row['value']:.1f} [{row['lo']:.1f}, {row['hi']:.1f}] points")


def _elicitation_caption(study: Study, data: pd.DataFrame) -> str:
    rows = data[data["prompt"] != ""]
    names = cell_names(rows, "prefix", "trait")
    return " ".join(
        [
            "Elicitation: by how many points a prompt in front of the instruction raises the judge",
            "score of the untrained",
            "model, paired over instructions; positive means that the prompt brings out the trait.",
            "Above each panel: the mean score without a prompt, from which the bars start.",
            f"Whiskers: paired {interval_words(study)}. A cross is a cell without a score. No training seed enters.",
            n_words(rows["n"], "instructions behind each bar") + ".",
            failed_words(rows, names, "value", study.statistics.max_nan),
        ]
    )
