"""The stage `generate`: training examples that show the traits, evaluation instructions, control completions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from inoc.chat.fit import bad_counts, bad_table
from inoc.chat.messages import Chat, turns_text
from inoc.config.judge_spec import JudgeSpec
from inoc.config.models import AnswerSpec, DataSpec, Sampling, SystemTurn
from inoc.digest import Json
from inoc.engines.identity import ModelIdentity
from inoc.engines.sampling import BASE, Block, blocks_of
from inoc.generate.examples import Answering, Candidate, answered_as, candidates, round_blocks, rounds
from inoc.generate.instructions import given_examples
from inoc.generate.parts import Parts, read_parts
from inoc.generate.sets import held_out_set
from inoc.jobs.job import Job
from inoc.judge.judges import judge_units
from inoc.sample.questions import with_answers
from inoc.sample.step import engine_loader
from inoc.store import Unit
from inoc.tables import BAD_ROWS, CONTROLS, EXAMPLES, INSTRUCTIONS, write_table


class Controls(NamedTuple):
    """Control completions of the untrained model: the same instructions, behind each of some prompts."""

    prompts: Mapping[str, str]  # name of the control dataset → prompt; empty for none
    separator: str  # between prompt and instruction
    n: int  # instructions
    sampling: Sampling


@dataclass(frozen=True)
class Plan:
    """Everything that is made.

    Attributes:
        model: The model.
        system: Its system turn.
        data: The study's own data.
        datasets: Key → how a further dataset is answered.
        judges: Trait → the judge that decides what is kept.
        controls: Control completions.
        canary: Number of chats that another engine than transformers first answers greedily.
    """

    model: ModelIdentity
    system: SystemTurn
    data: DataSpec
    datasets: Mapping[str, AnswerSpec]
    judges: Mapping[str, JudgeSpec]
    controls: Controls
    canary: int


def run(job: Job, plan: Plan) -> str:
    """Write `train`, `eval` and `controls`; see `inoc.tables`."""
    data = plan.data
    parts = read_parts(data, lambda: job.api, job.paths.results)
    given = {key: _given_instructions(spec, parts, job.paths.results) for key, spec in plan.datasets.items()}
    asking = Answering(job, plan.model, cache(engine_loader(job, plan.model)), plan.canary, [], [])
    datasets = {"": list(candidates(asking, data, plan.system, plan.judges, "data", parts.train))}
    kept = list(dict.fromkeys(row.opening for row in datasets[""] if not row.reason))[: data.n_train]
    for key, own in given.items():
        other = answered_as(data, plan.datasets[key])
        datasets[key] = list(candidates(asking, other, plan.system, plan.judges, f"datasets.{key}", own or kept))
    _write_examples(job, datasets)
    _write_bad_rows(job, plan)
    evaluation = evaluation_table(data, parts)
    write_table(evaluation, INSTRUCTIONS, job.paths.instructions)
    controls = _controls(asking, plan, evaluation)
    write_table(controls, CONTROLS, job.paths.controls)
    job.store.refer(job.study, job.name, [*asking.used, *(unit for one in asking.judges for unit in judge_units(one))])
    job.record["counts"] = {
        "instructions dropped": dict(parts.dropped),
        **_counts(datasets[""]),
        "controls": {str(name): int(n) for name, n in controls["dataset"].value_counts(sort=False).items()},
    }
    if given:
        job.record["datasets"] = {key: _counts(datasets[key]) for key in given}
    said = "; ".join(_summary(key, rows) for key, rows in datasets.items())
    return f"{said}, {len(evaluation)} evaluation instructions"


def units(job: Job, plan: Plan) -> list[Unit]:
    """Units that are certainly needed: the first round of completions, and the controls.

    How many further rounds there are depends on what the judges keep. Nothing is sure before instructions that an
    API is to write have been written.
    """
    data = plan.data
    sources = [data.instructions, *(spec.source for spec in data.questions.values() if spec.source is not None)]
    if any(source.kind == "api" for source in sources):
        return []
    parts = read_parts(data, results=job.paths.results)
    blocks: list[Block] = []
    if data.completions == "sample":
        blocks += round_blocks(data, plan.system, next(rounds(parts.train, data.n_train, data.n_train, ())))
    for _, control in control_blocks(plan, evaluation_table(data, parts)):
        blocks += control
    return [block.unit(plan.model) for block in blocks]


def _counts(candidates: Sequence[Candidate]) -> dict[str, Json]:
    reasons = Counter(candidate.reason for candidate in candidates if candidate.reason)
    n_kept = sum(not candidate.reason for candidate in candidates)
    return {"sampled": len(candidates), "kept": n_kept, "not kept": dict(sorted(reasons.items()))}


def _summary(key: str, candidates: Sequence[Candidate]) -> str:
    reasons = Counter(candidate.reason for candidate in candidates if candidate.reason)
    named = ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items())) or "none"
    n_kept = len(candidates) - reasons.total()
    return f"{f'{key}: ' if key else ''}{n_kept} of {len(candidates)} completions kept (left out: {named})"


def evaluation_table(data: DataSpec, parts: Parts) -> pd.DataFrame:
    """`tables.INSTRUCTIONS`."""
    held_out = held_out_set(data)
    rows = [
        (f"eval{k:05d}" if key == held_out else f"{key}.{k:05d}", text, key)
        for key, texts in parts.questions.items()
        for k, text in enumerate(texts)
    ]
    return pd.DataFrame(rows, columns=INSTRUCTIONS.names)


def _given_instructions(spec: AnswerSpec, parts: Parts, results: Path) -> list[str]:
    """The instructions that a dataset's file or table brings, without evaluation questions; none if it has neither."""
    if not spec.given_in:
        return []
    asked = {text for texts in parts.questions.values() for text in texts}
    found = list(dict.fromkeys(pair.opening for pair in given_examples(spec, results).pairs))
    return [text for text in found if text not in asked]


def _write_examples(job: Job, datasets: Mapping[str, Sequence[Candidate]]) -> None:
    candidates = [row for rows in datasets.values() for row in rows]
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
            "data": [key for key, rows in datasets.items() for _ in rows],
            "earlier": [turns_text(row.earlier) for row in candidates],
        }
    )
    write_table(frame, EXAMPLES, job.paths.examples)


def _write_bad_rows(job: Job, plan: Plan) -> None:
    """List the lines of files that are no training examples, where they are not refused."""
    specs: dict[str, AnswerSpec] = {"": plan.data, **plan.datasets}
    bad = {
        key: given_examples(spec, job.paths.results).bad
        for key, spec in specs.items()
        if spec.completions == "file" and spec.bad_rows != "refuse"
    }
    write_table(bad_table(bad), BAD_ROWS, job.paths.examples.parent / "bad_rows.parquet")
    if any(bad.values()):
        job.record["bad rows"] = bad_counts(bad)


def _control_instructions(evaluation: pd.DataFrame, n: int) -> pd.DataFrame:
    return evaluation.drop(columns="questions").head(n)


def control_blocks(plan: Plan, evaluation: pd.DataFrame) -> Iterator[tuple[str, list[Block]]]:
    """Each control dataset's name and questions: plain ones, and for each trait those that elicit only that trait."""
    controls = plan.controls
    chosen = _control_instructions(evaluation, controls.n)
    ids = [f"control:{identity}" for identity in chosen["instruction_id"]]
    for dataset, prompt in controls.prompts.items():
        users = [f"{prompt}{controls.separator}{text}" if prompt else text for text in chosen["instruction"]]
        chats = [Chat(plan.system, user) for user in users]
        yield dataset, blocks_of(BASE, chats, ids, controls.sampling, f"controls {dataset}")


def _controls(asking: Answering, plan: Plan, evaluation: pd.DataFrame) -> pd.DataFrame:
    """Completions of the untrained model; see `inoc.tables.CONTROLS`."""
    chosen = _control_instructions(evaluation, plan.controls.n).rename(columns={"instruction_id": "example_id"})
    asked = list(control_blocks(plan, evaluation))
    tables = []
    with asking.job.progress("sampling controls", len(chosen) * len(asked), "completions") as meter:
        for dataset, blocks in asked:
            answers = asking.answers(blocks)
            meter.advance(len(answers))
            tables.append(with_answers(chosen.assign(dataset=dataset), [answers]))
    return pd.concat(tables, ignore_index=True)
