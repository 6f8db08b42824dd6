"""Commands of inoculation studies: the evaluation of heuristics, and imports of released results."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def add_commands(verbs: Mapping[str, argparse.ArgumentParser]) -> None:
    """Add the evaluation of heuristics to `inoc analyse`.

    Args:
        verbs: Stage → its parser.
    """
    verb = verbs["analyse"]
    run_stage: Callable[[argparse.Namespace], None] = verb.get_default("run")
    verb.usage = (
        "inoc analyse STUDY [--config FOLDER] [--store FOLDER] [--log FILE]\n"
        "       inoc analyse heuristics STUDY_OR_TABLE [--protocol fair|published] [--out FILE.csv]"
    )
    verb.epilog = (
        "`inoc analyse heuristics` prints how well each heuristic predicts suppression, for an analysed study or a "
        "table file (.csv). The protocol `fair` evaluates all heuristics on the same rows, with own and other traits "
        "separated and the prompt as the unit; `published` pools rows as the trait-inoculation study did."
    )
    verb.add_argument(
        "table", nargs="?", type=Path, metavar="STUDY_OR_TABLE", help="after `heuristics`: the study or table file"
    )
    verb.add_argument(
        "--protocol", choices=("fair", "published"), default="fair", help="protocol of `heuristics` (default: fair)"
    )
    verb.add_argument("--out", type=Path, metavar="FILE.csv", help="file for all columns of `heuristics`")
    verb.set_defaults(run=_analyse, run_stage=run_stage)


def _analyse(options: argparse.Namespace) -> None:
    from inoc.errors import ConfigError

    if options.study != "heuristics" and options.table is None and options.out is None:
        options.run_stage(options)
        return
    if options.study != "heuristics" or options.table is None:
        msg = (
            "heuristics are judged by: inoc analyse heuristics STUDY_OR_TABLE [--protocol fair|published] "
            "[--out FILE.csv]; a study is analysed by: inoc analyse STUDY"
        )
        raise ConfigError(msg)
    from inoc.studies.inoculation.analyse.verb import print_heuristics

    print_heuristics(options)


def add_imports(what: Any) -> None:
    """Add the two sources of results to `inoc import`.

    Args:
        what: The sub-parsers of `inoc import`.
    """
    release = what.add_parser(
        "trait-inoculation", help="import from a checkout of the trait-inoculation repository, or part of one"
    )
    tables = what.add_parser("tables", help="import a study file with tables of scores and log-probabilities")
    for one, name in ((release, "trait-inoculation"), (tables, "tables")):
        one.add_argument("path", type=Path, help="folder to read")
        one.add_argument("--study", required=True, metavar="NAME", help="name of the new study")
        one.add_argument(
            "--out",
            type=Path,
            default=Path("config/studies"),
            help="folder for the study file (default: config/studies)",
        )
        one.add_argument("--replace", action="store_true", help="replace an earlier import of this name")
        one.set_defaults(run=_import, what=name)
    release.add_argument("--step", type=int, metavar="N", help="last training step to use (default: the largest)")
    release.add_argument("--pair", metavar="NAME", help="pair of traits, if there are results of several")
    experiments = "main (default), prefix_sweep, lr_sweep or emergent_misalignment"
    release.add_argument("--experiment", default="main", metavar="NAME", help=f"experiment to import: {experiments}")


def _import(options: argparse.Namespace) -> None:
    from inoc.studies.inoculation.released.verb import import_results

    import_results(options)
