"""Single rows by which a likelihood-shift study is compared with another."""

from __future__ import annotations

from collections.abc import Iterator

from inoc.analyse.comparable import Units
from inoc.config.workflow import Shards
from inoc.digest import digest
from inoc.jobs.paths import Paths
from inoc.studies.likelihood_shift.inputs import Column, columns, given_rows, is_import
from inoc.studies.likelihood_shift.study import Study, own_prompt


def cell_units(study: Study, paths: Paths, shards: Shards) -> Iterator[Units]:
    """The shift of each row of each dataset under each prompt, in nats per response token."""
    for one, names in _columns(study, paths, shards):
        for prompt, shifts in zip(one.prompts, one.shifts, strict=True):
            yield Units({"dataset": one.dataset, "prompt": prompt, "statistic": "mean"}, names, shifts)


def contrast_units(study: Study, paths: Paths, shards: Shards) -> Iterator[Units]:
    """The shift of each row under its dataset's own prompt less that under each other one."""
    for one, names in _columns(study, paths, shards):
        own = own_prompt(study, one.dataset)
        if own not in one.prompts:
            continue
        mine = one.shifts[one.prompts.index(own)]
        for other, shifts in zip(one.prompts, one.shifts, strict=True):
            if other != own:
                key = {"dataset": one.dataset, "prompt": own, "against": other, "controlled": False}
                yield Units(key, names, mine - shifts)


def _columns(study: Study, paths: Paths, shards: Shards) -> Iterator[tuple[Column, list[str]]]:
    """Each dataset, and a name of each of its rows that is the same only for the same row with the same answer."""
    for one in columns(study, paths, shards):
        known = {} if is_import(paths) else given_rows(study, paths, one.dataset, shards).responses
        yield one, [digest([row, known.get(row, "")]) for row in one.ids]
