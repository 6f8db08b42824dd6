"""Small files of a model's folder, read without loading the model or its tokenizer."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from inoc.chat.template import DATED, TemplateSettings
from inoc.digest import Json, file_digest
from inoc.errors import DataError, ModelError
from inoc.files import parse_json, read_text


def template_key(folder: Path, template: str | None) -> str:
    """The chat template as part of a key: a digest, `own`, or the name of one of the model's own.

    Args:
        folder: The model's.
        template: Path of a template, or a name; None for the model's own.
    """
    if template is None:
        return "own"
    path = Path(template)
    return f"own: {template}" if not path.is_file() and template in own_templates(folder) else file_digest(path)


def settings_key(folder: Path, template: str | None, settings: TemplateSettings) -> dict[str, Json]:
    """Template settings as parts of a key: the date if the template uses it, the others if they are not at defaults."""
    key: dict[str, Json] = {}
    if uses_date(folder, template):
        key["template_date"] = settings.date
    if settings.thinking != "template":
        key["thinking"] = settings.thinking
    if settings.fold_system:
        key["fold_system"] = True
    return key


def uses_date(folder: Path, template: str | None) -> bool:
    """Whether the chosen chat template uses the date."""
    if template is not None and Path(template).is_file():
        return DATED in Path(template).read_text(encoding="utf-8-sig")
    own = own_templates(folder)
    return DATED in own.get(template or "default", "")


def own_templates(folder: Path) -> dict[str, str]:
    """Chat templates in a model's folder: name → text; a single one is called `default`."""
    settings = _read(folder / "tokenizer_config.json")
    listed = settings.get("chat_template")
    found: dict[str, str] = {}
    if isinstance(listed, str):
        found["default"] = listed
    elif isinstance(listed, list):
        found |= {str(one["name"]): str(one["template"]) for one in listed}
    for path in sorted(folder.glob("additional_chat_templates/*.jinja")):
        found[path.stem] = path.read_text(encoding="utf-8-sig")
    own = folder / "chat_template.jinja"
    if own.is_file():
        found["default"] = own.read_text(encoding="utf-8-sig")
    return found


_SETTINGS = ("config.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json")


def unreadable_settings(folder: Path) -> Iterator[str]:
    """Why settings in a model's folder cannot be read, each file with its line; nothing if they can."""
    for name in _SETTINGS:
        path = folder / name
        if not path.is_file():
            continue
        try:
            _refuse_mark(path)
            found = parse_json(read_text(path), str(path), "an object")
            if not isinstance(found, dict):
                raise DataError(f"{path}: expected an object, as transformers writes it")
            if name == "generation_config.json":
                _check_stops(found.get("eos_token_id"), path)
        except DataError as error:
            yield f"model.path: {error}"
    for path in sorted([*folder.glob("chat_template.jinja"), *folder.glob("additional_chat_templates/*.jinja")]):
        try:
            _refuse_mark(path)
            read_text(path)
        except DataError as error:
            yield f"model.path: {error}"


def _refuse_mark(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(len(BOM_UTF8)) == BOM_UTF8:
            raise DataError(
                f"{path} begins with a byte order mark, which transformers takes for a part of its text. Save it as "
                "UTF-8 without one"
            )


def _check_stops(stops: object, path: Path) -> None:
    listed = stops if isinstance(stops, list) else [stops]
    for one in listed:
        if stops is not None and (isinstance(one, bool) or not isinstance(one, int) or one < 0):
            raise DataError(f"{path}: eos_token_id = {stops!r}; accepted: the number of a token, or a list of them")


def own_stops(folder: Path) -> tuple[int, ...]:
    """Tokens that end an answer by `generation_config.json` alone: neither the tokenizer nor config.json says so."""
    listed = _read(folder / "generation_config.json").get("eos_token_id")
    stops = set(listed if isinstance(listed, list) else [listed]) - {None}
    return tuple(sorted(stops - set(_ends_of_tokenizer(folder)))) if stops else ()


def _ends_of_tokenizer(folder: Path) -> Iterator[int]:
    settings = _read(folder / "tokenizer_config.json")
    end = settings.get("eos_token") or _read(folder / "special_tokens_map.json").get("eos_token")
    word = end.get("content") if isinstance(end, dict) else end
    if word is None:
        return
    for number, token in settings.get("added_tokens_decoder", {}).items():
        if token.get("content") == word:
            yield int(number)
    yield from _numbers_of(folder / "tokenizer.json", str(word))


def _numbers_of(path: Path, word: str) -> Iterator[int]:
    tokens = _read(path)
    for token in tokens.get("added_tokens", ()):
        if token.get("content") == word:
            yield int(token["id"])
    vocabulary = tokens.get("model", {}).get("vocab", {})
    if isinstance(vocabulary, dict) and word in vocabulary:
        yield int(vocabulary[word])
    elif isinstance(vocabulary, list):
        yield from (number for number, entry in enumerate(vocabulary) if entry[0] == word)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    return _parsed(path, path.stat().st_mtime_ns)


@cache
def _parsed(path: Path, _changed: int) -> dict[str, Any]:
    found = json.loads(path.read_text(encoding="utf-8-sig"))
    return found if isinstance(found, dict) else {}


def layer_count(folder: Path) -> int:
    """Number of blocks of a model, from its configuration.

    Raises:
        ModelError: If the configuration does not say it.
    """
    found = _stated(folder, ("num_hidden_layers", "n_layer", "num_layers"))
    if found is not None:
        return found
    msg = f"{folder}/config.json does not say how many blocks the model has; accepted: num_hidden_layers"
    raise ModelError(msg)


def state_width(folder: Path) -> int | None:
    """Number of values of a state between two blocks, from a model's configuration; None if it does not say it."""
    return _stated(folder, ("hidden_size", "n_embd", "d_model"))


def _stated(folder: Path, names: Sequence[str]) -> int | None:
    config = _read(folder / "config.json")
    parts = (config, config.get("text_config") or {})
    return next((int(part[name]) for part in parts for name in names if isinstance(part.get(name), int)), None)
