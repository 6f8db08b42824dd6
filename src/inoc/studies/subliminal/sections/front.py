"""The first page of the report: the verdict, its numbers, and a guide to reading them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from inoc.report.contents import EMPTY, Block
from inoc.report.words import NO_BREAK, Table, escape, interval, number, probability
from inoc.stats.means import mean_interval
from inoc.studies.shared.captions import level
from inoc.studies.subliminal.analyse.matched import ALL
from inoc.studies.subliminal.figures import choices
from inoc.studies.subliminal.runs import is_control
from inoc.studies.subliminal.sections.carriers import carrier_words
from inoc.studies.subliminal.study import Study

Tables = Mapping[str, pd.DataFrame]
_ROUNDING = 1e-9  # of one less the confidence
NOTHING = "*Nothing to show; see what was skipped.*"
METHODS = {"choose": "exact probabilities", "sample": "sampled answers"}


def shown_rows(study: Study, tables: Tables, name: str, method: str) -> pd.DataFrame:
    """Rows of a table of one method and the first set of questions; empty without the table."""
    table = tables.get(name)
    if table is None or table.empty:
        return pd.DataFrame()
    return choices.shown(study, table, method)


def main_method(study: Study) -> str:
    """The method of the first page: probabilities where they are measured."""
    return "choose" if "choose" in study.preference.methods else "sample"


def scale_of(method: str) -> str:
    """The scale of contrasts: nats for probabilities, else differences of shares."""
    return "log_ratio" if method == "choose" else "difference"


def contrast_words(row: pd.Series, method: str) -> str:
    """A contrast with its interval and unit."""
    factor, unit, digits = (1.0, "nats", 3) if method == "choose" else (100.0, "points", 1)
    return f"{interval(factor * row['contrast'], factor * row['lo'], factor * row['hi'], digits)} {unit}"


def verdict_words(study: Study, tables: Tables) -> list[str]:
    """The verdict in sentences, each of which says whether it holds.

    Args:
        study: The study.
        tables: Of the analysis.
    """
    words = [
        *_matched_words(study, tables),
        *_panel_words(study, tables),
        *carrier_words(tables.get("carriers", pd.DataFrame()), main_method(study)),
        *_own_words(study, tables),
        *_detected_words(tables),
    ]
    words = [one.replace("p = <", "p <") for one in words]
    return words or ["Nothing could be concluded; see what was skipped."]


_UNDECIDED = "**Undecided:**"


def _answer(holds: bool) -> str:  # noqa: FBT001
    return "**Holds:**" if holds else "**Does not hold:**"


def last_contrasts(study: Study, tables: Tables, method: str) -> pd.DataFrame:
    """The contrast over all teachers after the last epoch of each group."""
    rows = shown_rows(study, tables, "matched", method)
    if rows.empty:
        return rows
    last = rows["is_last"].astype(bool) & (rows["choice"] == "each") & (rows["scale"] == scale_of(method))
    found: pd.DataFrame = rows[last & (rows["teacher"] == ALL)]
    return found


def _matched_words(study: Study, tables: Tables) -> list[str]:
    method = main_method(study)
    return [_matched(study, row, method) for _, row in last_contrasts(study, tables, method).iterrows()]


def _matched(study: Study, row: pd.Series, method: str) -> str:
    alpha = 1 - study.statistics.confidence
    found = np.isfinite(row["p"]) and row["p"] <= alpha + _ROUNDING
    shown = np.isfinite(row["null_p"]) and row["null_p"] <= alpha + _ROUNDING
    name = escape(choices.group_name(study, str(row["group"])))
    numbers = (
        f"matched minus unmatched {contrast_words(row, method)}, p = {probability(row['p'])} by permutation of the "
        f"students; above zero in {int(row['n_above'])} of {int(row['n_cells'])} cells of entity × seed "
        f"({_several(row['n_teachers'], 'teacher')}, {_several(row['n_seeds'], 'seed')})"
    )
    null = null_words(row, method, alpha)
    if is_control(study, str(row["group"])):
        verdict = _answer(shown) if shown or found else _UNDECIDED
        return f"{verdict} students of {name}, a control, carry nothing over: {null}; {numbers}."
    claim = f"students of {name} come to share their own teacher's preference: {numbers}"
    if found and row["lo"] <= 0 <= row["hi"]:
        return f"{_UNDECIDED} {claim}; the students are told apart, but the interval of their mean contrast holds 0."
    if found:
        return f"{_answer(row['contrast'] > 0)} {claim}."
    few = _few_words(int(row["n_teachers"]), int(row["n_seeds"]), alpha)
    return f"{_answer(False) if shown else _UNDECIDED} {claim}; {null}{few}."


def _several(n: float, what: str) -> str:
    return f"{int(n)} {what}{'' if n == 1 else 's'}"


def _few_words(n_teachers: int, n_seeds: int, alpha: float) -> str:
    """Whether so few students can give a small p: one that exchanges students of a teacher alone changes nothing."""
    same = math.factorial(n_seeds) ** n_teachers / math.factorial(n_teachers * n_seeds)
    # With two teachers, all of whose students change places, the contrast only changes its sign.
    lowest = same * (2 if n_teachers == 2 else 1)
    return f"; no permutation of so few students has p ≤ {alpha:.2g}" if lowest > alpha + _ROUNDING else ""


def null_words(row: pd.Series, method: str, alpha: float) -> str:
    """Words on the tests of equivalence: whether the contrast is shown to be negligible."""
    factor, unit, digits = (1.0, "nats", 3) if method == "choose" else (100.0, "points", 1)
    bound = f"±{factor * row['null_bound']:g} {unit}"
    lo, hi = (number(factor * row[name], digits) for name in ("null_lo", "null_hi"))
    level = f"{100 * (1 - 2 * alpha):.0f} % interval {lo} to {hi}, p = {probability(row['null_p'])}"
    if not np.isfinite(row["null_p"]):
        return f"whether the contrast stays within {bound} cannot be tested"
    inside = row["null_p"] <= alpha + _ROUNDING
    said = f"the contrast stays within {bound}" if inside else f"the contrast is not shown to stay within {bound}"
    return f"{said} by two one-sided tests ({level})"


def _panel_words(study: Study, tables: Tables) -> list[str]:
    """The cells of groups that repeat one experiment with other base models, with every failure."""
    method = main_method(study)
    rows = shown_rows(study, tables, "cells", method)
    if rows.empty:
        return []
    rows = rows[rows["scale"] == scale_of(method)]
    words = []
    for panel, own in rows.groupby("panel", sort=False):
        if own["group"].nunique() < 2:
            continue
        known = own[own["contrast"].notna()]
        each = known.groupby("group", sort=False)["contrast"].mean().to_numpy(float)
        over = mean_interval(each, study.statistics.confidence)
        factor, unit, digits = (1.0, "nats", 3) if method == "choose" else (100.0, "points", 1)
        mean = interval(factor * over.value, factor * over.lo, factor * over.hi, digits)
        failed = [
            f"{escape(choices.teacher_name(study, str(row['teacher'])))}, seed {row['seed']} "
            f"({number(factor * row['contrast'], digits)})"
            for _, row in known[~known["is_above"].astype(bool)].iterrows()
        ]
        below = f" Not above zero: {'; '.join(failed)}." if failed else " None fails."
        words.append(
            f"Panel {escape(str(panel))}, repeated with {len(each)} base models: above zero in "
            f"{int(known['is_above'].sum())} of {len(known)} cells of entity × seed, mean over base models {mean} "
            f"{unit} (n = {len(each)} base models).{below}"
        )
    return words


def _own_words(study: Study, tables: Tables) -> list[str]:
    rows = shown_rows(study, tables, "transfer", main_method(study))
    if rows.empty:
        return []
    words = []
    for group in study.students:
        own = rows[(rows["group"] == group) & rows["matched"].astype(bool) & (rows["choice"] == "last")]
        own = own[
            (own["part"] == "")
            & (own["reference"] == ("neutral" if "neutral" in set(own["reference"]) else "untrained"))
        ]
        if own.empty:
            continue
        up = own[(own["q"] <= 0.05) & (own["difference"] > 0)]
        down = own[(own["q"] <= 0.05) & (own["difference"] < 0)]
        against = "the neutral student" if own["reference"].iloc[0] == "neutral" else "the untrained model"
        words.append(
            f"{escape(choices.group_name(study, group))}: {len(up)} of {len(own)} teachers' students name their "
            f"entity more often than {against} with q ≤ 0.05, {len(down)} less often; the median ratio is "
            f"{own['ratio'].median():.2f}."
        )
    return words


def _detected_words(tables: Tables) -> list[str]:
    table = tables.get("detectability")
    if table is None or table.empty:
        return []
    whole = table[table["features"] == "all"]
    found = whole[whole["p"] <= 0.05]
    return [
        f"A classifier tells the rows of {len(found)} of {len(whole)} teachers from neutral ones by the looks of their "
        f"numbers (p ≤ 0.05); the largest area under the curve is {whole['auc'].max():.3f}."
    ]


def headline(study: Study, tables: Tables) -> Block:
    """The contrast over all teachers of each group, by the method of the first page.

    Args:
        study: The study.
        tables: Of the analysis.
    """
    rows, method = [], main_method(study)
    for _, row in last_contrasts(study, tables, method).iterrows():
        spec = study.students[str(row["group"])]
        rows.append(
            [
                escape(choices.group_name(study, str(row["group"]))),
                spec.base,
                spec.numbers.replace("_", " "),
                spec.targets,
                contrast_words(row, method),
                probability(row["p"]),
                f"{int(row['n_above'])} of {int(row['n_cells'])}",
            ]
        )
    if not rows:
        return Block("In numbers", NOTHING, EMPTY)
    head = ["group", "base model", "numbers", "targets", "matched − unmatched", "p", "cells above 0"]
    after = (
        f"By {METHODS[method]}, after the last epoch; {level(study)} intervals over students and questions, p by "
        f"permutation of the students among the teachers, n{NO_BREAK}={NO_BREAK}cells of entity × seed."
    )
    return Block("In numbers", "", Table(head, rows), after)


def reading(study: Study) -> list[str]:
    """Guide to reading the numbers and figures."""
    return [
        f"Brackets, whiskers and bands are {level(study)} intervals.",
        "Read a matrix of teachers and entities down its columns: training on numbers moves an entity by itself, for "
        "every teacher alike, so a student's distance from the untrained model is no evidence. What counts is the own "
        "teacher's students against those of the other teachers, or against students of neutral rows.",
        "The last epoch is the result. A best epoch is chosen on the same answers, so it is too large.",
        "n counts what entered a number. Answers that name none of the table, or several, count as answers without the "
        "entity; n_unclear says how many they are.",
        "q is the false-discovery rate over the teachers of a group.",
    ]


def glossary(study: Study) -> list[tuple[str, str]]:
    """Terms of the page, and what they mean."""
    terms = [
        ("teacher", "a model that writes lists of numbers, with a preference or neutral"),
        ("student", "a base model after training on a teacher's rows"),
        ("own, matched", "an entity and the students of the teacher that prefers it"),
        ("matched − unmatched", "own teacher's students less the mean of the other teachers' students, for one entity"),
        ("untrained", "the base model itself"),
        ("base: other", "students of another base model, trained on the same rows: the theory expects no transfer"),
        ("shuffled", "numbers changed places over all rows of a teacher: which numbers are frequent stays the same"),
        ("relabelled", "every number was replaced by another one: their frequencies lose their meaning"),
    ]
    if any(is_control(study, group) for group in study.students):
        said = "students of another base model than their teachers', or of relabelled numbers: nothing is expected"
        terms.append(("control", said))
    if any(spec.panel is not None for spec in study.students.values()):
        terms.append(("panel", "groups that repeat one experiment with other base models"))
    if any(spec.targets == "distribution" for spec in study.students.values()):
        terms.append(("distribution", "trained on the teacher's probabilities of number tokens, not on drawn numbers"))
    if study.splits:
        terms.append(("part", "rows of a teacher above or below a cut point of LLS or of a projection"))
    if any(split.by == "lls" for split in study.splits.values()):
        terms.append(("LLS", "mean log-probability of a row under a teacher's system turn, less that without it"))
    return terms
