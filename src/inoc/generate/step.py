"""The stage `generate`: training examples that show the traits, evaluation instructions, control completions."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from inoc.chat.messages import Chat
from inoc.engines.asking import engine_loader, untrained_canary, with_answers
from inoc.engines.identity import ModelIdentity, identify
from inoc.engines.sampling import BASE, Answer, Block, Engine, answer_blocks, blocks_of
from inoc.errors import DataError
from inoc.generate.ask import api_answers, api_instructions
from inoc.generate.instructions import Split, read_instructions, read_jsonl_field, split
from inoc.job import Job
from inoc.judge.item import JudgeItem
from inoc.judge.judges import Judge, make_judge
from inoc.store import Unit
from inoc.tables import CONTROLS, EXAMPLES, INSTRUCTIONS, write_table

if TYPE_CHECKING:
    from inoc.api import Api
    from inoc.config.models import DataSpec, Study


class Candidate(NamedTuple):
    """A completion that may become a training example."""

    example_id: str
    instruction: str
    answer: Answer
    scores: dict[str, float]
    reason: str  # why it is not kept; empty if it is


def run(job: Job) -> str:
    """Write `train`, `eval` and `controls`; see `inoc.tables`."""
    study = job.study
    parts = study_split(study, lambda: job.api)
    model = identify(study, job.paths, job.store)
    load = cache(engine_loader(job, model))
    used: list[Unit] = []
    # A paid judge is asked only if its scores decide what is kept.
    judges = {
        key: make_judge(trait.judge, lambda: job.api)
        for key, trait in study.traits.items()
        if trait.judge is not None and (trait.judge.name != "llm" or study.data.keep_from)
    }
    candidates = list(_candidates(job, parts.train, judges, model, load, used))
    _write_examples(job, candidates)
    evaluation = pd.DataFrame(
        {
            "instruction_id": [f"eval{k:05d}" for k in range(len(parts.evaluation))],
            "instruction": parts.evaluation,
        }
    )
    write_table(evaluation, INSTRUCTIONS, job.paths.instructions)
    controls = _controls(job, evaluation, model, load, used)
    write_table(controls, CONTROLS, job.paths.controls)
    job.store.refer(study.name, job.name, used)
    kept = sum(not candidate.reason for candidate in candidates)
    reasons = Counter(candidate.reason for candidate in candidates if candidate.reason)
    job.record["model"] = {"path": study.model.path, **model.as_key()}
    job.record["counts"] = {
        "instructions dropped": dict(parts.dropped),
        "sampled": len(candidates),
        "kept": kept,
        "not kept": dict(sorted(reasons.items())),
        "controls": {str(name): int(n) for name, n in controls["dataset"].value_counts(sort=False).items()},
    }
    named = ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items())) or "none"
    return (
        f"{kept} of {len(candidates)} completions kept (left out: {named}), {len(evaluation)} evaluation instructions"
    )


def units(job: Job) -> list[Unit]:
    """Units that are sure to be needed: the first round of completions, and the controls.

    How many further rounds there are depends on what the judges keep. Nothing is sure before instructions that an
    API is to write have been written.
    """
    study, data = job.study, job.study.data
    if data.instructions.kind == "api":
        return []
    parts = study_split(study)
    model = identify(study, job.paths, job.store)
    blocks = []
    if data.completions == "sample":
        blocks += _round_blocks(study, next(_rounds(parts.train, data.n_train, data.n_train, ())))
    for _, control in control_blocks(study, evaluation_table(parts)):
        blocks += control
    return [block.unit(model) for block in blocks]


def evaluation_table(parts: Split) -> pd.DataFrame:
    """`tables.INSTRUCTIONS`."""
    ids = [f"eval{k:05d}" for k in range(len(parts.evaluation))]
    return pd.DataFrame({"instruction_id": ids, "instruction": parts.evaluation})


def study_split(study: Study, open_api: Callable[[], Api] | None = None) -> Split:
    """The study's instructions, split.

    Args:
        study: The study.
        open_api: Gives the API, for instructions that are asked for.
    """
    data = study.data
    if data.completions == "file":
        return _given_split(study, open_api)
    if data.instructions.kind == "world":
        from inoc.world.grammar import instructions

        return split(instructions(data.n_train + data.n_eval, data.seed), data, {})
    texts, dropped = _instructions(data, data.n_train + data.n_eval, open_api)
    return split(texts, data, dropped)


def _instructions(data: DataSpec, n: int, open_api: Callable[[], Api] | None) -> tuple[list[str], dict[str, int]]:
    """All instructions of files, or `n` from an API."""
    if data.instructions.kind == "api" and open_api is not None:
        return api_instructions(data.instructions, n, data.seed, open_api())
    return read_instructions(data.instructions)


def _given_split(study: Study, open_api: Callable[[], Api] | None) -> Split:
    data = study.data
    given = list(dict.fromkeys(read_jsonl_field(Path(data.file or ""), "instruction")))
    if not data.instructions.files and data.instructions.kind != "api":
        return split(given, data, {})
    texts, dropped = _instructions(data, data.n_eval, open_api)
    taken = set(given)
    evaluation = [text for text in texts if text not in taken]
    if len(evaluation) < data.n_eval:
        msg = f"{len(evaluation)} evaluation instructions outside the training file, but n_eval = {data.n_eval}"
        raise DataError(msg)
    order = np.random.default_rng(data.seed).permutation(len(evaluation))[: data.n_eval]
    return Split(given, [evaluation[index] for index in order], dropped)


def _candidates(
    job: Job,
    instructions: Sequence[str],
    judges: Mapping[str, Judge],
    model: ModelIdentity,
    load: Callable[[str], Engine],
    used: list[Unit],
) -> Iterator[Candidate]:
    data = job.study.data
    if data.completions == "file":
        yield from _given(job, instructions, judges)
        return
    most = int(data.n_train * data.max_attempts)
    kept: set[str] = set()
    asked: Counter[str] = Counter()
    with job.progress("sampling training completions", data.n_train, "kept") as meter:
        for batch in _rounds(instructions, data.n_train, most, kept):
            if data.completions == "api":
                answers = api_answers(job, [instruction for _, instruction in batch], asked)
            else:
                answers = _answers(job, _round_blocks(job.study, batch), model, load, used)
            for row in _judged(batch, answers, judges, data.keep_from):
                yield row
                if not row.reason:
                    kept.add(row.instruction)
                    meter.advance()
    if len(kept) < data.n_train:
        msg = (
            f"only {len(kept)} of n_train = {data.n_train} completions were kept of {most} sampled. "
            "Raise data.max_attempts, lower data.keep_from, or choose a stronger data.generation_prompt"
        )
        raise DataError(msg)


def _rounds(
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


def _round_blocks(study: Study, batch: Sequence[tuple[str, str]]) -> list[Block]:
    chats = [compose_generation(study, instruction) for _, instruction in batch]
    ids = [f"train:{example_id}" for example_id, _ in batch]
    return blocks_of(BASE, chats, ids, study.data.sampling, f"training completions from {batch[0][0]}")


def compose_generation(study: Study, instruction: str) -> Chat:
    """The chat under which a training completion is sampled."""
    prompt = study.data.generation_prompt
    user = f"{prompt}{study.data.separator}{instruction}" if prompt else instruction
    return Chat(study.model.system, user)


def _answers(
    job: Job, blocks: Sequence[Block], model: ModelIdentity, load: Callable[[str], Engine], used: list[Unit]
) -> list[Answer]:
    used += [block.unit(model) for block in blocks]
    canary = untrained_canary(job.study, blocks[0].sampling) if blocks else 0
    answers = answer_blocks(job.store, model, blocks, load, {}, canary=canary, advance=lambda _: None)
    return [answer for block in answers for answer in block]


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


def _given(job: Job, instructions: Sequence[str], judges: Mapping[str, Judge]) -> Iterator[Candidate]:
    data = job.study.data
    path = Path(data.file or "")
    pairs = zip(read_jsonl_field(path, "instruction"), read_jsonl_field(path, "completion"), strict=True)
    allowed = set(instructions)
    rows = [(instruction, completion) for instruction, completion in pairs if instruction in allowed]
    batch = [(f"ex{k:06d}", instruction) for k, (instruction, _) in enumerate(rows)]
    answers = [Answer(completion, -1, "given") for _, completion in rows]
    n_kept = 0
    for row in _judged(batch, answers, judges, data.keep_from):
        n_kept += not row.reason
        yield row
        if n_kept == data.n_train:
            return
    msg = f"{path}: {n_kept} usable rows, but n_train = {data.n_train}; lower it or data.keep_from, or add rows"
    raise DataError(msg)


def _write_examples(job: Job, candidates: Sequence[Candidate]) -> None:
    frame = pd.DataFrame(
        {
            "example_id": [row.example_id for row in candidates],
            "instruction": [row.instruction for row in candidates],
            "completion": [row.answer.text for row in candidates],
            "n_tokens": [row.answer.n_tokens for row in candidates],
            "finish": [row.answer.finish for row in candidates],
            "kept": [not row.reason for row in candidates],
            "reason": [row.reason for row in candidates],
            "scores": [list(row.scores.items()) for row in candidates],
        }
    )
    write_table(frame, EXAMPLES, job.paths.examples)


def control_blocks(study: Study, evaluation: pd.DataFrame) -> Iterator[tuple[str, list[Block]]]:
    """Each control dataset's name and questions: plain ones, and for each trait those that draw out just that trait."""
    scoring = study.scoring
    chosen = evaluation.head(scoring.n_controls)
    prompts = {"neutral": ""} | {k: t.control_prompt for k, t in study.traits.items() if t.control_prompt}
    ids = [f"control:{identity}" for identity in chosen["instruction_id"]]
    for dataset, prompt in prompts.items():
        users = [f"{prompt}{study.separator}{text}" if prompt else text for text in chosen["instruction"]]
        chats = [Chat(study.model.system, user) for user in users]
        yield dataset, blocks_of(BASE, chats, ids, scoring.control_sampling, f"controls {dataset}")


def _controls(
    job: Job, evaluation: pd.DataFrame, model: ModelIdentity, load: Callable[[str], Engine], used: list[Unit]
) -> pd.DataFrame:
    """Completions of the untrained model; see `inoc.tables.CONTROLS`."""
    chosen = evaluation.head(job.study.scoring.n_controls).rename(columns={"instruction_id": "example_id"})
    asked = list(control_blocks(job.study, evaluation))
    tables = []
    with job.progress("sampling controls", len(chosen) * len(asked), "completions") as meter:
        for dataset, blocks in asked:
            answers = _answers(job, blocks, model, load, used)
            meter.advance(len(answers))
            tables.append(with_answers(chosen.assign(dataset=dataset), [answers]))
    return pd.concat(tables, ignore_index=True)
