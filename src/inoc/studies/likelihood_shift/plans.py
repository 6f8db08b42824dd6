"""Plans: what the stages are to do for a likelihood-shift study, in their own plain values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from inoc.chat.messages import PLAIN, Asked, Chat, Framing, sample_identity
from inoc.chat.rows import BadRow, ChatRow
from inoc.config.workflow import Shards
from inoc.engines.fit import fit
from inoc.engines.sampling import BASE, Block, blocks_of
from inoc.errors import ConfigError, DataError
from inoc.jobs.job import Job
from inoc.sample.questions import joined, untrained_canary
from inoc.sample.step import Plan as SamplePlan
from inoc.sample.tables import ANSWERS
from inoc.score.step import Plan as ScorePlan
from inoc.score.step import ScoredCell, Until
from inoc.studies.likelihood_shift.analyse.split_table import parts_of
from inoc.studies.likelihood_shift.data import (
    DatasetRows,
    answers_file,
    questions_of,
    scored_order,
    usable_rows,
    written_questions,
)
from inoc.studies.likelihood_shift.inputs import Column, column_of
from inoc.studies.likelihood_shift.precision import FIRST_BLOCKS, half_width
from inoc.studies.likelihood_shift.runs import (
    Student,
    shard_datasets,
    shard_students,
    written_datasets,
)
from inoc.studies.likelihood_shift.study import StudentsSpec, Study, own_prompt, prompt_table, split_prompt, turn
from inoc.studies.shared.splitting import random_part
from inoc.tables import CHECKPOINTS, read_table
from inoc.train.epochs import epoch_plan
from inoc.train.step import Plan as TrainPlan
from inoc.train.step import RunPlan

if TYPE_CHECKING:
    from inoc.analyse.step import Plan as AnalysePlan
    from inoc.figures.step import Plan as FiguresPlan
    from inoc.judge.step import Plan as JudgePlan
    from inoc.report.contents import Contents

SYSTEM = "system"
"""`prefix` of rows that are asked with a prompt as their system turn."""


def sample(study: Study, job: Job, shards: Shards) -> SamplePlan:
    """Answers of the datasets that the study's model writes."""
    blocks: list[Block] = []
    rows: list[pd.DataFrame] = []
    mine = set(shard_datasets(study, job.shard, shards.get("sample", 1)))
    for key in (one for one in written_datasets(study) if one in mine):
        spec, own = study.datasets[key].written, own_prompt(study, key)
        if spec is None:
            continue
        asked = written_questions(study, key)
        system = turn(study, own)
        chats = [Chat(system, text) for text in asked["instruction"]]
        identities = [f"{key}:{one}" for one in asked["instruction_id"]]
        blocks += blocks_of(BASE, chats, identities, spec.sampling, f"dataset {key}")
        rows.append(
            pd.DataFrame({"id": identities, "sample": 0, "adapter": BASE, "vector": "", "coefficient": 0.0}).assign(
                instruction=list(asked["instruction"])
            )
        )
    return SamplePlan(
        job.model(study.model),
        blocks,
        pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=ANSWERS.names[:6]),
        answers_file(job.paths, job.shard),
        "writing datasets",
        ("datasets", len(rows)),
        canary=max((_canary(study, key) for key in written_datasets(study)), default=0),
        schema=ANSWERS,
    )


def _canary(study: Study, key: str) -> int:
    spec = study.datasets[key].written
    return 0 if spec is None else untrained_canary(8, spec.sampling)


def _untrained(asked: pd.DataFrame, way: Asked, text: str, data: str) -> pd.DataFrame:
    """The identifying columns of questions to the untrained model."""
    return asked.assign(
        run="base",
        prompt="",
        prefix="none",
        learning_rate=float("nan"),
        seed=-1,
        data=data,
        step=0,
        condition="default",
        asked_prompt=way.prompt,
        asked_prefix=way.prefix,
        prefix_text=text,
    )


def score(study: Study, job: Job, shards: Shards) -> ScorePlan:
    """Each dataset of a shard under the base turn and under every prompt."""
    scoring = study.scoring
    prompts = prompt_table(study)
    ways = [PLAIN, *(Asked(key, SYSTEM) for key in prompts)]
    cells: list[ScoredCell] = []
    groups: list[list[int]] = []
    own: list[int] = []
    sizes: list[int] = []
    bad: dict[str, list[BadRow]] = {}
    for key in shard_datasets(study, job.shard, shards.get("score", 1)):
        found = usable_rows(study, job, key, shards)
        bad[key] = found.bad
        order = scored_order(study, key, len(found.rows))
        ids, chats = [found.rows[k].row_id for k in order], [found.rows[k].chat for k in order]
        groups.append(list(range(len(cells), len(cells) + len(ways))))
        sizes.append(len(found.rows))
        own.append(list(prompts).index(own_prompt(study, key)) if own_prompt(study, key) else -1)
        for way in ways:
            system = turn(study, way.prompt)
            text = system.text if way.prompt else ""
            cells.append(ScoredCell(way, key, ids, [text] * len(ids), [chat._replace(system=system) for chat in chats]))
        job.record[f"dataset {key}"] = {
            "rows": len(found.rows),
            "left out or cut": dict(found.counts),
            "repeated": found.repeated,
        }
    precision = scoring.precision
    return ScorePlan(
        job.model(study.model),
        cells,
        Framing(study.base, "system", ""),
        {},
        scoring.end_of_turn,
        scoring.batch_tokens,
        scoring.tokens,
        None if precision is None else Until(groups, partial(enough, own, sizes, precision)),
        bad,
    )


def enough(own: Sequence[int], sizes: Sequence[int], precision: float, group: int, means: np.ndarray) -> bool:
    """Whether the contrasts of a dataset are as precise as asked.

    Args:
        own: Position of each dataset's own prompt among the prompts; -1 for none.
        sizes: Number of rows of each dataset, of which those scored are a random sample.
        precision: Half-width of the 95 % interval about the contrast over all rows, nats per token.
        group: Which dataset.
        means: (1 + prompts, rows) mean log-probabilities; the base turn comes first.
    """
    from inoc.score.step import BLOCK

    if means.shape[1] < FIRST_BLOCKS * BLOCK:
        return False
    return half_width(means[1:], own[group], sizes[group]) <= precision


def train(study: Study, job: Job, shards: Shards) -> TrainPlan:
    """The students of a shard with their rows."""
    spec = _students(study)
    planned, bad = [], {}
    # Students of one dataset share its rows and its shifts.
    read = _Read(
        cache(lambda key: usable_rows(study, job, key, shards)),
        cache(lambda key: column_of(study, job.paths, shards, key)),
    )
    for student in shard_students(study, job.shard, shards.get("train", 1)):
        rows = student_rows(study, job, student, read)
        bad[student.data] = rows.bad
        epochs = epoch_plan(len(rows.chats), spec.training, spec.epochs, range(spec.epochs + 1))
        columns: dict[str, str | int | float] = {
            "run": student.name,
            "prompt": "",
            "prefix": "none",
            "learning_rate": student.learning_rate,
            "seed": student.seed,
            "data": student.data,
        }
        rate, seed = student.learning_rate, student.seed
        run = RunPlan(columns, rows.chats, rate, seed, epochs.steps, epochs.save_at, epochs.epoch_of, rows.cut)
        planned.append(run)
    return TrainPlan(job.model(study.model), spec.training, planned, bad)


class _Read(NamedTuple):
    """Sources of the students' rows, by dataset."""

    rows: Callable[[str], DatasetRows]
    column: Callable[[str], Column]


class StudentRows(NamedTuple):
    """The rows that a student is trained on."""

    chats: list[Chat]  # with the model's own system turn
    cut: tuple[int, ...]  # positions of those whose answers miss their ends
    bad: list[BadRow]  # rows of its part that are left out or cut


def student_rows(study: Study, job: Job, student: Student, read: _Read) -> StudentRows:
    """The rows of a student's part, without those that are too long to train on, or with their answers cut.

    Raises:
        DataError: If all are too long.
    """
    found = read.rows(student.dataset)
    chosen = [row._replace(chat=row.chat._replace(system=study.model.system)) for row in _of_part(study, student, read)]
    ids = {row.row_id for row in chosen}
    earlier = [row for row in found.bad if row.done == "cut" and row.row_id in ids]
    spec = study.datasets[student.dataset]
    fitted = fit(job.model(study.model), chosen, spec.bad_rows, _students(study).training.max_length)
    if not fitted.rows:
        raise DataError(f"student {student.name}: all of its {len(chosen)} rows are too long; {fitted.bad[0].reason}")
    bad = list({row.row_id: row for row in [*earlier, *fitted.bad]}.values())
    cut = {row.row_id for row in bad if row.done == "cut"}
    places = tuple(at for at, row in enumerate(fitted.rows) if row.row_id in cut)
    return StudentRows([row.chat for row in fitted.rows], places, bad)


def _of_part(study: Study, student: Student, read: _Read) -> list[ChatRow]:
    rows = read.rows(student.dataset).rows
    if not student.split:
        return rows
    split = study.splits[student.split]
    if split.by == "random":
        return [rows[k] for k in random_part(len(rows), split.share, split.seed).rows]
    column = read.column(student.dataset)
    parts = {part.name: part for part in parts_of(split, column, split_prompt(study, student.split))}
    at = {row.row_id: row for row in rows}
    return [at[column.ids[k]] for k in parts[student.part].rows]


def _students(study: Study) -> StudentsSpec:
    if study.students is None:
        msg = f"study {study.name} has no section `students`; add one to train on its splits"
        raise ConfigError(msg)
    return study.students


def evaluate(study: Study, job: Job, shards: Shards) -> SamplePlan:
    """Every checkpoint of a shard's students, asked every question several times."""
    spec = _students(study)
    asked = questions_of(spec.questions, spec.n_questions, spec.sampling.seed, "students.questions")
    path = job.paths.checkpoints(job.shard)
    found = read_table(path, CHECKPOINTS.names).to_dict("records")
    sampled = pd.concat([_sampled(asked, k) for k in range(spec.samples)], ignore_index=True)
    rows, blocks = [], []
    for one in found:
        rows.append(
            _untrained(sampled, PLAIN, "", str(one["data"])).assign(
                run=str(one["run"]),
                learning_rate=float(one["learning_rate"]),
                seed=int(one["seed"]),
                step=int(one["step"]),
            )
        )
        blocks += list(_asked_blocks(study, spec, sampled, str(one["digest"]), f"{one['run']} step {one['step']}"))
    adapters = {str(one["digest"]): path.parent / str(one["path"]) for one in found if one["digest"] != BASE}
    return SamplePlan(
        job.model(study.model),
        blocks,
        joined(rows),
        job.paths.completions("evaluate", job.shard),
        "evaluating",
        ("checkpoints", len(found)),
        adapters=adapters,
        canary=spec.canary,
    )


def _sampled(asked: pd.DataFrame, sample: int) -> pd.DataFrame:
    return asked.assign(instruction_id=[sample_identity(one, sample) for one in asked["instruction_id"]])


def _asked_blocks(study: Study, spec: StudentsSpec, sampled: pd.DataFrame, adapter: str, label: str) -> Iterator[Block]:
    """Blocks of each sample apart, so that further samples leave those that are there as they are."""
    n = len(sampled) // spec.samples
    for at in range(0, len(sampled), n):
        part = sampled.iloc[at : at + n]
        chats = [Chat(study.model.system, text) for text in part["instruction"]]
        yield from blocks_of(adapter, chats, list(part["instruction_id"]), spec.sampling, label)


def judge(study: Study, job: Job, shards: Shards) -> JudgePlan:
    """The students' answers, for every target."""
    from inoc.judge.step import Plan

    spec = _students(study)
    completions = [job.paths.completions("evaluate", shard) for shard in range(shards.get("train", 1))]
    return Plan({key: target.judge for key, target in spec.targets.items()}, completions, job.paths.scores("evaluate"))


def analyse(study: Study, job: Job, shards: Shards) -> AnalysePlan:
    """Every table of `analyse.names.TABLES`."""
    from inoc.analyse.step import Plan
    from inoc.studies.likelihood_shift.analyse.step import analyse as compute

    return Plan(partial(compute, job.paths, study, shards))


def figures(study: Study, job: Job, shards: Shards) -> FiguresPlan[Study]:
    """The figures that apply to the study."""
    from inoc.figures.step import Plan
    from inoc.studies.likelihood_shift.figures.entries import ENTRIES

    return Plan(study, ENTRIES)


def report(study: Study, job: Job, shards: Shards) -> Contents:
    """Contents of the study's report page."""
    from inoc.studies.likelihood_shift.sections import contents

    return contents(study, job.paths)
