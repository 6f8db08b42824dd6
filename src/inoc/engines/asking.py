"""Tables of questions and their answers, as `elicit` and `evaluate` write them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from inoc.engines.sampling import Answer
from inoc.paths import Paths
from inoc.tables import COMPLETIONS, read_table


def evaluation_instructions(paths: Paths, n: int | None) -> pd.DataFrame:
    """The study's evaluation instructions, or the first n of them."""
    table = read_table(paths.instructions)
    return table if n is None else table.head(n)


def joined(rows: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Ways of asking, one below the other; an empty table if there is none."""
    answers = {"completion", "n_tokens", "finish"}
    columns = [name for name in COMPLETIONS.names if name not in answers]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=columns)


def with_answers(rows: pd.DataFrame, blocks: Sequence[Sequence[Answer]]) -> pd.DataFrame:
    """Questions with their answers, which come in the same order."""
    flat = [answer for block in blocks for answer in block]
    return rows.assign(
        completion=[answer.text for answer in flat],
        n_tokens=[answer.n_tokens for answer in flat],
        finish=[answer.finish for answer in flat],
    )
