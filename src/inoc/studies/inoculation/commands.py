"""Commands of this kind of study: the judgement of heuristics, and imports of released results."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def add_commands(verbs: Mapping[str, argparse.ArgumentParser]) -> None:
    """Let `inoc analyse` judge heuristics, too.

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
        "`inoc analyse heuristics` prints how well each heuristic tells the suppression: of a study that has been "
        "analysed, or of a table file (.csv). The protocol `fair` gives all heuristics the same rows, own and other "
        "traits apart, with the prompt as the unit; `published` pools rows as the earlier study did."
    )
    verb.add_argument("table", nargs="?", type=Path, metavar="STUDY_OR_TABLE", help="after `heuristics`: whose")
    verb.add_argument("--protocol", choices=("fair", "published"), default="fair", help="default: fair")
    verb.add_argument("--out", type=Path, metavar="FILE.csv", help="also write all columns to this file")
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
    """Add the two kinds of results that can be imported.

    Args:
        what: The sub-parsers of `inoc import`.
    """
    release = what.add_parser("trait-inoculation", help="a checkout of that study's repository, or part of one")
    tables = what.add_parser("tables", help="a study file and tables of scores and log-probabilities")
    for one, name in ((release, "trait-inoculation"), (tables, "tables")):
        one.add_argument("path", type=Path, help="the folder to read")
        one.add_argument("--study", required=True, metavar="NAME", help="name of the study to make")
        one.add_argument("--out", type=Path, default=Path("config/studies"), help="folder of study files")
        one.add_argument("--replace", action="store_true", help="replace an earlier import of this name")
        one.set_defaults(run=_import, what=name)
    release.add_argument("--step", type=int, help="the last step to use (default: the largest)")
    release.add_argument("--pair", help="which pair of traits, if there are results of several")
    accepted = "main (default), prefix_sweep, lr_sweep or emergent_misalignment"
    release.add_argument("--experiment", default="main", help=accepted)


def _import(options: argparse.Namespace) -> None:
    from inoc.studies.inoculation.released.verb import import_results

    import_results(options)
