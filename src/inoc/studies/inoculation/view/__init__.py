"""The site of an inoculation study."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inoc.config.workflow import Shards
    from inoc.jobs.paths import Paths
    from inoc.studies.inoculation.study import Study
    from inoc.view.declare import Kept, View


def view(study: Study, paths: Paths, shards: Shards, kept: Kept) -> View:
    """The contents of the site; lists whose tables are not there are left out.

    Args:
        study: The study.
        paths: Its results.
        shards: Into how many jobs the stages are split.
        kept: Answers of the judges behind an API.
    """
    from inoc.studies.inoculation.view import examples, numbers, rows
    from inoc.view.declare import View

    found = [*rows.sources(study, paths, kept), *examples.sources(study, paths)]
    return View(
        tuple(found),
        numbers.key_numbers(study, paths),
        examples.tokens(study, paths),
        tuple(rows.absent(study, paths)),
    )
