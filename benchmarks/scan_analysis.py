"""Time and memory of the analysis of a scan of likelihood shifts, on made-up scores.

Usage: python benchmarks/scan_analysis.py [--prompts 17] [--datasets 16] [--rows 27000]
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "tests"))


def peak_gib() -> float:
    """Largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main(arguments: list[str] | None = None) -> None:
    """Write scores, analyse them, and print what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--prompts", type=int, default=17)
    parser.add_argument("--datasets", type=int, default=16)
    parser.add_argument("--rows", type=int, default=27_000)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), options.prompts, options.datasets, options.rows)


def measure(folder: Path, n_prompts: int, n_datasets: int, n_rows: int) -> None:
    """Analyse one made-up scan."""
    from inoc.jobs.paths import Paths
    from inoc.studies.likelihood_shift.analyse.step import analyse
    from inoc.tables import write_table
    from support.scored_study import make_study, write_answers, write_scores

    splits = {"quintiles": {"dataset": "d0"}, "random": {"dataset": "d0", "by": "random"}}
    study = make_study(n_prompts - 1, n_datasets, folder / "data", splits=splits)
    paths, rng = Paths(folder, "made"), np.random.default_rng(0)
    write_answers(study, n_rows, rng)
    write_scores(study, paths, n_rows, rng)
    before, started = peak_gib(), time.perf_counter()
    found = analyse(paths, study, {})
    analysed = time.perf_counter()
    for name, table in found.tables.items():
        write_table(table, found.schemas[name], paths.table(name), csv=True)
    written = time.perf_counter()
    print(f"{n_prompts} prompts x {n_datasets} datasets x {n_rows} rows")
    print(f"analysis {analysed - started:.1f} s, tables {written - analysed:.1f} s")
    print(f"peak memory {peak_gib():.2f} GiB ({before:.2f} before)")


if __name__ == "__main__":
    main()
