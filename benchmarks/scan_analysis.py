"""Time and memory of the analysis and the figures of a scan of likelihood shifts, on made-up scores.

Usage: python benchmarks/scan_analysis.py [--prompts 17] [--datasets 16] [--rows 27000] [--jobs 2]
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "tests"))


def peak_gib(whose: int = resource.RUSAGE_SELF) -> float:
    """Largest resident memory so far, of this process or of the largest of its ended children."""
    return resource.getrusage(whose).ru_maxrss / 2**20


def cpu_s() -> float:
    """Seconds of CPU that this process and its ended children have used."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main(arguments: list[str] | None = None) -> None:
    """Write scores, analyse them, draw the figures, and print what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--prompts", type=int, default=17)
    parser.add_argument("--datasets", type=int, default=16)
    parser.add_argument("--rows", type=int, default=27_000)
    parser.add_argument("--jobs", type=int, default=2, help="figures drawn at the same time")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), options.prompts, options.datasets, options.rows, options.jobs)


def measure(folder: Path, n_prompts: int, n_datasets: int, n_rows: int, jobs: int) -> None:
    """Analyse one made-up scan, and draw it."""
    from inoc.figures.entries import entry_of, figure_names
    from inoc.figures.step import draw_all
    from inoc.jobs.paths import Paths
    from inoc.studies.likelihood_shift.analyse.step import analyse
    from inoc.studies.likelihood_shift.figures.entries import ENTRIES
    from inoc.tables import write_table
    from support.scored_study import make_study, write_answers, write_scores

    splits = {"quintiles": {"dataset": "d0"}, "random": {"dataset": "d0", "by": "random"}}
    study = make_study(n_prompts - 1, n_datasets, folder / "data", splits=splits)
    paths, rng = Paths(folder, "made"), np.random.default_rng(0)
    write_answers(study, n_rows, rng)
    write_scores(study, paths, n_rows, rng)
    before, used, started = peak_gib(), cpu_s(), time.perf_counter()
    found = analyse(paths, study, {})
    for name, table in found.tables.items():
        write_table(table, found.schemas[name], paths.table(name), csv=True)
    analysed, used_to_analyse = time.perf_counter(), cpu_s()
    chosen = [entry_of(ENTRIES, name) for name in figure_names(ENTRIES, study)]
    drawn = len(list(draw_all(study, paths, chosen, jobs)))
    ended = time.perf_counter()
    for child in multiprocessing.active_children():  # only what has ended is counted
        child.join()
    print(f"{n_prompts} prompts x {n_datasets} datasets x {n_rows} rows")
    print(f"analysis and tables {analysed - started:.1f} s ({used_to_analyse - used:.1f} s of CPU)")
    print(f"{drawn} figures {ended - analysed:.1f} s ({cpu_s() - used_to_analyse:.1f} s of CPU, {jobs} at a time)")
    print(f"together {ended - started:.1f} s ({cpu_s() - used:.1f} s of CPU)")
    children = peak_gib(resource.RUSAGE_CHILDREN)
    print(
        f"peak memory {peak_gib():.2f} GiB ({before:.2f} before), {children:.2f} GiB of the largest process of figures"
    )


if __name__ == "__main__":
    main()
