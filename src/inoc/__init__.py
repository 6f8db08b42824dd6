"""Measure the effects of training data and prompts on a language model's behaviour.

Public are `load`, `score`, `judge`, `read`, `Results` and `__version__`; docs/python.md describes them. Everything
else is private: names and arguments change without notice.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
__all__ = ["Results", "__version__", "judge", "load", "read", "score"]

# Named by strings and imported when they are used: an import of `inoc` takes no time, and no part of the package
# depends on this list by depending on the version.
_PLACES = {"Results": "inoc.python.results", "load": "inoc.python.results"}
_PACKAGES = ("judge", "read", "score")


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    if name in _PACKAGES:  # these are functions too
        return import_module(f"inoc.{name}")
    raise AttributeError(f"module 'inoc' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
