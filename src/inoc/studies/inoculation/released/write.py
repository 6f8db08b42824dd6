"""Writes an import of an inoculation study, once its analysis can read it."""

from __future__ import annotations

from pathlib import Path

from inoc.jobs.paths import Paths
from inoc.studies.imports import write
from inoc.studies.inoculation.analyse.inputs import check_same_judges, read_means, read_scores, shifts
from inoc.studies.inoculation.load import load_inoculation


def write_import(imported: write.Imported, name: str, results: Path, out: Path) -> None:
    """`inoc.studies.imports.write.write_import`, after reading scores and log-probabilities as the analysis does."""
    write.write_import(imported, name, results, out, _check)


def _check(file: Path, paths: Paths) -> None:
    load_inoculation(file)
    base, scores = read_scores(paths.scores("elicit")), read_scores(paths.scores("evaluate"))
    check_same_judges(base, scores)
    shifts(read_means([paths.logprobs(0)]))
