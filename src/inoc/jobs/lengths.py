"""Lengths of a study's texts in tokens: those of its files, by the tokenizer of its model."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import NamedTuple

from inoc.config.models import ModelStudy
from inoc.errors import InocError
from inoc.jobs.ready import needs_of

MOST = 500
"""Chats that are measured: enough for a mean within a few per cent."""


class Lengths(NamedTuple):
    """Mean numbers of tokens."""

    prompt: float
    response: float


def file_lengths(study: ModelStudy, folder: Path) -> Lengths | None:
    """Mean lengths of the chats that a study's files are made into.

    Args:
        study: The study.
        folder: Folder of its model.

    Returns:
        None if the tokenizer, the files or answers in them are not here.
    """
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json")):
        return None
    try:
        chats = [one.chat for one in islice(needs_of(study).chats(), 20 * MOST) if one.chat.response]
    except (InocError, OSError):
        return None  # the check says why
    if not chats:
        return None
    from inoc.chat.template import TemplateSettings
    from inoc.engines.identity import ModelIdentity
    from inoc.engines.transformers import load_tokenizer

    spec = study.model
    settings = TemplateSettings(spec.template_date, spec.thinking, spec.fold_system)
    try:
        tokenizer = load_tokenizer(ModelIdentity(folder, "", "", "", spec.chat_template, settings=settings))
    except (InocError, OSError, ValueError):
        return None
    some = chats[:: max(1, len(chats) // MOST)]
    asked = [
        " ".join([chat.system.text, *(text for turn in chat.earlier for text in turn), chat.user]) for chat in some
    ]
    return Lengths(*(_mean(tokenizer, texts) for texts in (asked, [chat.response for chat in some])))


def _mean(tokenizer: object, texts: list[str]) -> float:
    ids = tokenizer(texts, add_special_tokens=False)["input_ids"]  # type: ignore[operator]
    return sum(map(len, ids)) / len(ids)
