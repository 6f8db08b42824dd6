"""The verb `inoc import preferences`: reads a release, writes it as a study, and reports what it noticed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from inoc.errors import ConfigError
from inoc.jobs.paths import Paths
from inoc.studies.imports.write import check_name, write_import
from inoc.studies.preferences.released.release import read_release


def import_results(options: argparse.Namespace) -> None:
    """Read, check, write and report.

    Args:
        options: `path`, `study`, `a_means`, `out`, `replace`.
    """
    from inoc.jobs.make import RESULTS

    name, out = str(options.study), Path(options.out)
    check_name(name, RESULTS, out, replace=options.replace)
    imported = read_release(Path(options.path), name, options.a_means)
    write_import(imported, name, RESULTS, out, _check)
    for line in imported.findings.lines():
        print(line, file=sys.stderr)
    print(f"{name}: {RESULTS / name} and {out / name}.yaml; next: inoc analyse {name}")


def _check(file: Path, paths: Paths) -> None:
    from inoc.config.load import load_study
    from inoc.studies.preferences.released.read import read_import
    from inoc.studies.preferences.study import Study

    study = load_study(file)
    if not isinstance(study, Study):
        raise ConfigError(f"study {study.name} is of kind {study.kind}; accepted here: preferences")
    read_import(paths)
