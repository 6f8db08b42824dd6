"""The work of reading activations for a study of preferences."""

from __future__ import annotations

from pathlib import Path

from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.jobs.work import FilesOf, Settings, SettingsOf, Work, plain
from inoc.probe.files import probe_files
from inoc.studies.preferences.reading import PARTS, part_of, read_folders, reads
from inoc.studies.preferences.roles import inside_model, read_completer
from inoc.studies.preferences.study import Study
from inoc.studies.preferences.texts import completion_files

_PLANS = "inoc.studies.preferences.probe_plans"
_FILES = ("tasks", "model.chat_template")


def read_files(study: Study, paths: Paths, shards: Shards) -> list[Path]:
    """The rows of all parts of `read` that probes take."""
    n = shards.get("read", 1)
    parts = dict.fromkeys(part_of(probe) for probe in study.probes.values())
    return [folder / "rows.parquet" for part in parts for folder in read_folders(paths, part, n)]


def probed(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    """Files of the stage `probe`; none for a study without probes."""
    return probe_files(paths.stage("probe")) if study.probes else []


def _read(part: str) -> SettingsOf:
    def settings(study: Study, shard: int, shards: Shards) -> Settings:
        own = [probe for probe in study.probes.values() if part_of(probe) == part]
        found: Settings = {
            "tasks": plain(study.tasks),
            "model": plain(study.model),
            "read": plain(study.models[inside_model(study)], but=("label",)),
            "places": [[list(probe.sites), list(probe.readouts)] for probe in own],
        }
        if part == "prompts":
            steered = {"site": study.steering.site} if study.inside.refusal and study.steering is not None else {}
            return {**found, "refusal": study.inside.refusal, **steered}
        completers = list(dict.fromkeys(read_completer(study, probe) for probe in own))
        return {**found, "completers": completers, "seeds": list(study.completions.seeds)}

    return settings


def _outputs(part: str) -> FilesOf:
    def outputs(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
        return [paths.part("read", part, shard) / "rows.parquet"]

    return outputs


def _inputs(part: str) -> FilesOf:
    def inputs(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
        return completion_files(study, paths, shards) if part == "completions" else []

    return inputs


def _work(part: str) -> Work:
    return Work(
        "read",
        _read(part),
        f"{_PLANS}:read",
        _outputs(part),
        _inputs(part),
        given=_FILES,
        wanted=lambda study: reads(study, part),
        part=part,
        loads_model=True,
    )


READ = tuple(_work(part) for part in PARTS)
