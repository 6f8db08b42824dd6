"""Adapters that somebody trained: whether their weights belong to the model, found without the model's weights."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from inoc.errors import InocError
from inoc.files import parse_json, read_text

FILES = ("adapter_config.json", "adapter_model.safetensors")
_LORA = re.compile(r"base_model\.model\.(.+)\.lora_([AB])\.weight")


def adapter_problems(folder: Path, model: Path) -> Iterator[str]:
    """Why an adapter cannot be used with a model as it was trained.

    Weights for modules that the model lacks, or that the adapter's own settings do not name, would be left out without
    a word when it is loaded.

    Args:
        folder: The adapter's.
        model: The model's; one that is not here is left to its download.
    """
    absent = [name for name in FILES if not (folder / name).is_file()]
    yield from (f"it has no {name}; accepted: the folder of a LoRA of peft" for name in absent)
    if absent:
        return
    try:
        settings = parse_json(read_text(folder / FILES[0]), str(folder / FILES[0]), "an object")
        shapes = _shapes(folder / FILES[1])
    except InocError as error:
        yield str(error)
        return
    except (OSError, ValueError, RuntimeError) as error:
        yield f"{FILES[1]} cannot be read ({error}); copy it anew"
        return
    named = settings.get("target_modules") if isinstance(settings, Mapping) else None
    modules = {found[1] for name in shapes if (found := _LORA.fullmatch(name))}
    if isinstance(named, list):
        ends = tuple(f".{one}" for one in named)
        unnamed = sorted(one for one in modules if not f".{one}".endswith(ends))
        if unnamed:
            told = f"{FILES[1]} has weights of {unnamed[0]}, which target_modules in {FILES[0]} do not name"
            yield f"{told} ({', '.join(map(str, named))}); accepted: the two files as peft wrote them"
    yield from _foreign(shapes, model)


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Name of a tensor → its shape, from the head of the file."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        head = json.loads(file.read(size)) if size < path.stat().st_size else None
    if not isinstance(head, dict):
        raise ValueError("it is no safetensors file")
    return {name: tuple(one["shape"]) for name, one in head.items() if name != "__metadata__"}


def _foreign(shapes: Mapping[str, tuple[int, ...]], model: Path) -> Iterator[str]:
    """Weights for modules that the model lacks or that have other sizes in it, the first of them."""
    sizes = _sizes(model)
    for name, shape in shapes.items() if sizes else ():
        found = _LORA.fullmatch(name)
        if found is None:
            continue
        known = sizes.get(found[1])
        if known is None:
            yield f"it has weights of {found[1]}, and {model} has no such module; accepted: an adapter of this model"
            return
        side = shape[-1] if found[2] == "A" else shape[0]
        if side not in known:
            own = f"{known[0]} × {known[1]}"
            yield (
                f"its weights of {found[1]} have the size {side}, and in {model} the module has {own}; accepted: an "
                "adapter of this model"
            )
            return


def _sizes(model: Path) -> dict[str, tuple[int, int]]:
    """Module of a model → the two sides of its weights; none for a model that is not here or cannot be built."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    if not (model / "config.json").is_file():
        return {}
    try:
        with torch.device("meta"):
            built = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(model, trust_remote_code=False))
    except (OSError, ValueError, LookupError, ImportError, AttributeError, TypeError, RuntimeError):
        return {}  # said where the model is checked
    weights = ((name.removesuffix(".weight"), part.shape) for name, part in built.named_parameters())
    return {name: (shape[0], shape[1]) for name, shape in weights if len(shape) == 2}
