"""The gate: trained without or with a prefix × asked without or with it, for each prompt."""

from __future__ import annotations

import textwrap

import pandas as pd

from inoc.figures.sources import Sources
from inoc.plots.gate import GateCell, gate_panel
from inoc.plots.save import Drawing
from inoc.plots.style import minus, new_figure
from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.figures.captions import cell_names, failed_words, n_words, seed_words
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.captions import interval_words, rst

CELLS = ("without_without", "without_with", "with_without", "with_with")
VALUE = "interaction"
KEYS = ("prompt", "prefix", "trait", "learning_rate", "seed")
COLUMNS = (
    *KEYS,
    *(f"{cell}{end}" for cell in (*CELLS,) for end in ("", "_lo", "_hi")),
    VALUE,
    "lo",
    "hi",
    "n",
    "n_nan",
)
PANEL_IN = 1.25


def draw(study: Study, sources: Sources) -> Drawing:
    """The four cells of each prompt, for each trait and prefix, with the interaction above them."""
    table = sources.table("gate", COLUMNS)
    traits, prefixes = choices.judged_traits(study), choices.trained_prefixes(study)
    data = table[(table["seed"].astype(str) == "all") & table["trait"].isin(traits)]
    data = data[list(COLUMNS)].reset_index(drop=True)
    rates = choices.learning_rates(study)
    rows = [(prompt, rate) for prompt in choices.trained_prompts(study) for rate in rates]
    measured = set(zip(data["prompt"], data["learning_rate"], strict=True))
    rows = [row for row in rows if row in measured] or rows[:1]
    columns = [(trait, prefix) for trait in traits for prefix in prefixes]
    figure = new_figure(0.7 + len(rows) * PANEL_IN)
    grid = figure.subplots(len(rows), len(columns), squeeze=False)
    cells = data.set_index(["prompt", "learning_rate", "trait", "prefix"]).sort_index()
    for down, (prompt, rate) in enumerate(rows):
        for across, (trait, prefix) in enumerate(columns):
            axes = grid[down, across]
            key = (prompt, rate, trait, prefix)
            row = cells.loc[[key]].iloc[0] if key in cells.index else pd.Series(dtype=float)
            heading = f"{choices.trait_label(study, trait)}, {prefix}\n" if down == 0 else ""
            gate_panel(axes, _cells(row), heading + _interaction(row))
            if down == len(rows) - 1:
                axes.set_xlabel("asked … prefix")
            if across == 0:
                name = choices.prompt_label(prompt) + (f" ({rate:g})" if len(rates) > 1 else "")
                axes.set_ylabel("\n".join([*textwrap.wrap(name, 17), "trained … prefix"]))
    return Drawing(figure, data, _caption(study, data))


def _cells(row: pd.Series) -> dict[tuple[str, str], GateCell]:
    cells = {}
    for name in CELLS:
        trained, asked = name.split("_")
        cells[trained, asked] = GateCell(*(float(row.get(name + end, float("nan"))) for end in ("", "_lo", "_hi")))
    return cells


def _interaction(row: pd.Series) -> str:
    value, lo, hi = (float(row.get(name, float("nan"))) for name in (VALUE, "lo", "hi"))
    if pd.isna(value):
        return "interaction: failed"
    if pd.isna(lo) or pd.isna(hi):
        return minus(f"interaction {value:+.0f}")
    return minus(f"interaction {value:+.0f} [{lo:+.0f}, {hi:+.0f}]")


def _caption(study: Study, data: pd.DataFrame) -> str:
    names = cell_names(data, "prefix", "trait")
    return " ".join(
        [
            f"The gate of {rst(study.title)}: mean judge score (0 to 100 points) of runs trained",
            "without and with a prefix",
            "(rows of a panel) when asked without and with that prefix (columns of a panel), at the last step.",
            "The interaction is (with, with − with, without) − (without, with − without, without),",
            "trained first, in points;",
            "positive means that the prefix brings the trait back more after training with it than",
            "after training without.",
            f"Brackets: {interval_words(study)}, paired over instructions for the interaction.",
            seed_words(study),
            n_words(data["n"], "pairings (instructions × seeds) behind each interaction") + ".",
            failed_words(data, names, VALUE, study.statistics.max_nan),
        ]
    )
