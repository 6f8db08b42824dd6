"""Fine-tuning jobs of an API: uploaded, created once, followed to their end, and never paid twice.

A job carries the digest of its fine-tuning in its metadata and in its suffix. After a crash, wherever it was, the next
process finds the job by its name in the database, by its mark, or by its file, instead of creating another one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import openai
from openai.types.fine_tuning import FineTuningJob

from inoc.api.desk import Desk
from inoc.api.objects import count_in, items, mark_in, reasons_in, text_in
from inoc.api.pace import retry_after_s
from inoc.api.request import NANO, price_of
from inoc.api.tunings import UNDER_WAY, Row, Served, Tuning, Tunings, training_nano
from inoc.api.wire import KEY_HEADER
from inoc.errors import ApiError, BudgetError, InocError

_MARK = "inoc_finetune"
_SUFFIX_LENGTH = 12  # some servers take no suffix of more than 18 characters
_ENDED = ("succeeded", "failed", "cancelled")
_FULL = 429
_LONGEST_PAUSE_S = 600.0
_LONGEST_REASON = 400
_HAS_NO_CHECKPOINTS = {400, 404, 405, 501}


@dataclass
class Following:
    """One waiting for a set of fine-tunings.

    Attributes:
        desk: The SDK, the settings and the database.
        tunings: The table.
        until: Reading of the monotonic clock at which the waiting ends.
        running: Keys whose jobs this process follows.
        failures: Why some did not succeed; no further job is created then.
        creating: Held while a job is created, so that the number of jobs is counted right.
    """

    desk: Desk
    tunings: Tunings
    until: float
    running: set[str] = field(default_factory=set)
    failures: list[InocError] = field(default_factory=list)
    creating: asyncio.Lock = field(default_factory=asyncio.Lock)


async def tune(desk: Desk, wanted: Mapping[str, Tuning]) -> None:
    """Run fine-tunings to their end, taking up those that an earlier process left.

    Jobs that are under way when another one fails are waited for.

    Raises:
        BudgetError: Before anything is sent, if they are likely to cost more than is left; or later, if one could.
        ApiError: If one fails or was cancelled, with the server's reason, or none is left but some go on.
    """
    following = Following(desk, Tunings(desk.cache), time.monotonic() + desk.spec.tuning_hours * 3600)
    for key, tuning in wanted.items():
        following.tunings.begin(key, tuning, desk.spec.base_url)
        row = following.tunings.known(key)
        if row.state in UNDER_WAY and row.job_id is not None:
            following.running.add(key)
    _check_budget(following, wanted)
    await asyncio.gather(*(_follow(following, key, tuning) for key, tuning in wanted.items()))
    if following.failures:
        raise following.failures[0]


def _check_budget(following: Following, wanted: Mapping[str, Tuning]) -> None:
    """Refuse to begin what is not likely to be paid for to its end."""
    desk, likely = following.desk, 0
    for key, tuning in wanted.items():
        row = following.tunings.known(key)
        if row.state == "planned" and row.job_id is None and not row.held_nano:
            likely += tuning.likely_nano(price_of(tuning.model, desk.spec.prices))
    if not desk.cache.has_room(likely):
        spent = desk.cache.spent_nano() / NANO
        msg = (
            f"the fine-tunings are likely to cost {likely / NANO:.2f} dollars; the API's budget is "
            f"{desk.spec.budget:.4f} dollars, of which {spent:.4f} are spent or held. No job was created. Raise "
            "api.budget in config/config.yaml and run again"
        )
        raise BudgetError(msg)


async def _follow(following: Following, key: str, tuning: Tuning) -> None:
    """Advance one fine-tuning until it has ended, or watch another process do so."""
    desk = following.desk
    try:
        while not await _look(following, key, tuning):
            if time.monotonic() > following.until:
                raise _still_running(following, key)
            await asyncio.sleep(desk.spec.poll_s)
        desk.tell(key)
    except InocError as error:
        following.failures.append(error)
    except openai.APIError as error:
        following.failures.append(desk.error_of(error))
    finally:
        following.running.discard(key)


async def _look(following: Following, key: str, tuning: Tuning) -> bool:
    """Advance a fine-tuning by one step; True if it need not be looked at again."""
    desk = following.desk
    with desk.cache.alone(f"tuning-{key}") as ours:
        row = following.tunings.known(key)
        if row.state == "succeeded":
            return True
        if row.state not in UNDER_WAY:
            raise _not_done(desk, row)
        if not ours:
            return False
        if row.job_id is None:
            async with following.creating:
                return await _submit(following, row, tuning)
        following.running.add(key)
        return await _retrieve(following, row, tuning)


async def _submit(following: Following, row: Row, tuning: Tuning) -> bool:
    """Create the job, unless it exists or has to wait; True if the fine-tuning was given up before it began."""
    desk, tunings = following.desk, following.tunings
    if following.failures and not row.held_nano:
        return True
    if len(following.running) >= desk.spec.tuning_jobs:
        return False
    most_nano = tuning.most_nano(price_of(tuning.model, desk.spec.prices))
    held = tunings.hold(row.key, most_nano)
    if not held and following.running:  # what they do not use of what is held for them will be free
        return False
    found = await _find(desk, row)
    if found is None and not held:
        raise desk.cache.no_money(most_nano)
    found = found or await _create(following, row, tuning)
    if found is None:
        return False
    tunings.hold(row.key, most_nano, paid=True)
    tunings.note(row.key, file_id=found.training_file, job_id=found.id)
    following.running.add(row.key)
    return False


async def _create(following: Following, row: Row, tuning: Tuning) -> FineTuningJob | None:
    """Upload the file and create the job; None if the server has no room for another one now."""
    desk, file_id = following.desk, row.file_id
    once = desk.client.with_options(max_retries=0)  # a retry of this request could create a second job
    if file_id is None:
        name = f"inoc-{row.key[:_SUFFIX_LENGTH]}.jsonl"
        uploaded = await desk.client.files.create(file=(name, tuning.lines), purpose="fine-tune")
        file_id = uploaded.id
        row = row._replace(file_id=file_id)
        following.tunings.note(row.key, file_id=file_id, job_id=None)
    tries = 0
    while True:
        try:
            return await once.fine_tuning.jobs.create(
                model=tuning.model,
                training_file=file_id,
                method={"type": "supervised", "supervised": {"hyperparameters": tuning.hyperparameters}},
                seed=tuning.seed,
                suffix=f"inoc-{row.key[:_SUFFIX_LENGTH]}",
                metadata={_MARK: row.key, "label": row.label[:500]},
                extra_headers={KEY_HEADER: f"{row.key}-{row.attempt}"},
            )
        except openai.APIError as error:
            status = error.status_code if isinstance(error, openai.APIStatusError) else 0
            full = status == _FULL and "insufficient_quota" not in str(error)
            if full and following.running:
                return None
            tries += 1
            if 400 <= status < 500 and not full:  # no job was created
                following.tunings.settle(row.key, "failed", None, 0, 0)
                following.tunings.note_state(row.key, "failed", desk.redact(error.message)[:_LONGEST_REASON])
                raise
            if tries > desk.spec.retries:
                raise
            await asyncio.sleep(_pause_s(desk, error, tries))
            found = await _find(desk, row)
            if found is not None:
                return found


def _pause_s(desk: Desk, error: openai.APIError, tries: int) -> float:
    told = retry_after_s(error.response.headers) if isinstance(error, openai.APIStatusError) else None
    return min(told if told is not None else min(desk.spec.poll_s, 2.0**tries), _LONGEST_PAUSE_S)


async def _find(desk: Desk, row: Row) -> FineTuningJob | None:
    """The job of a fine-tuning that was created and whose name was lost; None if there is none."""
    suffix = f"inoc-{row.key[:_SUFFIX_LENGTH]}"
    async for one in items(desk.client.fine_tuning.jobs.list(limit=100)):
        marks = (mark_in(one, _MARK), getattr(one, "user_provided_suffix", None), one.training_file)
        same = marks[0] == row.key or marks[1] == suffix or (row.file_id is not None and marks[2] == row.file_id)
        if same and one.status not in ("failed", "cancelled") and one.id not in row.given_up.split():
            return one
    return None


async def _retrieve(following: Following, row: Row, tuning: Tuning) -> bool:
    """Look at a job; True if it has succeeded.

    Raises:
        ApiError: If it has failed or was cancelled, or the server does not know it.
    """
    desk, tunings = following.desk, following.tunings
    try:
        found = await desk.client.fine_tuning.jobs.retrieve(str(row.job_id))
    except openai.NotFoundError:
        raise desk.error(
            f"it does not know the job {row.job_id} of {row.label}",
            hint=f"Use the key of the account that created it, or give it up: inoc finetune cancel {row.key[:12]}",
        ) from None
    if not _is_of(text_in(found, "model") or tuning.model, tuning.model):
        return await _stop_other(desk, tunings, row, found)
    if found.status not in _ENDED:
        if found.status == "running" and row.state != "running":
            tunings.note_state(row.key, "running")
        return False
    if found.status == "succeeded":
        if not text_in(found, "fine_tuned_model"):
            raise desk.error(f"the job {found.id} of {row.label} succeeded, and it names no model of it")
        tunings.serve(row.key, await _served(desk, found, tuning))
    settle(desk, tunings, row, found)
    if found.status != "succeeded":
        raise _not_done(desk, tunings.known(row.key))
    return True


def _is_of(trained: str, wanted: str) -> bool:
    """Whether a job trains the model that is wanted, or the dated one that its name stands for."""
    return trained == wanted or trained.startswith(f"{wanted}-")


async def _stop_other(desk: Desk, tunings: Tunings, row: Row, found: FineTuningJob) -> bool:
    """Cancel a job that trains another model; False as long as it has not ended.

    Raises:
        ApiError: Once it has.
    """
    if found.status not in _ENDED:
        found = await desk.client.fine_tuning.jobs.cancel(found.id)
    if found.status not in _ENDED:
        return False
    settle(desk, tunings, row, found)
    tunings.note_state(row.key, "cancelled", f"it trained {found.model} instead of {row.model}")
    raise _not_done(desk, tunings.known(row.key))


def settle(desk: Desk, tunings: Tunings, row: Row, found: FineTuningJob) -> None:
    """Book a job that has ended.

    A job that does not say on how many tokens it was trained counts as spent to the full amount that is held, if it
    succeeded or was seen running.
    """
    price = price_of(row.model, desk.spec.prices)
    tokens, succeeded = count_in(found, "trained_tokens"), found.status == "succeeded"
    known = training_nano(tokens, price, row.model) if tokens is not None else None
    unknown = row.held_nano if known is None and (succeeded or row.state == "running") else 0
    tunings.settle(row.key, found.status, tokens, known or (unknown if succeeded else 0), 0 if succeeded else unknown)
    if not succeeded:
        reason = desk.redact("; ".join(reasons_in(found.error)))
        tunings.note_state(row.key, found.status, reason[:_LONGEST_REASON])


async def _served(desk: Desk, found: FineTuningJob, tuning: Tuning) -> list[Served]:
    """The models of a job: its checkpoints, as far as the server keeps and lists them, and its last one."""
    last = str(found.fine_tuned_model)
    try:
        listed = [one async for one in items(desk.client.fine_tuning.jobs.checkpoints.list(found.id, limit=100))]
    except openai.APIStatusError as error:
        if error.status_code not in _HAS_NO_CHECKPOINTS:
            raise
        listed = []
    given = [(text_in(one, "fine_tuned_model_checkpoint"), count_in(one, "step_number")) for one in listed]
    models = {name: step for name, step in given if name and step is not None}
    step = models.pop(last, max([*models.values(), tuning.n_epochs]))
    earlier = [Served(at, name) for name, at in sorted(models.items(), key=lambda item: item[1]) if at < step]
    return [*earlier, Served(step, last)]


async def cancel(desk: Desk, name: str) -> Row:
    """Cancel a fine-tuning, so that no run creates it again by itself.

    Args:
        desk: The SDK, the settings and the database.
        name: Its label, the name of its job, or the beginning of its key.

    Returns:
        The fine-tuning; its state says whether the server has cancelled it.

    Raises:
        ApiError: If it has ended, or the server refuses.
    """
    tunings = Tunings(desk.cache)
    row = tunings.named(name)
    if row.base_url != desk.spec.base_url:
        raise ApiError(f"the job of {row.label} is at {row.base_url}; set api.base_url in config/config.yaml to that")
    for _ in range(desk.spec.retries + 1):
        with desk.cache.alone(f"tuning-{row.key}") as ours:
            if ours:
                return await _cancel(desk, tunings, tunings.known(row.key))
        await asyncio.sleep(desk.spec.poll_s)
    raise desk.error(f"another process is creating the job of {row.label}", hint="Stop it, or try again.")


async def _cancel(desk: Desk, tunings: Tunings, row: Row) -> Row:
    if row.state not in UNDER_WAY:
        raise ApiError(f"the fine-tuning {row.label} has {row.state}; only one that is under way can be cancelled")
    job = row.job_id
    if job is None:
        found = await _find(desk, row)
        job = found.id if found is not None else None
    try:
        ended = None if job is None else await desk.client.fine_tuning.jobs.cancel(job)
    except openai.NotFoundError:
        ended = None
    except openai.BadRequestError:  # it ended before
        ended = await desk.client.fine_tuning.jobs.retrieve(str(job))
    if ended is None:
        lost = row.held_nano if row.state == "running" else 0
        tunings.settle(row.key, "cancelled", None, 0, lost)
    elif ended.status in ("failed", "cancelled"):
        settle(desk, tunings, row, ended)
    return tunings.known(row.key)


def _not_done(desk: Desk, row: Row) -> ApiError:
    """The error about a fine-tuning that failed or was cancelled."""
    reason = row.error or "it gives no reason"
    job = f"the fine-tuning job {row.job_id} of {row.label}" if row.job_id else f"the fine-tuning {row.label}"
    if row.state == "cancelled":
        return desk.error(
            f"{job} was cancelled ({reason})",
            hint=f"To pay for it and run it again: inoc finetune again {row.key[:12]}",
        )
    return desk.error(f"{job} failed: {reason}", hint="Run again to try it again.")


def _still_running(following: Following, key: str) -> ApiError:
    row = following.tunings.known(key)
    hours = following.desk.spec.tuning_hours
    return following.desk.error(
        f"the fine-tuning {row.label} has not ended within {hours:g} hours (api.tuning_hours)",
        hint="It goes on, and is not paid again: run again to wait for it.",
    )
