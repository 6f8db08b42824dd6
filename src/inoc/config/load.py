"""Reading study and workflow files. Every problem of a file is reported, together and with its line."""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, Union, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from inoc.config.document import Document, KeyPath, Place, Problem, key_path_text, listed, read_document
from inoc.config.models import BaseStudy, Model
from inoc.config.texts import text_problems, unwritable_paths
from inoc.config.workflow import Workflow
from inoc.errors import ConfigError, did_you_mean
from inoc.shorten import shortened
from inoc.stages import KINDS, Kind, kind_named, load, shard_keys

M = TypeVar("M", bound=Model)
_LONGEST_VALUE = 80
_APIS = (("api",), ("engine_api",))


def load_study(name_or_path: str | Path, root: Path = Path("config")) -> BaseStudy:
    """Read and check a study file.

    Args:
        name_or_path: A study's name, which is a file in `<root>/studies`, or the path of a YAML file.
        root: The folder of the configuration.

    Raises:
        ConfigError: With every problem of the file: line, key path, value, what would be accepted.
    """
    path = study_path(name_or_path, root)
    document = read_document(path)
    kind = _kind_of(document, path)
    model: type[BaseStudy] = load(kind.study)
    disagreements: Callable[..., list[Problem]] = load(kind.problems)
    study, problems = _parse(model, document, extra_keys=("extends",))
    if study is not None:
        problems += [*_taken_for_numbers(document.value, study.model_dump()), *disagreements(study)]
    else:
        partial = _partial_study(model, document.value, malformed={problem.path[0] for problem in problems})
        problems += disagreements(partial, partial.model_fields_set)
    problems += text_problems(document.value)
    if document.value.get("name") not in (None, path.stem):
        problems.append(
            Problem(
                ("name",),
                f"differs from the file's name; accepted: {path.stem}, or rename the file",
                document.value["name"],
            )
        )
    _refuse(path, document.places, problems)
    if study is None:
        raise ConfigError(f"{path} is not a study")
    return study


def _kind_of(document: Document, path: Path) -> Kind:
    """The kind of a study file, which decides what else it may say.

    Raises:
        ConfigError: If there is no such kind, with the line that names it.
    """
    name = document.value.get("kind", next(iter(KINDS)))
    try:
        return kind_named(str(name))
    except ConfigError:
        accepted = f"accepted: {', '.join(KINDS)}{did_you_mean(str(name), KINDS)}"
        _refuse(path, document.places, [Problem(("kind",), f"there is no such kind of study; {accepted}", name)])
        raise


def load_workflow(path: Path) -> Workflow:
    """Read and check `config/config.yaml`.

    Raises:
        ConfigError: With every problem of the file.
    """
    if not path.is_file():
        raise ConfigError(f"there is no file {path}{outside(path.parent)}")
    document = read_document(path)
    return _checked_workflow(document, path)


def outside(root: Path) -> str:
    """A hint for those who are not in the folder of the repository; empty if there is a configuration.

    Args:
        root: Folder of `config.yaml`.
    """
    if (root / "config.yaml").is_file():
        return ""
    return f". Run this in the folder of the repository, which is not {Path.cwd()}, or name the folder with --config"


def workflow_of(config: Mapping[str, object], path: Path) -> Workflow:
    """Check a workflow configuration that was read, and perhaps changed, by Snakemake.

    Args:
        config: The values, as Snakemake has them after `--config`.
        path: The file that they are from, for messages and for the studies beside it.

    Raises:
        ConfigError: With every problem.
    """
    return _checked_workflow(Document(dict(config), {}, []), path)


def _taken_for_numbers(value: object, taken: object, path: KeyPath = ()) -> Iterator[Problem]:
    """Places at which a file says true or false and a number is meant: Python takes them for 1 and 0.

    Args:
        value: What the file says, or a part of it.
        taken: What it was taken for.
        path: Key path of the part.
    """
    if isinstance(value, bool) and isinstance(taken, int | float) and not isinstance(taken, bool):
        yield Problem(path, "accepted: a number", value)
    elif isinstance(value, dict) and isinstance(taken, dict):
        for key, part in value.items():
            yield from _taken_for_numbers(part, taken.get(key), (*path, key))
    elif isinstance(value, list) and isinstance(taken, list | tuple):
        for index, parts in enumerate(zip(value, taken, strict=False)):
            yield from _taken_for_numbers(*parts, (*path, index))


def _checked_workflow(document: Document, path: Path) -> Workflow:
    workflow, problems = _parse(Workflow, document)
    if workflow is not None:
        problems += _taken_for_numbers(document.value, workflow.model_dump())
    problems += [*text_problems(document.value), *unwritable_paths(document.value)]
    if workflow is not None:
        known = {file.stem for file in (path.parent / "studies").glob("*.yaml")}
        named = {"studies": workflow.studies, "shards": workflow.shards, "train_gpus": workflow.train_gpus}
        for kind, keys in named.items():
            for index, key in enumerate(keys):
                if key not in known:
                    problems.append(
                        Problem(
                            (kind, index if kind == "studies" else key),
                            f"there is no study of this name in {path.parent / 'studies'}; accepted: "
                            f"{listed(sorted(known))}{did_you_mean(key, known)}",
                            key if kind == "studies" else None,
                        )
                    )
        problems += _unknown_shards(workflow)
    _refuse(path, document.places, problems)
    if workflow is None:
        raise ConfigError(f"{path} is not a workflow configuration")
    return workflow


def _unknown_shards(workflow: Workflow) -> Iterator[Problem]:
    known = shard_keys()
    for study, shards in workflow.shards.items():
        for key in shards:
            if key not in known:
                yield Problem(
                    ("shards", study, key),
                    f"no stage is split by this key; accepted: {listed(known)}{did_you_mean(key, known)}",
                )


def study_path(name_or_path: str | Path, root: Path) -> Path:
    """File of a study that is given by its name or its path.

    Raises:
        ConfigError: If there is no study of this name.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or "/" in text or text.endswith((".yaml", ".yml")):
        return Path(name_or_path)
    path = root / "studies" / f"{text}.yaml"
    if not path.is_file():
        if not path.parent.is_dir():
            raise ConfigError(f"there is no folder {path.parent}{outside(root)}")
        known = sorted(file.stem for file in path.parent.glob("*.yaml"))
        hint = did_you_mean(text, known)
        raise ConfigError(f"there is no study {text!r} in {path.parent}; accepted: {listed(known)}{hint}")
    return path


def _parse(model: type[M], document: Document, extra_keys: tuple[str, ...] = ()) -> tuple[M | None, list[Problem]]:
    try:
        return model.model_validate(document.value), list(document.problems)
    except ValidationError as error:
        errors = error.errors()
        found = [_problem(model, document.value, one, extra_keys) for one in errors if not _follows(one, errors)]
        return None, document.problems + [problem for problem in found if problem is not None]


def _follows(details: ErrorDetails, errors: Iterable[ErrorDetails]) -> bool:
    """Whether a list is only too short because something in it is refused, of which there is an error of its own."""
    place = details["loc"]
    return details["type"] == "too_short" and any(
        one["loc"][: len(place)] == place and len(one["loc"]) > len(place) for one in errors
    )


def _partial_study(model: type[BaseStudy], raw: Mapping[str, Any], malformed: Collection[str | int]) -> BaseStudy:
    """A study of the sections that are well formed; `model_fields_set` says which these are."""
    sections: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if name in malformed:
            continue
        if name in raw:
            annotation: Any = field.annotation
            sections[name] = TypeAdapter(annotation).validate_python(raw[name])
        else:
            sections[name] = field.get_default(call_default_factory=True)
    return model.model_construct(_fields_set=set(sections), **sections)


def _refuse(path: Path, places: Mapping[KeyPath, Place], problems: Iterable[Problem]) -> None:
    """Raise the error that lists all problems in the order of their lines, if there is any."""
    lines = sorted({_line(path, places, problem) for problem in problems})
    if lines:
        count = "a problem" if len(lines) == 1 else f"{len(lines)} problems"
        raise ConfigError("\n".join([f"{path} has {count}:", *(f"  {text}" for _, _, text in lines)]))


def _line(path: Path, places: Mapping[KeyPath, Place], problem: Problem) -> tuple[str, int, str]:
    place = problem.place or _nearest_place(places, problem.path)
    where = f"{place.file}:{place.line}: " if place else ""
    value = f" = {_shown(problem.value)}" if problem.value is not None else ""
    if value and places and problem.path not in places:
        value += " (the default)"
    text = f"{where}{key_path_text(problem.path)}{value}: {problem.message}"
    return (str(place.file), place.line, text) if place else (str(path), 0, text)


def _nearest_place(places: Mapping[KeyPath, Place], path: KeyPath) -> Place | None:
    known = (path[:length] for length in range(len(path), -1, -1))
    return next((places[spot] for spot in known if spot in places), None)


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return shortened(text, _LONGEST_VALUE)


def _problem(model: type[Model], raw: object, details: ErrorDetails, extra_keys: tuple[str, ...]) -> Problem | None:
    """One problem from one of pydantic's, or None for the branch of a union that was not meant."""
    path, branch = _path_in(raw, details)
    value = details["input"]
    if path[:1] in _APIS and not isinstance(value, (int, float)):
        value = None  # it may be a key that was written to the wrong place
    if branch is not None and not branch.meant:
        return None
    match details["type"]:
        case "missing":
            field = _model_at(model, path[:-1]).model_fields[str(path[-1])]
            return Problem(path, f"is missing. {field.description}")
        case "extra_forbidden":
            accepted = list(_model_at(model, path[:-1]).model_fields)
            accepted += [key for key in extra_keys if len(path) == 1]
            hint = did_you_mean(str(path[-1]), accepted)
            return Problem(path, f"unknown key; accepted: {', '.join(accepted)}{hint}", value)
        case "literal_error":
            expected = str(details["ctx"]["expected"]).replace("'", "")
            names = expected.replace(" or ", ", ").split(", ")
            other = ", or a list of steps" if branch else ""
            hint = did_you_mean(value, names) if isinstance(value, str) else ""
            return Problem(path, f"accepted: {', '.join(names)}{other}{hint}", value)
        case "string_pattern_mismatch" if path[:1] in _APIS:
            field = _model_at(model, path[:-1]).model_fields[str(path[-1])]
            return Problem(path, f"is not of the form that is accepted. {field.description}")
        case "string_pattern_mismatch" | "string_too_long":
            accepted_key = "up to 64 letters, digits and underscores, beginning with a letter"
            return Problem(path, f"the name cannot be a key; accepted: {accepted_key}", value)
        case _:
            return Problem(path, _accepted(details), value)


_KINDS = (
    ("tuple", "a list"),
    ("list", "a list"),
    ("dict", "a mapping, `key: value`"),
    ("model", "a mapping, `key: value`"),
    ("int", "a whole number"),
    ("float", "a number"),
    ("string", "a text"),
    ("bool", "`true` or `false`"),
)
"""Beginning of the type of pydantic's errors → what is accepted, in the words of YAML."""
_BOUNDS = {
    "greater_than": ("gt", "more than {}"),
    "greater_than_equal": ("ge", "{} or more"),
    "less_than": ("lt", "less than {}"),
    "less_than_equal": ("le", "{} or less"),
}


def _accepted(details: ErrorDetails) -> str:
    """The accepted form of a value, in words that do not speak of Python."""
    kind = details["type"]
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        bound = details["ctx"][name]
        return f"accepted: {words.format(f'{bound:,}' if isinstance(bound, int) else f'{bound:g}')}"
    named = next((words for start, words in _KINDS if kind.startswith(f"{start}_")), None)
    if named is not None and kind.endswith(("_type", "_parsing", "_from_float", "_attributes_type")):
        return f"accepted: {named}"
    if kind == "too_short":
        least = details["ctx"]["min_length"]
        return f"accepted: at least {least} {'entry' if least == 1 else 'entries'}"
    return details["msg"].replace("Input should be", "accepted:")


class _Branch(NamedTuple):
    """The branch of a union that an error is about, and whether what was written is of its kind."""

    meant: bool


def _path_in(raw: object, details: ErrorDetails) -> tuple[KeyPath, _Branch | None]:
    """The key path of an error, without what pydantic puts in between, and its union branch if it has one."""
    path: list[str | int] = []
    branch = None
    here = raw
    for position, part in enumerate(details["loc"]):
        last = position == len(details["loc"]) - 1
        if isinstance(here, Mapping) and (part in here or (last and details["type"] == "missing")):
            path.append(part)
            here = here.get(part)
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            path.append(part)
            here = here[part]
        elif part != "[key]":
            branch = _Branch(meant=isinstance(here, list) == str(part).startswith("tuple"))
    return tuple(path), branch


def _model_at(model: type[Model], path: KeyPath) -> type[Model]:
    """The model that describes the mapping at a key path."""
    annotation: Any = model
    for part in path:
        annotation = _bare(annotation)
        if isinstance(annotation, type) and issubclass(annotation, Model):
            annotation = annotation.model_fields[str(part)].annotation
        else:
            annotation = get_args(annotation)[1 if get_origin(annotation) is dict else 0]
    found = _bare(annotation)
    return found if isinstance(found, type) and issubclass(found, Model) else model


def _bare(annotation: Any) -> Any:
    """An annotation without `| None`."""
    if get_origin(annotation) in (Union, types.UnionType):
        return next(part for part in get_args(annotation) if part is not type(None))
    return annotation
