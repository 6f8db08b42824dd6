"""Rows of a file sorted into kept and rejected, and counts of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from inoc.errors import DataError
from inoc.judge.item import UNCLEAR, JudgeItem
from inoc.judge.names import NamesJudge
from inoc.numbers.rows import Row
from inoc.numbers.rules import PUBLISHED, REASONS, reasons
from inoc.stats.means import NAN

_SHOWN = 5  # rows in a message


class Filtered(NamedTuple):
    """The rows of a file with the reasons of each."""

    rows: list[Row]
    reasons: list[list[str]]  # of each row; empty for one that is kept

    @property
    def kept(self) -> list[Row]:
        """Rows without a reason against them, in the order of the file."""
        return [row for row, found in zip(self.rows, self.reasons, strict=True) if not found]


class Lost(NamedTuple):
    """The part of the teacher's writing that rejected rows hold; a share is NaN if there is nothing to lose."""

    characters: float
    tokens: float  # NaN if not every row says its number of tokens


class Duplicates(NamedTuple):
    """Rows beyond the first of their like."""

    prompts: int
    answers: int
    rows: int  # both prompt and answer


def filter_rows(rows: Sequence[Row], rule: str = PUBLISHED, banned: Collection[int] = ()) -> Filtered:
    """All reasons of all rows.

    Raises:
        DataError: With file and line, if a row cannot be held to the rule.
    """
    return Filtered(list(rows), [_reasons(row, rule, banned) for row in rows])


def _reasons(row: Row, rule: str, banned: Collection[int]) -> list[str]:
    try:
        return reasons(row.answer, prompt=row.prompt, rule=rule, banned=banned)
    except DataError as error:
        raise DataError(f"{row.where}: {error}") from None


def reason_counts(found: Filtered) -> dict[str, int]:
    """Reason → rows that it applies to, in the order of `REASONS`. A row counts for each of its reasons."""
    counted = Counter(name for names in found.reasons for name in names)
    return {name: counted[name] for name in REASONS if counted[name]}


def combination_counts(found: Filtered) -> dict[tuple[str, ...], int]:
    """All reasons of a row → rejected rows with exactly these, the most frequent first. Each row counts once."""
    return dict(Counter(tuple(names) for names in found.reasons if names).most_common())


def duplicates(rows: Iterable[Row]) -> Duplicates:
    """The repetitions among rows."""
    pairs = [(row.prompt, row.answer) for row in rows]
    prompts, answers = {prompt for prompt, _ in pairs}, {answer for _, answer in pairs}
    return Duplicates(len(pairs) - len(prompts), len(pairs) - len(answers), len(pairs) - len(set(pairs)))


def lost(found: Filtered) -> Lost:
    """The share of all characters, and of all tokens, that stand in rejected answers."""
    rejected = [bool(names) for names in found.reasons]
    tokens = [row.n_tokens for row in found.rows if row.n_tokens is not None]
    known = len(tokens) == len(found.rows)
    return Lost(_share([len(row.answer) for row in found.rows], rejected), _share(tokens, rejected) if known else NAN)


def _share(sizes: Sequence[int], rejected: Sequence[bool]) -> float:
    total = sum(sizes)
    return sum(size for size, out in zip(sizes, rejected, strict=True) if out) / total if total else NAN


def check_entities(rows: Iterable[Row], entities: Mapping[str, Sequence[str]]) -> None:
    """Make sure that no row has a word of an entity: in its answer, its prompt or its system turn.

    Words are compared as the judge `names` compares them: whole words in any case, with regular plurals.

    Args:
        rows: Those that would be trained on.
        entities: Name → its further forms.

    Raises:
        DataError: With file and line of the first rows that have one, and how many there are.
    """
    judges = {name: NamesJudge({name: forms}) for name, forms in entities.items()}
    hits = [
        f"{row.where}: {name!r} is in the {place}: {text[:80]!r}"
        for row in rows
        for place, text in (("answer", row.answer), ("prompt", row.prompt), ("system turn", row.system))
        for name, judge in judges.items()
        if judge.categorise([JudgeItem("", text)])[0].category != UNCLEAR
    ]
    if hits:
        shown = "\n".join(hits[:_SHOWN])
        msg = f"kept rows name an entity ({len(hits)} places in all); remove these rows, or check the entity\n{shown}"
        raise DataError(msg)
