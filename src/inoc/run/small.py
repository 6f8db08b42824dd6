"""A small copy of a study in a folder of its own: its file, its workflow file, and links to what it reads."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from inoc.config.cuts import Cut, Drawn, cut
from inoc.config.document import key_path_text, read_document
from inoc.config.load import load_study, load_workflow, study_path
from inoc.errors import ConfigError
from inoc.files import distinct_names, read_text
from inoc.stages import kind_named, load

OWN = ("config", "exports", "logs", "reports", "results", "rows", "store")
"""What a small run has for itself; everything else in the project is linked."""
_OF_STUDIES = ("table", "vectors")
_MARK = "small.txt"


class Small(NamedTuple):
    """A small copy of a study.

    Attributes:
        study: Name of the study.
        folder: Its folder.
        file: The study file that was written.
        cuts: Settings that were replaced.
    """

    study: str
    folder: Path
    file: Path
    cuts: list[Cut]


def make_small(name: str, config: Path, n: int, folder: Path) -> Small:
    """Write a study with at most `n` of everything that its kind limits, in a folder where it can be run.

    Args:
        name: Name of the study, or path of its file.
        config: Folder of `config.yaml`.
        n: The limit.
        folder: Folder of the small run; made by an earlier one, or not there.

    Raises:
        ConfigError: If the study is wrong, cannot be limited so far, or the folder holds something else.
    """
    study, workflow = load_study(name, config), load_workflow(config / "config.yaml")
    kind = kind_named(study.kind)
    cuts: list[Cut] = list(load(kind.limits)(study, n)) if kind.limits else []
    value = read_document(study_path(name, config)).value
    value["description"] = f"At most {n} of everything that can be limited, to see the whole way. {study.description}"
    _take_folder(folder, config)
    names = distinct_names(map(_rows_name, cuts))
    cut(value, [_with_rows(one, folder, names[_rows_name(one)]) for one in cuts])
    _link_project(folder, _other_studies(value) - {study.name})
    file = folder / "config" / "studies" / f"{study.name}.yaml"
    head = [f"# A small copy of the study {study.name}, written by `inoc run`.", *(f"# {told(one)}" for one in cuts)]
    _write_yaml(file, _from(folder, value), head)
    given = workflow.model_dump(mode="json", exclude_unset=True)
    for api in ("api", "engine_api"):  # one database of answers and spending for both, so one budget too
        if given.get(api) is not None or api == "api":
            place = getattr(workflow, api).folder or Path(workflow.store).expanduser() / "api"
            given[api] = {**(given.get(api) or {}), "folder": str(Path(place).expanduser().absolute())}
    small = {**given, "studies": [study.name], "store": "store", "shards": {}, "train_gpus": {}}
    _write_yaml(folder / "config" / "config.yaml", small, ["# Written by `inoc run`."])
    try:
        load_study(file, folder / "config")
    except ConfigError as error:
        raise ConfigError(f"with --limit {n} the study is not valid; take a larger limit:\n{error}") from None
    return Small(study.name, folder, file, cuts)


def _rows_name(one: Cut) -> str:
    return "-".join(map(str, one.path))


def _with_rows(one: Cut, folder: Path, name: str) -> Cut:
    """A cut, with the file of its rows written if it is of a file."""
    if not isinstance(one.after, Drawn):
        return one
    lines = [line for line in read_text(Path(one.after.file)).split("\n") if line.strip()]
    kept = sorted(random.Random(0).sample(range(len(lines)), min(one.after.n, len(lines))))
    path = Path("rows") / f"{name}.jsonl"
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_text("".join(lines[at] + "\n" for at in kept), encoding="utf-8")
    return one._replace(after=str(path))


def told(one: Cut) -> str:
    """A cut in words."""
    if isinstance(one.after, Drawn):
        return f"{key_path_text(one.path)}: {one.before} → {one.after.n:,} of its rows"
    before = "all" if one.before is None else _short(one.before)
    return f"{key_path_text(one.path)}: {before} → {'none' if one.after is None else _short(one.after)}"


def _short(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Mapping | list | tuple):
        return f"{len(value)} entries"
    return str(value)


def _take_folder(folder: Path, config: Path) -> None:
    """Make the folder, or refuse one that holds something else."""
    if folder.exists() and not (folder / _MARK).is_file() and any(folder.iterdir()):
        raise ConfigError(f"--out {folder}: the folder is there, and not of a small run. Take another name")
    if folder.resolve() == config.resolve().parent:
        raise ConfigError(f"--out {folder}: is the folder of the study itself. Take another name")
    (folder / "config" / "studies").mkdir(parents=True, exist_ok=True)
    (folder / "results").mkdir(exist_ok=True)
    (folder / _MARK).write_text("A small run of `inoc run --limit`. It can be removed.\n", encoding="utf-8")


def _link_project(folder: Path, studies: set[str]) -> None:
    """Link what lies in the project, so that relative paths hold, and results of other studies that it reads."""
    for path in sorted(Path().iterdir()):
        own = path.name in OWN or path.name.startswith(".")
        if not own and path.resolve() != folder.resolve() and not (path / _MARK).is_file():
            _link(folder / path.name, path)
    for path in sorted(Path("config").glob("*")):
        if path.name not in ("config.yaml", "studies"):
            _link(folder / "config" / path.name, path)
    for name in studies:
        if (Path("results") / name).is_dir():
            _link(folder / "results" / name, Path("results") / name)


def _link(link: Path, target: Path) -> None:
    if link.is_symlink():
        link.unlink()
    if not link.exists():
        link.symlink_to(os.path.relpath(target, link.parent), target_is_directory=target.is_dir())


def _other_studies(value: object) -> set[str]:
    """Studies of whose results a study reads tables."""
    if isinstance(value, Mapping):
        found = {str(value[key]).partition("/")[0] for key in _OF_STUDIES if isinstance(value.get(key), str)}
        return found.union(*(_other_studies(part) for part in value.values()))
    return set().union(*(_other_studies(part) for part in value)) if isinstance(value, list) else set()


def _from(folder: Path, value: Any) -> Any:
    """Values with paths that lead out of the project as seen from the folder."""
    if isinstance(value, Mapping):
        return {key: _from(folder, part) for key, part in value.items()}
    if isinstance(value, list):
        return [_from(folder, part) for part in value]
    if isinstance(value, str) and value.startswith("../") and Path(value).exists():
        return str(Path(value).absolute())
    return value


def _write_yaml(path: Path, value: Mapping[str, Any], head: Sequence[str]) -> None:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 110
    with path.open("w", encoding="utf-8") as stream:
        stream.write("\n".join(head) + "\n")
        yaml.dump(dict(value), stream)
