"""The section of sentence embeddings."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from inoc.config.limits import Pool, Width
from inoc.config.models import Model


class EmbeddingSpec(Model):
    """Sentence embeddings of the prompts and their rephrasings."""

    provider: Literal["sentence_transformers", "openai"] = Field(
        "sentence_transformers",
        description="`sentence_transformers`: a local model; `openai`: a model behind an API.",
    )
    model: str = Field(
        "minilm",
        description="For `sentence_transformers`: `minilm` (all-MiniLM-L6-v2, which the extra `embed` contains), a "
        "folder or a hub id; for `openai`: name of the model in the API.",
    )
    revision: str | None = Field(None, description="Hub commit. Set it for a hub id to make results reproducible.")
    dimensions: Width | None = Field(None, ge=2, description="Number of leading dimensions to keep; default: all.")
    rephrasings: Pool | None = Field(
        None, ge=2, description="Number of rephrasings to embed, the first of each pool; default: all."
    )
