"""Rows of a dataset that fit into a model's context."""

from __future__ import annotations

from collections.abc import Sequence

from inoc.chat.fit import Fitted, Variants, as_it_is, fit_rows
from inoc.chat.rows import ChatRow
from inoc.config.models import BadRows
from inoc.engines.identity import ModelIdentity


def fit(
    model: ModelIdentity,
    rows: Sequence[ChatRow],
    bad_rows: BadRows,
    max_length: int | None = None,
    variants: Variants = as_it_is,
) -> Fitted:
    """Leave out or cut rows that a model cannot read to their end.

    Args:
        model: For the tokenizer, the chat template and the number of positions; its weights are not loaded.
        rows: Chats with a response; their ids are unique.
        bad_rows: See `inoc.chat.fit.fit_rows`. With `refuse`, the rows come back as they are and nothing is read: the
            stage that uses them refuses what is too long.
        max_length: Maximum number of tokens, where it is less than the model's.
        variants: See `inoc.chat.fit.fit_rows`.
    """
    if bad_rows == "refuse":
        return Fitted(list(rows), [])
    from transformers import AutoConfig

    from inoc.engines.limits import max_positions
    from inoc.engines.transformers import load_tokenizer

    limits = [n for n in (max_positions(AutoConfig.from_pretrained(model.folder)), max_length) if n is not None]
    if not limits:
        return Fitted(list(rows), [])
    tokenizer = load_tokenizer(model)
    tokenizer.model_max_length = int(1e30)  # it would warn of what is measured here
    return fit_rows(tokenizer, rows, min(limits), bad_rows, variants)
