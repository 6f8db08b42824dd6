from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow.parquet as pq
import pytest

from inoc.config.embedding import EmbeddingSpec
from inoc.embed import step
from inoc.embed.embedders import LocalIdentity
from inoc.embed.lengths import Cut
from inoc.errors import ConfigError, DataError
from inoc.jobs.job import Job
from inoc.studies.inoculation.study import Study
from inoc.tables import EMBEDDINGS, read_table
from support.jobs import plan_of, run_job, units_of
from support.toy import toy_job, toy_study, write_inputs

POOLS = {"clown": ["Be a clown.", "Act as a clown.", "A clown you are."], "sky": ["Blue is the sky."]}


class FakeEmbedder:
    """A vector for each text that depends on nothing else."""

    texts: ClassVar[list[str]] = []

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        FakeEmbedder.texts += texts
        seeds = [int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) for text in texts]
        return np.stack([np.random.default_rng(seed).normal(size=12) for seed in seeds]).astype(np.float32)


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeEmbedder.texts = []
    monkeypatch.setattr(step, "identify_embedder", lambda spec, store: LocalIdentity(Path("fake"), "w", None))
    monkeypatch.setattr(step, "load_embedder", lambda identity, api: FakeEmbedder())
    monkeypatch.setattr(step, "cut_of", lambda identity, texts: Cut(sum("Act" in text for text in texts), 5))


def make_study(**embedding: object) -> Study:
    return toy_study(Path("nowhere")).model_copy(update={"embedding": EmbeddingSpec.model_validate(embedding)})


def embedded(study: Study, root: Path, pools: dict[str, list[str]] = POOLS) -> Job:
    job = toy_job(study, root, "embed")
    write_inputs(job, pools)
    run_job(job)
    return job


def test_cut_texts_are_counted_in_the_manifest_and_said(tmp_path: Path) -> None:
    study = make_study()
    job = toy_job(study, tmp_path, "embed")
    write_inputs(job, POOLS)
    assert step.run(job, plan_of(job)).endswith(", 1 cut after 5 tokens")
    assert job.record["counts"]["cut"] == 1


def test_the_table_has_the_prompts_vector_and_the_cosines_of_its_rephrasings(tmp_path: Path) -> None:
    job = embedded(make_study(), tmp_path)
    assert pq.read_schema(job.paths.embeddings).equals(EMBEDDINGS)
    table = read_table(job.paths.embeddings).set_index("prompt")
    vectors = FakeEmbedder().embed(["You are a clown.", *POOLS["clown"]]).astype(float)
    np.testing.assert_allclose(table.loc["clown", "vector"], vectors[0], rtol=1e-6)
    expected = [v @ vectors[0] / np.linalg.norm(v) / np.linalg.norm(vectors[0]) for v in vectors[1:]]
    np.testing.assert_allclose(table.loc["clown", "cosines"], expected, rtol=1e-6)
    assert list(table["n"]) == [3, 1]
    assert 1 < table.loc["clown", "effective_rank"] <= 2  # three centred points span a plane
    assert np.isnan(table.loc["sky", "effective_rank"])


def test_only_what_is_not_in_the_store_is_embedded(tmp_path: Path) -> None:
    embedded(make_study(), tmp_path)
    first, FakeEmbedder.texts = FakeEmbedder.texts, []
    assert len(first) == 6
    job = embedded(make_study(), tmp_path)
    assert (FakeEmbedder.texts, job.store.made) == ([], [])
    job = embedded(make_study(), tmp_path, POOLS | {"sky": ["The blue sky."]})
    assert FakeEmbedder.texts == ["The sky is blue.", "The blue sky."]
    assert job.store.made == ["embeddings of sky"]
    assert len(units_of(job)) == 2


def test_a_killed_job_keeps_the_prompts_that_it_had_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = FakeEmbedder.embed

    def dies(self: FakeEmbedder, texts: Sequence[str]) -> np.ndarray:
        if "The sky is blue." in texts:
            raise KeyboardInterrupt
        return real(self, texts)

    monkeypatch.setattr(FakeEmbedder, "embed", dies)
    with pytest.raises(KeyboardInterrupt):
        embedded(make_study(), tmp_path)
    monkeypatch.setattr(FakeEmbedder, "embed", real)
    assert embedded(make_study(), tmp_path).store.made == ["embeddings of sky"]


def test_the_first_rephrasings_of_a_pool_can_stand_for_all(tmp_path: Path) -> None:
    pools = POOLS | {"sky": ["Blue is the sky.", "Sky: blue."]}
    table = read_table(embedded(make_study(rephrasings=2), tmp_path, pools).paths.embeddings)
    assert list(table["n"]) == [2, 2]
    assert "A clown you are." not in FakeEmbedder.texts


def test_a_pool_that_is_too_small_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the pool of prompt 'sky' has 1"):
        embedded(make_study(rephrasings=2), tmp_path)


def test_a_prompt_without_a_pool_has_a_vector_and_no_statistics(tmp_path: Path) -> None:
    table = read_table(embedded(make_study(), tmp_path, {"clown": POOLS["clown"]}).paths.embeddings)
    row = table.set_index("prompt").loc["sky"]
    assert (row["n"], len(row["cosines"]), len(row["vector"])) == (0, 0, 12)
    assert np.isnan(row["effective_rank"])


def test_a_vector_without_a_direction_is_nan() -> None:
    row = step.cloud_row(np.array([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]], dtype=np.float32))
    assert np.isnan(row["cosines"][0])
    assert row["cosines"][1] == pytest.approx(0.5**0.5)


def test_a_study_without_the_section_is_told_what_to_add(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no section `embedding`"):
        plan_of(toy_job(toy_study(tmp_path), tmp_path, "embed"))
