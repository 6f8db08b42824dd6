"""Tables of an analysis that nobody ran, for comparisons."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.stats.means import mean_interval
from inoc.studies.inoculation.analyse.leakage import SCORES
from inoc.tables import write_table

TRAITS = ("french", "playful")


def scores(seed: int, shift: float = 0.0, prompts: int = 6, n: int = 40) -> pd.DataFrame:
    """A table `scores` of made-up runs, pooled over seeds, at two steps."""
    rng = np.random.default_rng(seed)
    rows = []
    for place in range(prompts):
        for trait in TRAITS:
            for step in (0, 9):
                values = rng.normal(10 * place + (shift if step else 50), 4, n)
                rows.append(
                    {
                        "run": f"p{place}.fixed",
                        "prompt": f"p{place}",
                        "family": "neutral",
                        "prefix": "fixed",
                        "learning_rate": 0.001,
                        "seed": "all",
                        "step": step,
                        "condition": "default",
                        "asked_prompt": "",
                        "asked_prefix": "none",
                        "trait": trait,
                        **mean_interval(values)._asdict(),
                        "n_seeds": 2,
                        "failed": False,
                    }
                )
    return pd.DataFrame(rows)


def write_ready(folder: Path, frame: pd.DataFrame, table: str = "scores", schema: pa.Schema = SCORES) -> None:
    """A folder of results that has one table of the analysis."""
    write_table(frame, schema, folder / "analyse" / f"{table}.parquet")
