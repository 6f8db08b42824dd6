"""The verb `inoc prefer fit`: utilities from a file of comparisons."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from inoc.errors import DataError, did_you_mean
from inoc.prefer.comparisons import REFUSED, Comparisons, comparisons
from inoc.prefer.order import order_statistics
from inoc.prefer.read import numbers_of, read_csv, read_frame
from inoc.prefer.reliability import split_halves
from inoc.prefer.rows import fit_row, penalty_row, position_rows, utility_rows
from inoc.prefer.tables import FITS, ORDER, PENALTIES, POSITIONS, RELIABILITY, UTILITIES
from inoc.stats.utilities.fit import Fit, Settings, fit, held
from inoc.stats.utilities.folds import Held, best, first_appearance, held_out
from inoc.stats.utilities.intervals import LARGEST_DENSE, Intervals, bootstrap_intervals, information_intervals
from inoc.stats.utilities.outcomes import Outcomes, always_won, component_of, n_strong
from inoc.tables import write_table

FOLD_KINDS = ("pairs", "comparisons")


class Made(NamedTuple):
    """The rows of one fit."""

    fit: Fit
    utilities: pd.DataFrame
    fits: dict[str, object]
    penalties: list[dict[str, object]]
    reliability: list[dict[str, object]]
    positions: list[dict[str, object]]


def fit_file(options: argparse.Namespace) -> None:
    """Fit the models that are asked for, and write `utilities`, `fits` and the tables that go with them.

    Raises:
        DataError: If the file cannot be read as comparisons, or the options do not go together.
    """
    frame = read_frame(options.comparisons)
    found = comparisons(frame, str(options.comparisons), options.a_means, order_known=options.order == "a_first")
    used = found.refusals_lost() if options.refusals == "b" else found
    outcomes = used.outcomes()
    _check(options, outcomes)
    if not outcomes.without_ties().total:
        raise DataError(f"{options.comparisons}: no comparison has a winner. Utilities need some that do")
    made = [_fit_one(found, used, outcomes, model, options) for model in options.model]
    out = options.out
    write_table(pd.concat([one.utilities for one in made]), UTILITIES, out / "utilities.parquet", csv=True)
    write_table(pd.DataFrame([one.fits for one in made]), FITS, out / "fits.parquet", csv=True)
    optional = {
        "positions": (POSITIONS, [row for one in made for row in one.positions]),
        "order": (ORDER, [one._asdict() for one in order_statistics(found)]),
        "penalties": (PENALTIES, [row for one in made for row in one.penalties]),
        "reliability": (RELIABILITY, [row for one in made for row in one.reliability]),
    }
    for name, (schema, rows) in optional.items():
        if rows:
            write_table(pd.DataFrame(rows), schema, out / f"{name}.parquet", csv=True)
    _say(found, used, outcomes, options, made)


def _check(options: argparse.Namespace, outcomes: Outcomes) -> None:
    if options.earlier and options.model != ["item_variances"]:
        raise DataError(f"--earlier fits item_variances, not {' '.join(options.model)}. Leave out one of them")
    if options.bias == "reduced":
        _check_reduced(options, outcomes)
    if options.earlier and int(component_of(outcomes).max()) > 0:
        raise DataError(
            "--earlier fixes one item at 0, but the items fall into several components without a comparison "
            "between them. Leave out --earlier"
        )
    if options.earlier and options.position == "origin_pairs":
        raise DataError("--earlier has one position term at most. Leave out --position origin_pairs")
    if options.bootstrap and (options.earlier or options.utilities):
        raise DataError("--bootstrap has no meaning with --earlier or --utilities, whose fits have no intervals")
    if options.anchor and not options.earlier:
        raise DataError("--anchor is for --earlier; other fits have a mean utility of 0 in each component")
    if options.utilities and (options.penalty and len(options.penalty) > 1):
        raise DataError("--utilities takes one --penalty, for nothing but the position term is fitted")


def _check_reduced(options: argparse.Namespace, outcomes: Outcomes) -> None:
    if "item_variances" in options.model:
        raise DataError(
            "--bias reduced is for case_v, bradley_terry and davidson: item_variances has several minima, and its "
            "penalty bounds it. Name --model, or leave out --bias"
        )
    if options.penalty or options.utilities:
        other = "--penalty, which takes out the same bias twice" if options.penalty else "--utilities"
        raise DataError(f"--bias reduced does not go with {other}. Leave out one of them")
    if (outcomes.weight % 1).any():
        raise DataError(
            "--bias reduced is for drawn answers, and some comparisons are counted in fractions, as exact "
            "probabilities are: these have no such bias. Leave out --bias"
        )
    if (size := outcomes.n_items + 2) > LARGEST_DENSE:
        raise DataError(f"--bias reduced is for up to {LARGEST_DENSE} parameters, not {size}. Leave out --bias")


def _fit_one(
    found: Comparisons, used: Comparisons, outcomes: Outcomes, model: str, options: argparse.Namespace
) -> Made:
    settings = settings_of(options, model, found)
    penalties: list[dict[str, object]] = []
    if options.penalty and len(options.penalty) > 1:
        tried = {kind: _tried(used, settings, options, kind) for kind in FOLD_KINDS}
        penalties = [penalty_row(model, kind, one) for kind, rows in tried.items() for one in rows]
        settings = replace(settings, penalty=best(tried["pairs"]))
    if options.utilities:
        mu, sigma = _known_utilities(options.utilities, found.items)
        fitted = held(outcomes, settings, mu, sigma)
    else:
        fitted = fit(outcomes, settings)
    intervals = _intervals(outcomes, fitted, settings, options)
    reliability = split_halves(used, settings) if options.reliability else []
    return Made(
        fitted,
        utility_rows(found, fitted, intervals, model),
        fit_row(used, outcomes, fitted, intervals, model, settings),
        penalties,
        [{"fit": model, **one._asdict()} for one in reliability],
        position_rows(fitted, intervals, model, found.origins),
    )


def settings_of(options: argparse.Namespace, model: str, found: Comparisons) -> Settings:
    """The settings of a fit from the command line.

    Raises:
        DataError: If the anchor is none of the items, or a position term by origin is wanted and an origin is unknown.
    """
    penalty = getattr(options, "penalty", None)
    return Settings(
        model=model,  # type: ignore[arg-type]  # one of the choices
        positioned=options.position != "none",
        origins=_origin_numbers(found) if options.position == "origin_pairs" else None,
        penalty=penalty[0] if penalty else None,
        starts=options.starts,
        seed=options.seed,
        bias=getattr(options, "bias", "kept"),
        earlier=options.earlier,
        anchor=_anchor(found.items, options.anchor),
    )


def _origin_numbers(found: Comparisons) -> tuple[int, ...]:
    if found.origins is None:
        raise DataError("--position origin_pairs needs the columns origin_a and origin_b. Add them, or leave it out")
    names = sorted(set(found.origins))
    return tuple(names.index(one) for one in found.origins)


def _anchor(items: Sequence[str], name: str | None) -> int:
    if name is None:
        return 0
    if name not in items:
        raise DataError(f"--anchor {name!r} is in no comparison{did_you_mean(name, items)}. Name one of the items")
    return items.index(name)


def _tried(used: Comparisons, settings: Settings, options: argparse.Namespace, kind: str) -> list[Held]:
    answered = used.answered()
    number = first_appearance(answered.pair) if kind == "pairs" else np.arange(answered.a.size)
    folds = [answered.taken(number % options.folds == one).outcomes() for one in range(options.folds)]
    if min(fold.weight.size for fold in folds) == 0:
        raise DataError(f"fewer {kind} than the {options.folds} folds. Give fewer --folds, or one --penalty")
    return held_out(folds, settings, options.penalty)


def _intervals(outcomes: Outcomes, fitted: Fit, settings: Settings, options: argparse.Namespace) -> Intervals:
    if options.utilities or options.earlier or options.no_intervals:
        # Inside bounds, and for parameters that were not fitted, the curvature says nothing of the uncertainty.
        return Intervals.unknown(fitted.problem.n, fitted.positions.size)
    if options.bootstrap:
        return bootstrap_intervals(outcomes, fitted, settings, options.bootstrap)
    return information_intervals(fitted)


def _known_utilities(path: Path, items: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """mu and sigma of the items, from a table of another fit."""
    frame = read_csv(path)
    name = next((one for one in ("item", "task_id") if one in frame), None)
    if name is None or not {"mu", "sigma"} <= set(frame.columns):
        raise DataError(f"{path}: expected columns item (or task_id), mu and sigma; found {list(frame.columns)}")
    numbers = {column: numbers_of(frame, column, path) for column in ("mu", "sigma")}
    if (again := frame[name].duplicated()).any():
        raise DataError(f"{path}: {frame[name][again].iloc[0]!r} is there twice. Keep one row of it")
    if (low := numbers["sigma"] <= 0).any():
        row = int(low.argmax())
        raise DataError(f"{path}, row {row + 1}: sigma is {frame['sigma'].iloc[row]!r}; expected a number above 0")
    table = pd.DataFrame(numbers, index=pd.Index(frame[name]))
    if absent := [item for item in items if item not in table.index]:
        raise DataError(f"{path}: no utility of {absent[0]!r} and {len(absent) - 1} more items that are compared")
    chosen = table.loc[list(items)]
    return chosen["mu"].to_numpy(np.float64), chosen["sigma"].to_numpy(np.float64)


def _say(
    found: Comparisons, used: Comparisons, outcomes: Outcomes, options: argparse.Namespace, made: Sequence[Made]
) -> None:
    """The summary on standard output; what a reader must know before trusting it, on standard error."""
    refused = found.weight[found.result == REFUSED].sum()
    if refused:
        how = "counted as wins of item b" if options.refusals == "b" else "kept apart"
        print(f"{refused:.0f} refused comparisons are {how}", file=sys.stderr)
    always, bound = always_won(outcomes), "the reduction of bias" if options.bias == "reduced" else "the penalty"
    for sign, word in ((1, "won"), (-1, "lost")):
        names = [item for item, one in zip(found.items, always, strict=True) if one == sign]
        if names:
            shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
            items = "1 item" if len(names) == 1 else f"{len(names)} items"
            print(f"{items} {word} every comparison; nothing but {bound} is a bound: {shown}", file=sys.stderr)
    components = int(component_of(outcomes).max()) + 1
    if components > 1:
        print(f"{components} components are not linked by comparisons: no common scale between them", file=sys.stderr)
    if (groups := n_strong(outcomes)) > components:
        print(
            f"{groups} groups of items without wins in both directions: their distance is that of {bound}",
            file=sys.stderr,
        )
    if not found.ordered and options.position == "global":
        print("the order of the items is not known, so there is no position term", file=sys.stderr)
    for one in made:
        if one.fit.problem.size > LARGEST_DENSE and not (options.no_intervals or options.bootstrap):
            print("too many items for intervals from the information: add --bootstrap 200", file=sys.stderr)
        if not one.fit.converged:
            print(f"{one.fits['fit']}: the fit has not converged", file=sys.stderr)
    losses = ", ".join(f"{one.fits['fit']} {one.fit.loss:.1f} nats" for one in made)
    print(f"{options.out}: {len(found.items)} items, {used.answered().weight.sum():.0f} comparisons: {losses}")
