"""Files generated from the models: JSON schemas, the commented workflow file and the reference page of the docs."""

from __future__ import annotations

import difflib
import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from inoc.config.load import load_workflow
from inoc.config.models import KEY_PATTERN, BaseStudy, Model
from inoc.config.workflow import Workflow
from inoc.errors import ConfigError
from inoc.stages import Kind, kinds, load

Schema = dict[str, Any]

WORKFLOW_FILE = Path("config/config.yaml")
SCHEMAS = Path("config/schema")
"""Folder of the schemas, with one for each kind of study."""
WORKFLOW_SCHEMA = Path("config/schema/workflow.schema.json")
PAGES = Path("docs/reference")
"""Folder of the reference, with one page for each kind of study."""

_UPDATE = "inoc config generate"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_LONGEST_COMMENT = 106


class KeyRow(NamedTuple):
    """One key of a model, as the reference page shows it."""

    key: str
    type: str
    default: str
    description: str


def write_generated(root: Path, *, check: bool) -> list[Path]:
    """Write those generated files that differ from what is there.

    Args:
        root: The repository.
        check: Write nothing, and refuse if something would be written.

    Returns:
        Paths of the written files; empty if all were up to date.

    Raises:
        ConfigError: With `check`, if a file is out of date; the message has the difference and the command to fix it.
    """
    stale = {path: text for path, text in generated(root).items() if _text_of(root / path) != text}
    if check and stale:
        parts = [_difference(path, _text_of(root / path), text) for path, text in stale.items()]
        raise ConfigError("\n".join([*parts, f"{len(stale)} files are out of date. Update them with: {_UPDATE}"]))
    if not check:
        for path, text in stale.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
    return list(stale)


def generated(root: Path) -> dict[Path, str]:
    """Path below the repository → text. The workflow file keeps the values that it has.

    Raises:
        ConfigError: If the workflow file is there and cannot be read.
    """
    file = root / WORKFLOW_FILE
    workflow = load_workflow(file) if file.exists() else Workflow()
    models = [(kind, load(kind.study)) for kind in kinds()]
    return {
        **{SCHEMAS / f"{kind.name}.schema.json": _json(study_schema(model)) for kind, model in models},
        WORKFLOW_SCHEMA: _json(_schema(Workflow)),
        WORKFLOW_FILE: workflow_yaml(workflow),
        **{PAGES / f"{kind.name}.md": study_page(kind, model) for kind, model in models},
    }


def study_schema(model: type[BaseStudy]) -> Schema:
    """JSON schema of a study file, for editors.

    A file that extends another may lack keys, and may remove some with null. Which keys such a file can lack depends
    on the other one, so below the top no key is required here; loading the file still requires them.
    """
    schema = _schema(model)
    schema["properties"]["extends"] = {
        "type": "string",
        "description": "Take everything from this study file first, relative to this one.",
    }
    schema["if"] = {"not": {"required": ["extends"]}}
    schema["then"] = {"required": schema.pop("required")}
    for section in schema["$defs"].values():
        section.pop("required", None)
    sections = schema["properties"]
    properties = [
        *sections.values(),
        *(one for part in schema["$defs"].values() for one in part["properties"].values()),
    ]
    mappings = [one for one in properties if "patternProperties" in one]
    for mapping in mappings:
        mapping["patternProperties"] = {
            pattern: _or_null(value) for pattern, value in mapping["patternProperties"].items()
        }
    removable = [name for name in sections if name not in schema["then"]["required"]]
    schema["properties"] = sections | {name: _or_null(sections[name]) for name in removable}
    return schema


def _or_null(schema: Schema) -> Schema:
    if {"type": "null"} in schema.get("anyOf", []):
        return schema
    notes: Schema = {key: schema[key] for key in ("description", "default") if key in schema}
    return {"anyOf": [{key: schema[key] for key in schema if key not in notes}, {"type": "null"}], **notes}


def workflow_yaml(workflow: Workflow) -> str:
    """The workflow file: every key with its description, default and value."""
    lines = [
        f"# yaml-language-server: $schema={WORKFLOW_SCHEMA.relative_to(WORKFLOW_FILE.parent).as_posix()}",
        "# Studies to run, where, and in how many jobs. The studies themselves are in studies/*.yaml.",
        f"# Change the values as you like; `{_UPDATE}` keeps them and updates the comments.",
    ]
    for name, field in Workflow.model_fields.items():
        value = getattr(workflow, name)
        if isinstance(value, Model):
            lines += ["", *_comment(str(field.description)), f"{name}:", *_commented(value, "  ")]
        else:
            lines += ["", *_commented_field(workflow, name)]
    return "\n".join(lines) + "\n"


def _commented(section: Model, indent: str) -> list[str]:
    """Every key of a section with its description."""
    names = type(section).model_fields
    return [line for name in names for line in _commented_field(section, name, indent)]


def _commented_field(section: Model, name: str, indent: str = "") -> list[str]:
    field = type(section).model_fields[name]
    default = _inline(field.get_default(call_default_factory=True))
    comment = _comment(f"{field.description} Default: {default}.")
    return [*(indent + line for line in comment), *_assignment(name, getattr(section, name), indent)]


def study_page(kind: Kind, model: type[BaseStudy]) -> str:
    """The reference page of study files and the workflow file, in Markdown."""
    study, workflow = _schema(model), _schema(Workflow)
    parts = [
        f"# Study files of the kind `{kind.name}`",
        f"<!-- Made from the models in src/inoc by `{_UPDATE}`; edits here are lost. -->",
        f"For studies that {kind.title}.",
        "A study is one file in `config/studies`. It holds science only: models, traits, prompts, runs, judges and "
        "seeds. Its name is the file's name. Keys that are not below are refused.",
        "Numbers far above any use are refused too; their limits are in `config/schema`.",
        _EXTENDS,
        *_sections("Study", study),
        "# Workflow file",
        *_sections("Workflow", workflow),
    ]
    return "\n\n".join(parts) + "\n"


def _sections(name: str, schema: Schema) -> list[str]:
    models = {name: schema, **schema["$defs"]}
    return [
        part
        for title, section in models.items()
        for part in (f"## {title}", str(section["description"]), _table(section, schema["$defs"]))
    ]


_BEYOND_USE = 1_000
"""Upper limits from here on are in the schema only: they refuse slips of the keyboard, and are no advice."""
_EXTENDS = """\
## One file extends another

`extends: other.yaml`, relative to the file, takes everything from the other file first. Then

- mappings are merged key by key;
- lists and single values replace what was there;
- `key: null` removes a key that the other file has, so that its default holds: a prompt, a trait, a setting."""


def rows_of(section: Schema, definitions: Mapping[str, Schema]) -> Iterator[KeyRow]:
    """The keys of one model, from its JSON schema.

    Args:
        section: The model's schema.
        definitions: Schemas of the models that it refers to, by name.
    """
    required = section.get("required", [])
    for key, field in section["properties"].items():
        below = definitions.get(_reference(field), {})
        default = "required" if key in required else _default_text(field, below)
        yield KeyRow(key, type_text(field), default, str(field.get("description") or below.get("description", "")))


def type_text(field: Schema) -> str:
    """Description of the values that a field accepts."""
    if "anyOf" in field:
        return " or ".join(type_text(part) for part in field["anyOf"])
    if "$ref" in field:
        name = str(field["$ref"]).rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    match str(field["type"]):
        case "array":
            return f"list of {type_text(field['items'])}"
        case "object":
            values = next(iter(field.get("patternProperties", {}).values()), None)
            return f"mapping of key to {type_text(values or field['additionalProperties'])}"
        case "null":
            return "`null`"
        case "string":
            return "key" if field.get("pattern") == KEY_PATTERN else "text"
        case name:
            return f"{name}{_bounds(field)}"


def _bounds(field: Schema) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    told = {bound: field[bound] for bound in signs if bound in field}
    if told.get("maximum", 0) >= _BEYOND_USE:
        del told["maximum"]
    found = [f"{signs[bound]} {value:g}" for bound, value in told.items()]
    return f" {' and '.join(found)}" if found else ""


def _default_text(field: Schema, below: Schema) -> str:
    """The default; of a section, what differs from the section's own defaults."""
    if not below:
        return f"`{_inline(field.get('default', {}))}`"
    usual = {key: part.get("default") for key, part in below["properties"].items()}
    other = {key: value for key, value in field.get("default", {}).items() if value != usual.get(key)}
    return ", ".join(f"`{key}: {_inline(value)}`" for key, value in other.items()) or "its own defaults"


def _reference(field: Schema) -> str:
    return str(field.get("$ref", "")).rpartition("/")[2]


def _table(section: Schema, definitions: Mapping[str, Schema]) -> str:
    head = "| key | type | default | meaning |\n| --- | --- | --- | --- |"
    rows = (row._replace(key=f"`{row.key}`") for row in rows_of(section, definitions))
    return "\n".join([head, *("| " + " | ".join(part.replace("|", r"\|") for part in row) + " |" for row in rows)])


def _schema(model: type[Model]) -> Schema:
    return {"$schema": _DIALECT, **_without_titles(model.model_json_schema())}


def _without_titles(schema: Any) -> Any:
    """A schema without the titles that pydantic makes from names; a property may be called `title`."""
    if isinstance(schema, list):
        return [_without_titles(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: _without_titles(part) for name, part in value.items()}
        if key in ("properties", "$defs", "patternProperties")
        else value
        if key == "default"
        else _without_titles(value)
        for key, value in schema.items()
        if key != "title"
    }


def _assignment(key: str, value: object, indent: str = "") -> list[str]:
    key = key if re.fullmatch(r"[\w.-]+", key) else json.dumps(key)
    if isinstance(value, dict) and value:
        inner = [line for name, part in value.items() for line in _assignment(name, part, indent + "  ")]
        return [f"{indent}{key}:", *inner]
    return [f"{indent}{key}: {_inline(value)}"]


def _inline(value: object) -> str:
    """A value as one line of YAML; JSON is YAML."""
    if isinstance(value, Model):
        value = value.model_dump(mode="json")
    if isinstance(value, tuple):
        value = list(value)
    if isinstance(value, dict):
        value = {key: part.model_dump(mode="json") if isinstance(part, Model) else part for key, part in value.items()}
    return json.dumps(value, ensure_ascii=False)


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, _LONGEST_COMMENT)]


def _json(schema: Schema) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _difference(path: Path, found: str, wanted: str) -> str:
    lines = difflib.unified_diff(
        found.splitlines(), wanted.splitlines(), f"{path} (as it is)", f"{path} (from the models)", lineterm=""
    )
    return "\n".join(lines)
