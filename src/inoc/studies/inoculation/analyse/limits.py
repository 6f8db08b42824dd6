"""The smallest number of prompts that a method needs. Known without data, so that figures can be listed in advance."""

from __future__ import annotations

from typing import Final

FEWEST_TO_CLASSIFY: Final = 20
"""Prompts: each half then has two for each coefficient of the classifier."""
