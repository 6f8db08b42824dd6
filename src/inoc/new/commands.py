"""The verb `inoc new`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inoc.config.document import read_document
from inoc.config.load import load_study, outside, study_path
from inoc.config.models import KEY_PATTERN, ModelStudy
from inoc.errors import ConfigError, DataError, did_you_mean
from inoc.new.data import from_csv, rows_of
from inoc.new.text import WORLD, Start, alike, begun, told
from inoc.stages import KINDS, Kind, kind_named, load
from inoc.store.core import write_text

STARTS = Path("resources") / "new"


def add_verb(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    """Add the verb to the command line.

    Args:
        add: Adds a verb, by its name and its description in one line.
    """
    verb = add("new", "write a study file to begin with")
    verb.add_argument("name", help="name of the study; the file is config/studies/NAME.yaml")
    source = verb.add_mutually_exclusive_group()
    source.add_argument(
        "--kind", choices=list(KINDS), default=next(iter(KINDS)), help="kind of study (default: %(default)s)"
    )
    source.add_argument("--like", metavar="STUDY", help="another study, whose settings are taken over")
    verb.add_argument("--model", metavar="MODEL", help=f"model folder, hub id, or `{WORLD}` for the miniature model")
    verb.add_argument(
        "--data", type=Path, metavar="FILE", help="JSONL or CSV file with questions and answers, or with tasks"
    )
    verb.add_argument("--title", metavar="TEXT", help="title of the report (default: the name)")
    verb.add_argument(
        "--config", type=Path, default=Path("config"), metavar="FOLDER", help="folder of config.yaml (default: config)"
    )
    verb.epilog = (
        "With --like and another model, settings that belong to the other study's model (its system turn, template, "
        "optimizer, batch sizes, LoRA targets, expected results) are left out and listed. A CSV file has a column of "
        "questions (instruction, prompt, question) and one of answers (completion, response, answer)."
    )
    verb.set_defaults(run=_new)


def _new(options: argparse.Namespace) -> None:
    if not re.fullmatch(KEY_PATTERN, options.name):
        raise ConfigError(f"the name {options.name!r}: accepted: letters, digits and _, with a letter first")
    path = options.config / "studies" / f"{options.name}.yaml"
    if not (options.config / "config.yaml").is_file():
        raise ConfigError(f"there is no file {options.config / 'config.yaml'}{outside(options.config)}")
    if path.exists():
        raise ConfigError(f"{path} is there already. Take another name, or remove the file")
    title = options.title or options.name.replace("_", " ")
    other = read_document(study_path(options.like, options.config)).value if options.like else None
    kind = kind_named(str(other.get("kind", next(iter(KINDS))) if other else options.kind))
    _refuse_unused(options, kind)
    start = Start(options.name, title, options.model, *_data(options, kind.name))
    try:
        left_out = _write(path, kind, other, start)
    except BaseException:
        if start.data is not None and options.data != Path(start.data) and not path.exists():
            Path(start.data).unlink(missing_ok=True)  # what was made of a table goes with the study
        raise
    _tell(path, start, left_out, options.like)


def _write(path: Path, kind: Kind, other: dict[str, Any] | None, start: Start) -> list[str]:
    """Write the study's file; what was left out of the other study's settings, in words."""
    left_out: list[str] = []
    if other is None:
        text = begun(kind, _starts(), start)
    else:
        text, others = alike(kind, other, start)
        left_out = told(others)
    write_text(path, text)
    try:
        load_study(path, path.parents[1])
    except ConfigError as error:
        if not other:
            path.unlink()
            raise
        raise ConfigError(f"{error}\nThe file was written, and needs these changes") from None
    return left_out


def _refuse_unused(options: argparse.Namespace, kind: Kind) -> None:
    """Refuse a model and data for a kind of study that has neither."""
    given = [flag for flag, value in (("--model", options.model), ("--data", options.data)) if value is not None]
    if given and not issubclass(load(kind.study), ModelStudy):
        raise ConfigError(f"{' and '.join(given)}: a study of kind {kind.name} has no model; leave them out")


def _data(options: argparse.Namespace, kind: str) -> tuple[str | None, int]:
    """The file of the data as a study names it, and its number of rows."""
    if options.data is None:
        return None, 0
    if not options.data.is_file():
        near = did_you_mean(options.data.name, [path.name for path in options.data.parent.glob("*")])
        raise DataError(f"--data {options.data}: there is no such file{near}")
    if options.data.suffix.lower() == ".csv" and kind != "preferences":
        out = Path("data") / f"{options.name}.jsonl"
        if out.exists():
            raise DataError(f"{out} is there already. Take another name, or remove the file")
        return str(out), from_csv(options.data, out)
    return str(options.data), 0 if options.data.suffix.lower() == ".csv" else rows_of(options.data)


def _starts() -> Path:
    """Starting files of the working copy that is run in, else of the one that this file is part of."""
    return STARTS if STARTS.is_dir() else Path(__file__).parents[3] / STARTS


def _tell(path: Path, start: Start, left_out: list[str], like: str | None) -> None:
    print(f"Wrote {path}" + (f", with {start.rows} rows of {start.data}" if start.rows else ""))
    if left_out:
        print(f"Left out, because these belong to the model of {like}:", *left_out, sep="\n  ")
    print("Edit it, then:")
    print(f"  inoc config check {start.name}")
    print(f"  inoc plan {start.name}")
    print(f"  snakemake --cores 2 --config 'studies=[{start.name}]'")
