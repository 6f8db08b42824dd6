"""The verb `inoc import`: reads released results, writes them as a study, and reports what it noticed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from inoc.studies.imports.write import Imported, check_name

Write = Callable[[Imported, str, Path, Path], None]


def run_import(options: argparse.Namespace, read: Callable[[str], Imported], write: Write) -> None:
    """Read, check, write and report.

    Args:
        options: `study`, `out` and `replace`.
        read: Reads the released results, for a study of this name.
        write: Writes them: `write_import` with what checks a study of the kind.

    Raises:
        ConfigError: If the name is none or taken.
        DataError: If what was read does not make a study.
    """
    from inoc.jobs.make import RESULTS

    name, out = str(options.study), Path(options.out)
    check_name(name, RESULTS, out, replace=options.replace)
    imported = read(name)
    write(imported, name, RESULTS, out)
    for line in imported.findings.lines():
        print(line, file=sys.stderr)
    print(f"{name}: {RESULTS / name} and {out / name}.yaml; next: inoc analyse {name}")
