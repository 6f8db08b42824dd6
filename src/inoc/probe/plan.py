"""Plan of the stage `probe`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from inoc.config.embedding import EmbeddingSpec
from inoc.errors import ConfigError
from inoc.stats.means import Floats
from inoc.stats.probes.logistic import Observed
from inoc.stats.probes.probing import Settings

BASELINES = ("origin", "length", "refused", "embedding", "words", "shuffled", "random")


@dataclass(frozen=True, kw_only=True)
class Target:
    """One probe: labels of tasks, and the activations that are to tell them.

    Attributes:
        name: Name of the probe.
        target: What its labels are.
        folders: Results folders of the stage `read`.
        chats: Ids of the chats of each task, whose activations are averaged; in one form or another, all were read.
        tasks: Ids of the tasks.
        texts: Their texts, for the baselines of words and length.
        origins: Their origins.
        groups: Group of each task, which is never split over folds; tasks with one text are joined besides.
        y: Labels; NaN for a task without one, which is left out.
        se: Their standard errors; NaN if they are not known.
        refused: 1 for a task that was refused, 0 for others, NaN if that is not known.
        pairs: For the method `pairs`: choices between tasks, by their places.
        weighted: Whether labels count by their uncertainty.
        sites: Names of sites.
        readouts: Names of read-outs.
        settings: Regression, folds and protocols.
        baselines: Names of baselines, of `BASELINES`.
    """

    name: str
    target: str
    folders: Sequence[Path]
    chats: Sequence[Sequence[str]]
    tasks: Sequence[str]
    texts: Sequence[str]
    origins: Sequence[str]
    groups: Sequence[str]
    y: Floats
    se: Floats
    refused: Floats
    pairs: Observed | None = None
    weighted: bool = True
    sites: Sequence[str]
    readouts: Sequence[str]
    settings: Settings
    baselines: Sequence[str] = BASELINES


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Probes of one model.

    Attributes:
        targets: The probes.
        folder: Results folder of the stage.
        model: Digest of the model's weights, which the vectors belong to.
        embedding: Sentence encoder of the baseline `embedding`; None leaves it out.
        refits: Number of refits of the intervals and null distributions of cosines.
        seed: Seed of their resamples.
        confidence: Of intervals of cosines.
        skipped: Probes that cannot be fitted → reason.
    """

    targets: Sequence[Target]
    folder: Path
    model: str
    embedding: EmbeddingSpec | None = None
    refits: int = 200
    seed: int = 0
    confidence: float = 0.95
    skipped: dict[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse what cannot be probed.

        Raises:
            ConfigError: If two probes have one name, a baseline does not exist, or columns differ in length.
        """
        names = [one.name for one in self.targets]
        if len(set(names)) < len(names):
            raise ConfigError(f"probes {names}: each needs a name of its own")
        for one in self.targets:
            unknown = set(one.baselines) - set(BASELINES)
            if unknown:
                raise ConfigError(f"probe {one.name}: baselines {sorted(unknown)}; accepted: {', '.join(BASELINES)}")
            columns = (one.chats, one.texts, one.origins, one.groups, one.y, one.se, one.refused)
            if {len(column) for column in columns} != {len(one.tasks)}:
                raise ConfigError(f"probe {one.name}: columns of {[len(c) for c in columns]} rows; one per task each")
