"""The errors that users see. Each one names the thing, its value, what would be accepted and what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InocError(Exception):
    """Base of every error that the command line reports without a traceback."""


class ConfigError(InocError, ValueError):
    """A study or workflow file asks for something that cannot be run."""


class DataError(InocError, ValueError):
    """A table or text does not have the form that the step needs."""


class JudgeError(InocError, RuntimeError):
    """A judge could not score, or scores of two judges would be mixed."""


class ModelError(InocError, RuntimeError):
    """A model, tokenizer or adapter could not be loaded, or failed its check."""


class ApiError(InocError, RuntimeError):
    """An API could not be asked, or did not answer."""


class BudgetError(ApiError):
    """A request could cost more than is left of the budget."""


class MissingExtraError(InocError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(package, extra)
        self.package, self.extra = package, extra

    def __str__(self) -> str:
        return f'the package {self.package!r} is needed here. Install it with: pip install "inoc[{self.extra}]"'


def did_you_mean(value: str, accepted: Iterable[str]) -> str:
    """A hint with the nearest accepted value, or the empty string if none is near.

    Args:
        value: What was written.
        accepted: What would be valid.
    """
    near = difflib.get_close_matches(value, list(accepted), n=1, cutoff=0.6)
    return f' (did you mean "{near[0]}"?)' if near else ""
