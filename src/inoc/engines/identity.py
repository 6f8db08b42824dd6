"""Identity of a model in keys: its weights, tokenizer and template. No model is loaded for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from inoc.chat.template import TemplateSettings
from inoc.config.models import ModelSpec
from inoc.digest import Json, digest, folder_digest
from inoc.engines.model_files import own_stops, settings_key, template_key
from inoc.errors import ModelError
from inoc.store.core import Store, write_text

WEIGHTS = ("*.safetensors", "*.bin", "config.json", "*.safetensors.index.json")
TOKENIZER = ("tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "added_tokens.json", "*.jinja")


class ModelIdentity(NamedTuple):
    """A model on disk and the digests that stand for it in keys."""

    folder: Path
    weights: str
    tokenizer: str
    dtype: str
    template: str | None  # path of a template that replaces the model's own
    quantization: str | None = None  # how the weights are rounded when they are loaded
    path: str = ""  # as the study file names the model; not a part of any key
    stops: tuple[int, ...] = ()  # tokens of generation_config.json that end an answer, besides the tokenizer's
    settings: TemplateSettings = TemplateSettings()
    compute: str = "dtype"  # what the linear layers multiply in, in scores and in training

    def as_key(self) -> dict[str, Json]:
        """The model as part of a key."""
        template = template_key(self.folder, self.template)
        rounded: dict[str, Json] = {} if self.quantization is None else {"quantization": self.quantization}
        return {
            "weights": self.weights,
            "tokenizer": self.tokenizer,
            "dtype": self.dtype,
            "template": template,
            **rounded,
            **settings_key(self.folder, self.template, self.settings),
        }

    def as_computed(self) -> dict[str, Json]:
        """The model as part of a key of scores and adapters, which depend on what its layers multiply in."""
        return {**self.as_key(), **({} if self.compute == "dtype" else {"compute": self.compute})}


def identify(spec: ModelSpec, world: Path, store: Store) -> ModelIdentity:
    """Find a model and digest it.

    Args:
        spec: The model.
        world: Folder of the miniature model, for `path: world`.
        store: Remembers digests.

    Raises:
        ModelError: If the model is not there.
    """
    folder = locate(spec, world)
    weights = sorted({path for pattern in WEIGHTS for path in folder.glob(pattern)})
    tokenizer = sorted(
        {path for pattern in TOKENIZER for path in folder.glob(pattern) if path.suffix != ".safetensors"}
    )
    if not any(path.suffix in {".safetensors", ".bin"} for path in weights):
        msg = f"model.path {spec.path!r}: no weights (*.safetensors) in {folder}"
        raise ModelError(msg)
    return ModelIdentity(
        folder,
        remembered_digest(store, folder, weights),
        remembered_digest(store, folder, tokenizer),
        spec.dtype,
        spec.chat_template,
        spec.quantization,
        spec.path,
        own_stops(folder),
        TemplateSettings(spec.template_date, spec.thinking, spec.fold_system),
        spec.compute,
    )


def locate(spec: ModelSpec, world: Path) -> Path:
    """The folder of a model: made by the stage `world`, given, or in the hub's cache."""
    if spec.path == "world":
        if not (world / "config.json").exists():
            study = world.parents[1] if world.parents[0].name == "world" else world.parents[2]
            msg = f"the miniature model {world} is not there yet. Run: inoc world {study.name}"
            raise ModelError(msg)
        return world
    folder = Path(spec.path)
    return folder if folder.is_dir() else from_hub(spec.path, spec.revision, "model.path")


def from_hub(path: str, revision: str | None, key: str, leave_out: Sequence[str] = ()) -> Path:
    """The folder of a hub model in the hub's cache, downloaded if need be.

    Args:
        path: Hub id.
        revision: Commit; None for the newest.
        key: What names it in the study file, for messages.
        leave_out: Patterns of files that are not needed.

    Raises:
        ModelError: If it cannot be had.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        return Path(snapshot_download(path, revision=revision, ignore_patterns=list(leave_out)))
    except (HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError, OSError, ValueError) as error:
        msg = (
            f"{key} {path!r} is neither a folder nor a hub model that can be had: {error}. "
            "Accepted: a folder with config.json and *.safetensors, or a hub id"
        )
        raise ModelError(msg) from error


def remembered_digest(store: Store, folder: Path, files: list[Path]) -> str:
    """Digest of files below a folder, remembered under their sizes and times, as large ones take long."""
    stamp = digest(
        {path.relative_to(folder).as_posix(): [path.stat().st_size, path.stat().st_mtime_ns] for path in files}
        | {"": str(folder)}
    )
    memory = store.root / "digests" / f"{stamp}.json"
    if memory.exists():
        return str(json.loads(memory.read_text()))
    value = folder_digest(folder, files)
    write_text(memory, json.dumps(value))
    return value
