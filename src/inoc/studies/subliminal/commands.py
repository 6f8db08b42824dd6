"""Commands of studies of subliminal learning: imports of released results."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_imports(what: Any) -> None:
    """Add the source of results to `inoc import`.

    Args:
        what: The sub-parsers of `inoc import`.
    """
    text = "import numbers, evaluations, logs, vectors and projections of released studies of subliminal learning"
    verb = what.add_parser("subliminal", help=text, description=f"{text[0].upper()}{text[1:]}.")
    verb.add_argument("paths", type=Path, nargs="+", metavar="path", help="folder to read: a checkout, or part of one")
    verb.add_argument("--study", required=True, metavar="NAME", help="name of the new study")
    verb.add_argument(
        "--out", type=Path, default=Path("config/studies"), help="folder for the study file (default: config/studies)"
    )
    verb.add_argument("--replace", action="store_true", help="replace an earlier import of this name")
    verb.set_defaults(run=_import, what="subliminal")


def _import(options: argparse.Namespace) -> None:
    from inoc.studies.subliminal.released.verb import import_results

    import_results(options)
