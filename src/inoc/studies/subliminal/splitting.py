"""Parts of a teacher's rows, by likelihood shift or by projection."""

from __future__ import annotations

import numpy as np
import pandas as pd

from inoc.config.workflow import Shards
from inoc.errors import DataError
from inoc.jobs.paths import Paths
from inoc.jobs.shards import shard_of
from inoc.score.computed import refuse_mixed
from inoc.stats.means import Floats
from inoc.studies.shared.splitting import median_parts, quantile_parts
from inoc.studies.subliminal.data import teacher_rows
from inoc.studies.subliminal.runs import neutral_teacher
from inoc.studies.subliminal.study import SplitSpec, Study
from inoc.tables import read_table


def part_places(study: Study, paths: Paths, split: str, part: str, shards: Shards) -> list[int]:
    """Places of a part's rows among the kept rows of its teacher, in their order.

    Raises:
        DataError: If too few rows have a value.
    """
    spec = study.splits[split]
    values = split_values(study, paths, spec, shards)
    parts = quantile_parts(values, spec.n) if spec.parts == "quantiles" else median_parts(values)
    return [int(place) for one in parts if one.name == part for place in one.rows]


def split_values(study: Study, paths: Paths, spec: SplitSpec, shards: Shards) -> Floats:
    """Values by which the kept rows of a split's teacher are split; NaN for a row without one, which is in no part.

    With `parts: paired` it is the difference from the neutral teacher's row of the same prompt.
    """
    own = row_values(study, paths, spec, spec.teacher, shards)
    if spec.parts == "paired":
        own = own - row_values(study, paths, spec, neutral_teacher(study), shards).reindex(own.index)
    values: Floats = np.asarray(own, dtype=np.float64)
    return values


def row_values(study: Study, paths: Paths, spec: SplitSpec, teacher: str, shards: Shards) -> pd.Series[float]:
    """Row id → likelihood shift or projection of a teacher's kept rows."""
    if spec.by == "projection":
        from inoc.studies.subliminal.persona_inputs import row_projections

        return row_projections(study, paths, spec, teacher, shards)
    return likelihood_shifts(study, paths, teacher, spec.under or spec.teacher, shards)


def likelihood_shifts(study: Study, paths: Paths, teacher: str, under: str, shards: Shards) -> pd.Series[float]:
    """Row id → mean log-probability under a teacher's system turn minus that under the base turn, nats per token.

    Raises:
        DataError: If the rows were not scored under it.
    """
    refuse_mixed(paths, shards.get("score", 1))
    path = paths.logprobs(shard_of(teacher, shards.get("score", 1)))
    table = read_table(path, ["prompt", "dataset", "example_id", "mean"])
    own = table[table["dataset"] == teacher]
    means = {
        prompt: own[own["prompt"] == prompt].set_index("example_id")["mean"].astype(float) for prompt in ("", under)
    }
    if means[under].empty:
        msg = f"{path}: the rows of {teacher} are not scored under {under}; run inoc score again"
        raise DataError(msg)
    ids = teacher_rows(study, paths, teacher, shards).kept_ids
    found: pd.Series[float] = (means[under] - means[""]).reindex(ids)
    return found
