"""Holding, settling and taking over, without a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from inoc.api.cache import Cache
from inoc.api.request import Request, Usage
from inoc.errors import BudgetError

URL = "http://localhost/v1"


def rows(*names: str, most: int = 10) -> list[tuple[str, Request, int]]:
    return [(name, Request("/chat/completions", {"model": "m", "messages": []}), most) for name in names]


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Cache, Cache]]:
    """Two processes' views of one database."""
    with closing(Cache(tmp_path, 100)) as one, closing(Cache(tmp_path, 100)) as other:
        yield one, other


def test_a_request_is_held_by_one_at_a_time(two: tuple[Cache, Cache]) -> None:
    one, other = two
    assert one.hold(rows("a", "b"), URL) == ["a", "b"]
    assert other.hold(rows("a", "c"), URL) == ["c"]
    assert other.holder_of("a") == one.holder
    one.release("a")
    assert other.hold(rows("a"), URL) == ["a"]


def test_an_answer_is_seen_by_all_and_is_not_replaced(two: tuple[Cache, Cache]) -> None:
    one, other = two
    one.hold(rows("a"), URL)
    one.keep("a", '{"x": 1}', Usage(3, 1), 4)
    other.keep("a", '{"x": 2}', Usage(3, 1), 4)
    stored = other.answer("a")
    assert stored is not None
    assert stored.response == {"x": 1}
    assert other.hold(rows("a"), URL) == []
    assert other.spent_nano() == 4


def test_what_a_dead_process_held_is_taken_over_and_counts_as_spent(tmp_path: Path) -> None:
    with closing(Cache(tmp_path, 100)) as survivor:
        dead = Cache(tmp_path, 100)
        dead.hold(rows("a"), URL)
        dead.close()  # its lock goes, its row stays
        assert survivor.holder_of("a") == ""
        assert survivor.hold(rows("a"), URL) == ["a"]
        survivor.keep("a", "{}", Usage(1, 1), 2)
        assert survivor.spent_nano() == 12
        assert survivor.totals(["a"]).lost_dollars == pytest.approx(10e-9)


def test_no_more_is_held_than_there_is(two: tuple[Cache, Cache]) -> None:
    one, other = two
    assert one.hold(rows("a", "b", most=40), URL) == ["a", "b"]
    assert other.hold(rows("c", most=40), URL) == []
    one.keep("a", "{}", Usage(1, 1), 1)  # the rest of what was held is free again
    assert other.hold(rows("c", most=40), URL) == ["c"]
    with pytest.raises(BudgetError, match="spent or held"):
        other.lose("c", 40)


def test_a_planned_batch_holds_its_requests_for_everybody(two: tuple[Cache, Cache]) -> None:
    one, other = two
    batch = one.plan_batch(rows("a", "b"), URL, "/chat/completions")
    assert batch is not None
    assert other.hold(rows("a"), URL) == []
    assert other.batch(other.holder_of("a")) == batch
    with one.caring_for(batch) as ours, other.caring_for(batch) as theirs:
        assert (ours, theirs) == (True, False)
    one.end_batch(batch, "expired", billed=False)
    assert other.hold(rows("a"), URL) == ["a"]
    assert one.spent_nano() == 10
