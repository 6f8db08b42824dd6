"""Tables of seeds × questions: what every contrast of preferences is computed from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from inoc.stats.means import NAN, Floats
from inoc.studies.subliminal.asking import TEACHER
from inoc.studies.subliminal.runs import UNTRAINED, base_of, neutral_teacher, students_of
from inoc.studies.subliminal.study import Study

PANEL = ("method", "question_set")
"""Columns within which subjects are compared with each other."""
UNTRAINED_SEED = -1


class Key(NamedTuple):
    """The students of one group on the rows of one teacher, or on a part of them."""

    group: str
    teacher: str
    part: str


class Panel(NamedTuple):
    """The answers of one method to one set of questions.

    Attributes:
        method: `choose` or `sample`.
        question_set: Key of the set.
        untrained: Base model, entity → shares, shape (questions,).
        teachers: Teacher, entity → its own shares, shape (questions,).
        students: Key, entity → epoch → shares, shape (seeds, questions); seeds are in the group's order.
    """

    method: str
    question_set: str
    untrained: dict[tuple[str, str], Floats]
    teachers: dict[tuple[str, str], Floats]
    students: dict[tuple[Key, str], dict[int, Floats]]

    def values(self, key: Key, entity: str, epoch: int) -> Floats | None:
        """Shares, shape (seeds, questions); None if the students were not asked then."""
        return self.students.get((key, entity), {}).get(epoch)

    def epochs(self, key: Key, entity: str) -> list[int]:
        """Epochs after which the students were asked."""
        return sorted(self.students.get((key, entity), {}))

    def best_epoch(self, key: Key, entity: str) -> int | None:
        """The epoch with the highest share: chosen on these very answers, so biased upwards; the first of several."""
        means = {epoch: float(np.nanmean(found)) for epoch, found in self.students.get((key, entity), {}).items()}
        known = {epoch: mean for epoch, mean in means.items() if not np.isnan(mean)}
        return min(known, key=lambda epoch: (-known[epoch], epoch)) if known else None


def keys_of(study: Study) -> list[Key]:
    """The groups of students with their teachers and parts, in the order of the study."""
    return list(dict.fromkeys(Key(one.group, one.teacher, one.part) for one in students_of(study)))


def neutral_key(study: Study, key: Key) -> Key | None:
    """The students of a group on the neutral teacher's rows; None if there are none."""
    neutral = neutral_teacher(study, base_of(study, key.teacher))
    found = Key(key.group, neutral, key.part)
    return found if neutral and found in set(keys_of(study)) else None


def panels(study: Study, shares: pd.DataFrame) -> Iterator[Panel]:
    """The answers of each method to each set of questions.

    Args:
        study: The study.
        shares: Columns of `inputs.SHARES`.
    """
    names = {one.name: one for one in students_of(study)}
    for (method, question_set), table in shares.groupby(list(PANEL), sort=False):
        questions = {one: place for place, one in enumerate(sorted(table["question"].unique()))}
        untrained: dict[tuple[str, str], Floats] = {}
        teachers: dict[tuple[str, str], Floats] = {}
        students: dict[tuple[Key, str], dict[int, Floats]] = {}
        for (base, subject, epoch, entity), part in table.groupby(["base", "subject", "epoch", "entity"], sort=False):
            row = np.full(len(questions), NAN)
            row[[questions[one] for one in part["question"]]] = part["value"].to_numpy(np.float64)
            if subject == UNTRAINED:
                untrained[str(base), str(entity)] = row
            elif str(subject).startswith(TEACHER):
                teachers[str(subject).removeprefix(TEACHER), str(entity)] = row
            elif subject in names:
                one = names[str(subject)]
                seeds = study.students[one.group].training.seeds
                cells = students.setdefault((Key(one.group, one.teacher, one.part), str(entity)), {})
                found = cells.setdefault(int(str(epoch)), np.full((len(seeds), len(questions)), NAN))
                found[seeds.index(one.seed)] = row
        yield Panel(str(method), str(question_set), untrained, teachers, students)
