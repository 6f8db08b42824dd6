"""The work of each stage for a study of preferences, with the slice of settings that each depends on."""

from __future__ import annotations

from pathlib import Path

from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.jobs.work import Settings, Work, plain
from inoc.stages import load
from inoc.studies.preferences import KIND, analyse
from inoc.studies.preferences.study import Study

_PLANS = "inoc.studies.preferences.plans"


def _world(study: Study, shard: int, shards: Shards) -> Settings:
    return {"world": plain(study.world)}


def _all(study: Study, shard: int, shards: Shards) -> Settings:
    return {"study": plain(study, but=("kind",))}


def tables(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    """Every table of the analysis; `skipped.json`, which is written last, says what is missing from them."""
    return [paths.stage("analyse") / "skipped.json", *(paths.table(name) for name in load(KIND.tables))]


WORK = (
    Work(
        "world",
        _world,
        f"{_PLANS}:world",
        lambda study, paths, shards, shard: [paths.stage("world") / "world.json", paths.world_model],
        wanted=lambda study: study.model.path == "world",
    ),
    Work("analyse", _all, f"{_PLANS}:analyse", tables, version=analyse.VERSION),
    Work(
        "figures",
        _all,
        f"{_PLANS}:figures",
        lambda study, paths, shards, shard: [paths.stage("figures") / "done.json"],
        tables,
    ),
    Work(
        "report",
        _all,
        f"{_PLANS}:report",
        lambda study, paths, shards, shard: [paths.stage("report") / "appendix.html"],
        lambda study, paths, shards, shard: [paths.stage("figures") / "done.json"],
    ),
)
