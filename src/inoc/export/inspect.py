"""Logs of Inspect, written by its own writer: one `.eval` file for each table of completions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from inoc.errors import MissingExtraError
from inoc.export.csv import plain
from inoc.python.results import Results

_STOPS = {"stop": "stop", "length": "max_tokens", "refused": "content_filter", "given": "stop"}
_TRAIT = "trait"
Scored = dict[tuple[str, ...], dict[str, dict[str, Any]]]


def write(results: Results, folder: Path) -> None:
    """Write a log per table of completions, as `<table with dots>.eval`.

    Args:
        results: The study.
        folder: Where.

    Raises:
        MissingExtraError: If `inspect_ai` is not installed.
        DataError: If there are no completions.
    """
    try:
        from inspect_ai.log import write_eval_log
    except ImportError as error:
        raise MissingExtraError("inspect_ai", "inspect") from error
    chats = results.transcripts()
    scores = results.scores() if results.has_scores() else pd.DataFrame({"source": []})
    for source, rows in chats.groupby("source", sort=False):
        own = scores[scores["source"] == source]
        log = _log(results, str(source), rows.dropna(axis=1, how="all"), own.dropna(axis=1, how="all"))
        write_eval_log(log, str(folder / f"{str(source).replace('/', '.')}.eval"), format="eval")


def _log(results: Results, source: str, rows: pd.DataFrame, scores: pd.DataFrame) -> Any:
    from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalResults, EvalSpec

    model = str(results.model["path"])
    samples = list(samples_of(model, rows, scores))
    spec = EvalSpec(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        task=f"{results.name}/{source}",
        dataset=EvalDataset(name=source, samples=len(samples)),
        model=model,
        config=EvalConfig(),
        metadata={"study": results.name, "kind": results.kind, "title": results.study.title, "table": source},
    )
    found = EvalResults(total_samples=len(samples), completed_samples=len(samples), scores=list(summaries_of(scores)))
    return EvalLog(eval=spec, samples=samples, results=found, status="success")


def summaries_of(scores: pd.DataFrame) -> Iterator[Any]:
    """Mean of each trait's scores with their number and the number of NaN, or the number of each category."""
    from inspect_ai.log import EvalMetric, EvalScore

    for trait, own in scores.groupby(_TRAIT, sort=False) if len(scores) else ():
        metrics = _counts(own) or _mean(_numbers(own))
        yield EvalScore(
            name=str(trait),
            scorer=f"{own['judge'].iloc[0]} {own['judge_version'].iloc[0]}",
            metrics={name: EvalMetric(name=name, value=value) for name, value in metrics.items()},
        )


def _mean(values: np.ndarray) -> dict[str, float]:
    known = values[~np.isnan(values)]
    mean = float(known.mean()) if len(known) else math.nan
    return {"mean": mean, "n": len(known), "n_nan": len(values) - len(known)}


def _counts(scores: pd.DataFrame) -> dict[str, float]:
    """Number of completions in each category; nothing for a judge of scores, or of categories that are counted."""
    if "category" not in scores or not np.isnan(_numbers(scores)).all():
        return {}
    return {str(name): int(n) for name, n in scores["category"].value_counts().sort_index().items() if name}


def _numbers(scores: pd.DataFrame) -> np.ndarray:
    # A column of NaN alone counts as absent where tables are taken apart.
    return scores["score"].to_numpy(np.float64) if "score" in scores else np.full(len(scores), np.nan)


def samples_of(model: str, rows: pd.DataFrame, scores: pd.DataFrame) -> Iterator[Any]:
    """The samples of a log, one per completion.

    Args:
        model: Name of the model.
        rows: Transcripts of one table.
        scores: Their scores, in long form.
    """
    from inspect_ai.log import EvalSample

    before = list(scores.columns).index(_TRAIT) if len(scores) else 0
    keys = [name for name in scores.columns[:before] if name in rows]
    judged = _judged(scores, keys)
    for at, row in enumerate(rows.to_dict("records")):
        messages = [_message(one) for one in row["messages"]]
        sample = row.get("sample")
        yield EvalSample(
            id=row["id"] if isinstance(row.get("id"), str) else f"{at:06d}",
            epoch=1 if sample is None or math.isnan(sample) else int(sample) + 1,
            input=messages[:-1],
            target="",
            messages=messages,
            output=_output(model, row),
            scores=_scores(judged.get(_key(row, keys), {})) or None,
            metadata={str(key): _kept(value) for key, value in row.items() if key not in ("messages", "completion")},
        )


def _kept(value: object) -> object:
    """A value for JSON, which has no NaN: there it would be read as nothing."""
    value = plain(value)
    return "NaN" if isinstance(value, float) and math.isnan(value) else value


def _message(one: Mapping[str, str]) -> Any:
    from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageUser

    kinds = {"system": ChatMessageSystem, "user": ChatMessageUser, "assistant": ChatMessageAssistant}
    return kinds[one["role"]](content=one["content"])


def _output(model: str, row: Mapping[Any, Any]) -> Any:
    from inspect_ai.model import ModelOutput

    return ModelOutput.from_content(model, row["completion"], stop_reason=_STOPS.get(str(row.get("finish")), "unknown"))


def _key(row: Mapping[Any, Any], keys: list[str]) -> tuple[str, ...]:
    # As texts, since NaN equals nothing; of numbers, as one table may hold 0 where the other holds 0.0.
    return tuple(str(float(row[key]) if isinstance(row[key], int | float) else row[key]) for key in keys)


def _judged(scores: pd.DataFrame, keys: list[str]) -> Scored:
    """Completion → trait → the judge's words about it."""
    found: Scored = {}
    for row in scores.to_dict("records"):
        found.setdefault(_key(row, keys), {})[str(row[_TRAIT])] = {
            str(name): value for name, value in row.items() if name not in (*keys, "source", _TRAIT)
        }
    return found


def _scores(judged: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Scores of one completion; a judge of categories gives the category."""
    from inspect_ai.scorer import Score

    found = {}
    for trait, said in judged.items():
        value, category = float(said.get("score", math.nan)), said.get("category")
        named = math.isnan(value) and isinstance(category, str) and bool(category)
        why = said.get("why_nan")
        found[trait] = Score(
            value=str(category) if named else value,
            explanation=str(why) if isinstance(why, str) and why else None,
            metadata={name: _kept(one) for name, one in said.items() if name != "score"},
        )
    return found
