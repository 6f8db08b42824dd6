"""Reading of the tables of `judge` and `score`; refuses what must not be subtracted, and aligns the rest.

Arrays of scores are aligned by instruction and arrays of log-probabilities by example, so that everything
after this works on plain arrays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from inoc.chat.messages import Asked
from inoc.config.workflow import Shards
from inoc.errors import DataError, JudgeError
from inoc.jobs.paths import Paths
from inoc.score.computed import refuse_mixed
from inoc.stats.means import Floats
from inoc.studies.inoculation.analyse.released_values import released_table
from inoc.studies.inoculation.capability import measured_files
from inoc.studies.inoculation.runs import Run, prompt_texts, question_sets, study_runs
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.capability import asked_questions
from inoc.studies.shared.capability_rows import Asked as ClosedAnswers
from inoc.studies.shared.capability_rows import read_answers
from inoc.tables import INSTRUCTIONS, LOSSES, read_table

BASE_STEP = 0
_RUN = ["prompt", "prefix", "learning_rate", "seed", "data"]
_CELL = ["run", *_RUN, "step", "asked_prompt", "asked_prefix", "trait"]


class Cell(NamedTuple):
    """A set of completions and the trait that they were scored for. The untrained model's run is None."""

    run: Run | None
    step: int
    asked: Asked
    trait: str


class UsedJudge(NamedTuple):
    """The judge of some scores."""

    name: str
    version: int


class Scores(NamedTuple):
    """UsedJudge scores, 0–100, NaN where the judge could not tell."""

    cells: dict[Cell, Floats]  # each of shape (instructions,)
    instructions: list[str]
    judges: dict[str, UsedJudge]  # trait → the one judge

    def get(self, run: Run | None, step: int, asked: Asked, trait: str) -> Floats | None:
        """The scores of a cell in the order of `instructions`, or None if it was never asked."""
        return self.cells.get(Cell(run, step, asked, trait))

    def steps(self, run: Run, asked: Asked, trait: str) -> list[int]:
        """Steps at which a run was asked in this way, ascending."""
        return sorted(cell.step for cell in self.cells if (cell.run, cell.asked, cell.trait) == (run, asked, trait))

    def of(self, instructions: Collection[str]) -> Scores:
        """The scores of some of the instructions."""
        places = [place for place, one in enumerate(self.instructions) if one in instructions]
        chosen = [self.instructions[place] for place in places]
        return Scores({cell: values[places] for cell, values in self.cells.items()}, chosen, self.judges)


NO_SCORES = Scores({}, [], {})


class SetScores(NamedTuple):
    """The scores of one set of questions."""

    base: Scores
    runs: Scores


def by_questions(base: Scores, runs: Scores, instructions: pd.DataFrame) -> dict[str, SetScores]:
    """The scores of each set of questions.

    Args:
        base: Of the untrained model.
        runs: Of the runs.
        instructions: `tables.INSTRUCTIONS`.
    """
    sets = instructions.groupby("questions", sort=False)["instruction_id"].agg(set)
    return {str(key): SetScores(base.of(ids), runs.of(ids)) for key, ids in sets.items()}


def read_scores(path: Path) -> Scores:
    """Read a table of judge scores.

    Raises:
        DataError: If it is absent, or a completion was scored twice.
        JudgeError: If a trait has scores of two judges or of two versions of one.
    """
    table = read_table(path, columns=[*_CELL, "instruction_id", "judge", "judge_version", "score"])
    judges = _judges(table, path)
    # By hashing: a table may have millions of rows of a few hundred instructions.
    column, ids = pd.factorize(table["instruction_id"].astype(str), sort=True)
    row = table.groupby(_CELL, sort=True, dropna=False, observed=True).ngroup().to_numpy()
    firsts = np.unique(row, return_index=True)[1]
    _refuse_duplicates(table, row * max(1, len(ids)) + column, ["instruction_id", *_CELL], path)
    # An instruction that a cell lacks stays NaN: it is a measurement that failed, and is counted as one.
    values = np.full((len(firsts), len(ids)), np.nan)
    values[row, column] = table["score"].to_numpy(dtype=np.float64)
    keys = table.iloc[firsts][_CELL].itertuples(index=False)
    return Scores({_cell(key): scores for key, scores in zip(keys, values, strict=True)}, list(ids), judges)


def _cell(key: tuple[object, ...]) -> Cell:
    run, prompt, prefix, rate, seed, data, step, asked_prompt, asked_prefix, trait = key
    trained = None if run == "base" else Run(str(prompt), str(prefix), float(str(rate)), int(str(seed)), str(data))
    return Cell(trained, int(str(step)), Asked(str(asked_prompt), str(asked_prefix)), str(trait))


def _judges(table: pd.DataFrame, path: Path) -> dict[str, UsedJudge]:
    judges: dict[str, UsedJudge] = {}
    seen = table[["trait", "judge", "judge_version"]].drop_duplicates()
    for trait, name, version in sorted(seen.itertuples(index=False, name=None)):
        judge = UsedJudge(str(name), int(str(version)))
        _refuse_other_judge(str(trait), judges.setdefault(str(trait), judge), judge, str(path))
    return judges


def _refuse_other_judge(trait: str, first: UsedJudge, second: UsedJudge, where: str) -> None:
    if first != second:
        msg = (
            f"{where}: trait {trait!r} has scores of {first.name} version {first.version} and of "
            f"{second.name} version {second.version}, which are different scales; "
            "judge all completions with one of them, by `inoc judge`"
        )
        raise JudgeError(msg)


def check_same_judges(first: Scores, second: Scores) -> None:
    """Refuse two tables that scored a trait differently.

    Raises:
        JudgeError: If a trait has another judge, or another version, in each.
    """
    where = "judge/elicit and judge/evaluate"
    for trait in sorted(first.judges.keys() & second.judges.keys()):
        _refuse_other_judge(trait, first.judges[trait], second.judges[trait], where)


def _refuse_duplicates(table: pd.DataFrame, codes: np.ndarray, key: list[str], path: Path) -> None:
    counts = np.bincount(codes) if codes.size else codes
    if counts.size and counts.max() > 1:
        row = table.iloc[int(np.flatnonzero(codes == counts.argmax())[0])]
        which = ", ".join(f"{name}={row[name]}" for name in key)
        msg = f"{path}: {which} occurs {counts.max()} times; run its stage again"
        raise DataError(msg)


class Scored(NamedTuple):
    """A dataset that was scored behind a prefix."""

    prompt: str
    prefix: str
    dataset: str


class Means(NamedTuple):
    """Mean log-probabilities of one pass, nats per response token."""

    example_ids: np.ndarray  # ascending
    n_tokens: np.ndarray
    mean: Floats  # NaN for an empty response


def read_means(paths: Iterable[Path]) -> dict[Scored, Means]:
    """Read the means, and not the tokens, of all shards.

    Raises:
        DataError: If a shard is absent, or an example was scored twice in one way.
    """
    found: dict[Scored, Means] = {}
    for path in paths:
        table = read_table(path, columns=["prompt", "prefix", "dataset", "example_id", "n_tokens", "mean"])
        for key, rows in table.groupby(["prompt", "prefix", "dataset"], sort=True, observed=True):
            scored = Scored(*(str(part) for part in key))
            means = _aligned(rows, scored, path)
            if scored in found:
                msg = f"{path}: {scored} is in an earlier shard too; run `inoc score` again for all shards"
                raise DataError(msg)
            found[scored] = means
    return found


def _aligned(rows: pd.DataFrame, scored: Scored, path: Path) -> Means:
    ids = rows["example_id"].to_numpy(dtype=object).astype(str)
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    if (ids[1:] == ids[:-1]).any():
        twice = ids[:-1][ids[1:] == ids[:-1]][0]
        msg = f"{path}: example {twice} of {scored} was scored twice; run `inoc score` again"
        raise DataError(msg)
    return Means(ids, rows["n_tokens"].to_numpy()[order], rows["mean"].to_numpy(dtype=np.float64)[order])


Shifts = dict[Scored, Floats]
"""How much each prefix moves the log-probability of each response: nats per token, with − without.

Positive means likelier. Arrays of one dataset are aligned by example; NaN where the response is empty or was not
scored.
"""


def shifts(means: dict[Scored, Means]) -> Shifts:
    """With − without, example by example.

    Raises:
        DataError: If a dataset was not scored without a prefix, or an example has another number of tokens with
            one.
    """
    found: Shifts = {}
    for scored, with_prefix in means.items():
        without = means.get(Scored("", "none", scored.dataset))
        if without is None:
            msg = (
                f"dataset {scored.dataset!r} was scored with {scored.prompt!r} but never without a prefix; "
                "run `inoc score` for shard 0"
            )
            raise DataError(msg)
        if scored.prefix != "none":
            found[scored] = _difference(scored, with_prefix, without)
    return found


def _difference(scored: Scored, with_prefix: Means, without: Means) -> Floats:
    shared, ours, theirs = np.intersect1d(
        with_prefix.example_ids, without.example_ids, assume_unique=True, return_indices=True
    )
    first, second = with_prefix.n_tokens[ours], without.n_tokens[theirs]
    # An import of mean values alone does not know the lengths, and says -1.
    differ = np.flatnonzero((first != second) & (first >= 0) & (second >= 0))
    if differ.size:
        at = differ[0]
        msg = (
            f"{scored}: example {shared[at]} has {first[at]} tokens with the "
            f"prefix and {second[at]} without, so they cannot be subtracted. "
            "They were probably tokenised with different chat templates; run `inoc score` again"
        )
        raise DataError(msg)
    difference: Floats = np.full(without.mean.shape, np.nan)
    difference[theirs] = with_prefix.mean[ours] - without.mean[theirs]
    return difference


class Inputs(NamedTuple):
    """Inputs of the analysis."""

    base: Scores
    scores: Scores
    sets: dict[str, SetScores]  # set of questions → its scores; of the first one are `base` and `scores`
    shifts: Shifts
    losses: pd.DataFrame
    logprobs: list[Path]  # token tables, which are streamed
    self_perplexity: pd.DataFrame | None  # None if no prompt was scored by itself
    embeddings: pd.DataFrame | None  # None if the study embeds nothing
    released: Path | None = None  # a released table of heuristics that an import brought
    capability: ClosedAnswers | None = None  # answers to closed questions; None if none were asked


def read_inputs(paths: Paths, study: Study, shards: Shards) -> Inputs:
    """Read the tables of `judge`, `score` and `train`; a study without runs or prompts has none of theirs.

    Raises:
        DataError: If a table is absent or contradicts itself.
        JudgeError: If scores of two judges would be mixed.
    """
    base = read_scores(paths.scores("elicit"))
    runs = study_runs(study)
    scores = read_scores(paths.scores("evaluate")) if runs else NO_SCORES
    check_same_judges(base, scores)
    names = question_sets(study)
    sets = {names[0]: SetScores(base, scores)}
    if len(names) > 1:
        known = by_questions(base, scores, read_table(paths.instructions, INSTRUCTIONS.names))
        sets = {name: known[name] for name in names}
        base, scores = sets[names[0]]
    refuse_mixed(paths, shards.get("score", 1))
    refuse_mixed(paths, shards.get("train", 1), "train")
    scored = [paths.logprobs(shard) for shard in range(shards.get("score", 1))] if prompt_texts(study) else []
    losses = [paths.losses(shard) for shard in range(shards.get("train", 1))] if runs else []
    alone = [paths.self_perplexity(shard) for shard in range(shards.get("score", 1))] if scored else []
    # An import has none.
    alone = alone if study.scoring.self_perplexity and all(path.exists() for path in alone) else []
    released = released_table(paths.stage("imports"))
    embeds = study.embedding is not None and (paths.embeddings.exists() or released is None)
    return Inputs(
        base,
        scores,
        sets,
        shifts(read_means(scored)),
        _read_losses(losses),
        scored,
        pd.concat([read_table(path) for path in alone]) if alone else None,
        read_table(paths.embeddings) if embeds else None,
        released,
        _closed_answers(study, paths, shards),
    )


def _closed_answers(study: Study, paths: Paths, shards: Shards) -> ClosedAnswers | None:
    """Answers to the closed questions; None for a study that asks none, and for an import."""
    files = measured_files(study, paths, shards)
    if study.capability is None or not all(path.exists() for path in files):
        return None
    return read_answers([path.parent for path in files], asked_questions(study.capability))


def _read_losses(paths: list[Path]) -> pd.DataFrame:
    parts = [part for path in paths if len(part := read_table(path, columns=LOSSES.names))]
    if not parts:
        return pd.DataFrame(columns=LOSSES.names)
    keys = ["prompt", "prefix", "learning_rate", "seed", "step"]
    return pd.concat(parts, ignore_index=True).sort_values(keys, kind="stable", ignore_index=True)
