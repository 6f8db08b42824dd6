"""Checks of a study's model that need no weights: files, template, LoRA targets, lengths."""

from __future__ import annotations

from pathlib import Path

from inoc.config.models import BaseStudy
from inoc.errors import ConfigError
from inoc.jobs.ready import needs_of


def check_study_model(study: BaseStudy, base: Path) -> None:
    """Check that a model in a folder can do what its study asks of it; others are checked when they are here.

    Args:
        study: The study.
        base: Folder that the study's paths are relative to.

    Raises:
        ConfigError: With everything that it cannot do.
    """
    needs = needs_of(study)
    folder = base / Path(needs.model.path).expanduser()
    if needs.model.path == "world" or not folder.is_dir():
        return
    from inoc.chat.template import TemplateSettings
    from inoc.engines.checks import check_model

    spec = needs.model
    problems = check_model(
        folder,
        spec.chat_template,
        spec.system,
        needs.placement,
        needs.targets,
        None,
        {f"{one.key}.max_tokens": one.sampling.max_tokens for one in needs.samples},
        TemplateSettings(spec.template_date, spec.thinking, spec.fold_system),
        several_turns=needs.several_turns,
    )
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise ConfigError(f"study {study.name} cannot run with {folder}:\n{lines}")
