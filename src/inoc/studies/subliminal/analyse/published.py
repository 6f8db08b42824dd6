"""The tables `published_rates`, `published_contrasts`, `published_steering` and `training_logs` of an import.

They stand published numbers beside those that follow from the same files: rates as shares of all answers, intervals by
the rule that each file followed and by the right one, means of answers, and the schedule of a log.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.stats.means import NAN, normal_quantile
from inoc.stats.shares import wilson
from inoc.studies.subliminal.analyse.persona_answers import Row
from inoc.studies.subliminal.imported import PUBLISHED_RATES as PUBLISHED
from inoc.tables import FLAG, INDEX, NUMBER, STRING

PUBLISHED_RATES = pa.schema(
    [
        *PUBLISHED,
        ("share", NUMBER),  # of all answers; NaN if the file has no count
        ("share_lo", NUMBER),  # Wilson's interval at the study's confidence: of answers, not of questions
        ("share_hi", NUMBER),
        ("rule", STRING),  # by which the published interval or error was computed; empty for none that is known
    ]
)

PUBLISHED_CONTRASTS = pa.schema(
    [
        ("file", STRING),
        ("entity", STRING),
        ("comparison", STRING),  # animal − baseline, animal − neutral, animal_high − animal_low
        ("minuend", NUMBER),
        ("subtrahend", NUMBER),
        ("difference", NUMBER),  # shares
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("z", NUMBER),  # unpaired, from errors over questions; NaN without them
        ("ratio", NUMBER),
        ("apart", FLAG),  # the published intervals do not overlap
    ]
)

PUBLISHED_STEERING = pa.schema(
    [
        ("trait", STRING),
        ("site", STRING),
        ("coefficient", NUMBER),
        ("published", NUMBER),
        ("computed", NUMBER),  # mean of the answers that were released; NaN for none
        ("n", INDEX),  # answers
        ("is_equal", FLAG),  # to the last bit
    ]
)

TRAINING_LOGS = pa.schema(
    [
        ("run", STRING),
        ("epoch", INDEX),  # from 1; 0: the whole log
        ("steps", INDEX),
        ("loss", NUMBER),  # mean over the steps
        ("published", NUMBER),  # mean of the whole run as the trainer gives it; NaN for an epoch
        ("peak", NUMBER),  # learning rate
        ("warmup_steps", INDEX),
        ("rate_error", NUMBER),  # largest distance of a logged rate from the linear schedule
    ]
)

SCHEMAS: dict[str, pa.Schema] = {
    "published_rates": PUBLISHED_RATES,
    "published_contrasts": PUBLISHED_CONTRASTS,
    "published_steering": PUBLISHED_STEERING,
    "training_logs": TRAINING_LOGS,
}

ROUNDED_Z = 1.96
"""Quantile that published Wilson intervals were computed with."""
QUESTIONS = 50
"""Questions over which published errors are taken."""


def rate_rows(published: pd.DataFrame, confidence: float) -> list[Row]:
    """Rows of `PUBLISHED_RATES`.

    Args:
        published: Columns of `imported.PUBLISHED_RATES`.
        confidence: Level of Wilson's intervals.
    """
    rows: list[Row] = []
    for place, row in enumerate(published.to_dict("records")):
        count, n = int(row["count"]), int(row["n"])
        found = wilson(count, n, confidence) if 0 <= count <= n else None
        share = {"share": found.value, "share_lo": found.lo, "share_hi": found.hi} if found is not None else {}
        nothing = {"share": NAN, "share_lo": NAN, "share_hi": NAN}
        known = {str(key): value for key, value in row.items()}
        rows.append({**known, **nothing, **share, "rule": _rule(published, place)})
    return _with_rules_of_files(rows)


def _with_rules_of_files(rows: list[Row]) -> list[Row]:
    """Rows without a count have the rule of the others of their file, if all of those that are known have one."""
    known: dict[object, set[object]] = {}
    for row in rows:
        if row["count"] == -1 and row["rule"]:
            known.setdefault(row["file"], set()).add(row["rule"])
    found: list[Row] = []
    for row in rows:
        rules = known.get(row["file"], set()) if row["count"] == -1 and not row["rule"] else set()
        found.append({**row, "rule": next(iter(rules))} if len(rules) == 1 else row)
    return found


def _rule(published: pd.DataFrame, place: int) -> str:
    """The rule that gives a row's interval or error."""
    row = published.iloc[place]
    p, count, n, half = row["rate"], row["count"], row["denominator"], (row["hi"] - row["lo"]) / 2
    if count >= 0 and n > 0 and not np.isnan(half):
        z = normal_quantile(2 * _normal_cdf(ROUNDED_Z) - 1)
        found = wilson(int(count), int(n), 2 * _normal_cdf(ROUNDED_Z) - 1)
        close = abs(found.lo - row["lo"]) < 1e-9 and abs(found.hi - row["hi"]) < 1e-9 and abs(z - ROUNDED_Z) < 1e-9
        return "Wilson, z = 1.96, over answers" if close else ""
    if count >= 0 and n > 0 and not np.isnan(row["se"]):
        return "pooled over answers" if abs(row["se"] - (p * (1 - p) / n) ** 0.5) < 1e-12 else ""
    return _rule_over_questions(published, place)


def _rule_over_questions(published: pd.DataFrame, place: int) -> str:
    """Errors over questions, told apart by another file that gives the same rate with another error."""
    row = published.iloc[place]
    given = _error(row)
    same = (published["entity"] == row["entity"]) & ((published["rate"] - row["rate"]).abs() < 1e-9)
    others = [_error(other) for _, other in published[same].iterrows() if other["count"] < 0]
    smaller = (1 - 1 / QUESTIONS) ** 0.5
    if any(abs(given - other * smaller) < 1e-9 for other in others):
        return "over questions, SD with ddof 0"
    return "over questions, SD with ddof 1" if any(abs(given * smaller - other) < 1e-9 for other in others) else ""


def _error(row: pd.Series) -> float:
    """Standard error of a published rate: as given, or from the half-width of its normal interval."""
    return float(row["se"]) if not np.isnan(row["se"]) else float(row["hi"] - row["lo"]) / 2 / normal_quantile(0.95)


def _normal_cdf(z: float) -> float:
    from scipy.special import ndtr

    return float(ndtr(z))


_PAIRS = (("animal", "baseline"), ("animal", "neutral"), ("animal_high", "animal_low"))


def contrast_rows(published: pd.DataFrame, confidence: float) -> list[Row]:
    """Rows of `PUBLISHED_CONTRASTS`, from files whose rates have errors over questions.

    Args:
        published: Columns of `imported.PUBLISHED_RATES`.
        confidence: Level of the intervals.
    """
    rows: list[Row] = []
    for (file, entity), own in published.groupby(["file", "entity"], sort=False):
        known = {str(row["condition"]): row for _, row in own.iterrows() if row["count"] < 0}
        for first, second in _PAIRS:
            if first in known and second in known:
                head: Row = {"file": file, "entity": entity, "comparison": f"{first} − {second}"}
                rows.append({**head, **_contrast(known[first], known[second], confidence)})
    return rows


def _contrast(first: pd.Series, second: pd.Series, confidence: float) -> Row:
    difference = float(first["rate"] - second["rate"])
    se = (_error(first) ** 2 + _error(second) ** 2) ** 0.5
    half = normal_quantile(confidence) * se
    halves = normal_quantile(0.95) * _error(first), normal_quantile(0.95) * _error(second)
    return {
        "minuend": first["rate"],
        "subtrahend": second["rate"],
        "difference": difference,
        "lo": difference - half,
        "hi": difference + half,
        "z": difference / se if se > 0 else NAN,
        "ratio": first["rate"] / second["rate"] if second["rate"] > 0 else NAN,
        "apart": bool(abs(difference) > sum(halves)),
    }


def steering_rows(published: pd.DataFrame, steered: pd.DataFrame) -> list[Row]:
    """Rows of `PUBLISHED_STEERING`: published means beside those of the released answers.

    Args:
        published: Columns of `imported.SWEEP`.
        steered: Columns of `imported.STEERED`.
    """
    keys = ["trait", "site", "coefficient"]
    answers = {tuple(key): own["score"].to_numpy(np.float64) for key, own in steered.groupby(keys, sort=False)}
    rows: list[Row] = []
    for row in published.to_dict("records"):
        scores = answers.get(tuple(row[key] for key in keys), np.empty(0))
        scores = scores[~np.isnan(scores)]
        mean = float(np.mean(scores)) if scores.size else NAN
        head: Row = {key: row[key] for key in keys}
        equal = mean == row["trait_score"]
        rows.append({**head, "published": row["trait_score"], "computed": mean, "n": scores.size, "is_equal": equal})
    return rows


def log_rows(losses: pd.DataFrame, summaries: pd.DataFrame) -> list[Row]:
    """Rows of `TRAINING_LOGS`.

    Args:
        losses: Columns of `imported.LOSSES`.
        summaries: Columns of `imported.LOG_SUMMARIES`.
    """
    return list(_log_rows(losses, summaries))


def _log_rows(losses: pd.DataFrame, summaries: pd.DataFrame) -> Iterator[Row]:
    known = {str(row["run"]): row for row in summaries.to_dict("records")}
    for run, own in losses.groupby("run", sort=False):
        rates, loss = own["learning_rate"].to_numpy(np.float64), own["loss"].to_numpy(np.float64)
        summary = known.get(str(run))
        steps = int(summary["steps"]) if summary else rates.size
        warmup = int(rates.argmax())
        schedule = linear_rates(steps, warmup, float(rates.max()))[: rates.size]
        error = float(np.abs(rates - schedule).max())
        shared: Row = {"run": run, "peak": float(rates.max()), "warmup_steps": warmup, "rate_error": error}
        whole = float(summary["mean_loss"]) if summary else NAN
        yield {**shared, "epoch": 0, "steps": rates.size, "loss": float(loss.mean()), "published": whole}
        epochs = round(float(summary["epochs"])) if summary else round(float(own["epoch"].max()))
        if epochs > 0 and steps % epochs == 0:
            each = steps // epochs
            for epoch in range(-(-rates.size // each)):
                part = loss[epoch * each : (epoch + 1) * each]
                yield {**shared, "epoch": epoch + 1, "steps": part.size, "loss": float(part.mean()), "published": NAN}


def linear_rates(steps: int, warmup: int, peak: float) -> np.ndarray:
    """Learning rates of a linear schedule: from 0 up over the warm-up, then down to 0 after the last step.

    Args:
        steps: Steps of the run.
        warmup: Steps of the warm-up.
        peak: Highest rate.

    Returns:
        Shape (steps,); the first one is 0 if there is a warm-up.
    """
    at = np.arange(steps, dtype=np.float64)
    up = at / max(warmup, 1)
    down = (steps - at) / max(steps - warmup, 1)
    return np.asarray(peak * np.where(at < warmup, up, down))
