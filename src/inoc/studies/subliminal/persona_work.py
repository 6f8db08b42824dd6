"""The work of stages for persona vectors: their answers, read-outs, projections and steering."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.jobs.work import Work
from inoc.studies.subliminal.study import SplitSpec, Study

PERSONA: tuple[Work, ...] = ()
"""Work of the parts `persona`, `steering` and `projections`."""


def persona_inputs(study: Study, paths: Paths, shards: Shards, splits: Sequence[SplitSpec] | None) -> list[Path]:
    """Files of persona vectors that a job reads.

    Args:
        study: The study.
        paths: Its results.
        shards: Into how many jobs the stages are split.
        splits: Splits of the rows that are trained on; None for the analysis, which reads everything.
    """
    return []
