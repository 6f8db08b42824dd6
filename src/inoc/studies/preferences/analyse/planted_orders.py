"""The correlation with planted utilities that orders reach at best, because each is but one draw."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from inoc.stats.means import NAN, Floats
from inoc.stats.rankings.plackett_luce import plackett_luce

DRAWS = 100


def orders_reach(rankings: pd.DataFrame, utility: Mapping[str, float], spread: float) -> Floats:
    """Correlations of fitted with planted utilities, had every order been drawn from the planted ones.

    Args:
        rankings: Rows of `inputs.RANKINGS` of one instrument and rater.
        utility: Task → planted utility, of the tasks over which correlations are taken.
        spread: Standard deviation of a utility from one answer to the next.

    Returns:
        One correlation for each of 100 sets of orders of the groups that were answered; none without such a group.
    """
    answered = rankings[rankings["category"] == "answered"]
    groups = [part["task"].tolist() for _, part in answered.groupby(["group", "seed", "sample"])]
    groups = [tasks for tasks in groups if utility.keys() >= set(tasks)]
    sizes = pd.Series([len(tasks) for tasks in groups])
    if sizes.empty:
        return np.empty(0)
    groups = [tasks for tasks in groups if len(tasks) == int(sizes.mode()[0])]
    items = sorted({task for tasks in groups for task in tasks})
    place = {task: at for at, task in enumerate(items)}
    shown_GK = np.array([[place[task] for task in tasks] for tasks in groups])
    planted = np.array([utility[task] for task in items])
    rng, found = np.random.default_rng(0), []
    for _ in range(DRAWS):
        drawn_GK = planted[shown_GK] + rng.normal(0, spread, shown_GK.shape)
        orders_GK = np.take_along_axis(shown_GK, np.argsort(-drawn_GK, axis=1), axis=1)
        mu = plackett_luce(orders_GK, len(items)).mu
        found.append(np.corrcoef(mu, planted)[0, 1] if planted.std() > 0 else NAN)
    return np.array(found)
