"""Maximum length of texts for a model: longer ones are refused, never cut, never read past its last position."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from inoc.errors import DataError

_NAMES = ("max_position_embeddings", "max_target_positions", "max_seq_len")
"""Names of the number of positions in configurations; the last two are Whisper's and MPT's."""
_ROBERTA = ("camembert", "data2vec-text", "roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod")
_UNUSED = {**dict.fromkeys(_ROBERTA, 1), "prophetnet": 2}
"""Families that count positions from behind that of the padding token, so that so many more are never used."""


def max_positions(config: Any) -> int | None:
    """Number of positions in a model's configuration; None if it states none.

    Args:
        config: A configuration of transformers; that of the text model inside is used.
    """
    config = config.get_text_config(decoder=True)
    stated = (getattr(config, name, None) for name in _NAMES)
    own = next((one for one in stated if isinstance(one, int) and one > 0), None)
    if own is None:
        return None
    unused = _UNUSED.get(config.model_type)
    if unused is not None:
        return own - (config.pad_token_id or 0) - unused
    rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None)
    if not isinstance(rope, dict) or not rope.get("factor"):
        return own
    # Some configurations name the positions before stretching them, some after.
    original = rope.get("original_max_position_embeddings") or own
    return max(own, int(rope["factor"] * original))


def embedded(config: Any) -> int | None:
    """Number of tokens that a model has embeddings of, which some tokenizers exceed; None if it is not stated.

    Args:
        config: A configuration of transformers; that of the text model inside is used.
    """
    stated = getattr(config.get_text_config(decoder=True), "vocab_size", None)
    return stated if isinstance(stated, int) and stated > 0 else None


def refuse_longer(lengths: Iterable[int], positions: int | None, thing: str, new_tokens: int = 0) -> None:
    """Refuse texts that have more tokens than the model has positions.

    Args:
        lengths: Tokens of each.
        positions: From `max_positions`.
        thing: What one of them is called.
        new_tokens: Maximum number of tokens that come behind each.

    Raises:
        DataError: If one is longer.
    """
    if positions is None:
        return
    for number, length in enumerate(lengths):
        if length + new_tokens > positions:
            more = f" and max_tokens = {new_tokens} new ones" if new_tokens else ""
            fewer = "sampling.max_tokens or " if new_tokens else ""
            msg = (
                f"{thing} {number} has {length} tokens{more}, but the model has {positions} positions "
                f"(max_position_embeddings in its config.json). Lower {fewer}the length of the texts, or take a model "
                "with a longer context"
            )
            raise DataError(msg)
