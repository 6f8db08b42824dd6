"""The whole check of a study before its first job: its file, its inputs, its model and the APIs that it asks."""

from __future__ import annotations

import json
from pathlib import Path

from inoc.config.inherited import inherited
from inoc.config.load import load_study, load_workflow, study_path
from inoc.config.models import BaseStudy
from inoc.errors import InocError
from inoc.jobs.model_check import check_study_model
from inoc.jobs.ready import check_api, check_inputs, check_rows
from inoc.stages import kind_named, load


def check_study(name: str, config: Path) -> tuple[BaseStudy, str]:
    """Check a study, and summarise its work.

    Args:
        name: Name of a study, or path of its file.
        config: Folder of `config.yaml`.

    Raises:
        InocError: With everything that the first failing check found.
    """
    study = load_study(name, config)
    check_inputs(study, Path())
    check_rows(study)
    check_study_model(study, Path())
    workflow = load_workflow(config / "config.yaml")
    check_api(study, workflow.api, engine_spec=workflow.engine_api)
    return study, str(load(kind_named(study.kind).summary)(study))


def notes(name: str, config: Path) -> list[str]:
    """Things that a valid study may not mean: settings from a study of another model, that were chosen for that one.

    Args:
        name: Name of a study, or path of its file.
        config: Folder of `config.yaml`.
    """
    found = inherited(study_path(name, config))
    if not found:
        return []
    return ["with a model of its own, it takes these settings from a study of another:", *(f"  {one}" for one in found)]


def print_check(name: str, config: Path) -> bool:
    """Print the outcome as a JSON object with `study`, `valid`, and `summary` and `notes`, or `problems`.

    Returns:
        Whether the study is valid.
    """
    try:
        study, summary = check_study(name, config)
    except InocError as error:
        valid = False
        found: dict[str, object] = {"study": name, "valid": valid, "problems": _problems(str(error))}
    else:
        valid = True
        found = {"study": study.name, "valid": valid, "summary": summary, "notes": notes(name, config)}
    print(json.dumps(found, ensure_ascii=False, indent=2))
    return valid


def _problems(message: str) -> list[str]:
    """The problems that a message lists, each in an indented line below its heading; else the message itself."""
    lines = [line.strip() for line in message.splitlines() if line.startswith("  ")]
    return lines or [message]
