"""Types of study files for places in a model, and for what is added there."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Signed = Annotated[float, Field(ge=-1e12, le=1e12)]
"""A coefficient, of either sign."""
Site = Annotated[str, Field(pattern=r"^(embed|resid_post\.(0|[1-9][0-9]*)|final_norm)$")]
"""`embed`, `resid_post.i` (after block i, from 0) or `final_norm`; see `inoc.vectors.sites`."""
Depth = Annotated[float, Field(ge=0, le=1)]
"""A share of a model's blocks: of L blocks, the site after block ⌊share · L⌋, and after the last one for 1."""
