"""The table `reliability`: what each instrument is worth, before anything that it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.stats.icc import FORMS, icc, one_way, variance_ratio
from inoc.stats.means import Estimate
from inoc.stats.reliability import informative_correlation, seed_correlation, stepped
from inoc.stats.scale_use import scale_use
from inoc.stats.shares import wilson
from inoc.studies.preferences.analyse.fits import Fitted
from inoc.studies.preferences.analyse.measures import by_seed, in_no_context
from inoc.studies.preferences.inputs import CATEGORIES, Measured
from inoc.studies.preferences.roles import template_of
from inoc.studies.preferences.study import Study
from inoc.studies.preferences.templates import points_of
from inoc.tables import INDEX, NUMBER, STRING

ALL = "all"

RELIABILITY = pa.schema(
    [
        ("instrument", STRING),
        ("rater", STRING),
        ("completer", STRING),
        ("origin", STRING),  # all; or tasks of one origin alone
        ("statistic", STRING),
        ("value", NUMBER),
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("n", INDEX),
        ("n_nan", INDEX),
    ]
)
"""Key: instrument, rater, completer, origin, statistic.

Of ratings, in units of tasks: `seed_r` (mean Pearson correlation of two seeds), `seed_r_full` (of the mean over all
seeds, by Spearman and Brown), `seed_r_single` (of one sample), `icc1` of all answers, `icc2` and `icc3` of the seeds;
in units of answers: `kl_uniform` and `entropy` in nats, `kl_share` of ln K, `most_frequent` (share), and with
`reliability.informative` `informative_r` and `informative_kept`, which condition on the answer, and `variance_ratio`,
which an earlier study called ICC. Of utilities:
`split_pairs`, `split_samples`, `split_groups`, each also with `_full`, and the effects of the order (`first_chosen`,
`position_effect`, `content_size`, `position_exceeds_content`). Of every instrument the shares `answered`, `refused`,
`unclear` and `failed` of the questions.
"""


def reliability_rows(measured: Measured, fits: Sequence[Fitted], study: Study) -> pd.DataFrame:
    """Rows of `RELIABILITY`.

    Args:
        measured: What was measured, without reversed instruments.
        fits: The fits.
        study: The study.
    """
    rows = [*_of_ratings(measured, study), *_of_categories(measured, study)]
    for one in fits:
        who = (one.instrument, one.rater, one.completer, ALL)
        rows += [(*who, row.statistic, row.value, row.lo, row.hi, row.n, 0) for row in one.reliability]
    return pd.DataFrame(rows, columns=RELIABILITY.names)


def _of_ratings(measured: Measured, study: Study) -> Iterator[tuple[object, ...]]:
    plain = in_no_context(measured.ratings)
    for who, rows in plain.groupby(["instrument", "rater", "completer"], sort=True):
        names = [ALL, *sorted(set(rows["origin"]) - {""})]
        for origin in names if len(names) > 2 else [ALL]:
            part = rows if origin == ALL else rows[rows["origin"] == origin]
            for statistic, one in _agreement(part, study):
                yield (*who, origin, statistic, *one)
            for statistic, one in _use(part, str(who[0]), study):
                yield (*who, origin, statistic, *one)


def _agreement(rows: pd.DataFrame, study: Study) -> Iterator[tuple[str, Estimate]]:
    table = by_seed(rows).to_numpy(dtype=np.float64)
    if table.shape[1] < 2:
        return
    level, fewest = study.statistics.confidence, study.reliability.min_tasks
    r = seed_correlation(table, level, fewest).mean
    if not np.isnan(r.value):
        yield "seed_r", r
        yield "seed_r_full", stepped(r, table.shape[1])
        samples = int(rows.groupby(["task", "seed"]).size().max())
        if samples > 1:
            yield "seed_r_single", stepped(r, 1 / samples)
    answers = rows["value"].to_numpy(dtype=np.float64)
    for form in FORMS:
        found = one_way(answers, rows["task"].tolist(), level) if form == "icc1" else icc(table, form, level)
        if np.isfinite(found.value):
            yield form, found
    if study.reliability.informative:
        pairs = [(a, b) for a in range(table.shape[1]) for b in range(a)]
        each = [informative_correlation(table[:, a], table[:, b]) for a, b in pairs]
        n = len(table)
        nan = float("nan")
        known = [one.r for one in each if np.isfinite(one.r)]
        yield "informative_r", Estimate(float(np.mean(known)) if known else nan, nan, nan, n, 0)
        yield "informative_kept", Estimate(float(np.mean([one.kept for one in each])), nan, nan, n, 0)
        yield "variance_ratio", Estimate(variance_ratio(table), nan, nan, n, 0)


def _use(rows: pd.DataFrame, instrument: str, study: Study) -> Iterator[tuple[str, Estimate]]:
    scale = _scale(rows, instrument, study)
    if scale.size < 2:
        return
    answered = rows[rows["category"] == "answered"]
    values = answered["value"].to_numpy(dtype=np.float64)
    found = scale_use(values, scale, answered["task"].tolist(), study.statistics.confidence)
    if not found.kl.n:
        return
    yield "kl_uniform", found.kl
    yield "kl_share", found.share
    yield "entropy", found.entropy
    nan = float("nan")
    yield "most_frequent", Estimate(found.most_frequent, nan, nan, found.kl.n, found.kl.n_nan)


def _scale(rows: pd.DataFrame, instrument: str, study: Study) -> np.ndarray:
    """The values of the declared scale; none for open answers."""
    if int(rows["n_scale"].max()) < 2:
        return np.zeros(0)
    if instrument in study.instruments:
        values = {point.oriented for point in points_of(template_of(study.instruments[instrument]))}
        return np.array(sorted(values))
    return np.linspace(rows["lowest"].min(), rows["highest"].max(), int(rows["n_scale"].max()))


def _of_categories(measured: Measured, study: Study) -> Iterator[tuple[object, ...]]:
    """Shares of the kinds of answers to the questions, all contexts included."""
    once = measured.rankings.drop_duplicates(["instrument", "rater", "completer", "group", "seed", "sample"])
    for rows in (measured.ratings, measured.comparisons, once):
        for who, part in rows.groupby(["instrument", "rater", "completer"], sort=True):
            for category in CATEGORIES:
                count = int((part["category"] == category).sum())
                yield (*who, ALL, category, *wilson(count, len(part), study.statistics.confidence))
