"""The verb `inoc import preferences`: reads a release, writes it as a study, and reports what it noticed."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from inoc.jobs.paths import Paths
from inoc.studies.imports.verb import run_import
from inoc.studies.imports.write import write_import
from inoc.studies.preferences.released.release import read_release


def import_results(options: argparse.Namespace) -> None:
    """Read, check, write and report.

    Args:
        options: `path`, `study`, `a_means`, `out`, `replace`.
    """
    run_import(
        options,
        lambda name: read_release(Path(options.path), name, options.a_means),
        partial(write_import, check=_check),
    )


def _check(file: Path, paths: Paths) -> None:
    from inoc.studies.preferences.released.read import read_import
    from inoc.studies.preferences.study import Study
    from inoc.studies.shared.load import load_of_kind

    load_of_kind(file, Study)
    read_import(paths)
