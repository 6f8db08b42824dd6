"""Packages that are functions too: `inoc.score` is a stage's package, and `inoc.score(…)` a public function."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from inoc.stages import load


class _Callable(ModuleType):
    """A package whose call is that of the function which `CALLED` names."""

    CALLED: str

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return load(self.CALLED)(*arguments, **options)


def make_callable(package: str, reference: str) -> None:
    """Let a package be called.

    Args:
        package: Its full name; it is being imported, or has been.
        reference: The function, as `module:attribute`. It is imported at the first call.
    """
    module = sys.modules[package]
    module.CALLED = reference  # type: ignore[attr-defined]
    module.__class__ = _Callable
