"""Draw the figures of a study, several at a time."""

from __future__ import annotations

import importlib
import json
import multiprocessing
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, NamedTuple

from inoc.errors import ConfigError, DataError, InocError
from inoc.figures.entries import (
    Entry,
    S,
    Skipped,
    chosen_figures,
    drawn_by,
    entry_of,
    figure_names,
    skipped_figures,
)
from inoc.jobs.paths import Paths
from inoc.signals import kept_from_children
from inoc.store.core import write_text

if TYPE_CHECKING:
    from inoc.figures.sources import Sources
    from inoc.jobs.job import Job
    from inoc.plots.save import Drawing


class Written(NamedTuple):
    """A figure that has been written."""

    name: str
    nothing: str  # the reason why it has nothing to show; empty if it shows something


class Plan(NamedTuple, Generic[S]):
    """The figures of a study."""

    study: S
    entries: Sequence[Entry[S]]  # of the study's kind


def run(job: Job, plan: Plan[S]) -> str:
    """Write the figures that a study asks for, or the one that the job asks for, as SVG, PNG, CSV and caption.

    Args:
        job: Paths, progress, and how many figures to draw at the same time.
        plan: The study and the figures of its kind.

    Returns:
        One line for the log.

    Raises:
        ConfigError: If the job asks for a figure that there is not, or that does not apply to the study.
        DataError: If a table of the analysis is absent or lacks a column; names the figure.
    """
    study, entries = plan
    if job.only:
        return _draw_one(job, plan)
    names = chosen_figures(entries, study)
    chosen = [entry_of(entries, name) for name in names]
    empty: dict[str, str] = {}
    with job.progress("figures", len(names), "figures") as meter:
        for name, why in draw_all(study, job.paths, chosen, job.jobs):
            empty |= {name: why} if why else {}
            meter.advance(1)
    empty = {name: empty[name] for name in names if name in empty}
    skipped = [*skipped_figures(entries, study), *(Skipped(f"figure {name}", why) for name, why in empty.items())]
    further = [name for name in figure_names(entries, study) if name not in names]
    job.record["counts"] = {
        "figures": len(names) - len(empty),
        "skipped": len(skipped),
        **({"not asked for": len(further)} if further else {}),
    }
    _warn_of_boxes(job, names)
    # Written last: where it exists, every figure exists.
    listing = {
        "figures": names,
        "skipped": [one._asdict() for one in skipped],
        "nothing to show": list(empty),
        "not asked for": further,
    }
    write_text(job.paths.stage("figures") / "done.json", json.dumps(listing, indent=1) + "\n")
    more = f", {len(further)} that the study does not ask for" if further else ""
    words = f"{len(names) - len(empty)} figures, {len(skipped)} skipped{more}"
    return words + "".join(f"; {what}: {why}" for what, why in skipped)


def _draw_one(job: Job, plan: Plan[S]) -> str:
    """Draw the figure that is asked for by its name; the list of those that the study asks for stays as it is."""
    entry = entry_of(plan.entries, job.only)
    if why := entry.missing(plan.study):
        raise ConfigError(f"{plan.study.name} has no figure {entry.name}: {why}")
    nothing = write_figure(plan.study, job.paths, entry)
    return f"nothing to show: {nothing}" if nothing else str(job.paths.stage("figures") / f"{entry.name}.svg")


def _warn_of_boxes(job: Job, names: Sequence[str]) -> None:
    boxes = _without_font(job.paths, names)
    if boxes:
        job.record["characters without a font"] = boxes
        warnings.warn(
            f"no font of this machine has {len(boxes)} characters of the figures, for which boxes are drawn in PNG: "
            f"{boxes[:_MOST_SHOWN]}. Install one that has them (for Chinese, Japanese and Korean: fonts-noto-cjk), "
            "and draw the figures again; SVG is shown with the fonts of the reader",
            stacklevel=1,
        )


def _without_font(paths: Paths, names: Sequence[str]) -> str:
    from inoc.plots.glyphs import lacking

    return lacking((paths.stage("figures") / f"{name}.svg").read_text(encoding="utf-8") for name in names)


_MOST_SHOWN = 40


def draw_all(study: S, paths: Paths, entries: Sequence[Entry[S]], jobs: int = 1) -> Iterator[Written]:
    """Draw and write figures; the bytes do not depend on the number of processes.

    Args:
        study: Of which study.
        paths: Where its tables are and its figures go.
        entries: Which figures.
        jobs: How many to draw at the same time, each in a process of its own; 1 draws in this process.

    Yields:
        Each figure when it is written; with several processes, in the order in which they finish.

    Raises:
        DataError: As for `run`; figures that have not been begun are then left out.
    """
    jobs = min(jobs, len(entries))
    if jobs < 2:
        for entry in entries:
            yield Written(entry.name, write_figure(study, paths, entry))
        return
    # Not forked from this process, which may have threads.
    pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))
    try:
        with kept_from_children():
            futures = {pool.submit(write_figure, study, paths, entry): entry.name for entry in entries}
        for future in as_completed(futures):
            yield Written(futures[future], future.result())
    except BrokenProcessPool as error:
        msg = "a process that draws figures was ended from outside, probably for lack of memory; try --jobs 1"
        raise InocError(msg) from error
    finally:
        pool.shutdown(cancel_futures=True)


def write_figure(study: S, paths: Paths, entry: Entry[S]) -> str:
    """Draw one figure and write it in its four forms, also if it has nothing to show.

    Args:
        study: Of which study.
        paths: Where its tables are and its figures go.
        entry: Which.

    Returns:
        The reason why it has nothing to show; empty if it shows something.

    Raises:
        DataError: If a table of the analysis is absent or lacks a column; names the figure.
    """
    from inoc.figures.sources import Sources
    from inoc.plots.dots import nothing_shown
    from inoc.plots.save import save

    with _naming(entry.name):
        drawing = draw_figure(entry, study, Sources(paths))
        save(drawing, paths.stage("figures") / entry.name)
    return nothing_shown(drawing.figure)


@contextmanager
def _naming(name: str) -> Iterator[None]:
    try:
        yield
    except InocError as error:
        raise DataError(f"figure {name}: {error}") from error
    except Exception as error:
        error.add_note(f"This happened while drawing the figure {name}.")
        raise


def draw_figure(entry: Entry[S], study: S, sources: Sources) -> Drawing:
    """Draw one figure.

    Args:
        entry: Which.
        study: Of which study.
        sources: Its tables.
    """
    from inoc.plots.style import house_style

    module, name = drawn_by(entry)
    draw: Callable[..., Drawing] = getattr(importlib.import_module(module), name)
    with house_style():
        return draw(study, sources, *entry.arguments)
