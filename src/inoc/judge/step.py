"""The stage `judge`: score every completion of `elicit` or `evaluate` once per trait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from inoc.digest import Json
from inoc.errors import ConfigError, DataError
from inoc.judge.item import JudgeItem
from inoc.judge.judges import Judge, make_judge
from inoc.judge.llm import LlmJudge
from inoc.tables import COMPLETIONS, SCORES, nan_count, read_table, write_table

if TYPE_CHECKING:
    from inoc.api import Api
    from inoc.config.models import Study
    from inoc.jobs.job import Job

_KEYS = [name for name in SCORES.names if name in COMPLETIONS.names]
_WHY = "why_nan"


def run(job: Job) -> str:
    """Score the completions of one source (`job.part`) and write the table of scores."""
    judges = study_judges(job.study, lambda: job.api)
    completions = _completions(job)
    with job.progress("judging", len(judges), "traits") as bar:
        parts = []
        for trait, judge in judges.items():
            parts.append(score_table(completions, trait, judge))
            bar.advance(1)
    scores = pd.concat(parts, ignore_index=True).sort_values([*_KEYS, "trait"], kind="stable", ignore_index=True)
    if _WHY in scores:
        scores[_WHY] = scores[_WHY].fillna("")
    write_table(scores, SCORES, job.paths.scores(job.part))
    job.record["judges"] = {trait: judge.identity() for trait, judge in judges.items()}
    job.record["counts"] = {trait: _counts(trait, scores) for trait in judges}
    return "; ".join(_summary(trait, scores) for trait in judges)


def study_judges(study: Study, open_api: Callable[[], Api] | None = None) -> dict[str, Judge]:
    """Trait → its judge.

    Args:
        study: The study.
        open_api: Gives the API, for judges that ask one.

    Raises:
        ConfigError: If a trait has none.
    """
    judges = {}
    for key, trait in study.traits.items():
        if trait.judge is None:
            msg = f"traits.{key} has no `judge`, so its completions cannot be scored; name one"
            raise ConfigError(msg)
        judges[key] = make_judge(trait.judge, open_api)
    return judges


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
    """Scores, and what else a judge says about them."""
    if isinstance(judge, LlmJudge):
        rows = [(one.score, one.mass, one.lo, one.hi, one.reason) for one in judge.rate(items)]
        return pd.DataFrame(rows, columns=["score", "mass", "lo", "hi", _WHY])
    return pd.DataFrame({"score": judge.score(items)})


def _completions(job: Job) -> pd.DataFrame:
    sources = {
        "elicit": [job.paths.elicit(shard) for shard in range(job.shards.elicit)],
        "evaluate": [job.paths.evaluate(shard) for shard in range(job.shards.train)],
    }
    if job.part not in sources:
        msg = f"completions of {job.part!r} cannot be judged; accepted: {', '.join(sources)}"
        raise DataError(msg)
    columns = [*_KEYS, "instruction", "completion"]
    return pd.concat([read_table(path, columns) for path in sources[job.part]], ignore_index=True)


def _summary(trait: str, scores: pd.DataFrame) -> str:
    values = scores.loc[scores["trait"] == trait, "score"].to_numpy()
    return f"{trait}: {len(values)} completions, {nan_count(values)} NaN"


def _counts(trait: str, scores: pd.DataFrame) -> dict[str, Json]:
    """How many scores, how many are NaN, and why."""
    rows = scores[scores["trait"] == trait]
    nan = rows["score"].isna()
    why = Counter(rows.loc[nan, _WHY]) if _WHY in rows else {}
    return {"n": len(rows), "n_nan": int(nan.sum()), "why": {str(key): n for key, n in sorted(why.items()) if key}}
