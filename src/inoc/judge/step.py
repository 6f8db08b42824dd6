"""The stage `judge`: score every completion once per trait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
import pyarrow as pa

from inoc.digest import Json
from inoc.judge.item import Category, JudgeItem
from inoc.judge.judges import CategoryJudge, Judge, RatingJudge, judge_units, make_judge
from inoc.tables import INDEX, NUMBER, SCORES, STRING, nan_count, read_table, write_table

if TYPE_CHECKING:
    from inoc.config.judge_spec import JudgeSpec
    from inoc.jobs.job import Job

_WHY = "why_nan"
_TEXTS = {_WHY, "category", "exact"}
_KEYS = SCORES.names[: SCORES.names.index("trait")]


class Plan(NamedTuple):
    """Completions to score, and their judges."""

    judges: Mapping[str, JudgeSpec]  # trait → judge
    completions: Sequence[Path]  # tables of `COMPLETIONS`
    scores: Path  # where the scores go
    schema: pa.Schema = SCORES  # its columns before `trait` identify a completion
    beginnings: Mapping[str, str] = {}  # trait → beginning of the first key of the completions it scores; default: all


ANSWER_SCORES = pa.schema(
    [
        ("id", STRING),
        ("sample", INDEX),
        ("trait", STRING),
        ("judge", STRING),
        ("judge_version", INDEX),
        ("score", NUMBER),  # 0–100; NaN if the judge could not tell, and for judges that give a category
    ]
)
"""Scores of answers of the stage `sample`, for `Plan.schema`. Key: id, sample, trait."""


def run(job: Job, plan: Plan) -> str:
    """Score completions and write the table of scores, as a table of the plan's schema."""
    keys = plan.schema.names[: plan.schema.names.index("trait")]
    judges = {trait: make_judge(spec, job=job) for trait, spec in plan.judges.items()}
    completions = pd.concat(
        [read_table(path, [*keys, "instruction", "completion"]) for path in plan.completions], ignore_index=True
    )
    with job.progress("judging", len(judges), "traits") as bar:
        parts = []
        for trait, judge in judges.items():
            own = completions[completions[keys[0]].str.startswith(plan.beginnings.get(trait, ""))]
            parts.append(score_table(own.reset_index(drop=True), trait, judge, keys))
            bar.advance(1)
    scores = pd.concat(parts, ignore_index=True).sort_values([*keys, "trait"], kind="stable", ignore_index=True)
    for name in _TEXTS & set(scores):
        scores[name] = scores[name].fillna("")
    write_table(scores, plan.schema, plan.scores)
    if any(judge_units(judge) for judge in judges.values()):
        job.store.refer(job.study, job.name, [unit for judge in judges.values() for unit in judge_units(judge)])
    job.record["judges"] = {trait: judge.identity() for trait, judge in judges.items()}
    job.record["counts"] = {trait: _counts(trait, scores) for trait in judges}
    return "; ".join(_summary(trait, scores) for trait in judges)


def score_table(
    completions: pd.DataFrame, trait: str, judge: Judge, keys: Sequence[str] = tuple(_KEYS)
) -> pd.DataFrame:
    """Scores of one trait, a row per completion; equal pairs of instruction and completion are judged once.

    Args:
        completions: Rows of `tables.COMPLETIONS`.
        trait: Key of the trait.
        judge: Its judge.
        keys: Columns that identify a completion.

    Returns:
        Rows of `tables.SCORES`, or with other keys, in the order of the completions; NaN where the judge could not
        tell. A judge that asks a language model adds columns: `mass`, `lo` and `hi` (see `inoc.judge.expected`), and
        why a score is NaN. A judge of categories adds the fields of `inoc.judge.item.Category`; its scores are NaN
        unless categories are counted.
    """
    pairs = completions[["instruction", "completion"]].drop_duplicates(ignore_index=True)
    items = [JudgeItem(*row) for row in pairs.itertuples(index=False)]
    judged = pd.concat([pairs, _judged(judge, items)], axis=1)
    scored = completions[["instruction", "completion"]].merge(judged, how="left", validate="many_to_one")
    found = {name: scored[name].to_numpy() for name in scored.columns.drop(["instruction", "completion"])}
    return completions[list(keys)].assign(trait=trait, judge=judge.name, judge_version=judge.version, **found)


def _judged(judge: Judge, items: Sequence[JudgeItem]) -> pd.DataFrame:
    """Scores, with further notes of the judge."""
    if isinstance(judge, RatingJudge):
        rows = [(one.score, one.mass, one.lo, one.hi, one.reason) for one in judge.rate(items)]
        return pd.DataFrame(rows, columns=["score", "mass", "lo", "hi", _WHY])
    if isinstance(judge, CategoryJudge):
        found = pd.DataFrame(judge.categorise(items), columns=Category._fields)
        return found.rename(columns={"reason": _WHY})
    return pd.DataFrame({"score": judge.score(items)})


def _summary(trait: str, scores: pd.DataFrame) -> str:
    categories = _categories(scores[scores["trait"] == trait])
    if categories:
        return f"{trait}: " + ", ".join(f"{n} {category}" for category, n in categories.items())
    values = scores.loc[scores["trait"] == trait, "score"].to_numpy()
    return f"{trait}: {len(values)} completions, {nan_count(values)} NaN"


def _counts(trait: str, scores: pd.DataFrame) -> dict[str, Json]:
    """Number of scores, number of NaN, and reasons for NaN."""
    rows = scores[scores["trait"] == trait]
    categories = _categories(rows)
    if categories:
        return {"n": len(rows), "categories": dict(categories)}
    nan = rows["score"].isna()
    why = Counter(rows.loc[nan, _WHY]) if _WHY in rows else {}
    return {"n": len(rows), "n_nan": int(nan.sum()), "why": {str(key): n for key, n in sorted(why.items()) if key}}


def _categories(rows: pd.DataFrame) -> dict[str, int]:
    """Number of completions in each category; none for a judge of scores."""
    found = Counter(rows["category"]) if "category" in rows else Counter()
    return {str(category): n for category, n in sorted(found.items()) if category}
