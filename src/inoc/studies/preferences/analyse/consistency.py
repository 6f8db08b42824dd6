"""The table `consistency`: how alike the ratings of a task are between seeds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.stats.consistency import by_scale, earlier_own_percentile, earlier_pooled, normalised, spread_within
from inoc.studies.preferences.analyse.measures import by_seed, in_no_context
from inoc.studies.preferences.inputs import Measured
from inoc.tables import INDEX, NUMBER, STRING

CONSISTENCY = pa.schema(
    [
        ("rater", STRING),  # all, for the rule that pools the models
        ("task", STRING),
        ("origin", STRING),
        ("rule", STRING),
        ("score", NUMBER),
        ("n", INDEX),  # instruments; -1 if it is not known
    ]
)
"""Key: rater, task, rule. 1: the same answer from every seed.

`scale`: 1 - s / 0.5 with s the mean over instruments of the standard deviation between seeds on the scale from 0 to 1;
comparable between models. Of an earlier study: `earlier_pooled` (all models together, and templates), and
`earlier_own_percentile` (by the 95th percentile of the model's own spreads, so that levels are not comparable). Its
third rule is `scale`, cut at 0.
"""


def consistency_rows(measured: Measured) -> pd.DataFrame:
    """Rows of `CONSISTENCY`, of ratings with two seeds or more."""
    plain = in_no_context(measured.ratings)
    plain = plain[plain["highest"] > plain["lowest"]]
    spreads, means = [], []
    for who, rows in plain.groupby(["rater", "instrument", "completer"], sort=True):
        if rows["seed"].nunique() < 2:
            continue
        table = by_seed(rows)
        unit = normalised(
            table.to_numpy(dtype=np.float64), float(rows["lowest"].iloc[0]), float(rows["highest"].iloc[0])
        )
        own = {"rater": str(who[0]), "instrument": f"{who[1]}/{who[2]}", "task": table.index}
        spreads.append(pd.DataFrame({**own, "s": spread_within(unit)}))
        means.append(pd.DataFrame({**own, "mean": pd.DataFrame(unit).mean(axis=1).to_numpy()}))
    if not spreads:
        return pd.DataFrame(columns=CONSISTENCY.names)
    single, mean = pd.concat(spreads).dropna(), pd.concat(means)
    if single.empty:  # no task was answered under two seeds
        return pd.DataFrame(columns=CONSISTENCY.names)
    parts = [_by_rater(single), _pooled(single, mean)]
    found = pd.concat(parts, ignore_index=True).dropna(subset=["score"])
    found["origin"] = found["task"].map(measured.origins).fillna("")
    return pd.DataFrame(found, columns=CONSISTENCY.names)


def _by_rater(single: pd.DataFrame) -> pd.DataFrame:
    parts = []
    for rater, rows in single.groupby("rater", sort=True):
        grouped = rows.groupby("task")["s"]
        s, n = grouped.mean().to_numpy(), grouped.size().to_numpy()
        tasks = grouped.mean().index
        for rule, score in (("scale", by_scale(s)), ("earlier_own_percentile", earlier_own_percentile(s))):
            parts.append(pd.DataFrame({"rater": rater, "task": tasks, "rule": rule, "score": score, "n": n}))
    return pd.concat(parts)


def _pooled(single: pd.DataFrame, mean: pd.DataFrame) -> pd.DataFrame:
    between = mean.groupby(["rater", "task"])["mean"].agg(lambda one: float(np.std(one)) if len(one) > 1 else np.nan)
    intra = single.groupby("task")["s"].mean()
    inter = between.groupby("task").mean().reindex(intra.index)
    if between.dropna().empty:
        return pd.DataFrame(columns=["rater", "task", "rule", "score", "n"])
    tops = float(np.percentile(single["s"], 95)), float(np.nanpercentile(between, 95))
    if min(tops) <= 0:
        return pd.DataFrame(columns=["rater", "task", "rule", "score", "n"])
    score = earlier_pooled(np.asarray(intra, dtype=np.float64), np.asarray(inter, dtype=np.float64), *tops)
    n = single.groupby("task")["instrument"].nunique().to_numpy()
    return pd.DataFrame({"rater": "all", "task": intra.index, "rule": "earlier_pooled", "score": score, "n": n})
