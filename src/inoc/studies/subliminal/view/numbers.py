"""Rows that the teachers of a study of subliminal learning wrote, with what the filter drops."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from inoc.config.workflow import Shards
from inoc.errors import DataError
from inoc.jobs.paths import Paths
from inoc.jobs.shards import shard_of
from inoc.studies.shared.viewing import token_blocks
from inoc.studies.subliminal.data import teacher_rows
from inoc.studies.subliminal.runs import turn_of, way_of
from inoc.studies.subliminal.study import Study
from inoc.view.declare import Column, Source, Text, Tokens

_BEYOND = "kept by the filter, not needed"


def sources(study: Study, paths: Paths, shards: Shards) -> Iterator[Source]:
    """The list of the teachers' rows, if there are any."""
    if not any(paths.stage("sample").glob("numbers/*/answers.parquet")):
        return
    yield Source(
        "numbers",
        "Rows of teachers",
        "Every answer that a teacher wrote, and why the filter drops it. Students train on those that are kept.",
        lambda: written(study, paths, shards),
        ("teacher", "row_id"),
        (
            Column("teacher"),
            Column("entity", "entity", "preference of the teacher"),
            Column("way", "way", "how the teacher comes to its preference", listed=False),
            Column("kept", "kept", "whether it may be trained on"),
            Column("reason", "why not kept"),
            Column("n_tokens", "tokens", listed=False),
            Column("row_id", "row", listed=False),
            Column("made_by", "made by", "job, as in the table under Provenance", listed=False),
        ),
        (Text("system", "system"), Text("instruction", "user"), Text("completion", "answer")),
        "trained on, where kept",
        dropped="reason",
        tokens="scored",
        follows={"dataset": "teacher", "dataset_b": "teacher"},
    )


def written(study: Study, paths: Paths, shards: Shards) -> pd.DataFrame:
    """A row per teacher and prompt; a teacher whose rows are not there has none."""
    rows = []
    for key, teacher in study.teachers.items():
        try:
            found = teacher_rows(study, paths, key, shards)
        except (DataError, OSError):
            continue
        kept = set(found.kept)
        system, way = turn_of(study, key).text, way_of(teacher)
        job = f"sample-numbers-{shard_of(key, shards.get('sample', 1))}"
        for at, (one, row, reasons) in enumerate(
            zip(found.ids, found.filtered.rows, found.filtered.reasons, strict=True)
        ):
            why = ", ".join(reasons) or ("" if at in kept else _BEYOND)
            shown = (row.n_tokens, one, job, system, row.prompt, row.answer, f"{key}/{one}")
            rows.append((key, teacher.entity or "", way, "yes" if at in kept else "no", why, *shown))
    names = ["teacher", "entity", "way", "kept", "reason", "n_tokens", "row_id", "made_by"]
    return pd.DataFrame(rows, columns=[*names, "system", "instruction", "completion", "answer_id"])


def tokens(study: Study, paths: Paths, shards: Shards) -> tuple[Tokens, ...]:
    """Values of the tokens of scored rows, if they were kept."""
    files = sorted(paths.stage("score").glob("logprobs-*.parquet"))
    if not files or not any(paths.stage("sample").glob("numbers/*/answers.parquet")):
        return ()

    def texts() -> dict[str, str]:
        rows = written(study, paths, shards)
        return dict(zip(rows["answer_id"], rows["completion"], strict=True))

    return (Tokens("scored", "answer_id", lambda block: token_blocks(files, study.model, paths.world_model, texts())),)
