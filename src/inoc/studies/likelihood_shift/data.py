"""Rows of a study's datasets: from files, from tables of other studies, or written by the study's model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from inoc.chat.messages import Chat
from inoc.chat.rows import BadRow, ChatRow, read_rows
from inoc.config.models import InstructionSource, SystemTurn
from inoc.config.workflow import Shards
from inoc.engines.fit import fit
from inoc.errors import DataError
from inoc.generate.instructions import read_instructions
from inoc.jobs.job import Job
from inoc.jobs.paths import Paths
from inoc.jobs.shards import shard_of
from inoc.numbers.rules import reasons as filter_reasons
from inoc.studies.likelihood_shift.study import Study, prompt_table, turn
from inoc.studies.shared.answers import is_sample_table, written_rows
from inoc.tables import read_table
from inoc.train.given import table_rows
from inoc.world.grammar import instructions as world_instructions

_NO_TURN = SystemTurn()  # replaced by the base turn


class DatasetRows(NamedTuple):
    """The rows of a dataset, in its order."""

    rows: list[ChatRow]  # with the base turn as their system turn
    bad: list[BadRow]  # rows that are left out, or whose answers are cut
    repeated: int  # rows that equal an earlier one; they are kept

    @property
    def ids(self) -> list[str]:
        """Ids of the rows."""
        return [row.row_id for row in self.rows]

    @property
    def chats(self) -> list[Chat]:
        """Chats of the rows."""
        return [row.chat for row in self.rows]

    @property
    def counts(self) -> dict[str, int]:
        """Reason → number of rows that are left out, or cut and kept, for it."""
        return reasons((row.problem, row.done) for row in self.bad)


def reasons(bad: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Reason in words → number of rows, for problems of rows with what was done about them."""
    words = {"empty": "empty answer", "too long": "too long"}
    return dict(Counter(f"{words.get(one, one)}{', answer cut' if done == 'cut' else ''}" for one, done in bad))


def dataset_rows(study: Study, paths: Paths, key: str, shards: Shards) -> DatasetRows:
    """The rows of a dataset that have an answer, of whatever length.

    Args:
        study: The study.
        paths: Its results, with those of other studies beside them.
        key: Of the dataset.
        shards: Into how many jobs the stages are split.

    Raises:
        DataError: If a file or table is missing or malformed, or no row has an answer.
    """
    spec = study.datasets[key]
    bad: list[BadRow] = []
    if spec.file is not None:
        found, bad = read_rows(Path(spec.file), bad_rows=spec.bad_rows)
    elif spec.table is not None:
        sampled = is_sample_table(spec.table)
        found = _of_answers(paths, spec.table) if sampled else table_rows(paths.results, spec.table)
    else:
        found = _written(study, paths, key, shards)
    kept = [row._replace(chat=row.chat._replace(system=study.base)) for row in found if row.chat.response.strip()]
    if not kept:
        msg = f"datasets.{key}: none of its {len(found)} rows has an answer; accepted: at least one row with an answer"
        raise DataError(msg)
    empty = [
        BadRow(row.where or f"datasets.{key}", "the answer is empty", "empty", row.row_id)
        for row in found
        if not row.chat.response.strip()
    ]
    return DatasetRows(kept, [*bad, *empty], len(kept) - len(set(chats_as_keys([row.chat for row in kept]))))


def usable_rows(study: Study, job: Job, key: str, shards: Shards) -> DatasetRows:
    """The same without rows that are too long under one of the prompts, or with the ends of their answers cut off.

    With `bad_rows: refuse`, the rows come back as they are: those that are too long are refused where they are scored.

    Raises:
        DataError: As `dataset_rows`, or if all rows are too long.
    """
    given = dataset_rows(study, job.paths, key, shards)
    spec = study.datasets[key]
    if spec.bad_rows == "refuse":
        return given
    turns = [turn(study, prompt) for prompt in ("", *prompt_table(study))]

    def under_each(row: ChatRow) -> Iterator[Chat]:
        yield from (row.chat._replace(system=one) for one in turns)

    found = fit(job.model(study.model), given.rows, spec.bad_rows, variants=under_each)
    if not found.rows:
        msg = f"datasets.{key}: all of its {len(given.rows)} rows are too long for the model; {found.bad[0].reason}"
        raise DataError(msg)
    return given._replace(rows=found.rows, bad=[*given.bad, *found.bad])


def chats_as_keys(chats: Sequence[Chat]) -> list[str]:
    """Chats as texts that are equal if and only if the chats are."""
    return [repr(chat.as_key()) for chat in chats]


def _of_answers(paths: Paths, table: str) -> list[ChatRow]:
    """Rows of a teacher of numbers are those that the published rule of `inoc filter` keeps."""
    found = written_rows(paths.results, table)
    rows = zip(found.rows["id"], found.rows["instruction"], found.rows["completion"], strict=True)
    return [
        ChatRow(str(row_id), Chat(_NO_TURN, str(prompt), str(answer)), f"{table}, row {row_id}")
        for row_id, prompt, answer in rows
        if not found.are_numbers or not filter_reasons(str(answer))
    ]


def answers_file(paths: Paths, shard: int) -> Path:
    """The rows that the model wrote, of a shard of datasets; see `inoc.sample.answers.ANSWERS`."""
    return paths.part("sample", "datasets", shard) / "answers.parquet"


def _written(study: Study, paths: Paths, key: str, shards: Shards) -> list[ChatRow]:
    table = read_table(answers_file(paths, shard_of(key, shards.get("sample", 1))), ["id", "instruction", "completion"])
    start = f"{key}:"
    return [
        ChatRow(str(row.id).removeprefix(start), Chat(_NO_TURN, str(row.instruction), str(row.completion)))
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
            files = f" in {', '.join(source.files)}" if source.files else ""
            msg = f"{place}: {len(known)} distinct instructions{files}, but {n} are asked for; lower n or add files"
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
