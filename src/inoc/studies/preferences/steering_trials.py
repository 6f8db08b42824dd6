"""Steered answers as the analysis reads them, the same for a study that was computed and for one that was imported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.stats.means import NAN
from inoc.studies.preferences.asked import Asked
from inoc.studies.preferences.parsing import is_refusal
from inoc.studies.preferences.parts import has_part, part_files
from inoc.studies.preferences.results import file_shares, read_sampled_files
from inoc.studies.preferences.roles import template_of
from inoc.studies.preferences.steering_parts import targets_of
from inoc.studies.preferences.steering_plans import (
    ATTITUDE,
    COHERENCE,
    parts_of_id,
    questions_of,
    spec_of,
)
from inoc.studies.preferences.study import Study
from inoc.studies.preferences.tasks import Task
from inoc.studies.preferences.templates import points_of
from inoc.tables import read_table

TRIAL = (
    *("vector", "site", "target", "text", "coefficient"),
    *("first", "second"),  # the tasks in the order in which they were shown; second is empty for one task
    "value",  # see `SCALES`; NaN if it is lost
    "lost",  # share of the answer that is lost: 1 or 0; of an exact probability, what is not on any answer
    "coherence",  # 0 to 100; of an exact probability, 100 times what is on the answers; NaN if nobody judged
)

SCALES = {
    "rating": "mean rating, oriented so that higher is better",
    "choice": "share of choices for the steered text (the first one, if both or all positions are steered)",
    "open": "attitude of the answer, −1 to 1",
}
"""Kind of a target → meaning of its values."""


def trials(study: Study, paths: Paths, shards: Shards, tasks: Sequence[Task], site: str) -> pd.DataFrame:
    """All steered answers: columns of `TRIAL`. Unsteered ones have the vector `none` and the coefficient 0.

    Args:
        study: The study.
        paths: Its results.
        shards: Into how many jobs the stages are split.
        tasks: Its tasks.
        site: Site of the steering.

    Raises:
        DataError: If a table is missing.
    """
    rows = [
        *_closed(study, paths, shards, tasks, site),
        *_open(study, paths, shards, tasks, site),
    ]
    return pd.DataFrame(rows, columns=list(TRIAL))


def _head(study: Study, target: str, site: str, vector: str, coefficient: float, asked: Asked) -> tuple[object, ...]:
    text = spec_of(study).targets[target].text
    second = asked.tasks[1] if len(asked.tasks) > 1 else ""
    return vector, site, target, text, coefficient, asked.tasks[0], second


def _by_id(study: Study, tasks: Sequence[Task], target: str) -> dict[str, Asked]:
    return {asked.id: asked for asked in questions_of(study, tasks, target)}


def _closed(
    study: Study, paths: Paths, shards: Shards, tasks: Sequence[Task], site: str
) -> Iterator[tuple[object, ...]]:
    if not has_part(study, "choose", "steering"):
        return
    shares = file_shares(part_files(study, paths, "choose", "steering", "candidates.parquet", shards))
    known = {target: _by_id(study, tasks, target) for target in targets_of(study, is_open=False)}
    for name, found in shares.items():
        target, vector, coefficient, question = parts_of_id(name)
        given = spec_of(study).targets[target]
        template = template_of(study.instruments[given.instrument])
        on_labels = np.array(found[:-1], dtype=np.float64)  # the last one is the refusal
        mass = float(on_labels.sum())
        if template.kind == "choice":
            scale = np.array([0.0, 1.0] if given.text == "second" else [1.0, 0.0])
        else:
            scale = np.array([point.oriented for point in points_of(template)])
        value = float(on_labels @ scale) / mass if mass > 0 else NAN
        head = _head(study, target, site, vector, coefficient, known[target][question])
        yield (*head, value, 1.0 - min(mass, 1.0) if mass == mass else 1.0, 100 * mass)


def _open(study: Study, paths: Paths, shards: Shards, tasks: Sequence[Task], site: str) -> Iterator[tuple[object, ...]]:
    if not has_part(study, "sample", "steering"):
        return
    answers = read_sampled_files(part_files(study, paths, "sample", "steering", "answers.parquet", shards))
    scores: dict[str, dict[tuple[str, int], float]] = {ATTITUDE: {}, COHERENCE: {}}
    if has_part(study, "judge", "steering"):
        frame = read_table(paths.scores("steering"), ["id", "sample", "trait", "score"])
        for row in frame.itertuples():
            scores[str(row.trait)][str(row.id), int(str(row.sample))] = float(str(row.score))
    known = {target: _by_id(study, tasks, target) for target in targets_of(study, is_open=True)}
    for (name, sample), answer in answers.items():
        target, vector, coefficient, question = parts_of_id(name)
        judged = scores[ATTITUDE].get((name, sample), NAN)
        refused = answer.finish == "refused" or is_refusal(answer.text)
        value = NAN if refused or not answer.text.strip() else judged / 50 - 1
        head = _head(study, target, site, vector, coefficient, known[target][question])
        yield (*head, value, float(np.isnan(value)), scores[COHERENCE].get((name, sample), NAN))
