"""Choices that figures and report share: which rows and columns, in which order, under which names."""

from __future__ import annotations

from typing import NamedTuple

from inoc.studies.likelihood_shift.study import Study, own_prompt, prompt_table
from inoc.studies.shared.labels import label_of

MOST_CHARACTERS = 24
"""Of a name in a figure; what is longer ends in an ellipsis. Data files have the whole key."""
STATISTICS = {
    "mean": "mean LLS",
    "median": "median LLS",
    "share_positive": "share of rows with a positive LLS",
    "top20": "mean LLS of the top quintile",
    "top5": "mean LLS of the top 5 %",
}
"""Statistic of a cell → its name."""
UNIT = "nats per token"


class Parts(NamedTuple):
    """Keys of a matrix's rows or columns: those of the main grid, and those that stand apart."""

    main: list[str]
    apart: list[str]

    @property
    def all(self) -> list[str]:
        """All of them, the main ones first."""
        return [*self.main, *self.apart]


def short(text: str, most: int = MOST_CHARACTERS) -> str:
    """A name that fits."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def prompt_label(study: Study, prompt: str) -> str:
    """Name of a prompt in figures; of a prompt that the study does not know, its key."""
    del study
    return short(prompt.replace("_", " "))


def dataset_label(study: Study, dataset: str) -> str:
    """Name of a dataset in figures; of a dataset that the study does not know, its key."""
    known = study.datasets.get(dataset)
    return short(label_of(dataset, known.label if known else None))


def group_label(study: Study, group: str) -> str:
    """Name of a group of prompts in figures."""
    return short(label_of(group, study.prompts[group].label), 34)


def split_prompts(study: Study) -> Parts:
    """Prompts of the main grid, and control prompts apart from it.

    A control that has the template of a group of candidates, an animal without data for instance, differs from them
    only in its entity, so it belongs among them.
    """
    shared = {group.template for group in study.prompts.values() if group.role == "candidate" and group.template}
    main: list[str] = []
    apart: list[str] = []
    for key, prompt in prompt_table(study).items():
        beside = prompt.role == "control" and study.prompts[prompt.group].template not in shared
        (apart if beside else main).append(key)
    return Parts(main, apart) if main else Parts(apart, [])


def split_datasets(study: Study) -> Parts:
    """Datasets written under a prompt, and those written under none."""
    main = [key for key in study.datasets if own_prompt(study, key)]
    apart = [key for key in study.datasets if not own_prompt(study, key)]
    return Parts(main, apart) if main else Parts(apart, [])


def candidates(study: Study) -> list[str]:
    """Prompts whose role is `candidate`."""
    return [key for key, prompt in prompt_table(study).items() if prompt.role == "candidate"]


def owned_datasets(study: Study) -> list[str]:
    """Datasets that were written under a prompt of the study."""
    return [key for key in study.datasets if own_prompt(study, key)]


def target_label(study: Study, target: str) -> str:
    """Name of a behaviour that is counted."""
    known = study.students.targets.get(target) if study.students else None
    return short(label_of(target.capitalize(), known.label if known is not None else None))
