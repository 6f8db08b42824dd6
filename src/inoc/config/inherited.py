"""Settings that a study takes from a study of another model, for which they were chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from inoc.config.document import KeyPath, Place, key_path_text, read_document
from inoc.config.models import ModelSpec

OF_A_MODEL = {"optimizer", "micro_batch_size", "gradient_checkpointing", "batch_tokens", "targets", "batch_size"}
"""Settings, wherever they stand, that are chosen for a model and its GPU; `batch_size` only of sampling."""
_WHOLE = ("expect", "world", "planted")
_TRAINS = ("world", "training")


def is_tied(path: KeyPath) -> bool:
    """Whether a setting was chosen for a study's model, so that another model rarely wants it."""
    if path[0] == "model":
        return len(path) == 2 and path[1] in ModelSpec.model_fields and path[1] != "path"
    if len(path) == 1:
        return path[0] in _WHOLE
    return path[-1] in OF_A_MODEL and (path[-1] != "batch_size" or not set(_TRAINS) & set(path))


def tied(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Settings that belong to the model of a study: key paths and values.

    Args:
        value: The study file's values.
        path: Where in the file they stand.
    """
    if isinstance(value, list):
        for at, part in enumerate(value):
            yield from tied(part, (*path, at))
    if not isinstance(value, Mapping):
        return
    for key, part in value.items():
        here = (*path, key)
        if is_tied(here):
            yield here, part
        else:
            yield from tied(part, here)


class Inherited(NamedTuple):
    """A setting from another file."""

    path: KeyPath
    value: Any
    place: Place

    def __str__(self) -> str:
        return f"{key_path_text(self.path)} = {self.value!r} ({self.place.file.name}:{self.place.line})"


def inherited(path: Path) -> list[Inherited]:
    """Settings tied to a model that a study with a model of its own takes from a file that it extends.

    Args:
        path: The study file.
    """
    document = read_document(path)
    places = document.places
    own = places.get(("model", "path"))
    if own is None or own.file != path:
        return []
    found = [(here, value, places.get(here)) for here, value in tied(document.value)]
    return [Inherited(here, value, place) for here, value, place in found if place is not None and place.file != path]
