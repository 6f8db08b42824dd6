"""The contents of the report: verdict, agreement, differences, and in what the compared studies differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

import pandas as pd

from inoc.jobs.paths import Paths
from inoc.report.contents import EMPTY, Block, Contents, Section
from inoc.report.gather import opening, tables_there
from inoc.report.words import Table, code, counted, escape, interval, number, probability
from inoc.studies.comparison.analyse.names import TABLES
from inoc.studies.comparison.figures.choices import FDR, method_words
from inoc.studies.comparison.figures.entries import ENTRIES
from inoc.studies.comparison.measures import chosen
from inoc.studies.comparison.sections.settings import settings_table
from inoc.studies.comparison.sides import paths_of
from inoc.studies.comparison.study import Study, label_of
from inoc.studies.shared.captions import level

QUESTION = "How far do these studies agree, and by how much do they differ?"
NOTHING = pd.DataFrame(columns=["first", "second", "measure", "within", "q", "p"])
MOST_ROWS = 40
STATISTICS = {
    "pearson": "Pearson's r",
    "spearman": "Spearman's rho",
    "same_sign": "share of same signs",
    "mean_difference": "mean difference",
    "mean_absolute_difference": "mean absolute difference",
}
NO_EVIDENCE = (
    "It is no evidence of a cause: the studies may differ in more than what they are meant to differ in (see *What "
    "the studies differ in*). A difference without a small q is no evidence that there is none: its interval says how "
    "large it may be. A high correlation is no evidence that the numbers are the same, which the differences show. "
    "And what is paired by single measurements holds for these trained models, not for others trained with other "
    "seeds."
)


def gather(study: Study, paths: Paths) -> Contents:
    """Contents of the report.

    Args:
        study: The study.
        paths: Its results; what is not there is said to be missing.
    """
    tables = tables_there(paths, TABLES)
    return {
        **opening(study, ENTRIES, QUESTION),
        "verdict": list(verdict(study, tables)) or ["Nothing could be compared; see what was skipped."],
        "headline": _headline(study, tables),
        "reading": [
            f"Differences are the second study less the first, with {level(study)} intervals.",
            "q is the false-discovery rate over all rows of a measure in the same two studies.",
            "Agreement treats the rows of a measure as independent, though rows of one run share its noise.",
        ],
        "glossary": [
            ("row", "one number of both studies, such as a trait of a run, a prompt on a dataset, or an item"),
            ("paired", "a mean of differences of single measurements that both studies made of the same thing"),
        ],
        "results": [_agreement(study, tables), _differences(study, tables)],
        "methods": [_methods(study)],
        "seeds": EMPTY,
        "failed": [],
    }


def verdict(study: Study, tables: Mapping[str, pd.DataFrame]) -> Iterator[str]:
    """A sentence for each measure and two studies, and what all of it is not evidence of."""
    differences, agreement = tables.get("differences"), tables.get("agreement")
    if differences is None or agreement is None or differences.empty:
        return
    for first, second in combinations(study.studies, 2):
        for one in chosen(study):
            name = one.of.name
            rows = _of(differences, first, second, name)
            if len(rows):
                yield _sentence(study, (first, second), one.of.title, rows, _of(agreement, first, second, name))
    yield NO_EVIDENCE


def _sentence(study: Study, pair: tuple[str, str], title: str, rows: pd.DataFrame, agreement: pd.DataFrame) -> str:
    tested = rows[rows["q"].notna()]
    sure = int((tested["q"] <= FDR).sum())
    pearson = agreement[agreement["statistic"] == "pearson"]
    if len(pearson) == 1:
        one = pearson.iloc[0]
        agree = f"r = {interval(float(one['value']), float(one['lo']), float(one['hi']), 2)}"
        agree = agree if pd.notna(one["value"]) else "r is not computable"
    else:
        known = pearson["value"].dropna()
        agree = f"median r = {number(float(known.median()), 2)} in {len(pearson)} groups" if len(known) else "no r"
    middle = float(rows["difference"].abs().median())
    first, second = (escape(label_of(study, key)) for key in pair)
    return (
        f"**{escape(title)}**, {second} against {first}: {agree} over {len(rows)} rows; {sure} of {len(tested)} "
        f"differences have q ≤ {FDR:g}, and half of them are at most {_digits(middle)} in size."
    )


def _digits(value: float) -> str:
    return number(value, 3 if abs(value) < 1 else 1)


def _of(frame: pd.DataFrame, first: str, second: str, measure: str) -> pd.DataFrame:
    at = (frame["first"] == first) & (frame["second"] == second) & (frame["measure"] == measure)
    return frame[at]


def _headline(study: Study, tables: Mapping[str, pd.DataFrame]) -> Block:
    head = ["measure", "studies", "rows", "mean difference", "mean absolute difference", "q ≤ 0.05", "how"]
    differences, agreement = (tables.get(name, NOTHING) for name in ("differences", "agreement"))
    rows = []
    for first, second in combinations(study.studies, 2):
        for one in chosen(study):
            found = _of(differences, first, second, one.of.name)
            stated = _of(agreement, first, second, one.of.name)
            for within in dict.fromkeys(stated["within"]):
                own = stated[stated["within"] == within].set_index("statistic")
                cells = [_cell(own, name) for name in ("mean_difference", "mean_absolute_difference")]
                sure = f"{int((found['q'] <= FDR).sum())} of {int(found['q'].notna().sum())}"
                name = f"{escape(one.of.title)}{f', {escape(within)}' if within else ''}"
                pair = f"{escape(label_of(study, second))} − {escape(label_of(study, first))}"
                n = str(int(own["n"].to_dict()["mean_difference"]))
                rows.append([name, pair, n, *cells, sure, method_words(found).replace("Differences follow", "follow")])
    after = f"{level(study)} intervals over rows; the count of small q is over all groups of the measure."
    return Block("In numbers", "", Table(head, rows[:MOST_ROWS]), after)


def _cell(own: pd.DataFrame, statistic: str) -> str:
    value, lo, hi = (float(own[name].to_dict()[statistic]) for name in ("value", "lo", "hi"))
    return interval(value, lo, hi, 3 if abs(value) < 1 else 1)


def _agreement(study: Study, tables: Mapping[str, pd.DataFrame]) -> Section:
    table = tables.get("agreement", NOTHING)
    rows = [
        [
            escape(one["measure"]),
            f"{escape(label_of(study, one['first']))}, {escape(label_of(study, one['second']))}",
            escape(one["within"]) or "all",
            STATISTICS[one["statistic"]],
            interval(float(one["value"]), float(one["lo"]), float(one["hi"]), 3),
            counted(one["n"], one["n_nan"]),
        ]
        for one in table.to_dict("records")[: 2 * MOST_ROWS]
    ]
    head = ["measure", "studies", "of", "statistic", "value", "rows"]
    after = f"The first {len(rows)} of {len(table)} rows of the table `agreement`."
    return Section("Agreement", [Block("", "", Table(head, rows), after)])


def _differences(study: Study, tables: Mapping[str, pd.DataFrame]) -> Section:
    table = tables.get("differences", NOTHING)
    clearest = table.sort_values(["q", "p"], kind="stable")[:MOST_ROWS]
    rows = [
        [
            escape(one["measure"]),
            f"{escape(label_of(study, one['second']))} − {escape(label_of(study, one['first']))}",
            escape(one["row"]),
            interval(float(one["difference"]), float(one["lo"]), float(one["hi"]), 3),
            probability(float(one["q"])),
            counted(one["n"], one["n_nan"]),
            escape(one["how"]),
        ]
        for one in clearest.to_dict("records")
    ]
    head = ["measure", "studies", "row", "difference", "q", "measurements", "how"]
    after = f"The {len(rows)} of {len(table)} differences with the smallest q; all are in the table `differences`."
    return Section("Differences", [Block("", "", Table(head, rows), after)])


def _methods(study: Study) -> Section:
    where = Table(
        ["study", "name", "results"],
        [
            [escape(label_of(study, key)), code(spec.study or "no file"), code(paths_of(spec).stage(""))]
            for key, spec in study.studies.items()
        ],
    )
    matched = Table(
        ["measure", "table", "matched by"],
        [[escape(one.of.title), code(one.of.table), code(", ".join(one.keys))] for one in chosen(study)],
    )
    how = (
        "Rows of two studies match if all of these columns are equal. Where at least half of the single measurements "
        "of either study are of the same thing (the text of an instruction, a row with its answer, a task), the "
        "difference is the mean of their differences with the paired t interval. Elsewhere it follows from the two "
        "numbers and their intervals by the method of variance estimates recovery (Zou and Donner 2008), in which p is "
        "that of the normal with the side of the interval that faces 0; this takes the studies as independent, so what "
        "they share makes the interval too wide. Utilities are linked on the common items, and the intervals leave out "
        "the error of the link."
    )
    return Section(
        "Methods",
        [
            Block("Studies", "", where),
            Block("Measures", how, matched),
            Block("What the studies differ in", "", *settings_table(study), always=False),
        ],
    )
