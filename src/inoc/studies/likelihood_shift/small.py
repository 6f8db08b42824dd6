"""Cuts of a small run of a likelihood-shift study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from inoc.config.cuts import Cut, Drawn, Most, cuts_of
from inoc.studies.likelihood_shift.study import PromptGroup, Study
from inoc.studies.shared.small import taken_in_turn, warmup_cut

ROWS = 20
"""Rows of a dataset, at least: fewer cannot be split."""
LIMITS = (
    Most("datasets.*.written.n", least=ROWS),
    Most("students.epochs"),
    Most("students.n_questions", least=2),
    Most("students.samples"),
)


def limits(study: Study, n: int) -> Iterator[Cut]:
    """Rows, questions, answers, epochs and prompts; splits need twenty rows."""
    yield from cuts_of(study, n, LIMITS)
    if study.splits:  # these need every row, so there must be fewer
        for key, one in study.datasets.items():
            if one.file is not None and Path(one.file).is_file():
                yield Cut(("datasets", key, "file"), one.file, Drawn(one.file, max(n, ROWS)))
    elif study.scoring.precision is None:
        yield from cuts_of(study, n, [Most("scoring.n_rows", least=ROWS, where_all=True)])
    else:
        yield Cut(("scoring", "precision"), study.scoring.precision, None)
        yield Cut(("scoring", "n_rows"), study.scoring.n_rows, max(n, ROWS))
    if study.students is not None:
        yield from warmup_cut(study.students.training, ("students", "training"), n)
    groups = {name: [*group.entities, *group.texts] for name, group in study.prompts.items()}
    if sum(map(len, groups.values())) <= n:
        return
    named = {*(one.written_under for one in study.datasets.values()), *(one.prompt for one in study.splits.values())}
    kept = taken_in_turn(groups, n, {key for key in named if key is not None})
    for name, group in study.prompts.items():
        yield from _of_group(name, group, kept)


def _of_group(name: str, group: PromptGroup, kept: set[str]) -> Iterator[Cut]:
    entities: Any = (
        {key: forms for key, forms in group.model_dump(mode="json")["entities"].items() if key in kept}
        if isinstance(group.entities, Mapping)
        else [key for key in group.entities if key in kept]
    )
    if len(entities) < len(group.entities):
        yield Cut(("prompts", name, "entities"), list(group.entities), entities)
    texts = {key: text for key, text in group.texts.items() if key in kept}
    if len(texts) < len(group.texts):
        yield Cut(("prompts", name, "texts"), dict(group.texts), texts)
