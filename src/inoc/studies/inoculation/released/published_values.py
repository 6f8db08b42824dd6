"""Self-perplexity and embeddings of prompts, as the study's own table has them."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from inoc.studies.inoculation.analyse.released_values import STATISTICS
from inoc.studies.inoculation.released.logprobs import UNKNOWN_LENGTH
from inoc.studies.inoculation.released.published import Published
from inoc.tables import SELF_PERPLEXITY

CONTEXTS = {"selfperp_raw": "raw", "selfperp_ctx": "ctx"}


def self_perplexity_rows(table: Published, prompts: Collection[str]) -> pd.DataFrame:
    """Rows of `tables.SELF_PERPLEXITY` for prompts of the study; without tokens, and their number unknown (-1)."""
    rows = [
        (prompt, context, UNKNOWN_LENGTH, value, np.empty(0, dtype=np.float32))
        for column, context in CONTEXTS.items()
        for prompt, value in table.of_prompt(column).items()
        if prompt in prompts
    ]
    return pd.DataFrame(rows, columns=SELF_PERPLEXITY.names)


def has_embeddings(table: Published, prompts: Collection[str]) -> bool:
    """Whether statistics of embeddings are known of some prompt of the study."""
    return any(prompt in prompts for column in STATISTICS for prompt in table.of_prompt(column))
