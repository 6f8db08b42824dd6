"""The tables of results, from those of the analysis. Every number stands with its n."""

from __future__ import annotations

import math
from collections import Counter

import pandas as pd

from inoc.report.words import FAILED, Table, code, counted, escape, interval, measured, number, probability
from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.study import Study

RELATIONS = {"at_least": "≥", "at_most": "≤", "above": ">"}
ANSWERS = {"holds": "yes", "does not hold": "**no**", "not measurable": "**not measurable**"}
CELLS = ("without_without", "without_with", "with_without", "with_with")


def _without_single_rate(table: Table) -> Table:
    """Leave out the learning rate where there is but one: it is in the methods."""
    column = table.head.index("learning rate")
    if len({row[column] for row in table.rows}) > 1:
        return table
    head, *rows = ([*row[:column], *row[column + 1 :]] for row in (table.head, *table.rows))
    return Table(head, rows)


def seed_verdicts(verdict: pd.DataFrame) -> list[str]:
    """Statements that hold, that do not, and that could not be measured: a sentence over all seeds, and one for each.

    Args:
        verdict: Table of the analysis.
    """
    words = []
    if verdict.empty:
        return ["Nothing could be checked; see what was skipped."]
    for seed, rows in _by_seed(verdict):
        known = rows[rows["value"].notna()]
        held, clear = int((known["holds"] == True).sum()), int((known["clear"] == True).sum())  # noqa: E712
        who = "Over all seeds" if seed == "all" else f"Seed {seed}"
        words.append(
            f"**{who}:** {held} of {len(rows)} statements hold, {clear} of them with the whole interval "
            f"on the expected side.{_listed_as(rows, 'does not hold', 'Not so')}"
            f"{_listed_as(rows, 'not measurable', 'Not measurable, for too many scores failed or are absent')}"
        )
    return words


def _listed_as(rows: pd.DataFrame, answer: str, words: str) -> str:
    """The statements with an answer, as a sentence; empty for none."""
    found = [f"{escape(row['text'])} ({escape(_about(row))})" for _, row in rows[rows["answer"] == answer].iterrows()]
    return f" {words}: {'; '.join(found)}." if found else ""


def _by_seed(verdict: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    seeds = sorted(verdict["seed"].astype(str).unique(), key=lambda seed: (seed != "all", len(seed), seed))
    return [(seed, verdict[verdict["seed"].astype(str) == seed]) for seed in seeds]


def _about(row: pd.Series) -> str:
    if row["prefix"] == "none":
        return "control"
    return ", ".join(part for part in (str(row["prompt"]), str(row["prefix"])) if part) or "all prompts"


def verdict_table(verdict: pd.DataFrame) -> Table:
    """Each expectation, over all seeds first and then seed by seed."""
    rows = []
    order = list(
        dict.fromkeys(zip(verdict["text"], verdict["prompt"], verdict["prefix"], verdict["learning_rate"], strict=True))
    )
    place = {key: index for index, key in enumerate(order)}
    for seed, found in _by_seed(verdict):
        keys = zip(found["text"], found["prompt"], found["prefix"], found["learning_rate"], strict=True)
        for _, (_, row) in sorted(zip(keys, found.iterrows(), strict=True), key=lambda pair: place[pair[0]]):
            digits = 2 if str(row["statement"]).startswith("r_") else 1
            held_out = _held_out(row, "r2_out")
            rows.append(
                [
                    escape(row["text"]),
                    escape(_about(row)),
                    f"{row['learning_rate']:g}",
                    seed,
                    measured(row, digits=digits),
                    held_out,
                    f"{RELATIONS.get(str(row['relation']), str(row['relation']))} {row['threshold']:.3g}",
                    ANSWERS.get(str(row["answer"]), str(row["answer"])),
                    "yes" if row["clear"] else "no",
                ]
            )
    head = [
        "expectation",
        "about",
        "learning rate",
        "seed",
        "found",
        "held-out R²",
        "expected",
        "holds",
        "interval holds",
    ]
    return _without_single_rate(Table(head, rows))


def score_table(study: Study, scores: pd.DataFrame, trait: str) -> Table:
    """Scores of one trait at the last step: control, then every prompt × fixed/mix × default/training.

    Args:
        study: Prompts and learning rates.
        scores: Table of the analysis.
        trait: Whose scores.
    """
    pooled = scores[
        (scores["trait"] == trait) & (scores["seed"].astype(str) == "all") & scores["learning_rate"].notna()
    ]
    last = pooled[pooled["step"] == pooled["step"].max()]
    cells = {
        (row["prompt"], row["prefix"], row["learning_rate"], row["condition"]): measured(row)
        for _, row in last.iterrows()
        if row["condition"] in ("default", "training")
    }
    columns = [(prefix, condition) for prefix in ("fixed", "mix") for condition in ("default", "training")]
    rows = []
    for rate in choices.learning_rates(study):
        control = cells.get(("", "none", rate, "default"))
        if control is not None:
            rows.append(["control, no prefix", f"{rate:g}", control, "–", "–", "–"])
        for prompt in choices.trained_prompts(study):
            found = [cells.get((prompt, prefix, rate, condition), "–") for prefix, condition in columns]
            if any(cell != "–" for cell in found):
                rows.append([code(prompt), f"{rate:g}", *found])
    head = ["prompt", "learning rate", "fixed, default", "fixed, training", "mix, default", "mix, training"]
    return _without_single_rate(Table(head, rows))


def gate_table(study: Study, gate: pd.DataFrame) -> Table:
    """The four cells and the interaction of every prompt, pooled over seeds."""
    rows = []
    place = {trait: index for index, trait in enumerate(choices.judged_traits(study))}
    pooled = gate[gate["seed"].astype(str) == "all"].assign(place=gate["trait"].map(place))
    for _, row in pooled.sort_values(["place", "prefix"], kind="stable").iterrows():
        shown = [measured(row, name) for name in CELLS]
        value = interval(row["interaction"], row["lo"], row["hi"])
        interaction = f"{value} ({counted(row['n'], row['n_nan'])})"
        rows.append(
            [escape(row["trait"]), code(row["prompt"]), row["prefix"], f"{row['learning_rate']:g}", *shown, interaction]
        )
    head = ["trait", "prompt", "prefix", "learning rate", *_cell_heads(), "interaction"]
    return _without_single_rate(Table(head, rows))


def _cell_heads() -> list[str]:
    return [f"trained {trained}, asked {asked}" for trained, asked in (name.split("_") for name in CELLS)]


def prediction_table(prediction: pd.DataFrame) -> Table:
    """Correlation of each predictor with suppression, and its error on prompts it has not seen."""
    rows = []
    for _, row in prediction.iterrows():
        named = escape(row["predictor"]) + (
            "" if row["predictor_trait"] == "all" else f" ({escape(row['predictor_trait'])})"
        )
        numbers = [interval(row[name], row[f"{name}_lo"], row[f"{name}_hi"], 2) for name in ("r", "rho")]
        held_out = [_held_out(row, name) for name in ("r2_out", "r2_over_elicitation")]
        tests = [probability(row[name]) for name in ("p", "q")]
        rows.append(
            [
                escape(row["trait"]),
                f"{row['learning_rate']:g}",
                row["prefix"],
                named,
                counted(row["n"], row["n_nan"]),
                *(_or_dash(text) for text in (*numbers, *held_out, *tests)),
            ]
        )
    head = ["suppressed trait", "learning rate", "prefix", "predictor", "prompts", "r", "ρ", "held-out R²"]
    return _without_single_rate(Table([*head, "held-out R² over elicitation", "p", "q"], rows))


def _held_out(row: pd.Series, name: str) -> str:
    """A held-out R²; a dash where it has no interval, for then it says nothing."""
    if math.isnan(row[f"{name}_lo"]):
        return "–"
    return interval(row[name], row[f"{name}_lo"], row[f"{name}_hi"], 2)


def _or_dash(text: str) -> str:
    return "not computable" if text == FAILED else text


def spread_table(spread: pd.DataFrame) -> Table:
    """Distance of each pool of rephrasings from its prompt."""
    several = "pool" in spread and spread["pool"].nunique() > 1
    rows = [
        [
            code(row["prompt"]) + (f", {escape(row['pool'])}" if several else ""),
            str(int(row["n"])),
            f"{number(row['similarity_mean'], 2)} ± {number(row['similarity_sd'], 2)}",
            number(row["similarity_min"], 2),
            number(row["effective_rank"], 1),
            str(int(row["dropped"])),
            escape(row["reasons"]) or "–",
        ]
        for _, row in spread.iterrows()
    ]
    head = ["prompt", "n", "similarity to the prompt, mean ± sd", "least", "effective rank", "dropped", "why"]
    return Table(head, rows)


def kept_table(examples: pd.DataFrame) -> Table:
    """Number of sampled rows that were kept, and why others were not.

    Args:
        examples: With the columns kept and reason.
    """
    dropped = Counter(str(reason) or "no reason given" for reason in examples.loc[~examples["kept"], "reason"])
    rows = [["kept", str(int(examples["kept"].sum()))]]
    rows += [[f"dropped: {escape(reason)}", str(n)] for reason, n in sorted(dropped.items())]
    return Table(["training examples, of all datasets", "n"], [*rows, ["sampled", str(len(examples))]])


def failed_words(tables: dict[str, pd.DataFrame]) -> list[str]:
    """Cells of the analysis that failed, for each table that says so.

    Args:
        tables: Name → table.
    """
    words = []
    for name, frame in tables.items():
        if "failed" in frame and len(frame):
            n = int(frame["failed"].fillna(value=False).sum())
            words.append(f"{code(name)}: {n} of {len(frame)} cells failed.")
    return words
