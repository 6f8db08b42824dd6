"""The whole check of a study before its first job: its file, its inputs, its model and the APIs that it asks."""

from __future__ import annotations

import json
from pathlib import Path

from inoc.config.inherited import inherited
from inoc.config.load import load_study, load_workflow, study_path
from inoc.config.models import BaseStudy
from inoc.config.workflow import Workflow
from inoc.errors import ConfigError, InocError
from inoc.jobs.make import RESULTS
from inoc.jobs.model_check import check_study_model
from inoc.jobs.paths import Paths
from inoc.jobs.ready import check_api, check_inputs, check_rows, needs_of
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
    _check_budget(study, workflow)
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


def _check_budget(study: BaseStudy, workflow: Workflow) -> None:
    """Refuse fine-tuning jobs behind the API that are likely to cost more than its whole budget.

    Raises:
        ConfigError: If they are.
    """
    if not any(use.tunes for use in needs_of(study).apis):
        return
    from inoc.jobs.plan import cost_rows

    dollars = sum(row.dollars for row in cost_rows(study, workflow, Paths(RESULTS, study.name)) if row.stage == "train")
    budget = workflow.api.budget
    if dollars > budget:
        raise ConfigError(
            f"study {study.name}: its fine-tuning jobs are likely to cost {dollars:.2f} dollars, and api.budget in "
            f"config/config.yaml is {budget:g} for all that is ever spent; raise it, or train fewer students on fewer "
            "rows and epochs"
        )


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
