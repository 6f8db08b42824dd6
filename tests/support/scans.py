"""Made-up scans: shifts with known differences between prompts."""

from __future__ import annotations

import numpy as np

from inoc.studies.likelihood_shift.analyse.cells import cell_rows
from inoc.studies.likelihood_shift.analyse.columns import own_contrasts
from inoc.studies.likelihood_shift.analyse.rows import Row, Scan
from inoc.studies.likelihood_shift.inputs import Column


def scan(n_prompts: int, n_datasets: int, n_controls: int = 0) -> Scan:
    """Candidates p0, p1, … and controls c0, …; dataset d0 is said to be written under p0, and so on."""
    candidates = [f"p{k}" for k in range(n_prompts)]
    own = {f"d{k}": candidates[k % n_prompts] for k in range(n_datasets)}
    return Scan(candidates, [f"c{k}" for k in range(n_controls)], own, 0.95, 200, 0)


def column(dataset: str, means: np.ndarray, n_rows: int, rng: np.random.Generator, prompts: list[str]) -> Column:
    """Rows whose shifts share most of their variance, with heavier tails than a normal."""
    shared = rng.normal(0, 0.15, n_rows)
    own = rng.standard_t(5, (len(means), n_rows)) * 0.04
    shifts = means[:, None] + shared + own
    ids = [str(k) for k in range(n_rows)]
    return Column(
        dataset, ids, prompts, shifts, np.full(n_rows, -1.0), np.full(n_rows, 40), {}, n_rows, np.arange(n_rows)
    )


def columns(of: Scan, means_PD: np.ndarray, n_rows: int, rng: np.random.Generator) -> list[Column]:
    """One column for each dataset, with the expected shifts given: prompts × datasets."""
    return [column(name, means_PD[:, k], n_rows, rng, of.prompts) for k, name in enumerate(of.own)]


def cells_and_contrasts(of: Scan, made: list[Column]) -> tuple[list[Row], dict[str, dict[str, object]]]:
    """What `column_rows` is made from."""
    cells = [row for one in made for row in cell_rows(one, of.confidence)]
    return cells, {one.dataset: dict(own_contrasts(one, of)) for one in made}
