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
from inoc.config.load import instruction_places
from inoc.config.models import AnswerSpec, DataSpec, InstructionSource, SystemTurn
from inoc.digest import Json
from inoc.engines.asking import engine_loader, untrained_canary, with_answers
from inoc.engines.identity import ModelIdentity, identify
from inoc.engines.sampling import BASE, Answer, Block, Engine, answer_blocks, blocks_of
from inoc.errors import DataError
from inoc.generate.ask import api_answers, api_instructions
from inoc.generate.instructions import Split, read_instructions, read_pairs, split
from inoc.jobs.job import Job
from inoc.judge.item import JudgeItem
from inoc.judge.judges import Judge, make_judge
from inoc.store import Unit
from inoc.studies.inoculation.runs import held_out_set, question_sets, trained_datasets
from inoc.tables import CONTROLS, EXAMPLES, INSTRUCTIONS, write_table

if TYPE_CHECKING:
    from inoc.api import Api
    from inoc.config.models import Study


class Candidate(NamedTuple):
    """A completion that may become a training example."""

    example_id: str
    instruction: str
    answer: Answer
    scores: dict[str, float]
    reason: str  # why it is not kept; empty if it is


class Parts(NamedTuple):
    """A study's instructions; no text is in two of these, nor twice in one."""

    train: list[str]
    questions: dict[str, list[str]]  # set → evaluation questions
    dropped: dict[str, int]  # reason → count


def run(job: Job) -> str:
    """Write `train`, `eval` and `controls`; see `inoc.tables`."""
    study = job.study
    parts = study_parts(study, lambda: job.api)
    given = {key: _given_instructions(study, key, parts) for key in trained_datasets(study)}
    model = identify(study, job.paths, job.store)
    load = cache(engine_loader(job, model))
    used: list[Unit] = []
    datasets = {"": list(_candidates(job, study, "data", parts.train, model, load, used))}
    kept = list(dict.fromkeys(row.instruction for row in datasets[""] if not row.reason))[: study.data.n_train]
    for key, own in given.items():
        asked = dataset_study(study, key)
        datasets[key] = list(_candidates(job, asked, f"datasets.{key}", own or kept, model, load, used))
    _write_examples(job, datasets)
    evaluation = evaluation_table(study, parts)
    write_table(evaluation, INSTRUCTIONS, job.paths.instructions)
    controls = _controls(job, evaluation, model, load, used)
    write_table(controls, CONTROLS, job.paths.controls)
    job.store.refer(study.name, job.name, used)
    job.record["model"] = {"path": study.model.path, **model.as_key()}
    job.record["counts"] = {
        "instructions dropped": dict(parts.dropped),
        **_counts(datasets[""]),
        "controls": {str(name): int(n) for name, n in controls["dataset"].value_counts(sort=False).items()},
    }
    if given:
        job.record["datasets"] = {key: _counts(datasets[key]) for key in given}
    said = "; ".join(_summary(key, candidates) for key, candidates in datasets.items())
    return f"{said}, {len(evaluation)} evaluation instructions"


def _counts(candidates: Sequence[Candidate]) -> dict[str, Json]:
    reasons = Counter(candidate.reason for candidate in candidates if candidate.reason)
    n_kept = sum(not candidate.reason for candidate in candidates)
    return {"sampled": len(candidates), "kept": n_kept, "not kept": dict(sorted(reasons.items()))}


def _summary(key: str, candidates: Sequence[Candidate]) -> str:
    reasons = Counter(candidate.reason for candidate in candidates if candidate.reason)
    named = ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items())) or "none"
    n_kept = len(candidates) - reasons.total()
    return f"{f'{key}: ' if key else ''}{n_kept} of {len(candidates)} completions kept (left out: {named})"


def units(job: Job) -> list[Unit]:
    """Units that are sure to be needed: the first round of completions, and the controls.

    How many further rounds there are depends on what the judges keep. Nothing is sure before instructions that an
    API is to write have been written.
    """
    study, data = job.study, job.study.data
    if any(source.kind == "api" for _, source in instruction_places(study)):
        return []
    parts = study_parts(study)
    model = identify(study, job.paths, job.store)
    blocks = []
    if data.completions == "sample":
        blocks += _round_blocks(study, next(_rounds(parts.train, data.n_train, data.n_train, ())))
    for _, control in control_blocks(study, evaluation_table(study, parts)):
        blocks += control
    return [block.unit(model) for block in blocks]


def evaluation_table(study: Study, parts: Parts) -> pd.DataFrame:
    """`tables.INSTRUCTIONS`."""
    held_out = held_out_set(study)
    rows = [
        (f"eval{k:05d}" if key == held_out else f"{key}.{k:05d}", text, key)
        for key, texts in parts.questions.items()
        for k, text in enumerate(texts)
    ]
    return pd.DataFrame(rows, columns=INSTRUCTIONS.names)


def study_parts(study: Study, open_api: Callable[[], Api] | None = None) -> Parts:
    """The study's instructions, for training and in sets for evaluation.

    Args:
        study: The study.
        open_api: Gives the API, for instructions that are asked for.
    """
    own = study_split(study, open_api)
    questions: dict[str, list[str]] = {}
    taken = {*own.train, *own.evaluation}
    for key in question_sets(study):
        spec = study.data.questions.get(key)
        if spec is None or spec.source is None:
            questions[key] = own.evaluation
        else:
            questions[key] = _further_questions(study, key, spec.source, taken, open_api)
            taken.update(questions[key])
    return Parts(own.train, questions, own.dropped)


def _further_questions(
    study: Study, key: str, source: InstructionSource, taken: Container[str], open_api: Callable[[], Api] | None
) -> list[str]:
    """A set of questions that is not held out from the training data, without those that are taken already."""
    data = study.data
    if source.kind == "world":
        from inoc.world.grammar import instructions, instructions_about

        known = instructions(len(instructions_about(source.topics)), data.seed, source.topics)
    else:
        known, _ = _instructions(source, data.n_eval, data.seed, open_api)
        if source.kind == "files":
            known = [known[index] for index in np.random.default_rng(data.seed).permutation(len(known))]
    found = [text for text in known if text not in taken][: data.n_eval]
    if len(found) < data.n_eval:
        msg = (
            f"data.questions.{key}: {len(found)} questions that are in no other set and not trained on, but n_eval = "
            f"{data.n_eval}; lower it, or add questions"
        )
        raise DataError(msg)
    return found


def study_split(study: Study, open_api: Callable[[], Api] | None = None) -> Split:
    """The study's instructions, without the sets of questions that come from elsewhere.

    Args:
        study: The study.
        open_api: Gives the API, for instructions that are asked for.
    """
    data, hold_out = study.data, held_out_set(study) is not None
    if data.completions == "file":
        return _given_split(study, open_api, hold_out=hold_out)
    n = data.n_train + (data.n_eval if hold_out else 0)
    if data.instructions.kind == "world":
        from inoc.world.grammar import instructions

        return split(instructions(n, data.seed, data.instructions.topics), data, {}, hold_out=hold_out)
    texts, dropped = _instructions(data.instructions, n, data.seed, open_api)
    return split(texts, data, dropped, hold_out=hold_out)


def _instructions(
    source: InstructionSource, n: int, seed: int, open_api: Callable[[], Api] | None
) -> tuple[list[str], dict[str, int]]:
    """All instructions of files, or `n` from an API."""
    if source.kind == "api" and open_api is not None:
        return api_instructions(source, n, seed, open_api())
    return read_instructions(source)


def _given_split(study: Study, open_api: Callable[[], Api] | None, *, hold_out: bool) -> Split:
    data = study.data
    given = list(dict.fromkeys(pair.instruction for pair in read_pairs(Path(data.file or ""))))
    if not hold_out or (not data.instructions.files and data.instructions.kind != "api"):
        return split(given, data, {}, hold_out=hold_out)
    texts, dropped = _instructions(data.instructions, data.n_eval, data.seed, open_api)
    taken = set(given)
    evaluation = [text for text in texts if text not in taken]
    if len(evaluation) < data.n_eval:
        msg = f"{len(evaluation)} evaluation instructions outside the training file, but n_eval = {data.n_eval}"
        raise DataError(msg)
    order = np.random.default_rng(data.seed).permutation(len(evaluation))[: data.n_eval]
    return Split(given, [evaluation[index] for index in order], dropped)


def dataset_study(study: Study, key: str) -> Study:
    """The study as if another of its datasets were its own."""
    answers = {name: getattr(study.datasets[key], name) for name in AnswerSpec.model_fields}
    return study.model_copy(update={"data": study.data.model_copy(update=answers)})


def _given_instructions(study: Study, key: str, parts: Parts) -> list[str]:
    """The instructions that a dataset's file brings, without evaluation questions; none if it has no file."""
    spec = study.datasets[key]
    if spec.completions != "file":
        return []
    asked = {text for texts in parts.questions.values() for text in texts}
    found = list(dict.fromkeys(pair.instruction for pair in read_pairs(Path(spec.file or ""))))
    return [text for text in found if text not in asked]


def _candidates(
    job: Job,
    study: Study,
    place: str,
    instructions: Sequence[str],
    model: ModelIdentity,
    load: Callable[[str], Engine],
    used: list[Unit],
) -> Iterator[Candidate]:
    """Rows of one dataset.

    Args:
        job: For progress, API and store.
        study: Whose own data it is; see `dataset_study`.
        place: Key of the dataset in the study's file, for messages.
        instructions: What is answered, distinct.
        model: Answers.
        load: Loads it.
        used: Units of the store, added to.
    """
    data = study.data
    # A paid judge is asked only if its scores decide what is kept.
    judges = {
        key: make_judge(trait.judge, lambda: job.api)
        for key, trait in study.traits.items()
        if trait.judge is not None and (trait.judge.name != "llm" or data.keep_from)
    }
    if data.completions == "file":
        yield from _given(data, place, instructions, judges)
        return
    if len(instructions) < data.n_train:
        msg = f"{place}: {len(instructions)} distinct instructions to answer, but n_train = {data.n_train}; lower it"
        raise DataError(msg)
    most = int(data.n_train * data.max_attempts)
    kept: set[str] = set()
    asked: Counter[str] = Counter()
    with job.progress(f"sampling training completions ({place})", data.n_train, "kept") as meter:
        for batch in _rounds(instructions, data.n_train, most, kept):
            if data.completions == "api":
                answers = api_answers(job.api, data, [instruction for _, instruction in batch], asked)
            else:
                answers = _answers(job, _round_blocks(study, batch), model, load, used)
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
    if prompt and study.data.generation_turn == "system":
        return Chat(SystemTurn(kind="text", text=prompt), instruction)
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


def _given(data: DataSpec, place: str, instructions: Sequence[str], judges: Mapping[str, Judge]) -> Iterator[Candidate]:
    path = Path(data.file or "")
    allowed = set(instructions)
    rows = [pair for pair in read_pairs(path) if pair.instruction in allowed]
    batch = [(f"ex{k:06d}", pair.instruction) for k, pair in enumerate(rows)]
    answers = [Answer(pair.completion, -1, "given") for pair in rows]
    n_kept = 0
    for row in _judged(batch, answers, judges, data.keep_from):
        n_kept += not row.reason
        yield row
        if n_kept == data.n_train:
            return
    msg = f"{path}: {n_kept} usable rows, but n_train = {data.n_train}; lower it or {place}.keep_from, or add rows"
    raise DataError(msg)


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
        }
    )
    write_table(frame, EXAMPLES, job.paths.examples)


def _control_instructions(evaluation: pd.DataFrame, n: int) -> pd.DataFrame:
    return evaluation.drop(columns="questions").head(n)


def control_blocks(study: Study, evaluation: pd.DataFrame) -> Iterator[tuple[str, list[Block]]]:
    """Each control dataset's name and questions: plain ones, and for each trait those that draw out just that trait."""
    scoring = study.scoring
    chosen = _control_instructions(evaluation, scoring.n_controls)
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
    chosen = _control_instructions(evaluation, job.study.scoring.n_controls).rename(
        columns={"instruction_id": "example_id"}
    )
    asked = list(control_blocks(job.study, evaluation))
    tables = []
    with job.progress("sampling controls", len(chosen) * len(asked), "completions") as meter:
        for dataset, blocks in asked:
            answers = _answers(job, blocks, model, load, used)
            meter.advance(len(answers))
            tables.append(with_answers(chosen.assign(dataset=dataset), [answers]))
    return pd.concat(tables, ignore_index=True)
