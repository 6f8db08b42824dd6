"""Students of a study, and what it would run in words."""

from __future__ import annotations

from typing import NamedTuple

from inoc.jobs.shards import shard_of
from inoc.studies.likelihood_shift.study import Study, prompt_table


class Student(NamedTuple):
    """One fine-tuning: a part of a split or a whole dataset, and a seed."""

    data: str  # `<split>.<part>`, or the key of a dataset
    split: str  # empty for a whole dataset
    part: str  # `all` for a whole dataset
    dataset: str
    learning_rate: float
    seed: int

    @property
    def name(self) -> str:
        """Unique in its study, and safe as a folder name."""
        return f"{self.data}.lr{self.learning_rate:g}.seed{self.seed}"


def part_names(study: Study, split: str) -> list[str]:
    """Parts that a split makes, from the lowest shift to the highest."""
    spec = study.splits[split]
    if spec.by == "quantiles":
        return [f"q{k + 1}" for k in range(spec.n)]
    return ["bottom", "top"] if spec.by == "median" else ["random"]


def students_of(study: Study) -> list[Student]:
    """Every student of the study."""
    spec = study.students
    if spec is None:
        return []
    rate = spec.training.learning_rate
    parts = [
        (f"{split}.{part}", split, part, study.splits[split].dataset)
        for split in (spec.splits or tuple(study.splits))
        for part in part_names(study, split)
    ]
    parts += [(key, "", "all", key) for key in spec.datasets]
    return [Student(*part, rate, seed) for part in parts for seed in spec.training.seeds]


def shard_students(study: Study, shard: int, shards: int) -> list[Student]:
    """Students of one job."""
    return [one for one in students_of(study) if shard_of(one.name, shards) == shard]


def shard_datasets(study: Study, shard: int, shards: int) -> list[str]:
    """Datasets of one job of `sample` or `score`."""
    return [key for key in study.datasets if shard_of(key, shards) == shard]


def written_datasets(study: Study) -> list[str]:
    """Datasets that the study's model writes."""
    return [key for key, spec in study.datasets.items() if spec.written is not None]


def summary(study: Study) -> str:
    """One line that says how much the study would run."""
    cells = len(prompt_table(study)) * len(study.datasets)
    words = f"{len(prompt_table(study))} prompts × {len(study.datasets)} datasets = {cells} cells"
    n = len(students_of(study))
    return words + (f", {n} students" if n else "")
