"""The tables of results about numbers and preferences. Every number stands with its n."""

from __future__ import annotations

import numpy as np
import pandas as pd

from inoc.report.contents import Block, Section
from inoc.report.words import Table, counted, escape, interval, number, probability
from inoc.studies.shared.capability import ALL_DOMAINS
from inoc.studies.shared.capability_block import capability_block
from inoc.studies.shared.captions import level, spread_words
from inoc.studies.shared.labels import rule_name
from inoc.studies.subliminal.figures import choices
from inoc.studies.subliminal.figures.capability import model_names
from inoc.studies.subliminal.runs import UNTRAINED, group_neutral
from inoc.studies.subliminal.sections.evaluations import EVALUATION_WORDS, evaluation_table
from inoc.studies.subliminal.sections.front import (
    METHODS,
    NOTHING,
    Tables,
    contrast_words,
    last_contrasts,
    main_method,
    scale_of,
    shown_rows,
)
from inoc.studies.subliminal.study import Study

MOST_ROWS = 60
NONE = pd.DataFrame()


def sections(study: Study, tables: Tables) -> list[Section]:
    """Sections about numbers, preferences, transfer and what carries it.

    Args:
        study: The study.
        tables: Of the analysis.
    """
    method = main_method(study)
    blocks = [
        _shown(
            "Rows",
            filter_table(study, tables.get("filter", NONE)),
            "Shares of all rows; a row may have several reasons. Lost tokens are those of rejected rows.",
        ),
        _shown(
            "Told from neutral rows",
            detectability_table(study, tables.get("detectability", NONE)),
            "Area under the ROC curve of a linear classifier, cross-validated; p by permuted labels.",
        ),
    ]
    found = [Section("Numbers", blocks)]
    if study.imported:
        shown = evaluation_table(tables.get("rates", NONE))
        after = EVALUATION_WORDS.format(level=level(study))
        return [*found, Section("Preferences", [_shown("Students of the release", shown, after)])]
    preferences = [
        _shown(
            f"Own entity, by {METHODS[one]}",
            preference_table(study, tables, one),
            _RATE_WORDS.format(level=level(study)),
        )
        for one in study.preference.methods
    ]
    found.append(Section("Preferences", preferences))
    transfer = [
        _shown("Own entity against both references", transfer_table(study, tables, method), _TRANSFER_WORDS),
        _shown("Teacher by teacher", matched_table(study, tables, method), _MATCHED_WORDS),
        _shown("Every student", cell_table(study, tables, method), _CELL_WORDS),
        _shown("Share of the teacher's own shift", strength_table(study, tables, method), _STRENGTH_WORDS),
    ]
    found.append(Section("Transfer", transfer))
    groups = [
        _shown(f"Groups of students, by {METHODS[one]}", mechanism_table(study, tables, one), _MECHANISM_WORDS)
        for one in study.preference.methods
    ]
    found.append(Section("Mechanism", groups))
    if any(spec.split is not None for spec in study.students.values()):
        found.append(Section("Splits", [_shown("", split_table(study, tables, method), _SPLIT_WORDS)]))
    return [*found, *_capability(study, tables.get("capability", NONE))]


def _capability(study: Study, table: pd.DataFrame) -> list[Section]:
    if study.capability is None:
        return []
    names = model_names(table[table["domain"] == ALL_DOMAINS] if len(table) else table)
    how = "after the last epoch, under the base model's own system turn"
    return [Section("Capability", [capability_block(study, table, names, "student", how)])]


_RATE_WORDS = (
    "Per cent, after the last epoch; {level} intervals clustered by question, for several seeds over seeds "
    "and questions. Best: the epoch with the highest rate, chosen on these very answers."
)
_TRANSFER_WORDS = "Differences in points, over seeds and questions; q over the teachers of a group and reference."
_MATCHED_WORDS = "Own teacher's students less those of the other teachers; p of a t test over seeds and questions."
_CELL_WORDS = (
    "Contrast of each student with the other teachers' students of its seed, over questions. **Fails**: not above zero "
    "though the theory expects transfer. All rows are in the table cells."
)
_STRENGTH_WORDS = (
    "Contrast of the students as a share of the teachers' own contrast, with Fieller's interval over students and "
    "questions; no interval where the teachers' shift is not told from zero."
)
_MECHANISM_WORDS = (
    "Every group of students after its last epoch. Another base model and relabelled numbers are the controls that the "
    "theory asks for; shuffled numbers keep their frequencies."
)
_SPLIT_WORDS = (
    "Top minus bottom, in points, after the last epoch. Selection moves numbers by itself: compare with a split of "
    "neutral rows."
)


def _shown(heading: str, table: Table, after: str) -> Block:
    return Block(heading, "" if table.rows else NOTHING, table, after)


def filter_table(study: Study, rows: pd.DataFrame) -> Table:
    """Rows of each teacher: written, kept, lost tokens and reasons."""
    out = []
    for teacher, own in rows.groupby("teacher", sort=False) if len(rows) else ():
        total = own[own["kind"] == "total"].set_index("reason")["n"]
        reasons = own[(own["kind"] == "reason") & (own["n"] > 0)]
        lost = own[own["kind"] == "lost"].set_index("reason")["share"]
        again = own[own["kind"] == "duplicates"].set_index("reason")["n"]
        names = [escape(one.replace("_", " ")) for one in reasons["reason"]]
        words = ", ".join(f"{one} {n}" for one, n in zip(names, reasons["n"], strict=True))
        out.append(
            [
                escape(choices.teacher_name(study, str(teacher))),
                str(int(total["written"])),
                f"{int(total['kept'])} ({100 * total['kept'] / total['written']:.1f} %)",
                str(int(total["trained_on"])),
                words or "none",
                "–" if np.isnan(lost["tokens"]) else f"{100 * lost['tokens']:.1f} %",
                str(int(again["rows"])),
            ]
        )
    return Table(["teacher", "rows", "kept", "trained on", "reasons", "tokens lost", "repeated rows"], out)


def detectability_table(study: Study, rows: pd.DataFrame) -> Table:
    """AUC of each teacher, by all features and by the best single set of them."""
    out = []
    for _, row in rows[rows["features"] == "all"].iterrows() if len(rows) else ():
        single = rows[(rows["teacher"] == row["teacher"]) & (rows["features"] != "all")].sort_values("auc")
        best = single.iloc[-1]
        out.append(
            [
                escape(choices.teacher_name(study, str(row["teacher"]))),
                interval(row["auc"], row["lo"], row["hi"], 3),
                probability(row["p"]),
                f"{escape(best['features'].replace('_', ' '))} {number(best['auc'], 3)}",
                f"{counted(row['n'])} and {int(row['n_neutral'])} neutral",
            ]
        )
    return Table(["teacher", "AUC, all features", "p", "best single set", "rows"], out)


def preference_table(study: Study, tables: Tables, method: str) -> Table:
    """Rates of each teacher's entity: untrained, neutral student, own student at the last and the best epoch."""
    rows = shown_rows(study, tables, "rates", method)
    out = []
    for group, spec in study.students.items() if len(rows) else ():
        if spec.split is not None:
            continue
        last = rows[rows["is_last"].astype(bool) | (rows["group"] == "")]
        best = rows[rows["part"] == ""].sort_values("rate", ascending=False, kind="stable")
        for teacher in dict.fromkeys(last[last["group"] == group]["teacher"]):
            entity = study.teachers[str(teacher)].entity
            if entity is None:
                continue
            of_entity = last[last["entity"] == entity]
            base = of_entity[(of_entity["student"] == UNTRAINED) & (of_entity["base"] == spec.base)]
            trained = of_entity[of_entity["group"] == group]
            top = best[(best["group"] == group) & (best["teacher"] == teacher) & (best["entity"] == entity)]
            cells = [
                base,
                trained[trained["teacher"] == group_neutral(study, group)],
                trained[trained["teacher"] == teacher],
            ]
            out.append(
                [
                    escape(choices.group_name(study, group)),
                    escape(choices.teacher_name(study, str(teacher))),
                    *(_rate(cell) for cell in cells),
                    f"{_rate(top)}, epoch {int(top['epoch'].iloc[0])}" if len(top) else "–",
                    counted(cells[2]["n"].sum()),
                ]
            )
    return Table(
        ["group", "teacher", "untrained", "neutral student", "own student", "best epoch", "n"], out[:MOST_ROWS]
    )


def _rate(rows: pd.DataFrame) -> str:
    if rows.empty:
        return "–"
    row = rows.iloc[0]
    return interval(100 * row["rate"], 100 * row["lo"], 100 * row["hi"])


def transfer_table(study: Study, tables: Tables, method: str) -> Table:
    """Difference and ratio of each teacher's own entity after the last epoch."""
    rows = shown_rows(study, tables, "transfer", method)
    if rows.empty:
        return Table([], [])
    own = rows[rows["matched"].astype(bool) & (rows["choice"] == "last") & (rows["part"] == "")]
    out = [
        [
            escape(choices.group_name(study, str(row["group"]))),
            escape(choices.teacher_name(study, str(row["teacher"]))),
            str(row["reference"]),
            interval(100 * row["difference"], 100 * row["lo"], 100 * row["hi"]),
            interval(row["ratio"], row["ratio_lo"], row["ratio_hi"], 2),
            probability(row["p"]),
            probability(row["q"]),
            counted(row["n"], row["n_nan"]),
        ]
        for _, row in own.head(MOST_ROWS).iterrows()
    ]
    return Table(["group", "teacher", "reference", "difference", "ratio", "p", "q", "n"], out)


def matched_table(study: Study, tables: Tables, method: str) -> Table:
    """Matched contrast of each teacher after the last epoch."""
    rows = shown_rows(study, tables, "matched", method)
    if rows.empty:
        return Table([], [])
    last = rows["is_last"].astype(bool) & (rows["choice"] == "each") & (rows["scale"] == scale_of(method))
    out = [
        [
            escape(choices.group_name(study, str(row["group"]))),
            "**all**" if row["teacher"] == "all" else escape(choices.teacher_name(study, str(row["teacher"]))),
            contrast_words(row, method),
            probability(row["p"]),
            f"{int(row['n_above'])} of {int(row['n_cells'])}",
            counted(row["n"], row["n_nan"]),
        ]
        for _, row in rows[last].head(MOST_ROWS).iterrows()
    ]
    return Table(["group", "teacher", "matched − unmatched", "p", "cells above 0", "n"], out)


def cell_table(study: Study, tables: Tables, method: str) -> Table:
    """Contrast of every student that should carry something over; failures come first in each group."""
    rows = shown_rows(study, tables, "cells", method)
    if rows.empty:
        return Table([], [])
    rows = rows[(rows["scale"] == scale_of(method)) & ~rows["is_control"].astype(bool)]
    # Of a long table every failure is kept.
    failed = ~rows["is_above"].astype(bool)
    rows = rows[failed | (np.arange(len(rows)) < MOST_ROWS)]
    out = [
        [
            escape(choices.group_name(study, str(row["group"]))),
            str(row["base"]),
            escape(choices.teacher_name(study, str(row["teacher"]))),
            str(int(row["seed"])),
            contrast_words(row, method),
            "" if row["is_above"] else ("not measured" if np.isnan(row["contrast"]) else "**fails**"),
            counted(row["n"], row["n_nan"]),
        ]
        for _, row in rows.iterrows()
    ]
    return Table(["group", "base model", "teacher", "seed", "matched − unmatched", "", "n"], out)


def strength_table(study: Study, tables: Tables, method: str) -> Table:
    """Share of the teachers' own shift that each group's students take over, from the gentlest teachers on."""
    rows = shown_rows(study, tables, "strength", method)
    if rows.empty:
        return Table([], [])
    own = rows[(rows["scale"] == scale_of(method)) & (rows["teacher"] == "all")].sort_values("shift", kind="stable")
    factor, digits = (1.0, 2) if method == "choose" else (100.0, 1)
    # The bounds of a row are those of its share.
    contrasts = {
        row["group"]: contrast_words(row, method) for _, row in last_contrasts(study, tables, method).iterrows()
    }
    out = [
        [
            escape(choices.group_name(study, str(row["group"]))),
            "yes" if row["is_control"] else "",
            interval(factor * row["shift"], factor * row["shift_lo"], factor * row["shift_hi"], digits),
            contrasts.get(row["group"], "–"),
            f"{interval(100 * row['share'], 100 * row['lo'], 100 * row['hi'])} %",
            counted(row["n"], row["n_nan"]),
        ]
        for _, row in own.iterrows()
    ]
    return Table(["group", "control", "teachers' own shift", "students' contrast", "share", "n"], out)


def mechanism_table(study: Study, tables: Tables, method: str) -> Table:
    """Every group of students with its settings and its matched contrast."""
    rows = shown_rows(study, tables, "mechanism", method)
    if rows.empty:
        return Table([], [])
    last = rows[rows["is_last"].astype(bool) & (rows["scale"] == scale_of(method))]
    out = [
        [
            escape(choices.group_name(study, str(row["group"]))),
            *(escape(str(row[name]).replace("_", " ")) for name in ("base", "data", "targets", "rule", "loss_on")),
            spread_words([row["n_rows"], row["n_rows_most"]]),
            str(int(row["epoch"])),
            contrast_words(row, method),
            probability(row["p"]),
            f"{int(row['n_above'])} of {int(row['n_cells'])}",
        ]
        for _, row in last.iterrows()
    ]
    head = ["group", "base model", "numbers", "targets", "filter", "loss on", "rows", "epochs"]
    return Table([*head, "matched − unmatched", "p", "cells above 0"], out)


def split_table(study: Study, tables: Tables, method: str) -> Table:
    """Top minus bottom of every split and measured entity."""
    rows = shown_rows(study, tables, "split_students", method)
    if rows.empty:
        return Table([], [])
    ends = rows[rows["statistic"] == "top_minus_bottom"]
    out = [
        [
            escape(choices.group_name(study, str(row["group"]))),
            escape(choices.teacher_name(study, str(row["teacher"]))),
            rule_name(str(row["by"])),
            escape(row["entity"]),
            interval(100 * row["value"], 100 * row["lo"], 100 * row["hi"]),
            probability(row["p"]),
            counted(row["n"], row["n_nan"]),
        ]
        for _, row in ends.head(MOST_ROWS).iterrows()
    ]
    return Table(["group", "rows of", "split by", "entity", "top − bottom", "p", "n"], out)
