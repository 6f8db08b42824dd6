"""Paths of all artefacts of a study."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Paths(NamedTuple):
    """Folders and files of one study. A stage's folder has the stage's name."""

    results: Path
    study: str

    def stage(self, stage: str) -> Path:
        """Folder of a stage."""
        return self.results / self.study / stage

    def part(self, stage: str, part: str, shard: int) -> Path:
        """Folder of one job of a stage that is split into parts."""
        return self.stage(stage) / part / str(shard)

    @property
    def world_model(self) -> Path:
        """The miniature model, as a Hugging Face folder."""
        return self.world() / "model"

    def world(self, part: str = "") -> Path:
        """Folder of a miniature world; with a part, of a further one."""
        return self.stage("world") / part if part else self.stage("world")

    @property
    def examples(self) -> Path:
        """Training examples, kept or not."""
        return self.stage("generate") / "train.parquet"

    @property
    def instructions(self) -> Path:
        """Evaluation instructions."""
        return self.stage("generate") / "eval.parquet"

    @property
    def controls(self) -> Path:
        """Control completions of the untrained model."""
        return self.stage("generate") / "controls.parquet"

    @property
    def pools(self) -> Path:
        """Rephrasings."""
        return self.stage("rephrase") / "pools.parquet"

    @property
    def spread(self) -> Path:
        """Distance of each pool from its prompt."""
        return self.stage("rephrase") / "spread.parquet"

    @property
    def embeddings(self) -> Path:
        """Sentence embeddings of the prompts."""
        return self.stage("embed") / "embeddings.parquet"

    def completions(self, stage: str, shard: int) -> Path:
        """Completions that a stage sampled."""
        return self.stage(stage) / f"completions-{shard}.parquet"

    def logprobs(self, shard: int) -> Path:
        """Token log-probabilities; shard 0 has those without a prefix."""
        return self.stage("score") / f"logprobs-{shard}.parquet"

    def bad_rows(self, shard: int) -> Path:
        """Rows of a shard's datasets that are not scored as they are."""
        return self.stage("score") / f"bad-rows-{shard}.parquet"

    def self_perplexity(self, shard: int) -> Path:
        """Self-perplexity of the prompts of a shard."""
        return self.stage("score") / f"self-perplexity-{shard}.parquet"

    def checkpoints(self, shard: int, part: str = "") -> Path:
        """Adapters of a shard of runs."""
        return self._trained(shard, part) / "checkpoints.parquet"

    def losses(self, shard: int, part: str = "") -> Path:
        """Loss curves of a shard of runs."""
        return self._trained(shard, part) / "losses.parquet"

    def _trained(self, shard: int, part: str) -> Path:
        return self.part("train", part, shard) if part else self.stage("train") / str(shard)

    def scores(self, source: str) -> Path:
        """Judge scores of the completions of a stage."""
        return self.stage("judge") / f"{source}.parquet"

    def table(self, name: str) -> Path:
        """A table of the analysis; its CSV twin lies beside it."""
        return self.stage("analyse") / f"{name}.parquet"

    def manifest(self, stage: str, shard: int, part: str = "") -> Path:
        """The manifest of a job: digests, versions, counts, time."""
        return self.stage(stage) / (f"manifest-{part}-{shard}.json" if part else f"manifest-{shard}.json")
