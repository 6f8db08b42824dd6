"""The work of each stage for a comparison, with the slice of settings that each depends on."""

from __future__ import annotations

from pathlib import Path

from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.jobs.work import Settings, Work, drawn_and_reported
from inoc.stages import load
from inoc.studies.comparison import KIND, analyse
from inoc.studies.comparison.sides import table_files
from inoc.studies.comparison.study import Study

_PLANS = "inoc.studies.comparison.plans"
_SHOWN = {"title", "description", "figures", "name", "kind"}


def _analyse(study: Study, shard: int, shards: Shards) -> Settings:
    found = study.in_key(but=_SHOWN)
    for spec in found["studies"].values():
        del spec["label"]
    return found


def _figures(study: Study, shard: int, shards: Shards) -> Settings:
    return study.in_key(but={"description", "kind"})


def _report(study: Study, shard: int, shards: Shards) -> Settings:
    return {"study": study.in_key(but={"kind"})}


def _compared(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    """Tables of the compared studies, which their own jobs make if they are studies of the workflow."""
    return list(dict.fromkeys(path for files in table_files(study).values() for path in files))


def tables(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    """Every table of the analysis; `skipped.json`, which is written last, says what is missing from them."""
    return [paths.stage("analyse") / "skipped.json", *(paths.table(name) for name in load(KIND.tables))]


WORK = (
    Work("analyse", _analyse, f"{_PLANS}:analyse", tables, _compared, version=analyse.VERSION),
    *drawn_and_reported(_figures, _report, _PLANS, tables),
)
