"""Completions as chats: the very turns that a model was given, from the plans of the stages that asked."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from inoc.chat.messages import Chat, Framing, compose, turns_of_text
from inoc.config.models import BaseStudy, ModelSpec, SystemTurn
from inoc.config.workflow import Shards
from inoc.engines.identity import ModelIdentity
from inoc.errors import ModelError
from inoc.jobs.job import Job
from inoc.jobs.make import Made
from inoc.jobs.paths import Paths
from inoc.jobs.series import Series
from inoc.jobs.shards import shard_count
from inoc.jobs.work import works_of
from inoc.python.found import IMPORTS
from inoc.stages import stage_named
from inoc.store import Store

Message = dict[str, str]
_STEP = "inoc.sample.step"
_GIVEN = Framing(SystemTurn(kind="none"))


@dataclass
class _Planning(Job):
    """A job that is planned and not run: its model need not be here."""

    def model(self, spec: ModelSpec, world: str = "") -> ModelIdentity:
        """The name and the folder of the model, without its digests."""
        folder = self.paths.world(world) / "model" if spec.path == "world" else Path(spec.path)
        return ModelIdentity(folder, "", "", spec.dtype, None, path=spec.path)


def messages_of(chat: Chat, completion: str) -> list[Message]:
    """The turns of a chat that a study writes, with a completion as the last one."""
    found = [{"role": "system", "content": chat.system.text}] if chat.system.kind == "text" else []
    for turn in chat.earlier:
        found += [{"role": "user", "content": turn.user}, {"role": "assistant", "content": turn.assistant}]
    return [*found, {"role": "user", "content": chat.user}, {"role": "assistant", "content": completion}]


def add_messages(study: BaseStudy, paths: Paths, shards: Shards, completions: pd.DataFrame) -> pd.DataFrame:
    """Completions with their chats, in columns `messages` and `as_asked`; see `Results.transcripts`."""
    known = asked_chats(study, paths, shards, set(completions["source"]))
    messages: list[list[Message]] = []
    as_asked: list[bool] = []
    for row in completions.to_dict("records"):
        chats = known.get(row["source"], {})
        chat = chats.get(_key(row))
        as_asked.append(chat is not None)
        messages.append(messages_of(_from_columns(row) if chat is None else chat, row["completion"]))
    return completions.assign(messages=pd.Series(messages, dtype=object), as_asked=as_asked)


def _key(row: dict[Any, Any]) -> tuple[str, ...]:
    """The chat of a row: that of the question's id, or of its prefix and instruction where it has no id."""
    return (row["id"],) if isinstance(row.get("id"), str) else (str(row.get("prefix_text", "")), row["instruction"])


def _from_columns(row: dict[Any, Any]) -> Chat:
    earlier, prefix = row.get("earlier"), row.get("prefix_text")
    turns = turns_of_text(earlier) if isinstance(earlier, str) else ()
    return compose(_GIVEN, prefix if isinstance(prefix, str) else "", row["instruction"], earlier=turns)


def asked_chats(
    study: BaseStudy, paths: Paths, shards: Shards, sources: set[str]
) -> dict[str, dict[tuple[str, ...], Chat]]:
    """Table of completions → the chats of its questions, of the stages that sample for this study."""
    found: dict[str, dict[tuple[str, ...], Chat]] = {}
    if (paths.stage(IMPORTS) / "findings.json").exists():
        return found  # other people asked
    for work in works_of(study):
        source = f"{work.stage}/{work.part}/answers" if work.part else f"{work.stage}/completions"
        stage = stage_named(work.stage)
        if source not in sources or not _samples(stage.step):
            continue
        chats = found.setdefault(source, {})
        for shard in range(shard_count(stage, shards)):
            job = _Planning(study.name, paths, Store(paths.stage("store")), work.stage, shard, work.part)
            # A plan of steering asks the model how many layers it has, which may be on another machine.
            with suppress(ModelError):
                chats.update(_chats(Made(job, study, shards).plan()))
    return found


def _samples(step: str) -> bool:
    from inoc.sample import step as sample

    return getattr(importlib.import_module(step), "run", None) is sample.run


def _chats(plan: Any) -> Iterator[tuple[tuple[str, ...], Chat]]:
    from inoc.sample.api import ApiPlan

    for one in _plans(plan):
        if isinstance(one, ApiPlan):
            yield from (((name,), chat) for name, chat in zip(one.ids, one.chats, strict=True))
            continue
        asked = (chat for block in one.blocks for chat in block.chats)
        rows = one.rows.to_dict("records")
        yield from ((_key(row), chat) for row, chat in zip(rows, asked, strict=True))


def _plans(plan: Any) -> Iterator[Any]:
    """The plans of a job; those of a series that samples do not depend on what the earlier ones found."""
    if not isinstance(plan, Series):
        yield plan
        return
    done: list[pd.DataFrame] = []
    while (one := plan.next(done)) is not None:
        yield one
        done.append(pd.DataFrame())
