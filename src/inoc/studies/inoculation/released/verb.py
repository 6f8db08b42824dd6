"""The verb `inoc import`: reads released results, writes them, and reports what it noticed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from inoc.studies.imports.write import check_name
from inoc.studies.inoculation.released.write import write_import


def import_results(options: argparse.Namespace) -> None:
    """Read, check, write and report.

    Args:
        options: `what`, `path`, `study`, `out`, `replace`, and `step`, `pair` and `experiment` of a trait-inoculation
            import.
    """
    from inoc.jobs.make import RESULTS

    name, out = str(options.study), Path(options.out)
    check_name(name, RESULTS, out, replace=options.replace)
    if options.what == "tables":
        from inoc.studies.inoculation.released.general import read_tables

        imported = read_tables(Path(options.path), name)
    else:
        from inoc.studies.inoculation.released.release import read_release

        imported = read_release(Path(options.path), name, options.step, options.pair, options.experiment)
    write_import(imported, name, RESULTS, out)
    for line in imported.findings.lines():
        print(line, file=sys.stderr)
    print(f"{name}: {RESULTS / name} and {out / name}.yaml; next: inoc analyse {name}")
