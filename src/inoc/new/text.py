"""Text of a new study file: a starting file of its kind, or another study without what belongs to that one's model."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from inoc.config.document import KeyPath, key_path_text
from inoc.config.inherited import tied
from inoc.config.models import BaseStudy
from inoc.errors import DataError
from inoc.stages import Kind, load

WORLD = "world"
LEAST_TRAINED = 2
"""Training examples of a study, at least: correlations over fewer are none."""


class Start(NamedTuple):
    """The values that a new study begins with.

    Attributes:
        name: Its name.
        title: Its title.
        model: Path of its model; None for that of the starting file.
        data: Path of its data; None if there are none yet.
        rows: Number of rows of the data; 0 if they are not counted.
    """

    name: str
    title: str
    model: str | None
    data: str | None
    rows: int = 0


def begun(kind: Kind, folder: Path, start: Start) -> str:
    """The starting file of a kind, with a study's own values; its comments stay.

    Args:
        kind: The kind.
        folder: Folder of the starting files.
        start: The values.
    """
    yaml = _yaml()
    value = yaml.load((folder / f"{kind.name}.yaml").read_text(encoding="utf-8"))
    value["name"], value["title"] = start.name, start.title
    if start.model not in (None, WORLD):
        value["model"]["path"] = start.model
        del value["model"]["dtype"], value["world"]
        for key in [key for key, part in value.get("datasets", {}).items() if "written" in part]:
            del value["datasets"][key]  # these answer questions of the miniature world
    _fill(value, start)
    return f"# yaml-language-server: $schema=../schema/{kind.name}.schema.json\n{_dumped(yaml, value)}"


def _fill(value: Any, start: Start) -> None:
    if "data" in value:
        value["data"]["file"] = start.data or f"data/{start.name}.jsonl"
        if start.rows:
            # A fifth is held out, and no more than two hundred, which tell rates to within a few points.
            n_eval = min(200, max(6, start.rows // 5))
            n_train = start.rows - n_eval
            if n_train < LEAST_TRAINED:
                raise DataError(
                    f"{start.data}: {start.rows} rows are too few for a study; accepted: at least "
                    f"{n_eval + LEAST_TRAINED}, of which {n_eval} are held out as questions"
                )
            value["data"]["n_train"], value["data"]["n_eval"] = n_train, n_eval
            training = value["training"]
            if n_train * training["epochs"] // training["batch_size"] <= training["warmup_steps"]:
                training["warmup_steps"] = 0  # few steps would all be warm-up, and a single one would change nothing
            value["scoring"]["n_examples"] = min(1000, value["data"]["n_train"])
            value["scoring"]["n_controls"] = n_eval
    for group in (value.get("datasets"), value.get("tasks", {}).get("origins")):
        if group is None:
            continue
        if start.data is None and len(group) > 1:
            del group["mine"]
        else:
            group["mine"]["file"] = start.data or f"data/{start.name}.jsonl"


class Likeness(NamedTuple):
    """A study like another one, and what was left out of it: key path → value."""

    text: str
    left_out: dict[KeyPath, Any]


def alike(kind: Kind, other: Mapping[str, Any], start: Start) -> Likeness:
    """A study like another one, in one file that extends nothing.

    Args:
        kind: Its kind.
        other: The other study's values, with those of the files that it extends.
        start: The new study's values; with another model, what belongs to the other's is left out.
    """
    value = {key: part for key, part in other.items() if key not in ("extends", "description")}
    left_out: dict[KeyPath, Any] = {}
    spec = value.get("model", {})
    if start.model not in (None, spec.get("path")):
        left_out = dict(tied(value))
        value = _without(value, set(left_out), ())
        value["model"] = {"path": start.model}
    head = {"kind": kind.name, "name": start.name, "title": start.title}
    value = {**head, **{key: part for key, part in value.items() if key not in head}}
    if start.data is not None and isinstance(value.get("data"), dict):
        value["data"] = {**value["data"], "completions": "file", "file": start.data}
    return Likeness(_commented(kind, value), left_out)


def _without(value: Any, paths: set[KeyPath], here: KeyPath) -> Any:
    if isinstance(value, list):
        return [_without(part, paths, (*here, at)) for at, part in enumerate(value)]
    if not isinstance(value, Mapping):
        return value
    kept = {key: _without(part, paths, (*here, key)) for key, part in value.items() if (*here, key) not in paths}
    return {key: part for key, part in kept.items() if part != {} or value[key] == {}}


def _commented(kind: Kind, value: Mapping[str, Any]) -> str:
    """The values as YAML, each section under the sentence that describes it."""
    from ruamel.yaml.comments import CommentedMap

    model: type[BaseStudy] = load(kind.study)
    written = CommentedMap(value)
    for key in list(written)[3:]:
        field = model.model_fields.get(key)
        text = (field.description if field else "") or ""
        written.yaml_set_comment_before_after_key(key, before=f"\n{text}".rstrip())
    yaml = _yaml()
    return f"# yaml-language-server: $schema=../schema/{kind.name}.schema.json\n{_dumped(yaml, written)}"


def told(left_out: Mapping[KeyPath, Any]) -> list[str]:
    """Settings that were left out, a line each."""
    return [f"{key_path_text(path)}: {value}" for path, value in left_out.items()]


def _yaml() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 118
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _dumped(yaml: Any, value: Any) -> str:
    stream = io.StringIO()
    yaml.dump(value, stream)
    return stream.getvalue()
