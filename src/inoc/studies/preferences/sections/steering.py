"""The section of the report about vectors and steering, and published values beside the right ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from inoc.report.contents import EMPTY, Block, Section
from inoc.report.words import Table, escape, interval, number
from inoc.studies.preferences.figures.steering import target_label, vector_label
from inoc.studies.preferences.sections.front import Tables
from inoc.studies.preferences.steering_vectors import NULLS
from inoc.studies.preferences.study import Study

MOST_ROWS = 60


def has_steering(study: Study, tables: Tables) -> bool:
    """Whether a study has directions, steering, or published values of either."""
    made = bool(study.concepts) or study.inside.refusal or study.steering is not None
    return made or any(len(_table(tables, name)) for name in ("vectors", "steering_slopes"))


def steering_section(study: Study, tables: Tables) -> Section:
    """Vectors, what they share, what they do to answers; for an import, published values beside right ones."""
    return Section(
        "Directions and steering",
        [
            Block(
                "Published and right values",
                "Values that the release's own text or figures have, beside what its data give, and why they differ.",
                _beside(tables),
                always=False,
            ),
            Block(
                "Vectors",
                "Differences of means between the completions of two system turns, and between refused and answered "
                "tasks. Without its system turn in the context, what is left of a concept is in the completion.",
                _vectors(study, tables),
                always=False,
            ),
            Block(
                "What directions share",
                "Cosines of directions alone, beside those of the first one with its labels shuffled over tasks.",
                _cosines(study, tables),
                always=False,
            ),
            Block(
                "Effects of steering",
                "Slope of the answers per unit of the coefficient, over tasks; on all answers, and on the coherent "
                "ones alone. Random vectors of the same norm point anywhere, and activations lie in few of all "
                "directions, so they move answers little. Random combinations of activations lie where probes, those "
                "of shuffled labels among them, and differences of means lie. A vector that is steeper than nearly all "
                "random ones moves answers more than most directions do; only one that is steeper than nearly all "
                "combinations too does more than what tasks differ by anyway. Shuffled labels are judged by the "
                "combinations, as they are among them.",
                _slopes(study, tables),
                always=False,
            ),
            Block(
                "Answers that are lost",
                "Share of answers that were not read, or are incoherent, at each coefficient.",
                _lost(study, tables),
                always=False,
            ),
        ],
    )


def _table(tables: Tables, name: str) -> pd.DataFrame:
    return tables[name] if name in tables else pd.DataFrame()


def _rows(frame: pd.DataFrame) -> list[dict[str, object]]:
    return [{str(key): value for key, value in row.items()} for row in frame.head(MOST_ROWS).to_dict("records")]


def _interval(row: dict[str, object], names: tuple[str, str, str], digits: int = 3) -> str:
    value, lo, hi = (float(str(row[name])) for name in names)
    return interval(value, lo, hi, digits)


def _vectors(study: Study, tables: Tables) -> Table:
    table = _table(tables, "vectors")
    rows = [
        [
            escape(vector_label(study, row["vector"])),
            escape(row["readout"]),
            escape(row["site"]),
            escape(row["context"]),
            number(float(str(row["norm_units"])), 3),
            _interval(row, ("split_half", "split_lo", "split_hi"), 2),
            _interval(row, ("auc", "auc_lo", "auc_hi"), 2),
            number(float(str(row["auc_p"])), 3),
            number(float(str(row["cosine_with_prompt"])), 2),
        ]
        for row in _rows(table)
    ]
    head = ["vector", "read-out", "site", "system turn", "norm, in activation norms", "split-half cosine"]
    return Table([*head, "separability (AUC)", "p", "cosine with that with its turn"], rows) if rows else EMPTY


def _cosines(study: Study, tables: Tables) -> Table:
    rows = [
        [
            escape(row["site"]),
            escape(vector_label(study, row["first"])),
            escape(vector_label(study, row["second"])),
            number(float(str(row["cosine"])), 3),
            f"{number(float(str(row['null_lo'])), 3)} to {number(float(str(row['null_hi'])), 3)}",
            number(float(str(row["p"])), 3),
        ]
        for row in _rows(_table(tables, "vector_cosines"))
    ]
    return Table(["site", "first", "second", "cosine", "shuffled", "p"], rows) if rows else EMPTY


def _slopes(study: Study, tables: Tables) -> Table:
    table = _table(tables, "steering_slopes")
    own = table[~table["kind"].isin(NULLS)] if len(table) else table
    rows = [
        [
            escape(target_label(study, row["target"])),
            escape(vector_label(study, row["vector"])),
            str(row["answers"]),
            _interval(row, ("slope", "lo", "hi")),
            number(float(str(row["p"])), 4),
            f"{number(float(str(row['null_lo'])), 3)} to {number(float(str(row['null_hi'])), 3)}",
            f"{row['beyond']} of {row['n_random']}",
            number(float(str(row["null_p"])), 3),
            f"{number(float(str(row['combination_lo'])), 3)} to {number(float(str(row['combination_hi'])), 3)}",
            f"{row['beyond_combinations']} of {row['n_combinations']}",
            number(float(str(row["combination_p"])), 3),
            f"{number(float(str(row['usable_lo'])), 2)} to {number(float(str(row['usable_hi'])), 2)}",
        ]
        for row in _rows(own)
    ]
    head = ["target", "vector", "answers", "slope", "p of no slope", "random vectors", "steeper than", "p among them"]
    head += ["combinations of activations", "steeper than", "p among them", "usable coefficients"]
    return Table(head, rows) if rows else EMPTY


def _lost(study: Study, tables: Tables) -> Table:
    table = _table(tables, "dose_response")
    if table.empty:
        return EMPTY
    own = table[(table["answers"] == "all") & ~table["kind"].isin(NULLS) & table["n_lost"].notna()]
    rows = [
        [
            escape(target_label(study, row["target"])),
            escape(vector_label(study, row["vector"])),
            number(float(str(row["coefficient"])), 3),
            number(float(str(row["n_lost"])), 1),
            str(row["n_incoherent"]),
            str(row["n_answers"]),
            number(float(str(row["kept"])), 2),
        ]
        for row in _rows(own)
    ]
    return Table(["target", "vector", "coefficient", "lost", "incoherent", "answers", "share kept"], rows)


class _Claim(NamedTuple):
    """A published value, what it is called there, and what is right."""

    said: str
    published: tuple[str, str]  # statistic, and what `of` has in it; empty for any
    right: tuple[str, str]
    reason: str


_CLAIMS = (
    _Claim(
        "cosine of two probes",
        ("cosine_with_intercept", ""),
        ("cosine", ""),
        "the published one holds the intercept as a further value, which is large and alike in all probes",
    ),
    _Claim(
        "Pearson's r on origins that were held out",
        ("r_mean", "training_included"),
        ("r_mean", "held_out"),
        "the published one is of all tasks, those of the training included",
    ),
    _Claim(
        "R² on origins that were held out",
        ("r_squared_adjusted_mean", "training_included"),
        ("r_squared_mean", "held_out"),
        "the published one is of all tasks, those of the training included, and after the mean is moved",
    ),
)


def _beside(tables: Tables) -> Table:
    table = _table(tables, "released")
    rows = [] if table.empty else [*_claims(table), *_steered(table)]
    return Table(["value", "of", "published", "right", "reason"], rows) if rows else EMPTY


def _claims(table: pd.DataFrame) -> Iterator[list[str]]:
    for claim in _CLAIMS:
        shown, right = (_found(table, *which) for which in (claim.published, claim.right))
        for (source, of), value in shown.items():
            key = next((one for one in right if _matches(claim, (source, of), one)), None)
            if key is not None:
                yield [claim.said, escape(_short(of)), number(value, 3), number(right[key], 3), claim.reason]


def _matches(claim: _Claim, published: tuple[str, str], right: tuple[str, str]) -> bool:
    """Whether two values are of the same vectors, or of the same layer and release."""
    if not claim.published[1]:
        return published == right
    same_layer = published[1].split(", ")[-1] == right[1].split(", ")[-1]
    return same_layer and published[0].split("/")[:3] == right[0].split("/")[:3]


def _found(table: pd.DataFrame, statistic: str, part: str) -> dict[tuple[str, str], float]:
    own = table[(table["statistic"] == statistic) & table["of"].astype(str).str.contains(part, regex=False)]
    return {
        (str(source), str(of)): float(value)
        for source, of, value in zip(own["source"], own["of"], own["value"], strict=True)
    }


def _short(of: str) -> str:
    return ", ".join(one.rsplit("/", 1)[-1] for one in of.split(", "))


def _steered(table: pd.DataFrame) -> Iterator[list[str]]:
    """The slope that was called backwards, and effects on pairs with orders mixed and apart."""
    of_all = table[(table["of"] == "all") & (table["statistic"] == "slope") & table["p"].notna()]
    for row in of_all.to_dict("records"):
        value = number(float(row["value"]), 4)
        yield [
            "slope of ratings under steering",
            escape(_short(str(row["source"]))),
            f"{value}, called backwards",
            f"{value}, forwards",
            "the labels of the probe were bad = high, so it points to what is bad; repeated answers of one task were "
            "taken for independent, so its p is too small",
        ]
    pooled = _found(table, "by_pair", "")
    within = _found(table, "within_order", "")
    for (source, of), mixed in pooled.items():
        other = within.get((source, of), float("nan"))
        if abs(mixed - other) > 1e-6:
            yield [
                "effect on pairs, points",
                escape(f"{_short(source)}: {of}"),
                number(mixed, 3),
                number(other, 3),
                "the first mixes orders of which one has no answer that was read with orders that have both",
            ]
