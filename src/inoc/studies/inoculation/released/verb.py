"""The verb `inoc import`: reads released results, writes them, and reports what it noticed."""

from __future__ import annotations

import argparse
from pathlib import Path

from inoc.studies.imports.verb import run_import
from inoc.studies.imports.write import Imported
from inoc.studies.inoculation.released.write import write_import


def import_results(options: argparse.Namespace) -> None:
    """Read, check, write and report.

    Args:
        options: `what`, `path`, `study`, `out`, `replace`, and `step`, `pair` and `experiment` of a trait-inoculation
            import.
    """
    run_import(options, lambda name: _read(options, name), write_import)


def _read(options: argparse.Namespace, name: str) -> Imported:
    if options.what == "tables":
        from inoc.studies.inoculation.released.general import read_tables

        return read_tables(Path(options.path), name)
    from inoc.studies.inoculation.released.release import read_release

    return read_release(Path(options.path), name, options.step, options.pair, options.experiment)
