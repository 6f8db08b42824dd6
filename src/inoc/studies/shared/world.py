"""The stage `world`, which makes the miniature world of a study alike for every kind."""

from __future__ import annotations

from inoc.config.models import BaseStudy, ModelStudy, WorldSpec
from inoc.config.workflow import Shards
from inoc.errors import ConfigError
from inoc.jobs.job import Job
from inoc.jobs.work import Settings, SettingsOf, Work, plain


def spec_of(study: BaseStudy, found: WorldSpec | None, key: str = "world") -> WorldSpec:
    """A section that describes a miniature world.

    Args:
        study: The study.
        found: Its section, if it has it.
        key: Place of the section in the study file.

    Raises:
        ConfigError: If the study has none.
    """
    if found is None:
        msg = f"study {study.name} has no section `{key}`; add one, `{key}: {{}}` for its defaults"
        raise ConfigError(msg)
    return found


def plan(study: ModelStudy, job: Job, shards: Shards) -> WorldSpec:
    """The miniature world of a study.

    Raises:
        ConfigError: If the study has none.
    """
    return spec_of(study, study.world)


def settings(study: ModelStudy, shard: int, shards: Shards) -> Settings:
    """The slice of a study that its miniature world depends on."""
    return {"world": plain(study.world)}


def world_work(settings: SettingsOf = settings, plan: str = f"{__name__}:plan") -> Work:
    """The work of the stage for the study's own model.

    Args:
        settings: The slice of the study, of a kind whose world depends on more than its section.
        plan: Reference to the plan, of such a kind.
    """
    return Work(
        "world",
        settings,
        plan,
        lambda study, paths, shards, shard: [paths.world() / "world.json", paths.world_model],
        wanted=lambda study: study.model.path == "world",
    )
