"""Rows of a study's datasets: from files, from tables of other studies, or written by the study's model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from inoc.chat.messages import Chat
from inoc.chat.rows import read_chats
from inoc.config.models import InstructionSource, SystemTurn
from inoc.config.workflow import Shards
from inoc.errors import DataError
from inoc.generate.instructions import read_instructions
from inoc.jobs.paths import Paths
from inoc.jobs.shards import shard_of
from inoc.numbers.rules import reasons
from inoc.studies.likelihood_shift.study import Study
from inoc.studies.shared.answers import is_sample_table, written_rows
from inoc.tables import kept_examples, read_table
from inoc.world.grammar import instructions as world_instructions

_NO_TURN = SystemTurn()  # replaced by the base turn


class DatasetRows(NamedTuple):
    """The rows of a dataset, in its order."""

    ids: list[str]
    chats: list[Chat]  # with the base turn as their system turn
    dropped: dict[str, int]  # reason → rows that are left out
    repeated: int  # rows that equal an earlier one; they are kept


def dataset_rows(study: Study, paths: Paths, key: str, shards: Shards) -> DatasetRows:
    """The rows of a dataset whose answers can be scored.

    Args:
        study: The study.
        paths: Its results, with those of other studies beside them.
        key: Of the dataset.
        shards: Into how many jobs the stages are split.

    Raises:
        DataError: If a file or table is missing or malformed, or no row has an answer.
    """
    spec = study.datasets[key]
    if spec.file is not None:
        found = [(row.row_id, row.chat) for row in read_chats(Path(spec.file))]
    elif spec.table is not None:
        found = _of_table(paths, spec.table)
    else:
        found = _written(study, paths, key, shards)
    kept = [(row_id, chat._replace(system=study.base)) for row_id, chat in found if chat.response.strip()]
    if not kept:
        msg = f"datasets.{key}: none of its {len(found)} rows has an answer; accepted: at least one row with an answer"
        raise DataError(msg)
    ids, chats = [row_id for row_id, _ in kept], [chat for _, chat in kept]
    repeated = len(chats) - len(set(chats_as_keys(chats)))
    empty = len(found) - len(kept)
    return DatasetRows(ids, chats, {"empty answer": empty} if empty else {}, repeated)


def chats_as_keys(chats: Sequence[Chat]) -> list[str]:
    """Chats as texts that are equal if and only if the chats are."""
    return [repr(chat.as_key()) for chat in chats]


def _of_table(paths: Paths, table: str) -> list[tuple[str, Chat]]:
    if is_sample_table(table):
        return _of_answers(paths, table)
    place, _, data = table.partition(":")
    study, _, stage = place.partition("/")
    path = Paths(paths.results, study).examples
    if stage != "generate" or not path.exists():
        msg = (
            f"there is no table {table!r}; accepted: `<study>/generate` or `<study>/generate:<dataset>` of a study "
            f"whose stage `generate` has run, so that {path} exists"
        )
        raise DataError(msg)
    rows = kept_examples(path, data)
    return [
        (str(row.example_id), Chat(_NO_TURN, str(row.instruction), str(row.completion)))
        for row in rows.itertuples(index=False)
    ]


def _of_answers(paths: Paths, table: str) -> list[tuple[str, Chat]]:
    """Rows of a teacher of numbers are those that the published rule of `inoc filter` keeps."""
    found = written_rows(paths.results, table)
    rows = zip(found.rows["id"], found.rows["instruction"], found.rows["completion"], strict=True)
    return [
        (str(row_id), Chat(_NO_TURN, str(prompt), str(answer)))
        for row_id, prompt, answer in rows
        if not found.are_numbers or not reasons(str(answer))
    ]


def answers_file(paths: Paths, shard: int) -> Path:
    """The rows that the model wrote, of a shard of datasets; see `inoc.sample.answers.ANSWERS`."""
    return paths.part("sample", "datasets", shard) / "answers.parquet"


def _written(study: Study, paths: Paths, key: str, shards: Shards) -> list[tuple[str, Chat]]:
    table = read_table(answers_file(paths, shard_of(key, shards.get("sample", 1))), ["id", "instruction", "completion"])
    start = f"{key}:"
    return [
        (str(row.id).removeprefix(start), Chat(_NO_TURN, str(row.instruction), str(row.completion)))
        for row in table.itertuples(index=False)
        if str(row.id).startswith(start)
    ]


def written_questions(study: Study, key: str) -> pd.DataFrame:
    """Instructions whose answers the model writes for a dataset: instruction_id, instruction.

    Raises:
        DataError: If the source has too few.
    """
    spec = study.datasets[key].written
    if spec is None:
        msg = f"datasets.{key} is not written by the model"
        raise DataError(msg)
    return questions_of(spec.instructions, spec.n, spec.seed, f"datasets.{key}.written")


def questions_of(source: InstructionSource, n: int, seed: int, place: str) -> pd.DataFrame:
    """A seeded choice of instructions: instruction_id, instruction.

    Args:
        source: Procedural or files.
        n: How many.
        seed: Of the choice.
        place: Key in the study file, for messages.

    Raises:
        DataError: If there are too few.
    """
    if source.kind == "world":
        texts = world_instructions(n, seed, source.topics)
    else:
        known, _ = read_instructions(source)
        if len(known) < n:
            msg = f"{place}: {len(known)} distinct instructions, but {n} are asked for; lower n or add files"
            raise DataError(msg)
        texts = [known[k] for k in np.random.default_rng(seed).permutation(len(known))[:n]]
    return pd.DataFrame({"instruction_id": [f"row{k:06d}" for k in range(n)], "instruction": texts})


def scored_order(study: Study, key: str, n: int) -> np.ndarray:
    """Positions of the rows that are scored, in the order in which they are.

    All rows in their own order; or, where a study takes some of them, in an order that is drawn from the seed and the
    dataset's name, so that any beginning of it is a random sample.
    """
    scoring = study.scoring
    if scoring.n_rows is None and scoring.precision is None:
        return np.arange(n)
    rng = np.random.default_rng([scoring.seed, *key.encode()])
    return rng.permutation(n)[: scoring.n_rows]


def responses(study: Study, paths: Paths, key: str, shards: Shards) -> Mapping[str, str]:
    """Row id → answer, in the order of the dataset."""
    rows = dataset_rows(study, paths, key, shards)
    return {row_id: chat.response for row_id, chat in zip(rows.ids, rows.chats, strict=True)}
