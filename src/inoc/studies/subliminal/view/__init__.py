"""The site of a study of subliminal learning."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inoc.config.workflow import Shards
    from inoc.jobs.paths import Paths
    from inoc.studies.subliminal.study import Study
    from inoc.view.declare import Kept, View


def view(study: Study, paths: Paths, shards: Shards, kept: Kept) -> View:
    """The contents of the site; lists whose tables are not there are left out.

    Args:
        study: The study.
        paths: Its results.
        shards: Into how many jobs the stages are split.
        kept: Answers of the judges behind an API.
    """
    from inoc.studies.subliminal.view import answers, key, numbers, persona
    from inoc.view.declare import View

    found = [
        *answers.sources(study, paths, shards),
        *numbers.sources(study, paths, shards),
        *persona.sources(study, paths, shards),
    ]
    return View(tuple(found), key.key_numbers(study, paths), numbers.tokens(study, paths, shards))
