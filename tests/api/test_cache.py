"""Holding, settling and taking over, without a server."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from inoc.api.cache import FILE, Cache, kept_responses
from inoc.api.request import NANO, Request, Usage
from inoc.errors import BudgetError
from inoc.trouble import explanation

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


# --- a database that fails


def full(cache: Cache, pages: int) -> None:
    """Let the disk be full after so many more pages."""
    used = cache.rows("PRAGMA page_count")[0][0]
    cache.change(f"PRAGMA max_page_count = {used + pages}")


@pytest.mark.parametrize("pages", range(4))
def test_a_disk_that_fills_up_is_the_cause_that_is_named_and_no_money_is_held(tmp_path: Path, pages: int) -> None:
    with closing(Cache(tmp_path, NANO)) as cache:
        full(cache, pages)
        requests = [
            (f"key{at}", Request("/chat/completions", {"model": "m", "text": "x" * 3000}), 10) for at in range(50)
        ]
        with pytest.raises(sqlite3.OperationalError) as caught:
            cache.hold(requests, URL)
        assert str(explanation(caught.value)).startswith("the disk is full")
        assert cache.spent_nano() == 0
        cache.change("PRAGMA max_page_count = 100000")
        assert len(cache.hold(requests, URL)) == 50
        assert cache.spent_nano() == 500


def test_a_database_that_another_process_keeps_locked_is_named(tmp_path: Path) -> None:
    with closing(Cache(tmp_path, NANO)) as cache, closing(sqlite3.connect(tmp_path / FILE)) as other:
        cache.change("PRAGMA busy_timeout = 10")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError) as caught:
            cache.hold(rows("key"), URL)
        assert "database is locked" in str(explanation(caught.value))
        other.rollback()
        assert cache.hold(rows("key"), URL) == ["key"]


@pytest.mark.parametrize("spoil", ["text", "folder", "cut", "other"])
def test_a_database_that_is_none_is_named_and_not_replaced(tmp_path: Path, spoil: str) -> None:
    path = tmp_path / FILE
    if spoil == "text":
        path.write_text("this is no database " * 100)
    elif spoil == "folder":
        path.mkdir()
    elif spoil == "other":
        with closing(sqlite3.connect(path)) as database:
            database.execute("CREATE TABLE requests (a TEXT)")
    else:
        Cache(tmp_path, NANO).close()
        path.write_bytes(path.read_bytes()[:5000])
    uses: list[Callable[[], object]] = [lambda: Cache(tmp_path, NANO)]
    if path.is_file():
        uses.append(lambda: kept_responses(tmp_path, ["key"]))
    for use in uses:
        with pytest.raises(sqlite3.Error) as caught:
            use()
        assert "the database of requests cannot be used" in str(explanation(caught.value))
    assert path.exists()
