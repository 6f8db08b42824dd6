"""The verb `inoc import subliminal`: reads releases, writes them as a study, and reports what it noticed."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from inoc.jobs.paths import Paths
from inoc.studies.imports.verb import run_import
from inoc.studies.imports.write import write_import
from inoc.studies.subliminal.released.release import read_releases


def import_results(options: argparse.Namespace) -> None:
    """Read, check, write and report.

    Args:
        options: `paths`, `study`, `out`, `replace`.
    """
    run_import(
        options,
        lambda name: read_releases([Path(path) for path in options.paths], name),
        partial(write_import, check=_check),
    )


def _check(file: Path, paths: Paths) -> None:
    from inoc.studies.shared.load import load_of_kind
    from inoc.studies.subliminal.study import Study

    load_of_kind(file, Study)
