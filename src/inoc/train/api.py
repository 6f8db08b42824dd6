"""Fine-tuning of a model that only an API has, by jobs of its server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import pandas as pd

from inoc.api.tunings import Row, Tuning
from inoc.chat.messages import Chat
from inoc.digest import Json
from inoc.jobs.job import Job
from inoc.sample.api import messages
from inoc.tables import BAD_ROWS, CHECKPOINTS, LOSSES, write_table


class ApiRun(NamedTuple):
    """One fine-tuning.

    Attributes:
        columns: What the tables say of it: `run` is its name.
        chats: The training examples.
        n_epochs: Passes over them.
        seed: Seed that the server takes.
        batch_size: Examples per step; None: the server's choice.
        learning_rate_multiplier: Factor of the server's own learning rate; None: the server's choice.
    """

    columns: Mapping[str, str | int | float]
    chats: Sequence[Chat]
    n_epochs: int
    seed: int
    batch_size: int | None = None
    learning_rate_multiplier: float | None = None


@dataclass(frozen=True)
class ApiPlan:
    """The runs of a job, all with one model behind an API.

    Attributes:
        model: The model, as the API names it.
        runs: The runs.
        checkpoints: Which models of a run are listed: its `last` one, or all that the server keeps.
    """

    model: str
    runs: Sequence[ApiRun]
    checkpoints: Literal["last", "served"] = "last"


def train_by_api(job: Job, plan: ApiPlan) -> str:
    """Run the fine-tuning jobs and write `checkpoints`, whose `path` and `digest` are the names of the models.

    `losses` and `bad_rows` are empty: the server keeps the former, and refuses a file with the latter.

    Raises:
        BudgetError: If they are likely to cost more than is left, before any is created.
        ApiError: If one fails or was cancelled, with the server's reason.
    """
    tunings = [_tuning(job, plan.model, one) for one in plan.runs]
    found = job.api.tune(tunings)
    rows = [row for one, row_ in zip(plan.runs, found, strict=True) for row in _rows(one, row_, plan.checkpoints)]
    path = job.paths.checkpoints(job.shard, job.part)
    write_table(pd.DataFrame(rows, columns=CHECKPOINTS.names), CHECKPOINTS, path)
    write_table(LOSSES.empty_table().to_pandas(), LOSSES, job.paths.losses(job.shard, job.part))
    write_table(BAD_ROWS.empty_table().to_pandas(), BAD_ROWS, path.parent / "bad_rows.parquet")
    job.record["model"] = {"path": plan.model, "behind": job.api_spec.base_url}
    job.record["counts"] = {"runs": len(found), "examples": max((len(one.chats) for one in plan.runs), default=0)}
    job.record["seeds"] = sorted({one.seed for one in plan.runs})
    dollars = sum({row.key: row.cost_nano for row in found}.values()) / 1e9
    return f"{len(found)} runs behind the API, for {dollars:.4f} dollars in all"


def _tuning(job: Job, model: str, run: ApiRun) -> Tuning:
    return Tuning(
        f"{job.study}/{run.columns['run']}",
        model,
        [_turns(chat) for chat in run.chats],
        run.n_epochs,
        run.seed,
        run.batch_size,
        run.learning_rate_multiplier,
    )


def _turns(chat: Chat) -> list[Json]:
    """The turns of a training example."""
    return [*messages(chat), {"role": "assistant", "content": chat.response}]


def _rows(run: ApiRun, found: Row, checkpoints: Literal["last", "served"]) -> Iterator[dict[str, object]]:
    models = found.models if checkpoints == "served" else found.models[-1:]
    last = found.models[-1].step
    for step, name in models:
        yield {**run.columns, "step": step, "path": name, "digest": name, "epoch": step * run.n_epochs / last}
