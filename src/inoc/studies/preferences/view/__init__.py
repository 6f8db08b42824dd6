"""The site of a study of preferences."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inoc.config.workflow import Shards
    from inoc.jobs.paths import Paths
    from inoc.studies.preferences.study import Study
    from inoc.view.declare import Kept, View


def view(study: Study, paths: Paths, shards: Shards, kept: Kept) -> View:
    """The contents of the site; lists whose tables are not there are left out.

    Args:
        study: The study.
        paths: Its results.
        shards: Into how many jobs the stages are split.
        kept: Answers of the judges behind an API.
    """
    from inoc.studies.preferences.view import answers, key, measured
    from inoc.view.declare import View

    found = [
        *measured.sources(study, paths, shards),
        *answers.sources(study, paths, shards),
    ]
    return View(tuple(found), key.key_numbers(study, paths), ())
