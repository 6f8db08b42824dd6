"""Fine-tunings behind an API, and what the database remembers of them.

A fine-tuning is known by a digest of everything that its model depends on. The database holds its maximum cost before
the job is created, and books what the server says that it trained on when the job has ended.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from inoc.api.cache import Cache
from inoc.api.request import NANO
from inoc.config.workflow import Price
from inoc.digest import Json, digest
from inoc.errors import ApiError, ConfigError

_BYTES_PER_TOKEN = 4  # of a line of a training file, with its names and brackets; for estimates, not for the budget
UNDER_WAY = ("planned", "running")


@dataclass(frozen=True)
class Tuning:
    """A fine-tuning by supervised learning.

    Attributes:
        label: Name for people; not part of what it is.
        model: The model that is trained, as the API names it.
        rows: The training examples, each the messages of a chat that ends with the answer to be learned.
        n_epochs: Passes over the rows.
        seed: Seed that the server takes.
        batch_size: Examples per step; None: the server's choice.
        learning_rate_multiplier: Factor of the server's own learning rate; None: the server's choice.
    """

    label: str
    model: str
    rows: Sequence[Sequence[Json]]
    n_epochs: int
    seed: int
    batch_size: int | None = None
    learning_rate_multiplier: float | None = None

    @cached_property
    def lines(self) -> bytes:
        """The training file, in JSON Lines."""
        return "".join(json.dumps({"messages": list(row)}, ensure_ascii=False) + "\n" for row in self.rows).encode()

    @property
    def hyperparameters(self) -> dict[str, Json]:
        """The settings of the training that the server is told."""
        given: dict[str, Json] = {
            "batch_size": self.batch_size,
            "learning_rate_multiplier": self.learning_rate_multiplier,
        }
        return {"n_epochs": self.n_epochs, **{name: value for name, value in given.items() if value is not None}}

    def key(self, base_url: str) -> str:
        """Digest of everything that the fine-tuned model depends on."""
        return digest(
            {
                "base_url": base_url,
                "model": self.model,
                "file": digest(self.lines.decode()),
                "method": "supervised",
                "hyperparameters": self.hyperparameters,
                "seed": self.seed,
            }
        )

    def most_nano(self, price: Price) -> int:
        """Maximum cost in billionths of a dollar: no token is shorter than a byte of the file."""
        return training_nano(len(self.lines) * self.n_epochs, price, self.model)

    def likely_nano(self, price: Price) -> int:
        """Likely cost in billionths of a dollar."""
        return training_nano(len(self.lines) * self.n_epochs // _BYTES_PER_TOKEN, price, self.model)


def training_nano(tokens: float, price: Price, model: str) -> int:
    """Cost of training on a number of tokens, in billionths of a dollar, rounded up.

    Raises:
        ApiError: If the model has no price for training, because then no budget could hold.
    """
    if price.training is None:
        msg = (
            f"the model {model!r} has no price for training, so the budget cannot be kept. Give it one in "
            f"config/config.yaml, in dollars per million tokens: api: prices: {model}: {{input: 0.1, output: 0.4, "
            "training: 1.5} (0 for a server of your own)"
        )
        raise ApiError(msg)
    return math.ceil(round(tokens * price.training / 1e6 * NANO, 6))


class Served(NamedTuple):
    """A fine-tuned model that the API serves."""

    step: int  # of the optimiser, as the server counts; the number of epochs if it does not say
    model: str  # its name


class Row(NamedTuple):
    """A fine-tuning as the database has it."""

    key: str
    base_url: str
    model: str
    label: str
    state: str  # planned, running, succeeded, failed or cancelled
    attempt: int
    file_id: str | None
    job_id: str | None
    given_up: str  # names of its jobs that are not to be taken up again, with spaces between them
    served: str | None  # JSON
    error: str | None
    trained_tokens: int | None
    held_nano: int
    cost_nano: int
    lost_nano: int

    @property
    def models(self) -> list[Served]:
        """The models of a fine-tuning that succeeded, the last one last."""
        return [Served(int(step), str(name)) for step, name in json.loads(self.served or "[]")]


_COLUMNS = ", ".join(Row._fields)


class Tunings:
    """The fine-tunings in the database of requests."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache

    def row(self, key: str) -> Row | None:
        """A fine-tuning; None if the database does not know it."""
        found = self.cache.row(f"SELECT {_COLUMNS} FROM tunings WHERE key = ?", key)
        return None if found is None else Row(*found)

    def known(self, key: str) -> Row:
        """A fine-tuning that was begun."""
        found = self.row(key)
        if found is None:
            raise ApiError(f"the database has no fine-tuning {key}; run again")
        return found

    def all(self) -> list[Row]:
        """Every fine-tuning, the oldest first."""
        found = self.cache.rows(f"SELECT {_COLUMNS} FROM tunings ORDER BY made_at, label")
        return [Row(*one) for one in found]

    def named(self, name: str) -> Row:
        """The fine-tuning of a label, or of the beginning of a key.

        Raises:
            ConfigError: If none or several are meant.
        """
        rows = self.all()
        found = [row for row in rows if name in (row.label, row.job_id)] or [
            row for row in rows if name and row.key.startswith(name)
        ]
        if len(found) != 1:
            names = ", ".join(row.key[:12] if found else row.label for row in found or rows) or "none"
            msg = f"{name!r} means {len(found)} fine-tunings; accepted: one of {names}"
            raise ConfigError(msg)
        return found[0]

    def begin(self, key: str, tuning: Tuning, base_url: str) -> None:
        """Note that a fine-tuning is wanted; one that failed before is tried again."""
        with self.cache.transaction():
            self.cache.change(
                "INSERT OR IGNORE INTO tunings (key, base_url, model, settings, label, state, made_at) "
                "VALUES (?, ?, ?, ?, ?, 'planned', ?)",
                *(key, base_url, tuning.model, json.dumps({**tuning.hyperparameters, "seed": tuning.seed})),
                *(tuning.label, time.time()),
            )
            if self.known(key).state == "failed":
                self.again(key)

    def again(self, key: str) -> None:
        """Make a fine-tuning that has ended, no matter how, one that is to be run."""
        self.cache.change(
            "UPDATE tunings SET state = 'planned', attempt = attempt + 1, "
            "given_up = given_up || ' ' || coalesce(job_id, ''), "
            "file_id = NULL, job_id = NULL, served = NULL, error = NULL "
            "WHERE key = ? AND state IN ('succeeded', 'failed', 'cancelled')",
            key,
        )

    def hold(self, key: str, most_nano: int, *, paid: bool = False) -> bool:
        """Hold the maximum cost of a fine-tuning; False if the budget has no room for it.

        Args:
            key: Which one.
            most_nano: Its maximum cost in billionths of a dollar.
            paid: Whether its job exists, so that it costs what it costs.
        """
        with self.cache.transaction():
            if self.known(key).held_nano:
                return True
            if not paid and not self.cache.has_room(most_nano):
                return False
            self.cache.change("UPDATE tunings SET held_nano = ? WHERE key = ?", most_nano, key)
        return True

    def note(self, key: str, *, file_id: str | None, job_id: str | None) -> None:
        """Record what the server calls the file and the job."""
        self.cache.change("UPDATE tunings SET file_id = ?, job_id = ? WHERE key = ?", file_id, job_id, key)

    def note_state(self, key: str, state: str, error: str = "") -> None:
        """Record how far a job is."""
        self.cache.change("UPDATE tunings SET state = ?, error = ? WHERE key = ?", state, error or None, key)

    def settle(self, key: str, state: str, tokens: int | None, cost_nano: int, lost_nano: int) -> None:
        """Record how a job ended and what it cost, and give back what was held."""
        self.cache.change(
            "UPDATE tunings SET state = ?, trained_tokens = ?, held_nano = 0, cost_nano = cost_nano + ?, "
            "lost_nano = lost_nano + ?, ended_at = ? WHERE key = ? AND state IN ('planned', 'running')",
            *(state, tokens, cost_nano, lost_nano, time.time(), key),
        )

    def serve(self, key: str, served: Sequence[Served]) -> None:
        """Record the names of the models."""
        self.cache.change("UPDATE tunings SET served = ? WHERE key = ?", json.dumps(served), key)
