"""Completions to judge."""

from __future__ import annotations

import pandas as pd

from inoc.jobs.job import Job
from inoc.tables import COMPLETIONS, write_table


def write_completions(job: Job, texts: list[str]) -> None:
    """The untrained model's answers to one question."""
    frame = pd.DataFrame({"completion": texts, "instruction": "Why?"}).assign(
        **dict.fromkeys(("prompt", "asked_prompt", "prefix_text"), ""),
        **dict.fromkeys(("prefix", "asked_prefix"), "none"),
        run="base",
        learning_rate=float("nan"),
        seed=-1,
        step=0,
        condition="default",
        instruction_id=[f"eval{k:05d}" for k in range(len(texts))],
        n_tokens=3,
        finish="stop",
    )
    write_table(frame, COMPLETIONS, job.paths.completions("elicit", 0))
