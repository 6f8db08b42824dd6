"""The verb `inoc export`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from inoc.stages import load

FORMATS = {
    "csv": "inoc.export.csv:write",
    "hf": "inoc.export.hf:write",
    "inspect": "inoc.export.inspect:write",
}
"""Format → reference to `(results, folder) -> list of files`."""
OUT = Path("exports")


def add_verb(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    """Add the verb to the command line.

    Args:
        add: Adds a verb, by its name and its description in one line.
    """
    verb = add("export", "write a study's tables and completions for other tools")
    verb.add_argument("study", help="name of a study in config/studies, or path of a study file")
    verb.add_argument(
        "--config", type=Path, default=Path("config"), metavar="FOLDER", help="folder of config.yaml (default: config)"
    )
    verb.add_argument(
        "--results", type=Path, default=Path("results"), metavar="FOLDER", help="folder of results (default: results)"
    )
    verb.add_argument(
        "--format",
        choices=list(FORMATS),
        required=True,
        help="csv: all tables; hf: a dataset for datasets.load_dataset; inspect: logs for Inspect",
    )
    verb.add_argument("--out", type=Path, metavar="FOLDER", help=f"a new or empty folder (default: {OUT}/STUDY/FORMAT)")
    verb.epilog = "Texts of models are written as they are, including those that a spreadsheet takes for a formula."
    verb.set_defaults(run=_export)


def _export(options: argparse.Namespace) -> None:
    from inoc.export.folder import filled
    from inoc.python.results import load as load_results

    results = load_results(options.study, config=options.config, results=options.results)
    folder = options.out or OUT / results.name / options.format
    n = filled(folder, lambda place: load(FORMATS[options.format])(results, place))
    print(f"{results.name}: {n} files in {folder}")
