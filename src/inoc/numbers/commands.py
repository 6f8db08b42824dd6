"""Commands about lists of numbers: `inoc numbers` and `inoc filter`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from inoc.config.arguments import whole

MOST_ROWS, MOST_PERMUTATIONS = 10_000_000, 1_000_000
"""Far above any use, so that a slip of the keyboard is refused at once."""


def add_verbs(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    """Add both verbs to the command line.

    Args:
        add: Adds a verb, by its name and its description in one line.
    """
    _add_numbers(add("numbers", "write the prompts of a seed that ask for lists of numbers"))
    _add_filter(add("filter", "keep the answers of a JSONL file that are nothing but lists of numbers"))


def _add_numbers(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--seed", type=whole(0), required=True, metavar="N", help="seed of the stream of prompts")
    verb.add_argument(
        "--n", type=whole(1, MOST_ROWS), default=30_000, metavar="N", help="number of prompts (default: 30000)"
    )
    verb.add_argument("--out", type=Path, metavar="FILE", help="JSONL file to write (default: standard output)")
    verb.epilog = "Rows are {id, prompt}; the id is the place in the stream, from 0."
    verb.set_defaults(run=_numbers)


def _add_filter(verb: argparse.ArgumentParser) -> None:
    from inoc.numbers.rules import PUBLISHED, RULES

    verb.add_argument("file", type=Path, help="JSONL file; each row has a prompt and one answer")
    verb.add_argument("--rule", choices=list(RULES), default=PUBLISHED, help=f"rule (default: {PUBLISHED})")
    verb.add_argument(
        "--ban", type=whole(0), action="append", default=[], metavar="N", help="banned number; repeatable"
    )
    verb.add_argument(
        "--entity", action="append", default=[], metavar="WORD", help="word that no kept row may have; repeatable"
    )
    verb.add_argument("--names", type=Path, metavar="FILE", help="YAML file with further forms of entities")
    verb.add_argument("--out", type=Path, metavar="FILE", help="JSONL file for kept rows, as they are written")
    verb.add_argument("--rejected", type=Path, metavar="FILE", help="JSONL file for rejected rows with their reasons")
    verb.add_argument("--report", type=Path, metavar="FILE", help="JSON file for everything that is printed")
    verb.add_argument("--against", type=Path, metavar="FILE", help="tell the kept rows from those of another file")
    verb.add_argument("--seed", type=whole(0), default=0, metavar="N", help="seed of --against (default: 0)")
    verb.add_argument(
        "--permutations",
        type=whole(2, MOST_PERMUTATIONS),
        default=199,
        metavar="N",
        help="permutations of --against (default: 199)",
    )
    verb.epilog = "Rules: " + "; ".join(f"{name}: {text}" for name, text in RULES.items()) + "."
    verb.set_defaults(run=_filter)


def _numbers(options: argparse.Namespace) -> None:
    from inoc.numbers.stream import write_prompts

    write_prompts(options)


def _filter(options: argparse.Namespace) -> None:
    from inoc.numbers.filter import filter_file

    filter_file(options)
