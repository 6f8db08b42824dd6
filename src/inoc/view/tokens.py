"""Log-probabilities of single tokens on the site, in blocks of some answers each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from inoc.errors import DataError

if TYPE_CHECKING:
    from inoc.view.data import Written
    from inoc.view.declare import TokenRows, Tokens

BLOCK = 25
"""Answers of one block: each is read at once when one of its answers is looked at."""
SCALE = 1000.0
"""Values are kept as whole thousandths of a nat, which are smaller in a file than their last digits are worth."""


def write_tokens(tokens: Tokens, data: Written) -> dict[str, int]:
    """Write all blocks; answer → number of its block."""
    blocks = tokens.blocks(BLOCK)
    found: dict[str, int] = {}
    for number, start in enumerate(range(0, len(blocks.answers), BLOCK)):
        answers = blocks.answers[start : start + BLOCK]
        table = block_table(blocks.read(answers))
        if table.num_rows:
            data.write(f"tokens-{tokens.name}-{number}", table)
            found |= dict.fromkeys(answers, number)
    return found


def block_table(found: TokenRows) -> pa.Table:
    """One block: a row per answer and condition. The texts of the tokens stand in the answer's first row."""
    rows = found.rows
    seen: set[str] = set()
    pieces: list[list[str] | None] = []
    for answer in rows["answer"]:
        pieces.append(None if answer in seen else found.pieces.get(answer))
        seen.add(answer)
    values = [np.asarray(one, dtype=np.float64) for one in rows["logprobs"]]
    lengths = [len(one) for one in values]
    flat = np.concatenate(values) if values else np.empty(0)
    if (known := flat[np.isfinite(flat)]).size and known.max() > 1e-3:
        raise DataError("a log-probability is above 0. Run `inoc score` again")
    rounded = pa.array(np.where(np.isfinite(flat), flat, 0.0) * SCALE).cast(pa.float64())
    whole = np.round(rounded.to_numpy()).astype(np.int32)
    listed = pa.array(whole, mask=~np.isfinite(flat))
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    return pa.table(
        {
            "answer": pa.array(rows["answer"].tolist(), pa.string()),
            "condition": pa.array(rows["condition"].tolist(), pa.string()),
            "logprobs": pa.ListArray.from_arrays(offsets, listed),
            "pieces": pa.array(pieces, pa.list_(pa.string())),
        }
    )
