"""Upper limits of the numbers in study and workflow files.

They are far above any use. Without them a slip of the keyboard becomes a loop that does not end, an allocation that
fails or a number that is no longer finite, in a check or days later in a job; with them it is refused at once.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Rows = Annotated[int, Field(le=10_000_000)]
"""Number of rows, examples, questions, documents, or lines of text of any other kind."""
MOST_STEPS = 10_000_000
Steps = Annotated[int, Field(le=MOST_STEPS)]
"""Number of optimiser steps, or the number of one."""
Epochs = Annotated[int, Field(le=1_000)]
"""Number of passes, each with a checkpoint."""
Tokens = Annotated[int, Field(le=100_000_000)]
"""Number of tokens, of a text or of a batch."""
Batch = Annotated[int, Field(le=1_000_000)]
"""Number of sequences that are computed together."""
Few = Annotated[int, Field(le=10_000)]
"""Number of things that a person could still look at: answers per question, canaries, requests, jobs, threads."""
Pool = Annotated[int, Field(le=1_000_000)]
"""Number of rephrasings, or of resamples."""
Width = Annotated[int, Field(le=1_000_000)]
"""Size of a part of a model."""
Amount = Annotated[float, Field(le=1e12)]
"""A quantity that is not counted: a temperature, a learning rate, a price, a duration in seconds."""
Passes = Annotated[float, Field(le=1_000_000)]
"""Number of times that something is passed over or tried, perhaps in part."""
