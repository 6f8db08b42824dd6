"""Comparisons of two items, whatever file they come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from inoc.errors import DataError, did_you_mean
from inoc.stats.means import Floats
from inoc.stats.utilities.outcomes import Ints, Outcomes, tally

T = TypeVar("T", bound=np.generic)

WON, TIED, REFUSED, UNREAD = 1, 0, 2, 3
"""`result` of a comparison: 1 item a won, -1 item b won, 0 tie, 2 refused, 3 no readable answer."""

CATEGORIES = {
    "tie": TIED,
    "equal": TIED,
    "refusal": REFUSED,
    "refused": REFUSED,
    "unclear": UNREAD,
    "failed": UNREAD,
    "parse_fail": UNREAD,
}
FIRST_A = ("0", "original", "canonical", "ab", "a_first")
FIRST_B = ("1", "swapped", "reversed", "ba", "b_first")
A_NAMES = ("item_a", "task_a", "task_a_id", "a_id")
B_NAMES = ("item_b", "task_b", "task_b_id", "b_id")
CHOICE_NAMES = ("choice", "choice_original", "winner")
ORDER_NAMES = ("order", "ordering")
COUNT_NAMES = ("n", "count")
MOST = 1e12
"""Maximum count of a row: with far larger ones, the others vanish in rounding."""


@dataclass(frozen=True)
class Comparisons:
    """Comparisons in the order of the file."""

    items: list[str]  # in order of first appearance
    a: Ints
    b: Ints
    result: Ints
    a_first: Floats  # 1 if item a was shown first, -1 if item b was, 0 if that is not known
    weight: Floats  # how often
    origins: list[str] | None = None  # of each item, where the file has them
    question: Ints | None = None  # whose answer a row is a part of; None: every row is one of its own
    exact: bool = False  # whether there are questions with the probabilities of both answers, which are not drawn

    @property
    def ordered(self) -> bool:
        """Whether it is known which item was shown first."""
        return bool(self.a.size) and bool(np.all(self.a_first != 0))

    @property
    def pair(self) -> Ints:
        """A number for each pair of items."""
        return np.minimum(self.a, self.b) * len(self.items) + np.maximum(self.a, self.b)

    def taken(self, rows: NDArray[np.bool_]) -> Comparisons:
        """Some of the comparisons, over the same items."""
        parts = {name: getattr(self, name)[rows] for name in ("a", "b", "result", "a_first", "weight")}
        question = None if self.question is None else self.question[rows]
        return replace(self, **parts, question=question)

    def over(self, items: Sequence[str]) -> Comparisons:
        """The same comparisons over other items, in their order; they must hold all that are compared.

        Raises:
            DataError: If a compared item is not among them.
        """
        place = {item: number for number, item in enumerate(items)}
        unknown = [item for item in self.items if item not in place]
        if unknown:
            raise DataError(f"{unknown[0]!r} is compared but is none of the {len(place)} items")
        number = np.array([place[item] for item in self.items], dtype=np.int64)
        known = dict(zip(self.items, self.origins, strict=True)) if self.origins is not None else None
        origins = None if known is None else [known.get(item, "") for item in items]
        return replace(self, items=list(items), a=number[self.a], b=number[self.b], origins=origins)

    def refusals_lost(self) -> Comparisons:
        """With every refusal as a win of the second item named, as an earlier study counted them."""
        return replace(self, result=np.where(self.result == REFUSED, -WON, self.result))

    def answered(self) -> Comparisons:
        """Without refusals and unreadable answers."""
        return self.taken(self.result <= WON)

    def outcomes(self) -> Outcomes:
        """The answered ones, as a fit needs them."""
        here = self.answered()
        turned = here.a_first < 0
        first, second = np.where(turned, here.b, here.a), np.where(turned, here.a, here.b)
        result = np.where(turned, -here.result, here.result)
        return tally(len(self.items), first, second, result, here.weight, ordered=self.ordered)


def comparisons(frame: pd.DataFrame, source: str, a_means: str | None, *, order_known: bool) -> Comparisons:
    """The comparisons of a table.

    Args:
        frame: Two columns of items, and a choice for each comparison, or counts in columns `a`, `b`, `tie`, `refusal`.
        source: What the table is called in messages.
        a_means: Whether the choice "a" is the `item` a or the one shown `first`; None: not said.
        order_known: Whether item a was shown first where no column tells the order.

    Raises:
        DataError: If a column is missing or a value cannot be read.
    """
    if frame.empty:
        raise DataError(f"{source}: no comparisons. A file needs rows with item_a, item_b and choice")
    a_name, b_name = _column(frame, A_NAMES, source), _column(frame, B_NAMES, source)
    if "ab_baseline" in frame:
        frame, a_means = _spread_out(frame, a_name, b_name, source), a_means or "first"
    elif not any(name in frame for name in CHOICE_NAMES) and {"a", "b"} <= set(frame.columns):
        frame, order_known, a_means = _counted(frame, a_name, b_name, source), False, "item"
    codes, items = _codes(frame[a_name], frame[b_name], source)
    a, b = codes
    _refuse_other_items(frame, (a_name, b_name), source)
    order_name = next((name for name in ORDER_NAMES if name in frame), None)
    choice_name = _column(frame, CHOICE_NAMES, source)
    unsaid = np.full(a.size, 1.0 if order_known else 0.0)
    a_first = unsaid if order_name is None else _agreeing(frame, ORDER_NAMES, _orders, source)
    if order_name is not None and a_means is None and _labels(frame[choice_name]).any():
        raise DataError(
            f"{source}: column {order_name!r} says that items were shown in both orders, so it must be said what the "
            'choice "a" means. Add --a-means item (item a, wherever it stood) or --a-means first (the one shown first)'
        )

    def results(choices: pd.Series, place: str) -> Ints:
        found = _results(frame, choices, (a_name, b_name), place)
        if a_means == "first" and order_name is not None:
            return np.where(_labels(choices) & (a_first < 0), -found, found)
        return found

    result = _agreeing(frame, CHOICE_NAMES, results, source)
    weight = _weights(frame, source)
    return Comparisons(items, a, b, result, a_first, weight, _origins(frame, a, b, items, source))


def _labels(choices: pd.Series) -> NDArray[np.bool_]:
    """Whether a choice is written as `a` or `b`, and not as the name of an item or a category."""
    return np.asarray(choices.astype(str).str.lower().isin(["a", "b"]))


def _origins(frame: pd.DataFrame, a: Ints, b: Ints, items: list[str], source: str) -> list[str] | None:
    """Origin of each item, if there are columns with them."""
    if not {"origin_a", "origin_b"} <= set(frame.columns):
        return None
    found: list[str] = [""] * len(items)
    numbers, names = np.concatenate([a, b]), pd.concat([frame["origin_a"], frame["origin_b"]]).astype(str)
    distinct = pd.DataFrame({"item": numbers, "origin": names.to_numpy()}).drop_duplicates()
    if (twice := distinct["item"].duplicated()).any():
        item = int(distinct.loc[twice, "item"].iloc[0])
        both = sorted(distinct.loc[distinct["item"] == item, "origin"])
        raise DataError(f"{source}: {items[item]!r} has the origins {' and '.join(both)}. Give each item one")
    for item, origin in distinct.itertuples(index=False):
        found[int(item)] = str(origin)
    return found


def _column(frame: pd.DataFrame, names: tuple[str, ...], source: str) -> str:
    for name in names:
        if name in frame:
            return name
    near = did_you_mean(names[0], [str(name) for name in frame.columns])
    raise DataError(f"{source}: no column {' or '.join(names)}; the columns are {list(frame.columns)}{near}")


def _codes(a: pd.Series, b: pd.Series, source: str) -> tuple[tuple[Ints, Ints], list[str]]:
    """Numbers of the items in order of first appearance, row by row and a before b."""
    for one in (a, b):
        blank = one.isna() | (one.astype(str).str.strip() == "")
        if blank.any():
            raise DataError(f"{source}, comparison {int(blank.argmax()) + 1}: no {one.name}. Give every row both items")
    both = np.empty(2 * len(a), dtype=object)
    both[::2], both[1::2] = a.astype(str), b.astype(str)
    codes, items = pd.factorize(both)
    first, second = codes[::2].astype(np.int64), codes[1::2].astype(np.int64)
    if (same := first == second).any():
        row = int(same.argmax())
        raise DataError(
            f"{source}, comparison {row + 1}: {items[first[row]]!r} is compared with itself. Remove the row"
        )
    return (first, second), [str(item) for item in items]


def _refuse_other_items(frame: pd.DataFrame, used: tuple[str, str], source: str) -> None:
    """Refuse further columns of items that name others than those that are used."""
    for name, others in zip(used, (A_NAMES, B_NAMES), strict=True):
        for other in (one for one in others if one in frame and one != name):
            _refuse_unlike(frame, name, other, (frame[name].astype(str) != frame[other].astype(str)).to_numpy(), source)


def _agreeing(
    frame: pd.DataFrame, names: tuple[str, ...], read: Callable[[pd.Series, str], NDArray[T]], source: str
) -> NDArray[T]:
    """The values of the columns that say the same thing, of which there is one at least."""
    first, *others = [name for name in names if name in frame]
    found = read(frame[first], source)
    for other in others:
        _refuse_unlike(frame, first, other, found != read(frame[other], source), source)
    return found


def _refuse_unlike(frame: pd.DataFrame, one: str, other: str, unlike: NDArray[np.bool_], source: str) -> None:
    if unlike.any():
        row = int(unlike.argmax())
        raise DataError(
            f"{source}, comparison {row + 1}: {one} is {frame[one].iloc[row]!r} and {other} is "
            f"{frame[other].iloc[row]!r}, which do not agree. Correct the row, or leave out one of the columns"
        )


def _orders(values: pd.Series, source: str) -> Floats:
    text = values.astype(str).str.lower()
    found = np.where(text.isin(FIRST_A), 1.0, np.where(text.isin(FIRST_B), -1.0, 0.0))
    if (unknown := found == 0).any():
        row = int(unknown.argmax())
        raise DataError(
            f"{source}, comparison {row + 1}: {values.name} is {values.iloc[row]!r}; expected one of "
            f"{', '.join(FIRST_A)} (item a first) or {', '.join(FIRST_B)} (item b first)"
        )
    return found


def _results(frame: pd.DataFrame, choices: pd.Series, items: tuple[str, str], source: str) -> Ints:
    choice, text = choices.name, choices.astype(str)
    low = text.str.lower()
    result = low.map(CATEGORIES).to_numpy(dtype=np.float64, na_value=np.nan)
    a_won = (low == "a") | (text == frame[items[0]].astype(str))
    b_won = (low == "b") | (text == frame[items[1]].astype(str))
    if (either := (a_won & b_won).to_numpy()).any():
        row = int(either.argmax())
        raise DataError(
            f"{source}, comparison {row + 1}: {choice} {text.iloc[row]!r} could be either item, for one is named so. "
            "Name items otherwise than a and b"
        )
    result = np.where(a_won, WON, np.where(b_won, -WON, result))
    if (unknown := np.isnan(result)).any():
        row = int(unknown.argmax())
        raise DataError(
            f"{source}, comparison {row + 1}: {choice} is {choices.iloc[row]!r}; expected a, b, the name of one "
            f"of its items, or {', '.join(CATEGORIES)}{did_you_mean(text.iloc[row], ['a', 'b', *CATEGORIES])}"
        )
    return result.astype(np.int64)


def _weights(frame: pd.DataFrame, source: str) -> Floats:
    if not any(name in frame for name in COUNT_NAMES):
        return np.ones(len(frame))
    return _agreeing(frame, COUNT_NAMES, _count, source)


def _count(values: pd.Series, source: str) -> Floats:
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64)
    if (wrong := ~((numbers >= 0) & (numbers <= MOST))).any():
        row = int(wrong.argmax())
        raise DataError(
            f"{source}, row {row + 1}: {values.name} is {values.iloc[row]!r}; expected a count of 0 to {MOST:.0e}"
        )
    return numbers


def _counted(frame: pd.DataFrame, a_name: str, b_name: str, source: str) -> pd.DataFrame:
    """Rows of counts as one row for each kind of answer; the order of the items is not known."""
    kinds = [name for name in ("a", "b", "tie", "refusal") if name in frame]
    parts = [
        pd.DataFrame({a_name: frame[a_name], b_name: frame[b_name], "choice": kind, "n": _count(frame[kind], source)})
        for kind in kinds
    ]
    found = pd.concat(parts).sort_index(kind="stable").reset_index(drop=True)
    return found[found["n"] > 0].reset_index(drop=True)


def _spread_out(frame: pd.DataFrame, a_name: str, b_name: str, source: str) -> pd.DataFrame:
    """Pairs with a list of choices for each order, as one row per choice."""
    if "ba_baseline" not in frame:
        raise DataError(f"{source}: there is ab_baseline, but no ba_baseline. Give the choices of both orders")
    rows = [
        (row[a_name], row[b_name], order, choice)
        for row in frame.to_dict("records")
        for order in ("ab", "ba")
        for choice in row[f"{order}_baseline"]
    ]
    return pd.DataFrame(rows, columns=[a_name, b_name, "order", "choice"])
