"""Utilities of tasks: fits of comparisons and of rankings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.prefer.comparisons import Comparisons
from inoc.prefer.order import Statistic, order_statistics
from inoc.prefer.reliability import split_halves
from inoc.prefer.rows import fit_row, penalty_row, position_rows, utility_rows
from inoc.prefer.tables import FITS as FITTED
from inoc.prefer.tables import PENALTIES, POSITIONS
from inoc.prefer.tables import UTILITIES as FITTED_ITEMS
from inoc.stats.correlation import pearson
from inoc.stats.means import NAN
from inoc.stats.rankings.online import online_ratings
from inoc.stats.rankings.plackett_luce import plackett_luce
from inoc.stats.reliability import spearman_brown
from inoc.stats.utilities.fit import Settings, fit
from inoc.stats.utilities.folds import Held, best, first_appearance, held_out
from inoc.stats.utilities.intervals import bootstrap_intervals, information_intervals
from inoc.stats.utilities.pairs import pair_intervals
from inoc.studies.preferences.compared import as_comparisons
from inoc.studies.preferences.inputs import Measured
from inoc.studies.preferences.study import Study
from inoc.tables import STRING

_WHO = [(name, STRING) for name in ("instrument", "rater", "completer")]

UTILITIES = pa.schema([*FITTED_ITEMS, *_WHO, ("origin", STRING)])
"""Utilities, as `inoc prefer fit` has them, with what was fitted. Key: fit, item."""

ONLINE = "online"
"""Name of the model of online ratings, as TrueSkill has them; these begin at 25, and sigma is that of a belief."""

FITS = pa.schema([*FITTED, *_WHO])
"""Fits, as `inoc prefer fit` has them, with what was fitted. Key: fit."""


class Fitted(NamedTuple):
    """One fit, and what is reported of it."""

    name: str
    instrument: str
    rater: str
    completer: str
    utilities: pd.DataFrame
    fit: dict[str, object]
    positions: list[dict[str, object]]
    reliability: list[Statistic]
    penalties: list[dict[str, object]]
    main: bool  # of the study's first model, which figures and correlations take


def fits_of(measured: Measured, study: Study) -> list[Fitted]:
    """Fits of all comparisons and rankings, one for each instrument, rater, completer and model."""
    found: list[Fitted] = []
    for who, rows in _groups(measured.comparisons):
        used = as_comparisons(rows, measured.origins)
        if used is None or not used.outcomes().without_ties().weight.size:
            continue
        statistics = order_statistics(used)
        for number, model in enumerate(study.fit.models):
            found.append(_fit(used, who, model, study, statistics if number == 0 else [], main=number == 0))
    for who, rows in _groups(measured.rankings):
        found += _ranked(rows, who, measured.origins, study)
    return found


def _groups(rows: pd.DataFrame) -> Iterable[tuple[tuple[str, str, str], pd.DataFrame]]:
    names = ["instrument", "rater", "completer"]
    for who, part in rows.groupby(names, sort=True):
        instrument, rater, completer = (str(one) for one in who)
        yield (instrument, rater, completer), part


def fit_name(who: tuple[str, str, str], model: str = "") -> str:
    """The name of a fit: instrument, rater, completer if it is another model, and a model that is not the first."""
    instrument, rater, completer = who
    parts = [instrument, rater] + [completer] * (completer not in ("", rater)) + [model] * bool(model)
    return "/".join(parts)


def _fit(
    used: Comparisons, who: tuple[str, str, str], model: str, study: Study, statistics: list[Statistic], *, main: bool
) -> Fitted:
    spec, name = study.fit, fit_name(who, "" if main else model)
    origins = sorted(set(used.origins or []))
    settings = Settings(
        model=model,  # type: ignore[arg-type]  # one of the study's, which are these
        positioned=spec.position != "none",
        origins=tuple(origins.index(one) for one in used.origins or []) if spec.position == "origin_pairs" else None,
        penalty=spec.penalties[0] if len(spec.penalties) == 1 else None,
        starts=spec.starts,
        seed=spec.seed,
        bias="kept" if used.exact else spec.bias,
    )
    tried = _tried(used, settings, study) if len(spec.penalties) > 1 else {}
    if tried:
        settings = replace(settings, penalty=best(tried["pairs"]))
    outcomes = used.outcomes()
    fitted = fit(outcomes, settings)
    level = study.statistics.confidence
    how = spec.intervals if spec.intervals != "auto" else "pairs" if used.exact else "information"
    if how == "bootstrap":
        intervals = bootstrap_intervals(outcomes, fitted, settings, study.statistics.resamples, level)
    else:
        intervals = pair_intervals(fitted, level) if how == "pairs" else information_intervals(fitted, level)
    utilities = utility_rows(used, fitted, intervals, name)
    halves = split_halves(used, replace(settings, starts=1)) if main else []
    return Fitted(
        name,
        *who,
        _with_who(utilities, who, dict(zip(used.items, used.origins or [], strict=False))),
        {**fit_row(used, outcomes, fitted, intervals, name, settings), "model": model, **_who_of(who)},
        position_rows(fitted, intervals, name, used.origins),
        [*halves, *statistics],
        [penalty_row(name, kind, one) for kind, rows in tried.items() for one in rows],
        main,
    )


def _tried(used: Comparisons, settings: Settings, study: Study) -> dict[str, list[Held]]:
    """Losses of each strength of the penalty on held-out pairs, and on held-out comparisons; none for few pairs."""
    answered = used.answered()
    found = {}
    for kind, number in (("pairs", first_appearance(answered.pair)), ("comparisons", np.arange(answered.a.size))):
        folds = [answered.taken(number % study.fit.folds == one).outcomes() for one in range(study.fit.folds)]
        if min(fold.weight.size for fold in folds) == 0:
            return {}
        found[kind] = held_out(folds, settings, study.fit.penalties)
    return found


def _who_of(who: tuple[str, str, str]) -> dict[str, object]:
    return dict(zip(("instrument", "rater", "completer"), who, strict=True))


def _with_who(rows: pd.DataFrame, who: tuple[str, str, str], origins: dict[str, str]) -> pd.DataFrame:
    instrument, rater, completer = who
    origin = rows["item"].map(origins).fillna("")
    return rows.assign(instrument=instrument, rater=rater, completer=completer, origin=origin)


def _ranked(rows: pd.DataFrame, who: tuple[str, str, str], origins: dict[str, str], study: Study) -> list[Fitted]:
    """A fit of rankings by Plackett and Luce's model, and online ratings where the study wants them; none without."""
    answered = rows[rows["category"] == "answered"].sort_values(["group", "seed", "sample", "position"], kind="stable")
    lists = [(str(key[0]), part["task"].tolist()) for key, part in answered.groupby(["group", "seed", "sample"])]
    sizes = pd.Series([len(tasks) for _, tasks in lists])
    if sizes.empty:
        return []
    size = int(sizes.mode()[0])
    lists = [(group, tasks) for group, tasks in lists if len(tasks) == size]
    items = sorted({task for _, tasks in lists for task in tasks})
    number = {item: at for at, item in enumerate(items)}
    rankings = np.array([[number[task] for task in tasks] for _, tasks in lists])
    groups = pd.factorize(pd.Series([group for group, _ in lists]))[0].astype(np.int64)
    found = plackett_luce(rankings, len(items), groups, study.statistics.confidence)
    asked = rows.drop_duplicates(["group", "seed", "sample", "task"])
    refused = asked[asked["category"] == "refused"].groupby("task").size()
    name = fit_name(who)
    utilities = pd.DataFrame(
        {
            "fit": name,
            "item": items,
            "mu": found.mu,
            "lo": found.lo,
            "hi": found.hi,
            "sigma": NAN,
            "n_comparisons": found.times,
            "n_refused": [int(refused.get(item, 0)) for item in items],
            "component": 0,
            "always": "",
        }
    )
    row = {
        **{field.name: NAN for field in FITTED},
        "fit": name,
        "model": "plackett_luce",
        "loss": found.loss,
        "null_loss": found.null_loss,
        "converged": found.converged,
        "n_items": len(items),
        "n_pairs": len(items) * (len(items) - 1) // 2,
        "n_comparisons": len(rankings),
        "n_ties": 0,
        "n_refused": int((asked["category"] == "refused").sum() / size),
        "n_unread": int(asked["category"].isin(["unclear", "failed"]).sum() / size),
        "n_components": 1,
        **_who_of(who),
    }
    halves = _halves(rankings, groups, len(items))
    fits = [Fitted(name, *who, _with_who(utilities, who, origins), row, [], halves, [], True)]
    if study.fit.online:
        fits.append(_online(fits[0], rankings, groups, study))
    return fits


def _online(beside: Fitted, rankings: np.ndarray, groups: np.ndarray, study: Study) -> Fitted:
    """Online ratings of the rankings of another fit."""
    who = (beside.instrument, beside.rater, beside.completer)
    rated = online_ratings(
        rankings, len(beside.utilities), groups, seed=study.fit.seed, confidence=study.statistics.confidence
    )
    name, bounds = fit_name(who, ONLINE), {"mu": rated.mu, "lo": rated.lo, "hi": rated.hi, "sigma": rated.sigma}
    row = {**beside.fit, "fit": name, "model": ONLINE, "loss": NAN, "null_loss": NAN}
    return Fitted(name, *who, beside.utilities.assign(fit=name, **bounds), row, [], [], [], main=False)


def _halves(rankings: np.ndarray, groups: np.ndarray, n_items: int) -> list[Statistic]:
    """The agreement of two halves of the groups, as the comparisons have that of halves of pairs."""
    halves = [rankings[groups % 2 == half] for half in (0, 1)]
    if min(len(one) for one in halves) == 0:
        return []
    fits = [plackett_luce(one, n_items) for one in halves]
    both = (fits[0].times > 0) & (fits[1].times > 0)
    r = pearson(fits[0].mu[both], fits[1].mu[both])
    value, lo, hi = (spearman_brown(one, 2) for one in r[:3])
    return [Statistic("split_groups", r.value, r.lo, r.hi, r.n), Statistic("split_groups_full", value, lo, hi, r.n)]


def utilities_table(fits: list[Fitted]) -> pd.DataFrame:
    """Rows of `UTILITIES`."""
    parts = [one.utilities for one in fits]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=UTILITIES.names)


def fits_table(fits: list[Fitted]) -> pd.DataFrame:
    """Rows of `FITS`."""
    return pd.DataFrame([one.fit for one in fits], columns=FITS.names)


def positions_table(fits: list[Fitted]) -> pd.DataFrame:
    """Rows of `prefer.tables.POSITIONS`."""
    return pd.DataFrame([row for one in fits for row in one.positions], columns=POSITIONS.names)


def penalties_table(fits: list[Fitted]) -> pd.DataFrame:
    """Rows of `prefer.tables.PENALTIES`."""
    return pd.DataFrame([row for one in fits for row in one.penalties], columns=PENALTIES.names)
