"""Rows that the model of another study wrote: the answers that its stage `sample` left for one dataset or teacher."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from inoc.errors import DataError
from inoc.jobs.paths import Paths
from inoc.tables import read_table

NUMBERS = ("numbers", "numbers_other", "numbers_third", "numbers_fourth")
"""Parts of the stage `sample` of subliminal studies with the lists of the teachers of each base model."""
PARTS = ("datasets", *NUMBERS)
"""Parts of the stage `sample` whose ids are `<dataset>:<row>`: of likelihood-shift and of subliminal studies."""


class Written(NamedTuple):
    """The rows of one dataset, and whether they are lists of numbers, which a filter has not seen yet."""

    rows: pd.DataFrame  # id, instruction, completion, n_tokens
    are_numbers: bool


def is_sample_table(table: str) -> bool:
    """Whether a table is named as `<study>/sample:<dataset>`."""
    study, _, rest = table.partition("/")
    stage, _, data = rest.partition(":")
    return bool(study and data) and stage == "sample"


def first_file(table: str) -> str:
    """A file of the table, from the project's root; it need not exist."""
    study = table.partition("/")[0]
    files = [f"results/{study}/sample/{part}/0/answers.parquet" for part in PARTS]
    return next((file for file in files if Path(file).exists()), files[0])


def written_rows(results: Path, table: str) -> Written:
    """The rows of a table `<study>/sample:<dataset>`, in their order.

    Args:
        results: Folder of all studies.
        table: Its name.

    Raises:
        DataError: If there is none of this name, or it has no row.
    """
    study, _, rest = table.partition("/")
    data = rest.partition(":")[2]
    for part in PARTS:
        folder = Paths(results, study).stage("sample") / part
        for path in sorted(folder.glob("*/answers.parquet")):
            found = read_table(path, ["id", "instruction", "completion", "n_tokens"])
            own = found[found["id"].astype(str).str.startswith(f"{data}:")]
            if len(own):
                ids = own["id"].astype(str).str.removeprefix(f"{data}:")
                return Written(own.assign(id=ids).reset_index(drop=True), part in NUMBERS)
    msg = (
        f"there is no table {table!r}; accepted: `<study>/sample:<dataset>` of a study whose stage `sample` has "
        "written rows for this dataset or teacher"
    )
    raise DataError(msg)
