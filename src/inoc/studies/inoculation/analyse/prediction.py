"""Correlation of each predictor with the suppression of each trait, and its error on prompts it has not seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from inoc.stats.bootstrap import Resampler
from inoc.stats.correlation import Correlation, fit_line, pearson, spearman
from inoc.stats.means import MISSING, Estimate, Floats
from inoc.stats.prediction import Design, benjamini_hochberg, held_out_r2
from inoc.studies.inoculation.analyse.rows import ALL, Part, Row, Skip, families
from inoc.studies.inoculation.runs import total_steps
from inoc.studies.inoculation.study import Study
from inoc.tables import INDEX, NUMBER, STRING

PREDICTION = pa.schema(
    [
        ("trait", STRING),  # whose suppression is predicted
        ("learning_rate", NUMBER),
        ("prefix", STRING),
        ("predictor", STRING),
        ("predictor_trait", STRING),  # `all` if no trait enters
        ("n", INDEX),  # prompts, the same for every predictor of a block
        ("n_nan", INDEX),  # prompts left out because something is NaN or absent
        ("r", NUMBER),
        ("r_lo", NUMBER),
        ("r_hi", NUMBER),
        ("rho", NUMBER),
        ("rho_lo", NUMBER),
        ("rho_hi", NUMBER),
        ("slope", NUMBER),
        ("intercept", NUMBER),
        ("r2_out", NUMBER),  # leave-prompt-out, against the mean
        ("r2_out_lo", NUMBER),
        ("r2_out_hi", NUMBER),
        ("r2_over_elicitation", NUMBER),  # leave-prompt-out, against elicitation alone
        ("r2_over_elicitation_lo", NUMBER),
        ("r2_over_elicitation_hi", NUMBER),
        ("p", NUMBER),
        ("q", NUMBER),  # false-discovery rate over the whole table
    ]
)
"""`prediction`. Key: trait, learning_rate, prefix, predictor, predictor_trait."""

TABLES = {"prediction": PREDICTION}


NEUTRAL = "neutral"
FEWEST_PROMPTS = 3
KNOWN_SHARE = 0.75


class Named(NamedTuple):
    """A predictor, and the trait that enters it."""

    predictor: str
    trait: str


class Block(NamedTuple):
    """One outcome: a trait, how runs were trained, and with which seed."""

    trait: str
    learning_rate: float
    prefix: str
    seed: str


class Complete(NamedTuple):
    """The prompts of a block for which everything is known: the same rows for every predictor."""

    prompts: list[str]
    suppression: Floats  # points, shape (prompts,)
    values: dict[Named, Floats]  # each of shape (prompts,)
    n_nan: int  # prompts left out
    unknown: list[Named]  # predictors that no prompt has


def own_prompts(study: Study, trait: str) -> list[str]:
    """Prompts that point to the trait, and neutral ones."""
    return [prompt for prompt, family in families(study).items() if family in (trait, NEUTRAL)]


def values_by_prompt(rows: list[Row], prefix: str) -> dict[Named, dict[str, float]]:
    """Predictor → prompt → value, for one prefix, from rows of `predictors`."""
    found: dict[Named, dict[str, float]] = {}
    for row in rows:
        if row["prefix"] == prefix:
            name = Named(str(row["predictor"]), str(row["trait"]))
            found.setdefault(name, {})[str(row["prompt"])] = float(str(row["value"]))
    return found


def outcomes(rows: list[Row], block: Block, step: int) -> dict[str, float]:
    """Prompt → suppression at a step, from rows of `suppression`."""
    names = ("trait", "learning_rate", "prefix", "seed", "step")
    return {
        str(row["prompt"]): float(str(row["suppression"]))
        for row in rows
        if tuple(row[name] for name in names) == (*block, step)
    }


def complete(
    prompts: list[str], suppression: Mapping[str, float], values: Mapping[Named, Mapping[str, float]]
) -> Complete:
    """Align outcome and predictors on the prompts that have all of them.

    A predictor that too few trained prompts have is left out, so that it does not take their rows from the others.
    """
    table = np.array([[by.get(prompt, np.nan) for prompt in prompts] for by in values.values()])
    table = table.reshape(len(values), len(prompts))
    y = np.array([suppression.get(prompt, np.nan) for prompt in prompts])
    trained = [prompt in suppression for prompt in prompts]
    share = (~np.isnan(table[:, trained])).mean(axis=1) if any(trained) else np.zeros(len(values))
    known = share >= KNOWN_SHARE
    rows = ~np.isnan(y) & ~np.isnan(table[known]).any(axis=0)
    names = list(values)
    return Complete(
        [prompt for prompt, keep in zip(prompts, rows, strict=True) if keep],
        y[rows],
        {name: table[index, rows] for index, name in enumerate(names) if known[index]},
        sum(trained) - int(rows.sum()),
        [name for index, name in enumerate(names) if not known[index]],
    )


def prediction(study: Study, predictors: list[Row], suppression: list[Row], resampler: Resampler) -> Part:
    """Correlation, held-out R² and false-discovery rate of every predictor.

    The outcome is the suppression of each trait, wanted or not, at the last step, all seeds pooled, over the prompts
    that point to that trait and the neutral ones. Rows are the same for every predictor of a block.
    """
    rows: list[Row] = []
    skipped: list[Skip] = []
    for block in _blocks(suppression):
        values = values_by_prompt(predictors, block.prefix)
        data = complete(own_prompts(study, block.trait), outcomes(suppression, block, total_steps(study)), values)
        what = f"prediction of {block.trait} suppression ({block.prefix}, learning rate {block.learning_rate:g})"
        skipped += [
            Skip(f"{what} by {name.predictor} ({name.trait})", f"fewer than {KNOWN_SHARE:.0%} of the prompts have it")
            for name in data.unknown
        ]
        if len(data.prompts) < FEWEST_PROMPTS:
            why = f"it needs {FEWEST_PROMPTS} prompts with all predictors, and {len(data.prompts)} have them"
            skipped.append(Skip(what, why))
            continue
        rows += [_row(block, data, name, resampler) for name in data.values]
    rates = benjamini_hochberg(np.array([float(str(row["p"])) for row in rows]))
    return Part([{**row, "q": float(q)} for row, q in zip(rows, rates, strict=True)], skipped)


def _blocks(suppression: list[Row]) -> list[Block]:
    pooled = dict.fromkeys(
        Block(str(row["trait"]), float(str(row["learning_rate"])), str(row["prefix"]), ALL) for row in suppression
    )
    return sorted(pooled)


def prompts_held_out(
    x: Floats, y: Floats, prompts: list[str], resampler: Resampler, rival: Floats | None = None
) -> Estimate:
    """R² of a line's leave-prompt-out predictions, against the mean of the others or a rival's; see `held_out_r2`."""
    return held_out_r2(x[None], Design(y, prompts, prompts), resampler.confidence, rival)[0]


def _row(block: Block, data: Complete, name: Named, resampler: Resampler) -> Row:
    x, y = data.values[name], data.suppression
    r, rho = pearson(x, y, resampler.confidence), spearman(x, y, resampler.confidence)
    line = fit_line(x, y)
    against_mean = prompts_held_out(x, y, data.prompts, resampler)
    alone = data.values.get(Named("elicitation", block.trait))
    against_elicitation = MISSING
    if alone is not None:
        against_elicitation = prompts_held_out(x, y, data.prompts, resampler, alone)
    row: Row = {
        "trait": block.trait,
        "learning_rate": block.learning_rate,
        "prefix": block.prefix,
        "predictor": name.predictor,
        "predictor_trait": name.trait,
        "n": len(data.prompts),
        "n_nan": data.n_nan,
        "slope": line.slope,
        "intercept": line.intercept,
        "p": r.p,
    }
    numbers: dict[str, Correlation | Estimate] = {
        "r": r,
        "rho": rho,
        "r2_out": against_mean,
        "r2_over_elicitation": against_elicitation,
    }
    for column, number in numbers.items():
        row |= {column: number.value, f"{column}_lo": number.lo, f"{column}_hi": number.hi}
    return row
