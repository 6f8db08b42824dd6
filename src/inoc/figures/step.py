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

from inoc.errors import DataError, InocError
from inoc.figures.entries import Entry, S, drawn_by, entry_of, figure_names, skipped_figures
from inoc.jobs.paths import Paths
from inoc.store.core import write_text

if TYPE_CHECKING:
    from inoc.figures.sources import Sources
    from inoc.jobs.job import Job
    from inoc.plots.save import Drawing


class Plan(NamedTuple, Generic[S]):
    """The figures of a study."""

    study: S
    entries: Sequence[Entry[S]]  # of the study's kind


def run(job: Job, plan: Plan[S]) -> str:
    """Write every figure that a study has as SVG, PNG, CSV and caption.

    Args:
        job: Paths, progress, and how many figures to draw at the same time.
        plan: The study and the figures of its kind.

    Returns:
        One line for the log.

    Raises:
        DataError: If a table of the analysis is absent or lacks a column; names the figure.
    """
    study, entries = plan
    names = figure_names(entries, study)
    chosen = [entry_of(entries, name) for name in names]
    with job.progress("figures", len(names), "figures") as meter:
        for _ in draw_all(study, job.paths, chosen, job.jobs):
            meter.advance(1)
    skipped = skipped_figures(entries, study)
    job.record["counts"] = {"figures": len(names), "skipped": len(skipped)}
    boxes = _without_font(job.paths, names)
    if boxes:
        job.record["characters without a font"] = boxes
        warnings.warn(
            f"no font of this machine has {len(boxes)} characters of the figures, for which boxes are drawn in PNG: "
            f"{boxes[:_MOST_SHOWN]}. Install one that has them (for Chinese, Japanese and Korean: fonts-noto-cjk), "
            "and draw the figures again; SVG is shown with the fonts of the reader",
            stacklevel=1,
        )
    # Written last: where it exists, every figure exists.
    listing = {"figures": names, "skipped": [one._asdict() for one in skipped]}
    write_text(job.paths.stage("figures") / "done.json", json.dumps(listing, indent=1) + "\n")
    return f"{len(names)} figures, {len(skipped)} skipped" + "".join(f"; {what}: {why}" for what, why in skipped)


def _without_font(paths: Paths, names: Sequence[str]) -> str:
    from inoc.plots.glyphs import lacking

    return lacking((paths.stage("figures") / f"{name}.svg").read_text(encoding="utf-8") for name in names)


_MOST_SHOWN = 40


def draw_all(study: S, paths: Paths, entries: Sequence[Entry[S]], jobs: int = 1) -> Iterator[str]:
    """Draw and write figures; the bytes do not depend on the number of processes.

    Args:
        study: Of which study.
        paths: Where its tables are and its figures go.
        entries: Which figures.
        jobs: How many to draw at the same time, each in a process of its own; 1 draws in this process.

    Yields:
        The name of each figure when it is written; with several processes, in the order in which they finish.

    Raises:
        DataError: As for `run`; figures that have not been begun are then left out.
    """
    jobs = min(jobs, len(entries))
    if jobs < 2:
        for entry in entries:
            write_figure(study, paths, entry)
            yield entry.name
        return
    # Not forked from this process, which may have threads.
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = {pool.submit(write_figure, study, paths, entry): entry.name for entry in entries}
        try:
            for future in as_completed(futures):
                future.result()
                yield futures[future]
        except BrokenProcessPool as error:
            msg = "a process that draws figures was ended from outside, probably for lack of memory; try --jobs 1"
            raise InocError(msg) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def write_figure(study: S, paths: Paths, entry: Entry[S]) -> None:
    """Draw one figure and write it in its four forms.

    Args:
        study: Of which study.
        paths: Where its tables are and its figures go.
        entry: Which.

    Raises:
        DataError: If a table of the analysis is absent or lacks a column; names the figure.
    """
    from inoc.figures.sources import Sources
    from inoc.plots.save import save

    with _naming(entry.name):
        save(draw_figure(entry, study, Sources(paths)), paths.stage("figures") / entry.name)


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
