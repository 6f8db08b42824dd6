"""The verb `inoc finetune`: the list of fine-tuning jobs behind the API, and what can be done to one."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inoc.api import Api
    from inoc.api.tunings import Row

_NAME = "study/run, name of the job on the server, or beginning of the key"


def add_verb(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    """Add `inoc finetune` to the command line.

    Args:
        add: Adds a verb, by its name and its description in one line.
    """
    verb = add("finetune", "list the fine-tuning jobs behind the API, cancel one, or allow one to be run again")
    what = verb.add_subparsers(metavar="COMMAND", required=True, parser_class=type(verb))
    for name, text, run in (
        ("list", "list all jobs with their states and costs; nothing is sent", _list),
        ("cancel", "cancel a job, so that no run creates it again", _cancel),
        ("again", "allow a job that has ended to be created, and paid for, once more", _again),
    ):
        command = what.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        if name != "list":
            command.add_argument("name", help=_NAME)
        command.add_argument(
            "--config",
            type=Path,
            default=Path("config"),
            metavar="FOLDER",
            help="folder of config.yaml (default: config)",
        )
        command.add_argument("--store", metavar="FOLDER", help="folder of the store (default: that of config.yaml)")
        command.set_defaults(run=run)


def _api(options: argparse.Namespace) -> Api:
    from inoc.api import Api
    from inoc.config.load import load_workflow
    from inoc.jobs.make import store_folder

    workflow = load_workflow(options.config / "config.yaml")
    return Api(workflow.api, store_folder(workflow, options.store))


def _list(options: argparse.Namespace) -> None:
    rows = _api(options).tunings()
    print("\n".join(map(line, rows)) if rows else "no fine-tuning jobs")


def _cancel(options: argparse.Namespace) -> None:
    row = _api(options).cancel_tuning(options.name)
    print(line(row))
    if row.state != "cancelled":
        print("The server was asked to cancel it, and has not done so yet.")


def _again(options: argparse.Namespace) -> None:
    print(line(_api(options).allow_tuning_again(options.name)))
    print("The next `inoc train` of its study creates its job, and pays for it.")


def line(row: Row) -> str:
    """One line about a fine-tuning."""
    dollars, lost, held = (nano / 1e9 for nano in (row.cost_nano, row.lost_nano, row.held_nano))
    words = [f"{row.key[:12]}  {row.state:9}  {row.label}  {row.job_id or 'no job yet'}  {dollars:.4f} dollars"]
    words += [f"{lost:.4f} that may be lost"] if lost else []
    words += [f"{held:.4f} held"] if held else []
    words += [row.models[-1].model] if row.models else []
    words += [f"({row.error})"] if row.error else []
    return "  ".join(words)
