"""Commands of studies of preferences: imports of released results."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_imports(what: Any) -> None:
    """Add the source of results to `inoc import`.

    Args:
        what: The sub-parsers of `inoc import`.
    """
    text = "import comparisons, fits, ratings, refusals and tables of a released study of preferences"
    verb = what.add_parser("preferences", help=text, description=f"{text[0].upper()}{text[1:]}.")
    verb.add_argument("path", type=Path, help="folder or file to read: a checkout, or part of one")
    verb.add_argument("--study", required=True, metavar="NAME", help="name of the new study")
    verb.add_argument(
        "--out", type=Path, default=Path("config/studies"), help="folder for the study file (default: config/studies)"
    )
    verb.add_argument(
        "--a-means",
        choices=("item", "first"),
        help='what the choice "a" is in files that were asked in both orders and do not say it',
    )
    verb.add_argument("--replace", action="store_true", help="replace an earlier import of this name")
    verb.set_defaults(run=_import, what="preferences")


def _import(options: argparse.Namespace) -> None:
    from inoc.studies.preferences.released.verb import import_results

    import_results(options)
