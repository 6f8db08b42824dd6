"""Write the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inoc.plots.save import write_bytes
from inoc.report.page import front_html, html, markdown, page_figures, page_values, skipped_things

if TYPE_CHECKING:
    from inoc.jobs.job import Job
    from inoc.report.contents import Contents


def run(job: Job, contents: Contents) -> str:
    """Write `appendix.md`, its beginning `front.html` for other pages, and `appendix.html`, which holds its figures.

    Args:
        job: Paths and progress.
        contents: Of the study, from its kind.

    Returns:
        One line for the log.

    Raises:
        DataError: If a manifest or table cannot be read.
    """
    folder = job.paths.stage("report")
    folder.mkdir(parents=True, exist_ok=True)
    with job.progress("report", 3, "pages") as meter:
        values = page_values(contents, job.paths, job.present)
        text = markdown(values)
        write_bytes(folder / "appendix.md", text.encode())
        meter.advance(1)
        front = front_html(markdown(values, "front.md.j2"), folder)
        write_bytes(folder / "front.html", front.encode())
        meter.advance(1)
        page = html(text, contents["title"], folder)
        write_bytes(folder / "appendix.html", page.encode())
        meter.advance(1)
    drawn, skipped = page_figures(contents, job.paths), skipped_things(contents, job.paths)
    job.record["counts"] = {"figures": len(drawn), "skipped": len(skipped), "bytes": len(page.encode())}
    return f"a page with {len(drawn)} figures, {len(skipped)} things skipped, {len(page) / 1e6:.1f} MB"
