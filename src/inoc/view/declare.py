"""The declaration by which a kind of study fills its site: lists of rows, and how they are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import pandas as pd

Role = Literal["system", "earlier", "prefix", "user", "assistant", "answer", "note"]
"""Part of a text in a chat. `earlier` holds exchanges as JSON, `prefix` stands before the next text, `answer` is the
response that was sampled, trained on or scored, and `note` is a text beside the chat."""


class Column(NamedTuple):
    """A column that is shown, filtered and sorted."""

    name: str
    label: str = ""  # default: the name, with spaces for underscores
    help: str = ""
    score: bool = False  # whether it is a measurement that is averaged over rows; NaN is one that failed
    top: float = 100.0  # of the scale of a score that begins at 0, for its bar; 0 for one without such a scale
    listed: bool = True  # whether it is a column of the list, and not of the filters and the transcript alone


class Text(NamedTuple):
    """A column of texts."""

    column: str
    role: Role
    label: str = ""
    joins: str = "\n"  # for a prefix: what stands between it and the next text


class Compare(NamedTuple):
    """Arrangement of the answers to one question side by side. All are names of columns."""

    item: str  # same question
    across: str  # columns of the grid
    down: str  # rows of the grid
    about: str = ""  # rows of one value stand together with those where it is empty
    order: tuple[str, ...] = ()  # values of `across` that come first
    picks: tuple[str, ...] = ()  # columns of which one value is chosen, the last one at first; rows without one stay


class Matrix(NamedTuple):
    """Means of the scores over rows, in a table whose cells lead to them. All are names of columns."""

    down: str
    across: tuple[str, ...]  # none: the scores themselves stand across
    last: str = ""  # of which only the largest value counts, such as the step


class Source(NamedTuple):
    """A list of rows, such as completions."""

    name: str  # in addresses; lower case
    title: str
    about: str
    read: Callable[[], pd.DataFrame]  # every column below; NaN is a failed measurement, None one that was not made
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    texts: tuple[Text, ...]
    mask: str = ""  # use of the answer: sampled, trained on, scored
    compare: Compare | None = None
    matrix: Matrix | None = None
    dropped: str = ""  # column that says why a row is not used; empty for rows that are
    tokens: str = ""  # name of `Tokens`
    follows: Mapping[str, str] = {}  # column of a figure's values → column of this list, if the names differ
    words: Mapping[str, str] = {}  # word of a figure's values → word of this list, if they differ
    scored_by: tuple[str, ...] = ()  # columns of a figure's values whose word `x` means the score `score.x`


class TokenRows(NamedTuple):
    """Log-probabilities of one block of answers.

    Attributes:
        rows: Columns answer, condition and logprobs (a list of nats, one per token). The empty condition is that
            without a prefix.
        pieces: Answer → texts of its tokens; an answer whose tokens are not known is not there.
    """

    rows: pd.DataFrame
    pieces: Mapping[str, list[str]]


class Tokens(NamedTuple):
    """Values of tokens of a source's answers."""

    name: str
    answer: str  # column of the source with the answer's id in the blocks
    blocks: Callable[[int], TokenBlocks]  # given the number of answers in a block


class TokenBlocks(NamedTuple):
    """Blocks of token values, made one after the other."""

    answers: list[str]  # in the order of the blocks
    read: Callable[[list[str]], TokenRows]  # values of some answers


class Kept(NamedTuple):
    """Where answers of APIs are kept, in which a judge's own words can be looked up."""

    base_urls: Mapping[str, str]  # api or engine_api → address
    folders: Mapping[str, Path]  # api or engine_api → folder


class KeyNumber(NamedTuple):
    """A number of the overview. Texts are plain."""

    label: str
    value: float
    lo: float = float("nan")
    hi: float = float("nan")
    unit: str = ""
    note: str = ""
    link: str = ""  # address within the site, without `#`
    digits: int = 1


class View(NamedTuple):
    """The contents of a study's site."""

    sources: tuple[Source, ...]
    numbers: tuple[KeyNumber, ...]  # at most five
    tokens: tuple[Tokens, ...] = ()
    absent: tuple[str, ...] = ()  # lists that the study could have, and why it has none; plain text
