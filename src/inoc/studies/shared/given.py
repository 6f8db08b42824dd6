"""Files that sections of a study file name, for sections that several kinds of study have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from inoc.config.models import InstructionSource, ModelSpec
from inoc.config.needs import GivenFile, is_a_path
from inoc.studies.shared.answers import first_file


def model_files(model: ModelSpec, key: str = "model") -> Iterator[GivenFile]:
    """The folder of a model and its chat template, where they are files.

    Args:
        model: The section.
        key: Its place in the study file.
    """
    if is_a_path(model.path):
        yield GivenFile(f"{key}.path", model.path)
    # A word without a dot or slash names one of the model's own templates.
    if model.chat_template is not None and set(model.chat_template) & set("./\\"):
        yield GivenFile(f"{key}.chat_template", model.chat_template)


def source_files(source: InstructionSource, key: str) -> Iterator[GivenFile]:
    """The files of a source of questions, each line of which has an `instruction`.

    Args:
        source: The section.
        key: Its place in the study file.
    """
    for file in source.files:
        yield GivenFile(f"{key}.files", file, read=_read_instructions)


def _read_instructions(path: Path) -> object:
    from inoc.generate.instructions import read_questions

    return read_questions(path)


def table_file(table: str, key: str) -> GivenFile:
    """A file of rows that another study wrote.

    Args:
        table: `<study>/sample:<dataset>`.
        key: Its place in the study file.
    """
    return GivenFile(key, first_file(table), run_first(table.partition("/")[0]))


def run_first(study: str) -> str:
    """Advice on a file that another study leaves."""
    return f"run that study: snakemake --config 'studies=[{study}]'"
