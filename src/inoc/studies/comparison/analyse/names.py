"""Names of the tables that the analysis writes, for every study; light, so that a workflow can declare them."""

from __future__ import annotations

from typing import Final

TABLES: Final = ("compared", "differences", "agreement")
