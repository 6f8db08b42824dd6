"""The first page of the report: the verdict, its numbers, and a guide to reading them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from inoc.report.contents import EMPTY, Block
from inoc.report.words import FAILED, Table, code, escape, interval, number
from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.sections.results import seed_verdicts
from inoc.studies.inoculation.study import Study

MOST_ROWS = 6
"""Prompts of the headline table; all of them are in the results."""
Tables = Mapping[str, pd.DataFrame]


def verdict_words(study: Study, tables: Tables) -> list[str]:
    """The verdict in sentences: statements that hold, the fate of the unwanted and of the wanted trait, single seeds.

    Args:
        study: With what it expects.
        tables: Of the analysis.
    """
    first, *seeds = seed_verdicts(tables.get("verdict", pd.DataFrame()))
    words, strongest = [first], strongest_prompt(study, tables)
    for role in ("unwanted", "wanted") if strongest is not None else ():
        trait = choices.trait_in_role(study, role)
        if trait is not None and trait in choices.judged_traits(study):
            words.append(_change_words(study, tables, trait, str(strongest)))
    words += seeds
    if study.expect is None:
        words.append("The study states no expectation of a suppression to confirm or refute.")
    return [sentence for sentence in words if sentence]


def _change_words(study: Study, tables: Tables, trait: str, strongest: str) -> str:
    """`French, which is wanted, goes from 90.0 to 9.5 points after training behind "…"`."""
    before, after = (
        trait_scores(study, tables, "", "none", trait),
        trait_scores(study, tables, strongest, "fixed", trait),
    )
    if before is None or after is None:
        return ""
    if math.isnan(before["value"]) or math.isnan(after["value"]):
        return f"{escape(choices.trait_label(study, trait))} is not measurable with or without the strongest prefix."
    role = study.traits[trait].role
    return (
        f"**{escape(choices.trait_label(study, trait))}**, which is {role}, is at {_cell(after)} points after training "
        f"behind the prefix that suppresses most ({code(strongest)}), against {_cell(before)} after training without "
        "one; both are asked without a prefix."
    )


def headline(study: Study, tables: Tables) -> Block:
    """Unwanted and wanted trait after training, for the control and the prompts that suppress most.

    Args:
        study: The study.
        tables: Of the analysis.
    """
    unwanted, wanted = (choices.trait_in_role(study, role) for role in ("unwanted", "wanted"))
    traits = [trait for trait in (unwanted, wanted) if trait is not None and trait in choices.judged_traits(study)]
    order = _by_suppression(study, tables)
    if not traits or not order:
        return Block("In numbers", "*Nothing to show; see what was skipped.*", EMPTY)
    rows = [["no prefix (control)", "–", *_numbers(study, tables, "", "none", traits)]]
    for prompt in order[:MOST_ROWS]:
        for prefix in choices.trained_prefixes(study):
            rows.append([code(prompt), prefix, *_numbers(study, tables, prompt, prefix, traits)])
    head = ["trained behind", "prefix"]
    for trait in traits:
        label = f"{escape(choices.trait_label(study, trait))} ({study.traits[trait].role})"
        head += [label, "held back by"]
    head += ["selectivity"] if len(traits) > 1 else []
    level = f"{100 * study.statistics.confidence:g} %"
    after = (
        f"Points of the judge, 0 to 100, asked without a prefix at the last step, pooled over seeds; {level} interval. "
        "“Held back by” is the score of the control less that of the run. "
        + ("Selectivity is what is held back of the unwanted trait less that of the wanted one. " if wanted else "")
        + f"These are the {min(MOST_ROWS, len(order))} of {len(order)} prompts that hold back most; all are below."
    )
    return Block("In numbers", "", Table(head, rows), after)


def _numbers(study: Study, tables: Tables, prompt: str, prefix: str, traits: list[str]) -> list[str]:
    cells, held = [], []
    for trait in traits:
        row = trait_scores(study, tables, prompt, prefix, trait)
        found = trait_suppression(study, tables, trait)
        own = found[(found["prompt"] == prompt) & (found["prefix"] == prefix)] if prompt else found.iloc[:0]
        cells.append("–" if row is None else _cell(row))
        if own.empty:
            cells.append("–")
            continue
        first = own.iloc[0]
        cells.append(interval(first["suppression"], first["lo"], first["hi"]))
        held.append(float(first["suppression"]))
    if len(traits) < 2:
        return cells
    return [*cells, number(held[0] - held[1]) if len(held) == 2 else "–"]


def _cell(row: Mapping[str, float]) -> str:
    text = interval(row["value"], row["lo"], row["hi"])
    return "not measurable" if text == FAILED else text


def _last(study: Study, table: pd.DataFrame | None) -> pd.DataFrame:
    """Rows of the main learning rate at its last step, pooled over seeds and, if there are several, the first set."""
    if table is None or table.empty:
        return pd.DataFrame(columns=["prompt", "prefix", "trait"])
    rows = table[(table["seed"].astype(str) == "all") & (table["learning_rate"] == choices.main_rate(study))]
    if "questions" in rows and len(rows):
        rows = rows[rows["questions"] == rows["questions"].iloc[0]]
    last: pd.DataFrame = rows[rows["step"] == rows["step"].max()]
    return last


def trait_suppression(study: Study, tables: Tables, trait: str) -> pd.DataFrame:
    """Suppression of one trait by each prefix, at the last step of the main learning rate, pooled over seeds."""
    rows = _last(study, tables.get("suppression"))
    found: pd.DataFrame = rows[rows["trait"] == trait]
    return found


def trait_scores(study: Study, tables: Tables, prompt: str, prefix: str, trait: str) -> dict[str, float] | None:
    """Score of one trait after training, asked without a prefix; keys value, lo and hi. None if there is none."""
    rows = _last(study, tables.get("scores"))
    if rows.empty:
        return None
    own = rows[
        (rows["trait"] == trait)
        & (rows["prompt"] == prompt)
        & (rows["prefix"] == prefix)
        & (rows["condition"] == "default")
    ]
    if own.empty:
        return None
    return {name: float(own.iloc[0][name]) for name in ("value", "lo", "hi")}


def _by_suppression(study: Study, tables: Tables) -> list[str]:
    """Prompts by the suppression of the unwanted trait by their fixed prefix, or else their mix; largest first."""
    trait, prefixes = choices.focus_trait(study), choices.trained_prefixes(study)
    if trait is None or not prefixes:
        return []
    rows = trait_suppression(study, tables, trait)
    if rows.empty:
        return []
    own = rows[rows["prefix"] == prefixes[0]].dropna(subset=["suppression"])
    return [str(prompt) for prompt in own.sort_values("suppression", ascending=False, kind="stable")["prompt"]]


def strongest_prompt(study: Study, tables: Tables) -> str | None:
    """The prompt whose fixed prefix suppresses the unwanted trait most; None if it is not known."""
    return next(iter(_by_suppression(study, tables)), None) if "fixed" in choices.trained_prefixes(study) else None


def reading(study: Study) -> list[str]:
    """Guide to reading the numbers and figures."""
    level = f"{100 * study.statistics.confidence:g} %"
    return [
        f"Brackets, whiskers and bands are {level} intervals; where there is one training seed they leave out the "
        "spread between seeds.",
        "n counts what entered a number, n_nan what could not be scored; what could not be scored is left out, never "
        "counted as zero.",
        "Numbers beside points stand for prompts; the list below the figure says which.",
        "An r is in the sample. A held-out R² predicts prompts that were left out: below zero it is worse than the "
        "mean of the others.",
    ]


def glossary(study: Study) -> list[tuple[str, str]]:
    """Terms of the page, and what they mean."""
    terms = [
        ("prefix", "a text in front of the instruction in training: always the same one (fixed), or many (mix)"),
        ("mix", "rephrasings of a prompt, one drawn for each training example"),
        ("control", "a run that is trained without a prefix"),
        ("suppression", "score of the control less that of the run, both asked without a prefix, in points"),
        ("elicitation", "score of the untrained model when the prompt is in front of the question"),
        ("PH", "mean shift of the log-probability of training completions that the prompt causes, in nats per token"),
        ("PPD", "mean absolute shift on completions that lack the unwanted trait"),
        ("gate", "whether the trait comes back when the model is asked with the prefix of its training"),
    ]
    if choices.wanted_trait(study) is not None:
        terms.append(("selectivity", "suppression of the unwanted trait less that of the wanted one, in points"))
    return terms
