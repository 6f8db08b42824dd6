"""Sets of questions in tables that anybody can give: which instruction is of which set."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from inoc.errors import DataError
from inoc.studies.inoculation.released.columns import refuse_row, refuse_unknown
from inoc.studies.inoculation.released.table_rows import Given
from inoc.studies.inoculation.runs import question_sets
from inoc.studies.inoculation.study import Study
from inoc.tables import INSTRUCTIONS


class AskedTables(NamedTuple):
    """Tables of scores whose instructions have ids of their own in all sets together."""

    scores: Given | None
    elicitation: Given | None
    instructions: pd.DataFrame | None  # rows of `tables.INSTRUCTIONS`; None for one set without texts


def with_questions(
    scores: Given | None, elicitation: Given | None, instructions: Given | None, study: Study
) -> AskedTables:
    """Give every score its set of questions.

    The set is in the column `questions` of the table, or in the table `instructions`; with one set in the study file,
    neither is needed. With several, two sets may use the same ids, and ids are prefixed with their set.

    Raises:
        DataError: If a set is not the study's, or that of an instruction is not known or said in two ways.
    """
    sets = question_sets(study)
    if instructions is not None:
        refuse_unknown(instructions.rows, "questions", sets, instructions.file)
    known = {} if instructions is None else dict(zip(*_pair(instructions.rows), strict=True))
    tables = [None if one is None else _with_sets(one, known, instructions, sets) for one in (scores, elicitation)]
    if len(sets) > 1:
        tables = [None if one is None else _named(one) for one in tables]
    if len(sets) == 1 and instructions is None:
        return AskedTables(tables[0], tables[1], None)
    parts = [one.rows[["instruction_id", "questions"]] for one in tables if one is not None]
    ids = pd.concat(parts).drop_duplicates() if parts else pd.DataFrame(columns=["instruction_id", "questions"])
    order = {key: place for place, key in enumerate(sets)}
    ids = ids.sort_values("questions", key=lambda column: column.map(order), kind="stable", ignore_index=True)
    return AskedTables(
        tables[0], tables[1], ids.assign(instruction=_texts(ids, instructions, prefixed=len(sets) > 1))[_NAMES]
    )


_NAMES = list(INSTRUCTIONS.names)


def _pair(rows: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    return rows["instruction_id"], rows["questions"]


def _with_sets(given: Given, known: dict[str, str], instructions: Given | None, sets: list[str]) -> Given:
    """The table with the set of each row."""
    rows, file = given.rows, given.file
    if known:
        listed = rows["instruction_id"].map(known)
        message = f"is not in {instructions.file if instructions else ''}"
        refuse_row(file, "instruction_id", rows["instruction_id"].to_numpy(), listed.isna(), message)
        if "questions" in rows:
            wrong = (rows["questions"] != listed).to_numpy()
            message = f"is another set than in {instructions.file if instructions else ''}"
            refuse_row(file, "questions", rows["questions"].to_numpy(), wrong, message)
        return given._replace(rows=rows.assign(questions=listed))
    if "questions" in rows:
        refuse_unknown(rows, "questions", sets, file)
        return given
    if len(sets) > 1:
        raise DataError(
            f"{file}: study.yaml has the sets of questions {', '.join(sets)}, and the column 'questions' is missing. "
            "Add it, or a table `instructions` with instruction_id and questions"
        )
    return given._replace(rows=rows.assign(questions=sets[0]))


def _named(given: Given) -> Given:
    rows = given.rows
    return given._replace(rows=rows.assign(instruction_id=rows["questions"] + "/" + rows["instruction_id"]))


def _texts(ids: pd.DataFrame, instructions: Given | None, *, prefixed: bool) -> list[str]:
    if instructions is None or "instruction" not in instructions.rows:
        return [""] * len(ids)
    rows = instructions.rows
    keys = rows["questions"] + "/" + rows["instruction_id"] if prefixed else rows["instruction_id"]
    texts = dict(zip(keys, rows["instruction"], strict=True))
    return [str(texts[key]) for key in ids["instruction_id"]]
