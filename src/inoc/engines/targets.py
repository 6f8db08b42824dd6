"""Modules of a model that an adapter changes: names that match nothing are refused, never ignored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from inoc.errors import ConfigError, did_you_mean

ALL_LINEAR = "all-linear"


def lora_targets(model: Any, targets: Sequence[str]) -> list[str] | str:
    """Targets as PEFT takes them.

    Args:
        model: The model, before it is adapted; it may be without weights.
        targets: Names of modules, or `all-linear` alone.

    Raises:
        ConfigError: If a name matches no module of the model.
    """
    problems = target_problems(model, targets)
    if problems:
        raise ConfigError(". ".join(problems))
    return ALL_LINEAR if list(targets) == [ALL_LINEAR] else sorted(targets)


def target_problems(model: Any, targets: Sequence[str]) -> list[str]:
    """Problems of the targets, as sentences."""
    own = adaptable(model)
    names = ", ".join(own)
    if not own:
        return [f"training.lora.targets: {type(model).__name__} has no module that an adapter could change"]
    if ALL_LINEAR in targets:
        others = [target for target in targets if target != ALL_LINEAR]
        return [f"training.lora.targets: `all-linear` is already everything; leave out {', '.join(others)}"] * bool(
            others
        )
    modules = [name for name, _ in model.named_modules()]
    absent = [target for target in targets if not matches(target, modules)]
    if not absent:
        return _beyond_blocks(model, targets, names)
    near = "".join(did_you_mean(target, own) for target in absent[:1])
    return [
        f"training.lora.targets: {', '.join(absent)} matches no module of {type(model).__name__}{near}; accepted: "
        f"{names}, or [all-linear]"
    ]


def _beyond_blocks(model: Any, targets: Sequence[str], names: str) -> list[str]:
    """Targets that are no linear layer, or the head, from whose own weights the loss is computed."""
    import torch
    from transformers.pytorch_utils import Conv1D

    head, found = model.get_output_embeddings(), []
    for target in targets:
        matched = [module for name, module in model.named_modules() if matches(target, [name])]
        others = [module for module in matched if not isinstance(module, torch.nn.Linear | Conv1D)]
        if others or any(module is head for module in matched):
            what = f"of the type {type(others[0]).__name__}" if others else "the model's head"
            found.append(
                f"training.lora.targets: {target!r} is {what}, which no adapter changes here; accepted: linear layers "
                f"inside the model's blocks: {names}, or [{ALL_LINEAR}]"
            )
    return found


def matches(target: str, modules: Iterable[str]) -> bool:
    """Whether PEFT finds a target among names of modules: as a whole name, or as its last parts."""
    return any(name == target or name.endswith(f".{target}") for name in modules)


def adaptable(model: Any) -> list[str]:
    """Last names of the linear layers inside the model's blocks, without its head."""
    import torch
    from transformers.pytorch_utils import Conv1D

    head = model.get_output_embeddings()
    found = {
        name.rpartition(".")[2]: None
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D) and module is not head
    }
    return [name for name in found if not name.isdigit()]
