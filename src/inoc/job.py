"""What a stage is given: the study, where things are, and how to say how far it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from inoc.config.models import Shards, Study
from inoc.digest import Json
from inoc.paths import Paths
from inoc.progress import Meter, metered
from inoc.store import Store


@dataclass
class Job:
    """One job of one stage.

    Attributes:
        study: The study.
        paths: Its artefacts.
        store: What has been computed.
        stage: Name of the stage.
        shard: Which shard of the stage; 0 if it is not split.
        shards: Into how many shards the stages are split.
        part: For `judge`: `elicit` or `evaluate`.
        jobs: For `figures`: how many to draw at the same time.
        record: What else the manifest is to say: counts, the model's identity, a rendered example, warnings.
    """

    study: Study
    paths: Paths
    store: Store
    stage: str
    shard: int = 0
    shards: Shards = field(default_factory=Shards)
    part: str = ""
    jobs: int = 1
    record: dict[str, Json] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The job's name within its study, as in its manifest and its heartbeat."""
        return "-".join([self.stage, *([self.part] if self.part else []), str(self.shard)])

    @property
    def heartbeat(self) -> Path:
        """The file that says how far the job is."""
        return self.paths.stage("status") / f"{self.name}.json"

    @contextmanager
    def progress(self, label: str, total: int, unit: str) -> Iterator[Meter]:
        """Show and record how far a step is."""
        with metered(label, total, unit, self.heartbeat) as meter:
            yield meter
