"""Entries in which a kind of study declares its figures; names, reasons and drawing follow from them.

The workflow asks for names to know the files, so nothing here imports a plotting library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from inoc.config.models import BaseStudy
from inoc.errors import ConfigError, did_you_mean

SUFFIXES = ("svg", "png", "csv", "rst")
"""Forms in which every figure is written."""
S = TypeVar("S", bound=BaseStudy)


class Entry(NamedTuple, Generic[S]):
    """One figure of a kind of study `S`. It can be pickled if its functions are those of a module."""

    name: str
    title: str
    draws: str  # `module:function`, imported when it is drawn
    needs: tuple[str, ...]  # tables of the analysis that must be there
    category: str  # in Snakemake's report
    labels: Mapping[str, str]  # in Snakemake's report
    missing: Callable[[S], str]  # reason why a study lacks it; empty if it has it
    arguments: tuple[str, ...] = ()  # of `draws`, after the study and its tables
    core: bool | Callable[[S], bool] = False  # whether it shows a main result: drawn by default, first on the page


class Skipped(NamedTuple):
    """A figure that a study does not have."""

    what: str
    why: str


def figure_names(entries: Sequence[Entry[S]], study: S) -> list[str]:
    """Figures that a study can have, in the order of the entries. The study alone decides, whatever its tables hold.

    Args:
        entries: Of the study's kind.
        study: The study.
    """
    return [entry.name for entry in entries if not entry.missing(study)]


def chosen_figures(entries: Sequence[Entry[S]], study: S) -> list[str]:
    """Figures that a study asks for: those of its main results, or all with `figures: all`.

    A study that can have none of the main figures has all that it can have.

    Args:
        entries: Of the study's kind.
        study: The study.
    """
    names = figure_names(entries, study)
    core = [entry.name for entry in entries if entry.name in names and is_core(entry, study)]
    return names if study.figures == "all" or not core else core


def is_core(entry: Entry[S], study: S) -> bool:
    """Whether a figure shows a main result of a study.

    Args:
        entry: The figure.
        study: The study.
    """
    return entry.core if isinstance(entry.core, bool) else entry.core(study)


def skipped_figures(entries: Sequence[Entry[S]], study: S) -> list[Skipped]:
    """Figures that do not apply to a study, each with the reason.

    Args:
        entries: Of the study's kind.
        study: The study.
    """
    return [Skipped(f"figure {entry.name}", why) for entry in entries if (why := entry.missing(study))]


def entry_of(entries: Sequence[Entry[S]], name: str) -> Entry[S]:
    """The entry of a figure.

    Args:
        entries: Of a kind of study.
        name: Of the figure.

    Raises:
        ConfigError: If there is no such figure.
    """
    for entry in entries:
        if entry.name == name:
            return entry
    known = [entry.name for entry in entries]
    raise ConfigError(f"there is no figure {name!r}; there are {', '.join(known)}{did_you_mean(name, known)}")


def drawn_by(entry: Entry[S]) -> tuple[str, str]:
    """Module and function that draw a figure."""
    module, _, function = entry.draws.partition(":")
    return module, function
