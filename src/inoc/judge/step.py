"""The stage `judge`: score every completion once per trait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from inoc.digest import Json
from inoc.judge.item import JudgeItem
from inoc.judge.judges import Judge, RatingJudge, make_judge
from inoc.tables import COMPLETIONS, SCORES, nan_count, read_table, write_table

if TYPE_CHECKING:
    from inoc.config.models import JudgeSpec
    from inoc.jobs.job import Job

_KEYS = [name for name in SCORES.names if name in COMPLETIONS.names]
_READ = [*_KEYS, "instruction", "completion"]
_WHY = "why_nan"


class Plan(NamedTuple):
    """Completions to score, and their judges."""

    judges: Mapping[str, JudgeSpec]  # trait → judge
    completions: Sequence[Path]  # tables of `COMPLETIONS`
    scores: Path  # where the scores go


def run(job: Job, plan: Plan) -> str:
    """Score completions and write the table of scores; see `inoc.tables.SCORES`."""
    judges = {trait: make_judge(spec, lambda: job.api) for trait, spec in plan.judges.items()}
    completions = pd.concat([read_table(path, _READ) for path in plan.completions], ignore_index=True)
    with job.progress("judging", len(judges), "traits") as bar:
        parts = []
        for trait, judge in judges.items():
            parts.append(score_table(completions, trait, judge))
            bar.advance(1)
    scores = pd.concat(parts, ignore_index=True).sort_values([*_KEYS, "trait"], kind="stable", ignore_index=True)
    if _WHY in scores:
        scores[_WHY] = scores[_WHY].fillna("")
    write_table(scores, SCORES, plan.scores)
    job.record["judges"] = {trait: judge.identity() for trait, judge in judges.items()}
    job.record["counts"] = {trait: _counts(trait, scores) for trait in judges}
    return "; ".join(_summary(trait, scores) for trait in judges)


def score_table(completions: pd.DataFrame, trait: str, judge: Judge) -> pd.DataFrame:
    """Scores of one trait, a row per completion; equal pairs of instruction and completion are judged once.

    Args:
        completions: Rows of `tables.COMPLETIONS`.
        trait: Key of the trait.
        judge: Its judge.

    Returns:
        Rows of `tables.SCORES`, in the order of the completions; NaN where the judge could not tell. A judge that
        asks a language model adds columns: `mass`, `lo` and `hi` (see `inoc.judge.expected`), and why a score is NaN.
    """
    pairs = completions[["instruction", "completion"]].drop_duplicates(ignore_index=True)
    items = [JudgeItem(*row) for row in pairs.itertuples(index=False)]
    judged = pd.concat([pairs, _judged(judge, items)], axis=1)
    scored = completions[["instruction", "completion"]].merge(judged, how="left", validate="many_to_one")
    found = {name: scored[name].to_numpy() for name in scored.columns.drop(["instruction", "completion"])}
    return completions[_KEYS].assign(trait=trait, judge=judge.name, judge_version=judge.version, **found)


def _judged(judge: Judge, items: Sequence[JudgeItem]) -> pd.DataFrame:
    """Scores, with further notes of the judge."""
    if isinstance(judge, RatingJudge):
        rows = [(one.score, one.mass, one.lo, one.hi, one.reason) for one in judge.rate(items)]
        return pd.DataFrame(rows, columns=["score", "mass", "lo", "hi", _WHY])
    return pd.DataFrame({"score": judge.score(items)})


def _summary(trait: str, scores: pd.DataFrame) -> str:
    values = scores.loc[scores["trait"] == trait, "score"].to_numpy()
    return f"{trait}: {len(values)} completions, {nan_count(values)} NaN"


def _counts(trait: str, scores: pd.DataFrame) -> dict[str, Json]:
    """Number of scores, number of NaN, and reasons for NaN."""
    rows = scores[scores["trait"] == trait]
    nan = rows["score"].isna()
    why = Counter(rows.loc[nan, _WHY]) if _WHY in rows else {}
    return {"n": len(rows), "n_nan": int(nan.sum()), "why": {str(key): n for key, n in sorted(why.items()) if key}}
