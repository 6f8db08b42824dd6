"""Cuts of a small run of a study of preferences."""

from __future__ import annotations

from collections.abc import Iterator

from inoc.config.cuts import Cut, Most, cuts_of
from inoc.studies.preferences.study import Study

LIMITS = (
    Most("tasks.n", least=12, where_all=True),  # below, utilities and correlations have no intervals
    Most("instruments.*.pairs.degree", least=2),
    Most("instruments.*.ranking.appearances", least=2),
    Most("samples"),
    Most("selection.batch"),
    Most("selection.max_rounds"),
    Most("concepts.*.tasks.n", least=4),
    Most("steering.targets.*.n", least=4, where_all=True),
    Most("steering.random", least=2),
    Most("steering.combinations", least=2),
)


def limits(study: Study, n: int) -> Iterator[Cut]:
    """Tasks, of which there are twelve at least, partners of each in pairs, groups, answers and rounds."""
    for one in cuts_of(study, n, LIMITS):
        # A section that an instrument does not set is of questions of another form.
        if one.path[0] != "instruments" or one.path[2] in study.instruments[str(one.path[1])].model_fields_set:
            yield one
