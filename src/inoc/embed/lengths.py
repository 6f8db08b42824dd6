"""Texts that a sentence encoder would cut, because they have more tokens than it takes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from inoc.config.embedding import EmbeddingSpec
from inoc.embed.embedders import EmbedderIdentity, LocalIdentity, located
from inoc.engines.limits import max_positions

_SETTINGS = "sentence_bert_config.json"
_NO_LIMIT = 10**9  # tokenizers without a limit name a number above this one


class Cut(NamedTuple):
    """Texts that are longer than the encoder takes: their vectors do not depend on their ends."""

    texts: int  # number of them
    positions: int | None  # maximum number of tokens, special ones included; None: no limit, or not known

    def __str__(self) -> str:
        return f", {self.texts} cut after {self.positions} tokens" if self.texts else ""


def cut_of(identity: EmbedderIdentity, texts: Sequence[str]) -> Cut:
    """Number of texts that an encoder cuts, and where. A model behind an API refuses them, and their vectors are NaN.

    Args:
        identity: The encoder.
        texts: As they are embedded.
    """
    if not isinstance(identity, LocalIdentity):
        return Cut(0, None)
    lengths = _Lengths(identity.folder)
    return Cut(sum(lengths.cuts(text) for text in texts), lengths.positions)


def cut_prompts(spec: EmbeddingSpec, prompts: Mapping[str, str]) -> Iterator[str]:
    """Problems of prompts that the encoder of a study would cut; of an encoder that is not here, none.

    Args:
        spec: The encoder.
        prompts: Prompt → text.
    """
    folder = located(spec)
    if folder is None:
        return
    try:
        lengths = _Lengths(folder)
    except (OSError, ValueError):  # said when it is loaded
        return
    for key, text in prompts.items():
        if lengths.cuts(text):
            yield (
                f"embedding.model = {spec.model!r}: takes {lengths.positions} tokens, and prompt {key!r} has "
                f"{lengths.tokens(text)}, so its end would not count. Shorten it, name an encoder of longer texts, or "
                "leave out the section `embedding`"
            )


class _Lengths:
    """The tokenizer of an encoder's folder, loaded when it is needed, and how many tokens the encoder takes."""

    def __init__(self, folder: Path) -> None:
        self._place = _first_module(folder)
        self._loaded: Any = None
        self.positions = None if self._place is None else self._longest(self._place)

    def tokens(self, text: str) -> int:
        """Number of tokens of a text, with those that the encoder adds."""
        return len(self._tokenizer(text, truncation=False, verbose=False)["input_ids"])

    def cuts(self, text: str) -> bool:
        """Whether the encoder cuts a text. A token has a byte at least, and few are added."""
        if self.positions is None or len(text.encode(errors="replace")) + 8 <= self.positions:
            return False
        return self.tokens(text) > self.positions

    @property
    def _tokenizer(self) -> Any:
        if self._loaded is None:
            from transformers import AutoTokenizer

            self._loaded = AutoTokenizer.from_pretrained(self._place, local_files_only=True)
        return self._loaded

    def _longest(self, place: Path) -> int | None:
        """As sentence-transformers finds it: what the folder says, else the smaller one of two limits."""
        settings = place / _SETTINGS
        said = json.loads(settings.read_text(encoding="utf-8")) if settings.is_file() else {}
        if said.get("max_seq_length"):
            return int(said["max_seq_length"])
        from transformers import AutoConfig

        limits = (max_positions(AutoConfig.from_pretrained(place)), int(self._tokenizer.model_max_length))
        return min((one for one in limits if one is not None and one < _NO_LIMIT), default=None)


def _first_module(folder: Path) -> Path | None:
    """The folder of an encoder's transformer; None if its first part is another one, which has no positions."""
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    if not modules or not str(modules[0].get("type", "")).endswith("Transformer"):
        return None
    return folder / str(modules[0].get("path", ""))
