"""The table `planted`: what the miniature model was given to like, beside what the instruments found."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.stats.correlation import pearson
from inoc.stats.means import NAN, Floats, mean_interval
from inoc.studies.preferences.analyse.planted_orders import orders_reach
from inoc.studies.preferences.analyse.planted_probes import Row, probe_rows
from inoc.studies.preferences.analyse.planted_steering import steering_rows
from inoc.studies.preferences.planted import choice_probability, items_of, rating_place
from inoc.studies.preferences.roles import template_of
from inoc.studies.preferences.study import NONE, PlantedSpec, Study
from inoc.studies.preferences.templates import points_of
from inoc.tables import INDEX, NUMBER, STRING

PLANTED = pa.schema(
    [
        ("check", STRING),
        ("instrument", STRING),
        ("rater", STRING),
        ("planted", NUMBER),
        ("found", NUMBER),
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("n", INDEX),
        ("holds", STRING),  # yes, no; empty where nothing is claimed
    ]
)
"""Key: check, instrument, rater.

`utilities`: correlation of utilities with the planted ones, over the tasks of topics that are not refused; holds from
0.95 on for the rater without noise. Orders are single draws, so theirs is compared with what a model would reach whose
orders were drawn from the planted utilities: the mean of that is `planted`, and it holds from the 2.5th percentile on,
or from 0.95 on if that is less. `ratings`: the same of mean ratings. `position`: the position term of a wording, in
units of the planted spread, which is the unit of case V; holds if the planted term is in its interval, which is that of
this one model. `position, all wordings`: the mean over
wordings, each of which the model learns for itself, with an interval that holds what very many wordings would tend to.
`noise`: share of answers at random, of a rater. `refused` and `refused_others`: share of refused questions
about refused topics, and about all others. `reversed`: whether an instrument was found reversed. `context …`: what a
context adds to a rating, as the context of the question or of the completion. `probe …`: correlation of held-out
predictions of a probe with the planted utilities, over the tasks that are not refused; holds from 0.5 on with p of at
most 0.05. `probe …, shuffled labels`: mean held-out R² of that probe on shuffled labels; holds up to 0.05.
`steering … by …`: slope of the choices for the steered text along a probe of utilities; holds if it is positive and
steeper than those of all random vectors. `steering … by …, shuffled labels`: the same for a probe of shuffled labels;
holds if it is one of them.
"""
ENOUGH = 0.95
_STEPS = 401


class _Truth(NamedTuple):
    spec: PlantedSpec
    utility: dict[str, float]
    refused: set[str]

    def noisy(self, rater: str) -> float:
        return self.spec.noisy.get(rater, 0.0)


def planted_rows(study: Study, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The table; no rows where nothing was planted.

    Args:
        study: The study.
        tables: The other tables.
    """
    if study.planted is None:
        return pd.DataFrame(columns=PLANTED.names)
    items = items_of(study, study.planted)
    truth = _Truth(
        study.planted,
        {one.task.id: one.utility for one in items},
        {one.task.id for one in items if one.refused},
    )
    rows = [
        *_utilities(truth, tables["utilities"], tables["fits"], tables.get("rankings")),
        *_ratings(truth, tables["ratings"]),
        *_positions(truth, tables["fits"]),
        *_noise(truth, tables["comparisons"]),
        *_refused(truth, tables["comparisons"], tables["ratings"]),
        *_reversed(study, truth, tables["polarity"]),
        *_contexts(study, truth, tables["contexts"]),
        *(probe_rows(study, truth.utility, truth.refused, tables) if study.probes else ()),
        *steering_rows(study, tables),
    ]
    return pd.DataFrame(rows, columns=PLANTED.names)


def _said(*, holds: bool) -> str:
    return "yes" if holds else "no"


def _utilities(
    truth: _Truth, utilities: pd.DataFrame, fits: pd.DataFrame, rankings: pd.DataFrame | None
) -> Iterator[Row]:
    first = fits.drop_duplicates(["instrument", "rater", "completer"])
    columns = (first[name] for name in ("fit", "instrument", "rater", "model"))
    for fit, instrument, rater, model in zip(*columns, strict=True):
        own = utilities[(utilities["fit"] == fit) & ~utilities["item"].isin(truth.refused)]
        r = pearson(own["mu"].to_numpy(dtype=float), own["item"].map(truth.utility).to_numpy(dtype=float))
        planted, enough = 1.0, ENOUGH
        if model == "plackett_luce" and rankings is not None:
            known = {task: value for task, value in truth.utility.items() if task not in truth.refused}
            asked = rankings[(rankings["instrument"] == instrument) & (rankings["rater"] == rater)]
            reach = orders_reach(asked, known, truth.spec.spread)
            if reach.size:
                planted, enough = float(reach.mean()), min(ENOUGH, float(np.percentile(reach, 2.5)))
        holds = "" if truth.noisy(rater) else _said(holds=r.value >= enough)
        yield Row("utilities", instrument, rater, planted, r.value, r.lo, r.hi, r.n, holds)


def _ratings(truth: _Truth, ratings: pd.DataFrame) -> Iterator[Row]:
    plain = (ratings["context_completion"] == NONE) & (ratings["context_measurement"] == NONE)
    own = ratings[plain & ~ratings["task"].isin(truth.refused)]
    for (instrument, rater), part in own.groupby(["instrument", "rater"], sort=False):
        value = part["expectation"].where(part["expectation"].notna(), part["value"])
        means = value.groupby(part["task"]).mean().dropna()
        r = pearson(means.to_numpy(dtype=float), means.index.map(truth.utility).to_numpy(dtype=float))
        yield Row("ratings", str(instrument), str(rater), 1.0, r.value, r.lo, r.hi, r.n)


def _positions(truth: _Truth, fits: pd.DataFrame) -> Iterator[Row]:
    # Case V has a spread of 1, so that its unit is the planted spread.
    planted = truth.spec.position / truth.spec.spread
    found: dict[str, list[float]] = {}
    for row in fits.to_dict("records"):
        instrument, rater = str(row["instrument"]), str(row["rater"])
        if row["model"] != "case_v" or math.isnan(float(row["position"])) or truth.noisy(rater):
            continue
        value, lo, hi = (float(row[name]) for name in ("position", "position_lo", "position_hi"))
        found.setdefault(rater, []).append(value)
        n, holds = int(row["n_comparisons"]), _said(holds=lo <= planted <= hi)
        yield Row("position", instrument, rater, planted, value, lo, hi, n, holds)
    for rater, values in found.items():
        over = mean_interval(np.array(values))
        if len(values) > 1:
            holds = _said(holds=over.lo <= planted <= over.hi)
            yield Row("position, all wordings", "", rater, planted, over.value, over.lo, over.hi, len(values), holds)


def _noise(truth: _Truth, comparisons: pd.DataFrame) -> Iterator[Row]:
    """Share of answers at random: what the slope of the measured on the planted probabilities falls short of 1."""
    exact = comparisons[comparisons["p_a"].notna() & ~comparisons["task_a"].isin(truth.refused)]
    exact = exact[~exact["task_b"].isin(truth.refused)].drop_duplicates(["rater", "instrument", "task_a", "task_b"])
    for (instrument, rater), part in exact.groupby(["instrument", "rater"], sort=False):
        differences = part["task_a"].map(truth.utility) - part["task_b"].map(truth.utility)
        expected = np.array([choice_probability(truth.spec, float(one)) for one in differences])
        x = np.asarray(expected - 0.5, dtype=np.float64)
        y = part["p_a"].to_numpy(dtype=np.float64) - 0.5
        slope = float(x @ y / (x @ x)) if x.any() else NAN
        shares = mean_interval(x * (y - slope * x) / float(np.mean(x * x)) if x.any() else x)
        half = (shares.hi - shares.lo) / 2
        planted = truth.noisy(str(rater))
        found = 1 - slope
        yield Row("noise", str(instrument), str(rater), planted, found, found - half, found + half, len(part))


def _refused(truth: _Truth, comparisons: pd.DataFrame, ratings: pd.DataFrame) -> Iterator[Row]:
    plain = ratings[ratings["context_measurement"] == NONE]
    about = {
        "ratings": plain["task"].isin(truth.refused),
        "comparisons": comparisons["task_a"].isin(truth.refused) | comparisons["task_b"].isin(truth.refused),
    }
    for name, frame in (("ratings", plain), ("comparisons", comparisons)):
        for (instrument, rater), part in frame.groupby(["instrument", "rater"], sort=False):
            refused: Floats = np.asarray(part["category"] == "refused", dtype=np.float64)
            mine = about[name].loc[part.index].to_numpy(dtype=bool)
            for check, chosen, planted in (("refused", mine, truth.spec.refusal), ("refused_others", ~mine, 0.0)):
                if not chosen.any():
                    continue
                found = mean_interval(refused[chosen])
                right = found.value > 0.5 if planted else found.value < 0.1
                yield Row(
                    check,
                    str(instrument),
                    str(rater),
                    planted,
                    found.value,
                    found.lo,
                    found.hi,
                    found.n,
                    _said(holds=right),
                )


def _reversed(study: Study, truth: _Truth, polarity: pd.DataFrame) -> Iterator[Row]:
    for row in polarity.to_dict("records"):
        instrument, rater = str(row["instrument"]), str(row["rater"])
        planted = float(instrument in truth.spec.reversed)
        found = float(row["verdict"] == "reversed")
        holds = _said(holds=planted == found)
        yield Row("reversed", instrument, rater, planted, found, n=int(row["n_answers"]), holds=holds)


def _contexts(study: Study, truth: _Truth, contexts: pd.DataFrame) -> Iterator[Row]:
    effects = contexts[(contexts["statistic"] == "difference") & (contexts["origin"] == "all")]
    for row in effects.to_dict("records"):
        instrument, rater = str(row["instrument"]), str(row["rater"])
        of_completion, of_question = str(row["context_completion"]), str(row["context_measurement"])
        if truth.noisy(rater) or instrument in truth.spec.reversed or (of_completion != NONE and of_question != NONE):
            continue
        planted = _shift(study, truth, instrument, truth.spec.contexts.get(of_question, 0.0))
        lo, hi = float(row["lo"]), float(row["hi"])
        name = f"question: {of_question}" if of_question != NONE else f"completion: {of_completion}"
        # A context that adds nothing is to have an interval with 0; one that does is to be found with its sign.
        holds = planted * lo > 0 and planted * hi > 0 if planted else lo <= 0 <= hi
        said, name = _said(holds=holds), f"context of the {name}"
        yield Row(name, instrument, rater, planted, float(row["value"]), lo, hi, int(row["n"]), said)


def _shift(study: Study, truth: _Truth, instrument: str, shift: float) -> float:
    """Effect of a shift of all utilities on the mean rating of the tasks that are not refused."""
    if not shift:
        return 0.0
    points = sorted(point.oriented for point in points_of(template_of(study.instruments[instrument])))
    at = [value for task, value in truth.utility.items() if task not in truth.refused]
    spec = truth.spec
    return float(np.mean([_mean_rating(spec, one + shift, points) - _mean_rating(spec, one, points) for one in at]))


def _mean_rating(spec: PlantedSpec, utility: float, points: list[float]) -> float:
    z = np.linspace(-5, 5, _STEPS)
    weights = np.exp(-0.5 * z * z)
    values = [points[rating_place(utility + spec.spread * float(one), len(points))] for one in z]
    return float(weights @ np.array(values) / weights.sum())
