"""Write the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inoc.plots.save import write_bytes
from inoc.report.page import contents, html, markdown, page_figures, skipped_things

if TYPE_CHECKING:
    from inoc.jobs.job import Job
    from inoc.studies.inoculation.study import Study


def run(job: Job, study: Study) -> str:
    """Write `appendix.md` and `appendix.html`, which holds its figures.

    Args:
        job: Study, paths and progress.

    Returns:
        One line for the log.

    Raises:
        DataError: If a manifest or table cannot be read.
    """
    folder = job.paths.stage("report")
    folder.mkdir(parents=True, exist_ok=True)
    with job.progress("report", 2, "pages") as meter:
        text = markdown(contents(study, job.paths, job.present))
        write_bytes(folder / "appendix.md", text.encode())
        meter.advance(1)
        page = html(text, study.title, folder)
        write_bytes(folder / "appendix.html", page.encode())
        meter.advance(1)
    drawn, skipped = page_figures(study, job.paths), skipped_things(study, job.paths)
    job.record["counts"] = {"figures": len(drawn), "skipped": len(skipped), "bytes": len(page.encode())}
    return f"a page with {len(drawn)} figures, {len(skipped)} things skipped, {len(page) / 1e6:.1f} MB"
