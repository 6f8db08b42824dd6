"""Requests, answers, costs and claims on requests, in one SQLite database for all processes.

Money is held before a request is sent and settled with its answer, in the same transaction as the answer is kept. A
request is held by one process or by one batch at a time. A process proves that it lives by a lock that the kernel
frees; what a dead one held is taken over, and its money counts as spent, because it may have been.
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, NamedTuple

from inoc.api.pace import Limits, Pace, fresh
from inoc.api.request import NANO, Endpoint, Request, Usage
from inoc.errors import BudgetError
from inoc.trouble import has_no_locks

FILE = "requests.sqlite"
_BATCH = "batch:"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (
    key TEXT PRIMARY KEY,
    base_url TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    model TEXT NOT NULL,
    body TEXT NOT NULL,
    replicate INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('free', 'held', 'done')),
    holder TEXT NOT NULL DEFAULT '',
    held_nano INTEGER NOT NULL DEFAULT 0,
    cost_nano INTEGER NOT NULL DEFAULT 0,
    lost_nano INTEGER NOT NULL DEFAULT 0,
    response TEXT,
    error TEXT,
    input_tokens INTEGER,
    output_tokens INTEGER,
    asked_at REAL,
    answered_at REAL
);
CREATE INDEX IF NOT EXISTS held ON requests (holder) WHERE state = 'held';
CREATE TABLE IF NOT EXISTS batches (
    id TEXT PRIMARY KEY,
    base_url TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    file_id TEXT,
    server_id TEXT,
    state TEXT NOT NULL,
    made_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS tunings (
    key TEXT PRIMARY KEY,
    base_url TEXT NOT NULL,
    model TEXT NOT NULL,
    settings TEXT NOT NULL,
    label TEXT NOT NULL,
    state TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    file_id TEXT,
    job_id TEXT,
    given_up TEXT NOT NULL DEFAULT '',
    served TEXT,
    error TEXT,
    trained_tokens INTEGER,
    held_nano INTEGER NOT NULL DEFAULT 0,
    cost_nano INTEGER NOT NULL DEFAULT 0,
    lost_nano INTEGER NOT NULL DEFAULT 0,
    made_at REAL,
    ended_at REAL
);
CREATE TABLE IF NOT EXISTS pace (name TEXT PRIMARY KEY, state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS spending (one INTEGER PRIMARY KEY CHECK (one = 1), nano INTEGER NOT NULL);
INSERT OR IGNORE INTO spending VALUES (1, 0);
CREATE TRIGGER IF NOT EXISTS spend AFTER UPDATE OF held_nano, cost_nano, lost_nano ON requests BEGIN
    UPDATE spending SET nano = nano + NEW.held_nano + NEW.cost_nano + NEW.lost_nano
        - OLD.held_nano - OLD.cost_nano - OLD.lost_nano;
END;
CREATE TRIGGER IF NOT EXISTS spend_on_tuning AFTER UPDATE OF held_nano, cost_nano, lost_nano ON tunings BEGIN
    UPDATE spending SET nano = nano + NEW.held_nano + NEW.cost_nano + NEW.lost_nano
        - OLD.held_nano - OLD.cost_nano - OLD.lost_nano;
END;
"""


class Stored(NamedTuple):
    """A kept answer."""

    response: dict[str, Any]
    usage: Usage | None


class Batch(NamedTuple):
    """A batch on its way."""

    id: str
    endpoint: Endpoint
    file_id: str | None
    server_id: str | None
    state: str  # planned, or how it ended
    made_at: float  # seconds since 1970


class Totals(NamedTuple):
    """Total tokens and costs of a set of requests."""

    input_tokens: int
    output_tokens: int
    dollars: float
    lost_dollars: float


class Cache:
    """The database. Several processes may have it open.

    Attributes:
        holder: The name under which this process holds requests.
    """

    def __init__(self, folder: Path, budget_nano: int) -> None:
        """Open it, and make it if it is not there.

        Args:
            folder: Where; it must be on a disk of this machine, because SQLite's log cannot be shared over a network.
            budget_nano: Most that may be spent in all, in billionths of a dollar.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._holders = folder / "holders"
        self._holders.mkdir(exist_ok=True)
        self._budget_nano = budget_nano
        self.holder = uuid.uuid4().hex
        self._alive = self._lock(self.holder)
        self._db = sqlite3.connect(folder / FILE, isolation_level=None, timeout=60)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Release all claims and close the database."""
        self._db.close()
        if self._alive is not None:
            self._alive.close()
            (self._holders / self.holder).unlink(missing_ok=True)

    # --- answers

    def answer(self, key: str) -> Stored | None:
        """The kept answer of a request."""
        row = self.row("SELECT * FROM requests WHERE key = ? AND state = 'done'", key)
        if row is None:
            return None
        usage = None if row["input_tokens"] is None else Usage(row["input_tokens"], row["output_tokens"])
        return Stored(json.loads(row["response"]), usage)

    def keep(self, key: str, response: str, usage: Usage | None, cost_nano: int) -> None:
        """Keep an answer, and settle what it cost; an answer that is there already stays."""
        tokens = usage or (None, None)
        self._db.execute(
            "UPDATE requests SET state = 'done', holder = '', response = ?, error = NULL, input_tokens = ?, "
            "output_tokens = ?, held_nano = 0, cost_nano = ?, answered_at = ? WHERE key = ? AND state != 'done'",
            (response, *tokens, cost_nano, time.time(), key),
        )

    # --- holding

    def hold(self, requests: Sequence[tuple[str, Request, int]], base_url: str, holder: str = "") -> list[str]:
        """Hold requests and their maximum costs, in order, as far as the budget allows.

        Args:
            requests: Key, request and most cost in billionths of a dollar.
            base_url: Where they will be sent.
            holder: In whose name; default: this process.

        Returns:
            Keys that are now held. Others are answered, held by somebody else, or come after the first that the
            budget has no room for.
        """
        held: list[str] = []
        with self.transaction():
            for key, request, most_nano in requests:
                self._db.execute(
                    "INSERT OR IGNORE INTO requests (key, base_url, endpoint, model, body, replicate, state) "
                    "VALUES (?, ?, ?, ?, ?, ?, 'free')",
                    (key, base_url, request.endpoint, request.model, request.text, request.replicate),
                )
                row = self.row("SELECT state, holder FROM requests WHERE key = ?", key)
                if row is None or row["state"] == "done" or (row["state"] == "held" and self._lives(row["holder"])):
                    continue
                if not self.has_room(most_nano):
                    break
                # Money held by a dead process may have been billed: it counts as lost, and is not released.
                self._db.execute(
                    "UPDATE requests SET state = 'held', holder = ?, lost_nano = lost_nano + held_nano, "
                    "held_nano = ?, asked_at = ? WHERE key = ?",
                    (holder or self.holder, most_nano, time.time(), key),
                )
                held.append(key)
        return held

    def holder_of(self, key: str) -> str:
        """The live holder of a request; empty if there is none."""
        row = self.row("SELECT holder FROM requests WHERE key = ? AND state = 'held'", key)
        return str(row["holder"]) if row is not None and self._lives(row["holder"]) else ""

    def lose(self, key: str, again_nano: int = 0) -> None:
        """Count a try whose answer was lost as spent, and hold the money of the next one.

        Raises:
            BudgetError: If there is no room for the next one.
        """
        with self.transaction():
            self._db.execute(
                "UPDATE requests SET lost_nano = lost_nano + held_nano, held_nano = 0 WHERE key = ?", (key,)
            )
            room = self.has_room(again_nano)
            if room:
                self._db.execute("UPDATE requests SET held_nano = ? WHERE key = ?", (again_nano, key))
        if not room:
            raise self.no_money(again_nano)

    def release(self, key: str, error: str = "") -> None:
        """Give back a request that was not answered and cannot have been billed."""
        self._db.execute(
            "UPDATE requests SET state = 'free', holder = '', held_nano = 0, error = ? "
            "WHERE key = ? AND state = 'held'",
            (error, key),
        )

    def no_money(self, wanted_nano: int) -> BudgetError:
        """The error that says that the budget is used up."""
        budget, spent = self._budget_nano / NANO, self.spent_nano() / NANO
        return BudgetError(
            f"the API's budget is {budget:.4f} dollars, {spent:.4f} are spent or held for requests under way, and the "
            f"next request can cost {wanted_nano / NANO:.6f}. Everything that was paid for is kept. "
            "Raise api.budget in config/config.yaml and run again"
        )

    # --- batches

    def plan_batch(
        self, requests: Sequence[tuple[str, Request, int]], base_url: str, endpoint: Endpoint
    ) -> Batch | None:
        """Record a batch before anything of it is sent, with as many requests as the budget has room for."""
        batch = Batch(uuid.uuid4().hex, endpoint, None, None, "planned", time.time())
        self._db.execute(
            "INSERT INTO batches (id, base_url, endpoint, state, made_at) VALUES (?, ?, ?, 'planned', ?)",
            (batch.id, base_url, endpoint, batch.made_at),
        )
        if self.hold(requests, base_url, _BATCH + batch.id):
            return batch
        self._db.execute("DELETE FROM batches WHERE id = ?", (batch.id,))
        return None

    def batch(self, holder: str) -> Batch | None:
        """The batch that a holder's name means; None if it means a process."""
        columns = ", ".join(Batch._fields)
        row = self.row(f"SELECT {columns} FROM batches WHERE id = ?", holder.removeprefix(_BATCH))
        return None if row is None else Batch(*row)

    def note_batch(self, batch: Batch) -> None:
        """Record the progress of a batch."""
        self._db.execute(
            "UPDATE batches SET file_id = ?, server_id = ? WHERE id = ?", (batch.file_id, batch.server_id, batch.id)
        )

    def end_batch(self, batch: Batch, state: str, *, billed: bool) -> None:
        """Free what a batch did not answer; with `billed`, count it as spent."""
        lost = "lost_nano = lost_nano + held_nano, " if billed else ""
        with self.transaction():
            self._db.execute(
                f"UPDATE requests SET state = 'free', holder = '', {lost}held_nano = 0 "
                "WHERE holder = ? AND state = 'held'",
                (_BATCH + batch.id,),
            )
            self._db.execute("UPDATE batches SET state = ? WHERE id = ?", (state, batch.id))
        (self._holders / f"batch-{batch.id}").unlink(missing_ok=True)

    def batch_bodies(self, batch: Batch) -> Iterator[tuple[str, str]]:
        """Key and body of every request that a batch holds."""
        for row in self._db.execute(
            "SELECT key, body FROM requests WHERE holder = ? AND state = 'held' ORDER BY key", (_BATCH + batch.id,)
        ).fetchall():
            yield row["key"], row["body"]

    def caring_for(self, batch: Batch) -> AbstractContextManager[bool]:
        """Become the only process that advances a batch; False if there is another one."""
        return self.alone(f"batch-{batch.id}")

    # --- pace

    def change_pace(self, name: str, limits: Limits, change: Callable[[Pace], tuple[Pace, float]]) -> float:
        """Read the shared pace, change it and write it back, as one step for all processes.

        Args:
            name: Of the pace: models have limits of their own.
            limits: As configured.
            change: Pace → pace after, and a result.

        Returns:
            The result.
        """
        name = f"{name} {_boot()}"  # the monotonic clock, which cannot be set, restarts with the machine
        with self.transaction():
            row = self.row("SELECT state FROM pace WHERE name = ?", name)
            pace = fresh(limits, time.monotonic()) if row is None else Pace(**json.loads(row["state"]))
            pace, result = change(pace)
            self._db.execute("INSERT OR REPLACE INTO pace VALUES (?, ?)", (name, json.dumps(asdict(pace))))
        return result

    # --- money

    def spent_nano(self) -> int:
        """Total spending in billionths of a dollar, with money held and possible charges of lost requests."""
        row = self.row("SELECT nano FROM spending")
        return int(row["nano"]) if row is not None else 0

    def totals(self, keys: Sequence[str]) -> Totals:
        """Total tokens and costs of some requests, no matter which process sent them."""
        sums = [0, 0, 0, 0]
        for key in keys:
            row = self.row("SELECT input_tokens, output_tokens, cost_nano, lost_nano FROM requests WHERE key = ?", key)
            if row is not None:
                sums = [total + (value or 0) for total, value in zip(sums, row, strict=True)]
        return Totals(sums[0], sums[1], sums[2] / NANO, sums[3] / NANO)

    def has_room(self, most_nano: int) -> bool:
        """Whether the budget has room for a request of this maximum cost."""
        return self._budget_nano - self.spent_nano() >= most_nano

    # --- plumbing

    @contextmanager
    def alone(self, name: str) -> Iterator[bool]:
        """Become the only process that does what a name says; False if there is another one."""
        lock = self._lock(name)
        try:
            yield lock is not None
        finally:
            if lock is not None:
                lock.close()

    def change(self, query: str, *values: str | float | None) -> None:
        """Run a statement that returns nothing."""
        self._db.execute(query, values)

    def rows(self, query: str, *values: str) -> list[sqlite3.Row]:
        """Every row that a query finds."""
        return self._db.execute(query, values).fetchall()

    def row(self, query: str, *values: str) -> sqlite3.Row | None:
        """The first row that a query finds."""
        row: sqlite3.Row | None = self._db.execute(query, values).fetchone()
        return row

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make statements one step for all processes."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # SQLite ends it by itself when the disk is full
                self._db.execute("ROLLBACK")
            raise

    def _lives(self, holder: str) -> bool:
        """Whether a holder may still bring an answer: a batch always, a process as long as it has its lock."""
        if holder.startswith(_BATCH) or holder == self.holder:
            return True
        lock = self._lock(holder)
        if lock is None:
            return True
        lock.close()
        (self._holders / holder).unlink(missing_ok=True)
        return False

    def _lock(self, name: str) -> IO[str] | None:
        """A lock on a file of this name, or None if another process has it."""
        stream = (self._holders / name).open("w")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            stream.close()
            if has_no_locks(error):
                raise
            return None
        return stream


@lru_cache(maxsize=1)
def _boot() -> str:
    """Identifier of the current boot of this machine; empty where the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def kept_responses(folder: Path, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Responses of requests that were answered; nothing is made or changed.

    Args:
        folder: Of the database.
        keys: Of requests.

    Returns:
        Key → response, without those that have none.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    found = {}
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
        for key in dict.fromkeys(keys):
            row = database.execute("SELECT response FROM requests WHERE key = ? AND state = 'done'", (key,)).fetchone()
            if row is not None and row[0] is not None:
                found[key] = json.loads(row[0])
    return found
