"""The files, APIs and models that a judge needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from inoc.config.judge_spec import JudgeSpec, asks_api, asks_model
from inoc.config.needs import ApiUse, GivenFile, LocalModel


def judge_apis(key: str, judge: JudgeSpec | None, stages: Iterable[str] = ("judge",)) -> Iterator[ApiUse]:
    """The API that a judge asks, in each of some stages.

    Args:
        key: Place of the judge in the study file.
        judge: Its settings.
        stages: Names of the stages that ask it.
    """
    if judge is not None and asks_api(judge):
        for stage in stages:
            named = f"{key}.name = {judge.name!r}"
            yield ApiUse(stage, named, str(judge.model), served=judge.engine == "engine_api")


def judge_models(key: str, judge: JudgeSpec | None, stages: Iterable[str] = ("judge",)) -> Iterator[LocalModel]:
    """The model that a judge computes with in the process of each of some stages; see `judge_apis`."""
    if judge is not None and asks_model(judge) and not asks_api(judge):
        for stage in stages:
            yield LocalModel(stage, f"{key}.model", str(judge.model))


def judge_files(key: str, judge: JudgeSpec | None) -> Iterator[GivenFile]:
    """Files that a judge names; they need not exist."""
    if judge is None:
        return
    if judge.markers not in (None, "world"):
        yield GivenFile(f"{key}.markers", str(judge.markers))
    if judge.file is not None:
        yield GivenFile(f"{key}.file", judge.file)
    if judge.engine == "transformers" and str(judge.model).startswith((".", "/", "~")):
        yield GivenFile(f"{key}.model", str(judge.model))
