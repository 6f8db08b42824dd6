"""Training examples: completions of the untrained model, of a file or of an API, and which of them are kept."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from inoc.chat.messages import Chat, Turn
from inoc.config.judge_spec import JudgeSpec, asks_model
from inoc.config.models import AnswerSpec, DataSpec, SystemTurn
from inoc.engines.identity import ModelIdentity
from inoc.engines.sampling import BASE, Answer, Block, Engine, answer_blocks, blocks_of
from inoc.errors import DataError
from inoc.generate.ask import api_answers
from inoc.generate.instructions import given_examples
from inoc.jobs.job import Job
from inoc.judge.item import JudgeItem
from inoc.judge.judges import Judge, make_judge
from inoc.sample.questions import untrained_canary
from inoc.store import Unit


class Candidate(NamedTuple):
    """A completion that may become a training example."""

    example_id: str
    instruction: str  # the last user turn
    answer: Answer
    scores: dict[str, float]
    reason: str  # why it is not kept; empty if it is
    earlier: tuple[Turn, ...] = ()  # exchanges before it

    @property
    def opening(self) -> str:
        """The first user turn."""
        return self.earlier[0].user if self.earlier else self.instruction


class Answering(NamedTuple):
    """Context of the answers: the job, its model, and the units and judges that were used so far."""

    job: Job
    model: ModelIdentity
    load: Callable[[str], Engine]
    canary: int
    used: list[Unit]
    judges: list[Judge]  # that were asked so far

    def answers(self, blocks: Sequence[Block]) -> list[Answer]:
        """Answers of the untrained model."""
        self.used.extend(block.unit(self.model) for block in blocks)
        canary = untrained_canary(self.canary, blocks[0].sampling) if blocks else 0
        found = answer_blocks(self.job.store, self.model, blocks, self.load, {}, canary=canary, advance=lambda _: None)
        return [answer for block in found for answer in block]


def candidates(
    asking: Answering,
    data: DataSpec,
    system: SystemTurn,
    judge_specs: Mapping[str, JudgeSpec],
    place: str,
    instructions: Sequence[str],
) -> Iterator[Candidate]:
    """Rows of one dataset.

    Args:
        asking: Answers.
        data: How the dataset is made; see `answered_as`.
        system: The system turn.
        judge_specs: Trait → judge.
        place: Key of the dataset in the study's file, for messages.
        instructions: Distinct instructions that are answered.

    Raises:
        DataError: If too few examples can be kept.
    """
    job = asking.job
    # A judging model is asked only if its scores decide what is kept.
    judges = {
        key: make_judge(spec, job=job) for key, spec in judge_specs.items() if not asks_model(spec) or data.keep_from
    }
    asking.judges.extend(judges.values())
    if data.given_in:
        yield from _given(data, place, instructions, judges, job.paths.results)
        return
    if len(instructions) < data.n_train:
        msg = f"{place}: {len(instructions)} distinct instructions to answer, but n_train = {data.n_train}; lower it"
        raise DataError(msg)
    most = int(data.n_train * data.max_attempts)
    kept: set[str] = set()
    asked: Counter[str] = Counter()
    with job.progress(f"sampling training completions ({place})", data.n_train, "kept") as meter:
        for batch in rounds(instructions, data.n_train, most, kept):
            if data.completions == "api":
                answers = api_answers(job.api, data, [instruction for _, instruction in batch], asked)
            else:
                answers = asking.answers(round_blocks(data, system, batch))
            for row in _judged(batch, answers, judges, data.keep_from):
                yield row
                if not row.reason:
                    kept.add(row.instruction)
                    meter.advance()
    if len(kept) < data.n_train:
        msg = (
            f"only {len(kept)} of n_train = {data.n_train} completions were kept of {most} sampled. "
            f"Raise {place}.max_attempts, lower {place}.keep_from, or choose a stronger {place}.generation_prompt"
        )
        raise DataError(msg)


def rounds(
    instructions: Sequence[str], wanted: int, most: int, kept: Container[str]
) -> Iterator[list[tuple[str, str]]]:
    """Batches of (example id, instruction), as many as are still lacking, round after round over the instructions.

    An instruction whose completion was not kept comes again in the next round, with another id and so another seed.
    """
    pending = itertools.chain.from_iterable(
        (text for text in instructions if text not in kept) for _ in itertools.count()
    )
    at, lacking = 0, wanted
    while lacking > 0 and at < most:
        size = min(lacking, most - at)
        batch = [(f"ex{at + k:06d}", text) for k, text in enumerate(itertools.islice(pending, size))]
        yield batch
        at += size
        lacking -= sum(text in kept for _, text in batch)


def round_blocks(data: DataSpec, system: SystemTurn, batch: Sequence[tuple[str, str]]) -> list[Block]:
    """The questions of one round."""
    chats = [compose_generation(data, system, instruction) for _, instruction in batch]
    ids = [f"train:{example_id}" for example_id, _ in batch]
    return blocks_of(BASE, chats, ids, data.sampling, f"training completions from {batch[0][0]}")


def compose_generation(data: DataSpec, system: SystemTurn, instruction: str) -> Chat:
    """The chat under which a training completion is sampled."""
    prompt = data.generation_prompt
    if prompt and data.generation_turn == "system":
        return Chat(SystemTurn(kind="text", text=prompt), instruction)
    user = f"{prompt}{data.separator}{instruction}" if prompt else instruction
    return Chat(system, user)


def _judged(
    batch: Sequence[tuple[str, str]], answers: Sequence[Answer], judges: Mapping[str, Judge], keep_from: float
) -> Iterator[Candidate]:
    items = [JudgeItem(instruction, answer.text) for (_, instruction), answer in zip(batch, answers, strict=True)]
    columns = {trait: judge.score(items) for trait, judge in judges.items()}
    for row, ((example_id, instruction), answer) in enumerate(zip(batch, answers, strict=True)):
        scores = {trait: float(column[row]) for trait, column in columns.items()}
        yield Candidate(example_id, instruction, answer, scores, _reason(answer, scores, keep_from))


def _reason(answer: Answer, scores: Mapping[str, float], keep_from: float) -> str:
    if not answer.text.strip():
        return "empty"
    if answer.finish == "length":
        return "truncated"
    if keep_from > 0 and not all(score >= keep_from for score in scores.values()):  # NaN is not at least anything
        return "does not show the traits"
    return ""


def _given(
    data: DataSpec, place: str, instructions: Sequence[str], judges: Mapping[str, Judge], results: Path
) -> Iterator[Candidate]:
    allowed = set(instructions)
    rows = [pair for pair in given_examples(data, results).pairs if pair.opening in allowed]
    batch = [(f"ex{k:06d}", pair.instruction) for k, pair in enumerate(rows)]
    answers = [Answer(pair.completion, -1, "given") for pair in rows]
    judged = list(_judged(batch, answers, judges, data.keep_from))
    # Which rows are trained on must not depend on how the file is sorted; they stay in its order.
    taken, n_kept = [], 0
    for at in np.random.default_rng(data.seed).permutation(len(rows)).tolist():
        if n_kept == data.n_train:
            break
        taken.append(at)
        n_kept += not judged[at].reason
    if n_kept == data.n_train:
        yield from (judged[at]._replace(earlier=rows[at].earlier) for at in sorted(taken))
        return
    msg = (
        f"{data.given_in}: {n_kept} usable rows, but n_train = {data.n_train}; lower it or {place}.keep_from, or add "
        "rows"
    )
    raise DataError(msg)


def answered_as(data: DataSpec, answers: AnswerSpec) -> DataSpec:
    """The section `data` as if another dataset were the study's own."""
    return data.model_copy(update={name: getattr(answers, name) for name in AnswerSpec.model_fields})
