"""Special tokens that are spelled out in data, as `<|im_end|>` in an answer: they are text, not control tokens.

A tokenizer cannot tell the end of a turn that the template wrote from one that a user wrote. So such a chat is rendered
twice: once with stand-ins for what the data spells, which shows what the template itself wrote. The text is then cut at
the template's special tokens, and what lies between them is tokenised as plain text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from inoc.chat.messages import Chat
from inoc.errors import DataError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_STAND_IN = "\ue0f0"  # of the private use area: no template looks for it


class Encoded(NamedTuple):
    """Tokens of a text."""

    ids: list[int]
    offsets: list[tuple[int, int]]  # characters of each


def special_strings(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """Control tokens of a tokenizer and their ids, as they are spelled."""
    found = tokenizer.added_tokens_decoder.items()
    return {token.content: number for number, token in found if token.special and token.content.strip()}


def contents(chat: Chat) -> list[str]:
    """The texts of a chat that are data."""
    earlier = [text for turn in getattr(chat, "earlier", ()) for text in turn]
    return [chat.system.text, chat.user, chat.response, *earlier]


def spelled(tokenizer: PreTrainedTokenizerBase, texts: Iterable[str]) -> list[str]:
    """Special tokens that are spelled in texts."""
    together = "\x00".join(texts)
    return [token for token in special_strings(tokenizer) if token in together]


def encode(tokenizer: PreTrainedTokenizerBase, text: str, chat: Chat, again: Callable[[Chat], str]) -> Encoded:
    """Tokenise the text of a chat; special tokens that its data spell are plain text.

    Args:
        tokenizer: A fast tokenizer.
        text: The rendered chat.
        chat: The chat.
        again: Renders another chat in the same way.

    Raises:
        DataError: If the data spell special tokens and the tokenizer cannot read them as text.
    """
    found = spelled(tokenizer, contents(chat))
    if not found:
        whole = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        return Encoded(whole["input_ids"], whole["offset_mapping"])
    shown = again(_replaced(chat, found, _STAND_IN))
    blank = again(_replaced(chat, found, "x"))
    own = list(_pattern(special_strings(tokenizer)).finditer(shown))
    if len(shown) != len(text) or len(blank) != len(text) or not _cuts_alike(tokenizer, blank, own):
        msg = (
            f"the data spell the special token {found[0]!r}, and this tokenizer or chat template cannot treat it as "
            f"text: {_around(contents(chat), found[0])!r}. Remove or change it in the data"
        )
        raise DataError(msg)
    return _in_parts(tokenizer, text, own)


def _around(texts: Sequence[str], token: str) -> str:
    text = next(text for text in texts if token in text)
    at = text.index(token)
    return text[max(0, at - 30) : at + len(token) + 30]


def _pattern(tokens: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(token) for token in sorted(tokens, key=len, reverse=True)))


def _replaced(chat: Chat, tokens: Sequence[str], character: str) -> Chat:
    """A chat of the same length with something else in the place of special tokens."""
    pattern = _pattern(tokens)

    def hide(text: str) -> str:
        return pattern.sub(lambda match: character * len(match.group()), text)

    changes: dict[str, Any] = {"system": chat.system.model_copy(update={"text": hide(chat.system.text)})}
    changes |= {"user": hide(chat.user), "response": hide(chat.response)}
    earlier = getattr(chat, "earlier", ())
    if earlier:
        changes["earlier"] = tuple(type(turn)(*map(hide, turn)) for turn in earlier)
    return chat._replace(**changes)


def _cuts_alike(tokenizer: PreTrainedTokenizerBase, text: str, own: Sequence[re.Match[str]]) -> bool:
    """Whether cutting a text at the template's own special tokens gives the tokens of the whole."""
    whole = tokenizer(text, add_special_tokens=False)["input_ids"]
    return bool(_in_parts(tokenizer, text, own).ids == whole)


def _in_parts(tokenizer: PreTrainedTokenizerBase, text: str, own: Sequence[re.Match[str]]) -> Encoded:
    numbers = special_strings(tokenizer)
    out = Encoded([], [])
    at = 0
    for match in [*own, None]:
        stop = len(text) if match is None else match.start()
        if stop > at:
            part = tokenizer(
                text[at:stop], add_special_tokens=False, return_offsets_mapping=True, split_special_tokens=True
            )
            out.ids.extend(part["input_ids"])
            out.offsets.extend((at + left, at + right) for left, right in part["offset_mapping"])
        if match is not None:
            out.ids.append(numbers[match.group()])
            out.offsets.append(match.span())
            at = match.end()
    return out
