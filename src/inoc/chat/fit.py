"""Chats that are longer than allowed: left out, or the end of their answers cut off, and listed either way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import pandas as pd

from inoc.chat.messages import Chat
from inoc.chat.render import encode_located, locate, span_of
from inoc.chat.rows import BadRow, ChatRow
from inoc.digest import Json
from inoc.tables import BAD_ROWS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_ROOM = 1_024
"""Tokens that a template may add to a chat."""
_ATTEMPTS = 16

Variants = Callable[[ChatRow], Iterable[Chat]]


class Fitted(NamedTuple):
    """The rows that fit, and those that did not."""

    rows: list[ChatRow]  # in their order; of those that are cut, the response is shorter
    bad: list[BadRow]

    @property
    def cut(self) -> frozenset[str]:
        """Ids of the rows whose responses are cut."""
        return frozenset(row.row_id for row in self.bad if row.done == "cut")


def as_it_is(row: ChatRow) -> Iterable[Chat]:
    """The row's own chat alone."""
    yield row.chat


def fit_rows(
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[ChatRow],
    limit: int,
    bad_rows: Literal["drop", "truncate"],
    variants: Variants = as_it_is,
) -> Fitted:
    """Leave out or cut rows that have too many tokens.

    Args:
        tokenizer: A fast tokenizer with a chat template.
        rows: Chats with a response; their ids are unique.
        limit: Maximum number of tokens of a chat, what the template puts behind the response included.
        bad_rows: `drop`: long rows are left out; `truncate`: the end of their response is cut off, and rows whose
            prompt leaves no room for a response are left out.
        variants: Every chat that a row becomes, such as one behind each of several prompts. All of them must fit, so
            that the same responses are compared; by default the row's own.
    """
    kept, bad = [], []
    for row in rows:
        chats = [chat for chat in variants(row) if chat.n_bytes > limit - _ROOM]
        found = row.chat.response
        longest = 0
        for chat in chats:
            short = _shortened(tokenizer, chat._replace(response=found), limit)
            longest, found = max(longest, short.n_tokens), short.response
            if not found or (longest > limit and bad_rows == "drop"):
                break
        if longest <= limit:
            kept.append(row)
            continue
        reason = f"{longest} tokens with the template, and at most {limit} fit"
        if bad_rows == "truncate" and found.strip():
            kept.append(row._replace(chat=row.chat._replace(response=found)))
            bad.append(BadRow(row.where, reason, "too long", row.row_id, "cut"))
        else:
            bad.append(BadRow(row.where, reason, "too long", row.row_id))
    return Fitted(kept, bad)


class _Shortened(NamedTuple):
    """A response that fits."""

    response: str  # empty if none does
    n_tokens: int  # of the chat before


def _shortened(tokenizer: PreTrainedTokenizerBase, chat: Chat, limit: int) -> _Shortened:
    """The longest beginning of a response with which its chat fits, found by cutting between tokens."""
    before = 0
    for _ in range(_ATTEMPTS):  # the text that is left may have a few tokens more than it had as a part of the whole
        place = locate(tokenizer, chat)
        (tokens,) = encode_located(tokenizer, [chat], [place])
        n = len(tokens.ids)
        before = before or n
        if n <= limit:
            return _Shortened(chat.response, before)
        span = span_of(tokens.offsets, place.start, place.stop)
        last = span.stop - (n - limit) - 1  # the last token that may stay
        if last < span.start:
            break
        response = place.text[place.start : tokens.offsets[last][1]]
        if len(response) >= len(chat.response):
            response = chat.response[:-1]
        chat = chat._replace(response=response)
        if not response.strip():
            break
    return _Shortened("", before)


def bad_table(bad: Mapping[str, Sequence[BadRow]]) -> pd.DataFrame:
    """`tables.BAD_ROWS` of datasets."""
    rows = [
        (name, row.row_id, row.where, row.problem, row.reason, row.done) for name, found in bad.items() for row in found
    ]
    return pd.DataFrame(rows, columns=BAD_ROWS.names)


def bad_counts(bad: Mapping[str, Sequence[BadRow]]) -> dict[str, Json]:
    """Dataset → number of rows that are dropped and cut, by problem; for manifests."""
    found: dict[str, Json] = {}
    for name, rows in bad.items():
        counts = Counter(f"{row.done}, {row.problem}" for row in rows)
        if counts:
            found[name] = dict(sorted(counts.items()))
    return found
