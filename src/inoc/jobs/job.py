"""A job of a stage: its paths, its store and its progress."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

from inoc.config.workflow import ApiSpec
from inoc.digest import Json
from inoc.jobs.paths import Paths
from inoc.progress import Meter, metered
from inoc.store import Store

if TYPE_CHECKING:
    from inoc.api import Api
    from inoc.config.models import ModelSpec
    from inoc.engines.identity import ModelIdentity


@dataclass
class Job:
    """One job of one stage.

    Attributes:
        study: Name of the study.
        paths: Its artefacts.
        store: What has been computed.
        stage: Name of the stage.
        shard: Which shard of the stage; 0 if it is not split.
        part: Which part of the stage; empty if it has no parts.
        api_spec: The API that the workflow is to use.
        engine_api_spec: The one that serves the study's model, for the engine `api`.
        jobs: For `figures`: how many to draw at the same time.
        only: For `figures`: the one figure to draw; empty: those that the study asks for. Such a job is no job of the
            workflow's list, so it leaves no manifest.
        gpus: For `train`: how many train one run together.
        log: The file that messages go to as well.
        present: Names of all present jobs of the study, whose manifests count; None if they are not known.
        record: What else the manifest is to say: counts, the model's identity, a rendered example, warnings.
    """

    study: str
    paths: Paths
    store: Store
    stage: str
    shard: int = 0
    part: str = ""
    api_spec: ApiSpec = field(default_factory=ApiSpec)
    engine_api_spec: ApiSpec = field(default_factory=ApiSpec)
    jobs: int = 1
    only: str = ""
    gpus: int = 1
    log: Path | None = None
    present: frozenset[str] | None = None
    record: dict[str, Json] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The job's name within its study, as in its manifest and its heartbeat."""
        return job_name(self.stage, self.part, self.shard)

    @property
    def heartbeat(self) -> Path:
        """The job's heartbeat file."""
        return self.paths.stage("status") / f"{self.name}.json"

    def model(self, spec: ModelSpec, world: str = "") -> ModelIdentity:
        """The model of a study, found and digested; it is not loaded.

        Args:
            spec: As the study file names it.
            world: For the miniature model: the part of the stage `world` that makes it; empty for the whole stage.
        """
        from inoc.engines.identity import identify

        found = identify(spec, self.paths.world(world) / "model", self.store)
        self.record["model"] = {"path": spec.path, **found.as_key()}
        return found

    @cached_property
    def api(self) -> Api:
        """The API, whose counts and dollars go into the manifest."""
        from inoc.api import Api

        api = Api(self.api_spec, self.store.root, self.progress)
        self.record["api"] = api.record
        return api

    @cached_property
    def engine_api(self) -> Api:
        """The API that serves the study's model. It is asked live: such a server has no batches."""
        from inoc.api import Api

        spec = self.engine_api_spec.model_copy(update={"mode": "live"})
        api = Api(spec, self.store.root, self.progress)
        self.record["engine_api"] = api.record
        return api

    @contextmanager
    def progress(self, label: str, total: int, unit: str) -> Iterator[Meter]:
        """Show and record the progress of a step."""
        with metered(label, total, unit, self.heartbeat) as meter:
            yield meter
        self._note_work(label, unit, meter)

    def _note_work(self, label: str, unit: str, meter: Meter) -> None:
        """Add what a step did and took to the manifest, where `inoc plan --measured` finds this machine's rates."""
        known = cast("dict[str, dict[str, Json]]", self.record.setdefault("work", {}))
        before = known.get(label, {})
        took = {"done": meter.done, **meter.steady()._asdict()}
        sums = {name: round(cast("float", before.get(name, 0)) + value, 3) for name, value in took.items()}
        known[label] = {**sums, "unit": unit}


def job_name(stage: str, part: str, shard: int) -> str:
    """Name of a job within its study."""
    return "-".join([stage, *([part] if part else []), str(shard)])
