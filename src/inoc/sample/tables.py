"""The table of the stage `sample`."""

from __future__ import annotations

import pyarrow as pa

from inoc.tables import INDEX, NUMBER, STRING

ANSWERS = pa.schema(
    [
        ("id", STRING),
        ("sample", INDEX),  # which of the answers to the question, from 0
        ("adapter", STRING),  # digest; `base` for none
        ("vector", STRING),  # name of the vector that steers; empty for none
        ("coefficient", NUMBER),  # 0 without steering
        ("instruction", STRING),  # the last user turn
        ("completion", STRING),
        ("n_tokens", INDEX),
        ("finish", STRING),  # stop, or length if the completion was cut
    ]
)
"""`sample/<part>/<shard>/answers.parquet`. Key: id, sample."""
