"""Draw the figures of a study."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from inoc.config.models import Study
from inoc.figures.catalogue import Entry, entry_of, figure_names, skipped_figures
from inoc.figures.sources import Sources
from inoc.plots.save import Drawing, save, write_bytes
from inoc.plots.style import house_style

if TYPE_CHECKING:
    from inoc.job import Job


def run(job: Job) -> str:
    """Write every figure of `figure_names` as SVG, PNG, CSV and caption.

    Args:
        job: Study, paths and progress.

    Returns:
        One line for the log.

    Raises:
        DataError: If a table of the analysis is absent or lacks a column.
    """
    names = figure_names(job.study)
    sources = Sources(job.paths)
    with job.progress("figures", len(names), "figures") as meter:
        for name in names:
            save(draw_figure(entry_of(name), job.study, sources), job.paths.stage("figures") / name)
            meter.advance(1)
    skipped = skipped_figures(job.study)
    job.record["counts"] = {"figures": len(names), "skipped": len(skipped)}
    # Written last: whoever finds it finds every figure.
    listing = {"figures": names, "skipped": [one._asdict() for one in skipped]}
    write_bytes(job.paths.stage("figures") / "done.json", (json.dumps(listing, indent=1) + "\n").encode())
    return f"{len(names)} figures, {len(skipped)} skipped" + "".join(f"; {what}: {why}" for what, why in skipped)


def draw_figure(entry: Entry, study: Study, sources: Sources) -> Drawing:
    """Draw one figure.

    Args:
        entry: Which.
        study: Of which study.
        sources: Its tables.
    """
    module, _, name = entry.draws.partition(":")
    draw: Callable[[Study, Sources], Drawing] = getattr(importlib.import_module(module), name)
    with house_style():
        return draw(study, sources)
