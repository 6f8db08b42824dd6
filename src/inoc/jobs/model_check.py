"""Checks of a study's models that need no weights: files, template, LoRA targets, lengths."""

from __future__ import annotations

import re
from pathlib import Path

from inoc.config.models import BaseStudy, ModelSpec
from inoc.config.needs import ModelUse
from inoc.errors import ConfigError
from inoc.jobs.ready import needs_of


def check_study_model(study: BaseStudy, base: Path) -> None:
    """Check that models in folders can do what their study asks of them; others are checked when they are here.

    Args:
        study: The study.
        base: Folder that the study's paths are relative to.

    Raises:
        ConfigError: With everything that one of them cannot do.
    """
    needs = needs_of(study)
    own = ModelUse(
        "model",
        needs.model,
        needs.samples,
        needs.placement,
        needs.chats,
        needs.several_turns,
        needs.targets,
        needs.max_length,
        needs.reads,
        needs.chooses,
        renames=needs.renames,
    )
    for use in [*([own] if needs.loaded and not needs.behind_api else []), *needs.others]:
        _check(study, use, base)


def _check(study: BaseStudy, use: ModelUse, base: Path) -> None:
    name, spec = study.name, use.spec
    folder = base / Path(spec.path).expanduser()
    if spec.path == "world":
        _check_made(name, use)
        return
    if not folder.is_dir():
        _refuse_unless_hub_id(name, use.key if use.judges else f"{use.key}.path", spec.path)
        return
    from inoc.chat.template import TemplateSettings
    from inoc.engines.checks import check_model

    problems = check_model(
        folder,
        spec.chat_template,
        spec.system,
        use.placement,
        use.targets,
        use.max_length or None,
        {f"{one.key}.max_tokens": one.sampling.max_tokens for one in use.samples},
        TemplateSettings(spec.template_date, spec.thinking, spec.fold_system),
        use.chats(),
        several_turns=use.several_turns or any(one.chat.earlier for one in use.chats()),
        reads=use.reads,
        chooses=use.chooses,
        renames=use.renames,
        judges=use.judges,
    )
    if problems:
        lines = "\n".join(f"  {_placed(problem, study, use)}" for problem in problems)
        raise ConfigError(f"study {name} cannot run with {folder}:\n{lines}")


def _check_made(name: str, use: ModelUse) -> None:
    """Refuse chats that are certainly longer than a model that does not exist yet: a word has a token at least."""
    if use.positions is None:
        return
    for one in use.chats():
        words = len(f"{one.chat.system.text} {one.chat.user}".split())
        if words + one.unknown_tokens > use.positions:
            raise ConfigError(
                f"study {name}: {one.where} has at least {words} tokens and up to {one.unknown_tokens} of what is "
                f"sampled, and {use.key} = {use.spec.path!r} has {use.positions} positions. Lower `max_tokens` of what "
                "is judged, or name another model"
            )


def _placed(problem: str, study: BaseStudy, use: ModelUse) -> str:
    """A problem of a model, with its settings called by their place in the study file."""
    if "placement" not in type(study).model_fields:  # its system turns come from elsewhere
        problem = problem.replace("placement: system: ", "system turns: ").replace(", or with placement: user", "")
    place = use.key if use.judges else rf"{use.key}.\1"
    return re.sub(rf"(?<![\w.])model\.({'|'.join(ModelSpec.model_fields)})\b", place, problem)


def _refuse_unless_hub_id(name: str, key: str, path: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(path)
    except HFValidationError:
        raise ConfigError(
            f"study {name}: {key} = {path!r} is neither a folder here nor the name of a model of the hub; "
            "accepted: `world`, a folder, or a name such as Qwen/Qwen2.5-7B-Instruct"
        ) from None
