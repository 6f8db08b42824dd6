"""Commands of likelihood-shift studies: splits of scored files, and imports of released results."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inoc.config.arguments import whole


def add_verbs(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    """Add `inoc split` to the command line.

    Args:
        add: Adds a verb, by its name and its description in one line.
    """
    verb = add("split", "split a scored JSONL file into quantiles, halves or a random part")
    verb.add_argument("file", type=Path, help="JSONL file; each row is an object with a score")
    verb.add_argument("--by", default="lls", metavar="FIELD", help="field with the score (default: lls)")
    rule = verb.add_mutually_exclusive_group(required=True)
    rule.add_argument(
        "--quantiles", type=whole(2, 100), metavar="N", help="N parts of equal size, q1 with the lowest scores"
    )
    rule.add_argument("--median", action="store_true", help="top (at or above the median) and bottom")
    rule.add_argument("--random", type=_share, metavar="SHARE", help="a random part, in the order drawn")
    verb.add_argument("--seed", type=whole(0), default=42, metavar="N", help="seed of --random (default: 42)")
    verb.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder for the parts")
    verb.add_argument("--strip", action="store_true", help="leave the score out of the parts")
    verb.epilog = (
        "Cut points are linear percentiles; a row at a cut point belongs to the upper part. Rows keep the order of the "
        "file and are written as they stand there. split.json says how the file was split."
    )
    verb.set_defaults(run=_split)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"expected a share above 0 and up to 1, not {text!r}")
    return share


def _split(options: argparse.Namespace) -> None:
    from inoc.studies.likelihood_shift.split_verb import split_file

    split_file(options)


def add_imports(what: Any) -> None:
    """Add the source of results to `inoc import`.

    Args:
        what: The sub-parsers of `inoc import`.
    """
    text = "import scores, matrices, splits and evaluations of a released study of likelihood shifts"
    verb = what.add_parser("likelihood-shift", help=text, description=f"{text[0].upper()}{text[1:]}.")
    verb.add_argument("path", type=Path, help="folder to read: a checkout, or part of one")
    verb.add_argument("--study", required=True, metavar="NAME", help="name of the new study")
    verb.add_argument(
        "--out", type=Path, default=Path("config/studies"), help="folder for the study file (default: config/studies)"
    )
    verb.add_argument("--scan", metavar="FOLDER", help="folder of scores, if there are several, such as lls_72b")
    verb.add_argument("--replace", action="store_true", help="replace an earlier import of this name")
    verb.set_defaults(run=_import, what="likelihood-shift")


def _import(options: argparse.Namespace) -> None:
    from inoc.studies.likelihood_shift.released.verb import import_results

    import_results(options)
