"""Adapters that somebody trained: whether they are computed as they were trained, found without the model's weights.

Accepted are LoRA adapters that add to what the model's layers compute. Those that replace weights of the model, or
have settings that change something else, are refused: the same model answers with and without its adapters.
"""

from __future__ import annotations

import codecs
import json
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from inoc.errors import InocError
from inoc.files import parse_json, read_text

CONFIG, WEIGHTS = FILES = ("adapter_config.json", "adapter_model.safetensors")
_LORA = re.compile(r"base_model\.model\.(.+)\.lora_([AB])\.weight")
_MERGE = "merge it into the model (`merge_and_unload` of peft), save that, and take it as a model of its own"
_ANY = frozenset({
    "alpha_pattern", "auto_mapping", "base_model_name_or_path", "corda_config", "ensure_weight_tying", "eva_config",
    "exclude_modules", "fan_in_fan_out", "inference_mode", "layers_pattern", "layers_to_transform", "lora_alpha",
    "lora_bias", "lora_dropout", "loftq_config", "peft_version", "qalora_group_size", "r", "rank_pattern", "revision",
    "target_modules", "task_type", "use_dora", "use_rslora",
})  # fmt: skip
"""Settings of peft's LoRA that may have any value; all others must be off."""
_ONE_OF: Mapping[str, tuple[object, ...]] = {
    "peft_type": ("LORA",),
    "bias": ("none",),
    # Others change the model's own weights.
    "init_lora_weights": (True, False, "gaussian", "orthogonal", "eva"),
    "megatron_core": ("megatron.core",),
}
NOT_IN_VLLM = ("use_dora", "lora_bias", "rank_pattern", "alpha_pattern")
"""Settings that vLLM leaves out or refuses."""


def adapter_problems(folder: Path, model: Path) -> Iterator[str]:
    """Why an adapter cannot be used with a model as it was trained.

    Weights for modules that the model lacks, or that the adapter's own settings do not name, would be left out without
    a word when it is loaded.

    Args:
        folder: The adapter's.
        model: The model's; one that is not here is left to its download.
    """
    absent = [name for name in FILES if not (folder / name).is_file()]
    yield from (f"it has no {name}; {_instead(folder, name)}" for name in absent)
    if absent:
        return
    try:
        settings = _settings(folder)
        shapes = _shapes(folder / WEIGHTS)
    except InocError as error:
        yield str(error)
        return
    except (OSError, ValueError, LookupError, TypeError, RuntimeError) as error:
        yield f"{WEIGHTS} cannot be read ({error}); copy it anew"
        return
    found = [*_unsupported(settings), *_unnamed(settings, shapes)]
    built = _built(model) if not found else None
    if built is not None:
        found = [*_foreign(shapes, built, model)] or [*_unlike(folder, shapes, built, model)]
    yield from found


def vllm_problems(folder: Path) -> Iterator[str]:
    """Settings of an adapter, which has no problems otherwise, with which vLLM does not compute it as peft does."""
    settings = _settings(folder)
    for name in NOT_IN_VLLM:
        if settings.get(name):
            yield f"{name} = {settings[name]} in {CONFIG} is nothing that vLLM computes; accepted: engine: transformers"


def _instead(folder: Path, name: str) -> str:
    if name == WEIGHTS and (folder / "adapter_model.bin").is_file():
        return "accepted: weights as safetensors, as peft saves an adapter that it has loaded from adapter_model.bin"
    return "accepted: the folder of a LoRA of peft"


def _settings(folder: Path) -> Mapping[str, Any]:
    path = folder / CONFIG
    found = parse_json(read_text(path), str(path), "an object")
    if not isinstance(found, Mapping):
        raise ValueError(f"{path} is no object")
    return found


def _unsupported(settings: Mapping[str, Any]) -> Iterator[str]:
    """Settings with which an adapter is not computed, or not without a change of the model's own weights."""
    if settings.get("peft_type") != "LORA":
        yield f"peft_type = {settings.get('peft_type')!r} in {CONFIG}; accepted: 'LORA', or {_MERGE}"
        return
    for name, value in settings.items():
        known = _ONE_OF.get(name, (None, False) if value in (None, False) else ())
        if value is None or name in _ANY or (value in known if known else not value):
            continue
        accepted = " or ".join(map(repr, known)) if known else "null"
        yield f"{name} = {value!r} in {CONFIG}; accepted: {accepted}, or {_MERGE}"
    for name, rank in {"r": settings.get("r", 8), **(settings.get("rank_pattern") or {})}.items():
        if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
            yield f"the rank {name} = {rank!r} in {CONFIG}; accepted: a whole number from 1"


def _unnamed(settings: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> Iterator[str]:
    """Weights for modules that the settings do not name, the first of them."""
    named = settings.get("target_modules")
    modules = {found[1] for name in shapes if (found := _LORA.fullmatch(name))}
    if isinstance(named, list):
        ends = tuple(f".{one}" for one in named)
        unnamed = sorted(one for one in modules if not f".{one}".endswith(ends))
        if unnamed:
            told = f"{WEIGHTS} has weights of {unnamed[0]}, which target_modules in {CONFIG} do not name"
            yield f"{told} ({', '.join(map(str, named))}); accepted: the two files as peft wrote them"


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Name of a tensor → its shape, from the head of the file."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        head = json.loads(file.read(size)) if size < path.stat().st_size else None
    if not isinstance(head, dict):
        raise ValueError("it is no safetensors file")
    return {name: tuple(one["shape"]) for name, one in head.items() if name != "__metadata__"}


def _foreign(shapes: Mapping[str, tuple[int, ...]], built: Any, model: Path) -> Iterator[str]:
    """Weights for modules that the model lacks or that have other sizes in it, the first of them."""
    weights = built.named_parameters(remove_duplicate=False)  # a head may be the embeddings
    sizes = {name.removesuffix(".weight"): tuple(part.shape) for name, part in weights if part.dim() == 2}
    for name, shape in shapes.items():
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


def _unlike(folder: Path, shapes: Mapping[str, tuple[int, ...]], built: Any, model: Path) -> Iterator[str]:
    """Weights that are not those which peft makes of the adapter's settings in the model, the first of them."""
    try:
        from peft import LoraConfig, PeftModel, get_peft_model_state_dict
    except ImportError:
        return  # said where adapters are used
    if (folder / CONFIG).read_bytes().startswith(codecs.BOM_UTF8):
        yield f"{CONFIG} begins with a byte order mark, which peft cannot read; save it as UTF-8 without one"
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            settings = LoraConfig.from_pretrained(str(folder))
            settings.init_lora_weights = True  # others look at the weights
            adapted = PeftModel(built, settings, low_cpu_mem_usage=True)
            own = get_peft_model_state_dict(adapted, save_embedding_layers=False)
    except (ValueError, TypeError, LookupError, AttributeError, RuntimeError, ImportError) as error:
        yield f"peft cannot put it into {model} by its {CONFIG} ({type(error).__name__}: {error}); train it anew"
        return
    expected = {name: tuple(part.shape) for name, part in own.items()}
    for name in sorted(expected.keys() | shapes.keys()):
        if name not in shapes:
            yield f"{WEIGHTS} lacks {name}, which {CONFIG} asks for; accepted: the two files as peft wrote them"
        elif name not in expected:
            yield f"{name} in {WEIGHTS} is no weight of the LoRA that {CONFIG} describes; {_MERGE}"
        elif shapes[name] != expected[name]:
            yield (
                f"{name} in {WEIGHTS} has the shape {shapes[name]}, and by {CONFIG} {expected[name]}; accepted: the "
                "two files as peft wrote them"
            )
        else:
            continue
        return


def _built(model: Path) -> Any:
    """The model without weights; None for one that is not here or cannot be built."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    if not (model / "config.json").is_file():
        return None
    try:
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(model, trust_remote_code=False))
    except (OSError, ValueError, LookupError, ImportError, AttributeError, TypeError, RuntimeError):
        return None  # said where the model is checked
