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
    if needs.model.path == "world" or needs.behind_api:
        return
    if not folder.is_dir():
        _refuse_unless_hub_id(study.name, needs.model.path)
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
        needs.max_length or None,
        {f"{one.key}.max_tokens": one.sampling.max_tokens for one in needs.samples},
        TemplateSettings(spec.template_date, spec.thinking, spec.fold_system),
        needs.chats(),
        several_turns=needs.several_turns or any(one.chat.earlier for one in needs.chats()),
    )
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise ConfigError(f"study {study.name} cannot run with {folder}:\n{lines}")


def _refuse_unless_hub_id(name: str, path: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(path)
    except HFValidationError:
        raise ConfigError(
            f"study {name}: model.path = {path!r} is neither a folder here nor the name of a model of the hub; "
            "accepted: `world`, a folder, or a name such as Qwen/Qwen2.5-7B-Instruct"
        ) from None
