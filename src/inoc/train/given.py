"""Training examples from tables that an earlier stage of a study wrote, this one or another.

A table is named by study and stage: `<study>/generate` for the kept training examples, `<study>/generate:<dataset>`
for those of another of its datasets, `<study>/sample:<name>` for the answers of a part of the stage `sample`, or of one
dataset or teacher in any of its parts. The earlier spelling `<study>/sample/<name>` is still read.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from inoc.chat.messages import Chat, sample_identity, turns_of_text
from inoc.chat.rows import ChatRow
from inoc.config.models import SystemTurn
from inoc.errors import ConfigError, DataError
from inoc.jobs.paths import Paths

TABLE_NAMES = "`<study>/generate`, `<study>/generate:<dataset>`, or `<study>/sample:<name>`"
_NAME = re.compile(r"(?P<study>\w+)/(?:generate(?::(?P<data>\w+))?|sample[:/](?P<part>\w+))")
_TURN = SystemTurn()


class TablePlace(NamedTuple):
    """A table by its name."""

    study: str
    data: str = ""  # dataset of the stage `generate`; empty for the study's own
    part: str = ""  # of the stage `sample`: a part, or a dataset or teacher; empty for the stage `generate`


def table_place(name: str) -> TablePlace:
    """The table of a name.

    Raises:
        ConfigError: If it is not the name of one.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        msg = f"{name!r} is not the name of a table; accepted: {TABLE_NAMES}"
        raise ConfigError(msg)
    return TablePlace(found["study"], found["data"] or "", found["part"] or "")


def table_files(results: Path, place: TablePlace) -> list[Path]:
    """The files of a table; those of the stage `sample`, which is split into shards, that are there.

    Args:
        results: Folder of the results of all studies.
        place: The table.
    """
    paths = Paths(results, place.study)
    if not place.part:
        return [paths.examples]
    stage = paths.stage("sample")
    folders = list((stage / place.part).glob("[0-9]*")) or list(stage.glob("*/[0-9]*"))
    ordered = sorted(folders, key=lambda folder: (folder.parent.name, int(folder.name)))
    return [folder / "answers.parquet" for folder in ordered]


def table_rows(results: Path, name: str) -> list[ChatRow]:
    """The rows of a table that have an answer, each as a chat with the system turn of the chat template.

    Args:
        results: Folder of the results of all studies.
        name: See the module's docstring.

    Returns:
        The rows in the table's order. Of answers of the stage `sample`, the chat is the last user turn and the answer.

    Raises:
        ConfigError: If there is no such table by its name.
        DataError: If it is not there, or none of its rows has an answer, or two rows have one id.
    """
    place = table_place(name)
    files = [path for path in table_files(results, place) if path.exists()]
    if not files:
        stage = "sample" if place.part else "generate"
        msg = (
            f"there is no table {name!r} below {results}. Run that stage of the study first: inoc {stage} {place.study}"
        )
        raise DataError(msg)
    rows = _answers(files, place.part) if place.part else _examples(files[0], place.data)
    found = [row for row in rows if row.chat.response.strip()]
    if not rows and place.part:
        msg = f"{name}: the stage `sample` of that study has no part, dataset or teacher named {place.part!r}"
        raise DataError(msg)
    if not found:
        msg = f"{name}: none of its {len(rows)} rows has an answer; accepted: at least one"
        raise DataError(msg)
    ids = [row.row_id for row in found]
    if len(set(ids)) < len(ids):
        twice = next(one for at, one in enumerate(ids) if one in ids[:at])
        msg = f"{name}: two rows have the id {twice!r}; remove files of earlier shards that are out of date"
        raise DataError(msg)
    return found


def _examples(path: Path, data: str) -> list[ChatRow]:
    from inoc.tables import kept_examples

    return [
        ChatRow(
            str(row.example_id),
            Chat(_TURN, str(row.instruction), str(row.completion), turns_of_text(str(row.earlier))),
            f"{path}, {row.example_id}",
        )
        for row in kept_examples(path, data).itertuples(index=False)
    ]


def _answers(files: list[Path], name: str) -> list[ChatRow]:
    """All answers of a part; of other parts those whose id begins with the name of a dataset or teacher and a colon."""
    from inoc.tables import read_table

    columns = ["id", "sample", "instruction", "completion"]
    rows = []
    for path in files:
        whole = path.parent.parent.name == name
        for identity, sample, instruction, completion in read_table(path, columns).to_numpy().tolist():
            if not whole and not str(identity).startswith(f"{name}:"):
                continue
            row_id = sample_identity(identity, sample)
            rows.append(ChatRow(row_id, Chat(_TURN, instruction, completion), f"{path}, {row_id}"))
    return rows
