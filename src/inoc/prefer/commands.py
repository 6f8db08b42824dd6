"""The arguments of `inoc prefer`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from inoc.config.arguments import whole

MODEL_NAMES = ("item_variances", "case_v", "bradley_terry", "davidson")


def add_verb(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    """Add `inoc prefer` to the command line.

    Args:
        add: Adds a verb, by its name and its description in one line.
    """
    verb = add("prefer", "fit utilities to comparisons, and show how pairs were selected")
    what = verb.add_subparsers(metavar="COMMAND", required=True, parser_class=type(verb))
    text = "fit utilities to a file of comparisons alone"
    fit = what.add_parser("fit", help=text, description=f"{text[0].upper()}{text[1:]}.")
    fit.add_argument("comparisons", type=Path, metavar="COMPARISONS", help=".yaml, .json, .jsonl, .csv or .parquet")
    fit.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the tables are written")
    fit.add_argument(
        "--model",
        choices=MODEL_NAMES,
        nargs="+",
        default=["item_variances"],
        help="one or more (default: item_variances)",
    )
    _add_meaning(fit)
    _add_settings(fit)
    fit.set_defaults(run=run_fit)
    _add_history(what)
    _add_link(what)


def _add_link(what: Any) -> None:
    text = "bring the utilities of two fits to one scale, by the items that both have"
    link = what.add_parser("link", help=text, description=f"{text[0].upper()}{text[1:]}.")
    link.add_argument("first", type=Path, metavar="FIRST", help="utilities of a fit: .csv or .parquet with item and mu")
    link.add_argument("second", type=Path, metavar="SECOND", help="those of another one, which are moved")
    link.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the table is written")
    link.add_argument("--location-only", action="store_true", help="keep the scale of the second fit")
    link.set_defaults(run=run_link)


def _add_history(what: Any) -> None:
    text = "show how pairs were selected: rounds, rules and the fit after each"
    history = what.add_parser("history", help=text, description=f"{text[0].upper()}{text[1:]}.")
    history.add_argument("comparisons", type=Path, metavar="COMPARISONS", help="as for fit, in the order of asking")
    history.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the table is written")
    history.add_argument("--model", choices=MODEL_NAMES, default="item_variances", help="default: item_variances")
    _add_meaning(history)
    _add_fit(history)
    history.add_argument("--reliability", action="store_true", help="also fit halves of the pairs after every round")
    history.set_defaults(run=run_history)


def _add_meaning(fit: argparse.ArgumentParser) -> None:
    fit.add_argument("--a-means", choices=("item", "first"), help='what the choice "a" is where orders differ')
    fit.add_argument(
        "--order",
        choices=("a_first", "unknown"),
        default="a_first",
        help="which item was shown first where no column tells (default: a_first)",
    )
    fit.add_argument(
        "--refusals",
        choices=("apart", "b"),
        default="apart",
        help="counted apart, or as a win of item b as an earlier study did (default: apart)",
    )
    fit.add_argument(
        "--position",
        choices=("global", "origin_pairs", "none"),
        default="global",
        help="one position term, one for each pair of origins (columns origin_a and origin_b), or none "
        "(default: global)",
    )


def _add_settings(fit: argparse.ArgumentParser) -> None:
    fit.add_argument(
        "--penalty",
        type=above_zero,
        nargs="+",
        metavar="LAMBDA",
        help="on (ln sigma)² of item variances, on mu² of the others (default: 1 and 0.001); of several, the one "
        "that foresees held-out pairs best is used",
    )
    fit.add_argument(
        "--bias",
        choices=("kept", "reduced"),
        default="kept",
        help="reduced: take out the bias of few drawn answers; not with item_variances (default: kept)",
    )
    fit.add_argument("--folds", type=whole(2), default=5, metavar="N", help="folds of pairs (default: 5)")
    fit.add_argument("--bootstrap", type=whole(2), metavar="N", help="intervals from N resamples of pairs instead")
    fit.add_argument("--no-intervals", action="store_true", help="leave out the intervals of the utilities")
    fit.add_argument("--reliability", action="store_true", help="also fit halves of the pairs and of the samples")
    _add_fit(fit)
    fit.add_argument(
        "--utilities",
        type=Path,
        metavar="FILE",
        help="CSV file with item (or task_id), mu and sigma of another fit: fit the position term alone",
    )


def _add_fit(fit: argparse.ArgumentParser) -> None:
    fit.add_argument(
        "--starts", type=whole(1), metavar="N", help="starts of item_variances (default: 5, or 1 over 1000 items)"
    )
    fit.add_argument("--seed", type=whole(0), default=0, metavar="N", help="of starts and resamples (default: 0)")
    fit.add_argument(
        "--earlier",
        choices=("loose", "tight"),
        default="",
        help="an earlier study's objective and optimiser, at its own tolerances or converged",
    )
    fit.add_argument("--anchor", metavar="ITEM", help="item at 0 with --earlier (default: the first in the file)")


def run_link(options: argparse.Namespace) -> None:
    """Link two fits, and write the table."""
    import_module("inoc.prefer.linked").link_files(options)


def run_history(options: argparse.Namespace) -> None:
    """Fit after every round, and write the table."""
    import_module("inoc.prefer.history").history_of_file(options)


def run_fit(options: argparse.Namespace) -> None:
    """Fit, and write the tables."""
    # Imported here, so that the command line starts without scipy.
    import_module("inoc.prefer.fit").fit_file(options)


def above_zero(text: str) -> float:
    """A finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, not {text!r}")
    return value
