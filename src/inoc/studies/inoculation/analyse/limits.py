"""How much a method needs before it says anything. Known without any data, so that figures can be foretold."""

from __future__ import annotations

from typing import Final

FEWEST_TO_CLASSIFY: Final = 20
"""Prompts: each half then has two for each coefficient of the classifier."""
