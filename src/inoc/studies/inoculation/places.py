"""Keys of the study file that datasets, instructions and pools stand below."""

from __future__ import annotations

from collections.abc import Iterator

from inoc.config.models import AnswerSpec, InstructionSource
from inoc.studies.inoculation.runs import trained_datasets
from inoc.studies.inoculation.study import Study


def dataset_places(study: Study) -> Iterator[tuple[str, AnswerSpec]]:
    """Key in the file → how a dataset is answered: the study's own, and the others that are trained on."""
    yield "data", study.data
    for key in trained_datasets(study):
        yield f"datasets.{key}", study.datasets[key]


def instruction_places(study: Study) -> Iterator[tuple[str, InstructionSource]]:
    """Key in the file → a source of instructions."""
    yield "data.instructions", study.data.instructions
    for key, spec in study.data.questions.items():
        if spec.source is not None:
            yield f"data.questions.{key}.source", spec.source


def pool_place(pool: str) -> str:
    """The key of a pool in the file."""
    return "rephrase" if pool == "mix" else f"pools.{pool}"
