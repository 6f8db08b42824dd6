"""Predictors from the untrained model: log-probability shifts and elicitation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.stats.bootstrap import Resampler, spread
from inoc.stats.components import Components, component_intervals, principal_components
from inoc.stats.means import NAN, Estimate, Floats, mean_interval, share_interval, welch_difference
from inoc.studies.inoculation.analyse.columns import INTERVAL
from inoc.studies.inoculation.analyse.inputs import Scored, Shifts
from inoc.studies.inoculation.analyse.rows import ALL, Part, Row, Skip, families, interval, traits
from inoc.studies.inoculation.study import Study
from inoc.tables import INDEX, NUMBER, PREDICTORS, STRING

PREDICTOR_VALUES = pa.schema([*PREDICTORS, ("source", STRING)])
"""`predictors`. `source` is `own`, or `fixed` for a value of the fixed prefix in a row of the mix."""

COMPONENTS = pa.schema(
    [
        # point: one column per response; token: one per token of all responses; embedding: one per dimension
        ("level", STRING),
        ("prefix", STRING),
        ("method", STRING),  # pca: columns centred, not scaled; svd: neither
        ("component", INDEX),  # from 1
        ("share", NUMBER),  # variance of the scores over that of the columns, both centred; 0 to 1
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("n_prompts", INDEX),
        ("n", INDEX),  # columns used
        ("n_nan", INDEX),  # columns dropped because a prompt has no value for them
        ("energy", NUMBER),  # s² over the sum of all s²: for pca the share, for svd of the uncentred squares
    ]
)
"""`components`. Key: level, prefix, method, component."""

COORDINATES = pa.schema(
    [
        ("level", STRING),
        ("prefix", STRING),
        ("method", STRING),
        ("prompt", STRING),
        ("family", STRING),
        ("component", INDEX),
        *INTERVAL,  # nats per token, summed over examples as a length in their space
    ]
)
"""`coordinates`. Key: level, prefix, method, prompt, component."""

TABLES = {"predictors": PREDICTOR_VALUES}
COMPONENT_TABLES = {"components": COMPONENTS, "coordinates": COORDINATES}


N_COMPONENTS = 8
N_COMPONENT_PREDICTORS = 4
LEVEL, METHOD = "point", "pca"


class Predictor(NamedTuple):
    """One number that may predict how much a prefix suppresses."""

    name: str
    trait: str  # `all` if no trait enters
    estimate: Estimate
    source: str = "own"  # `fixed` for a value borrowed from the fixed prefix


def predictors(
    study: Study,
    shifts: Shifts,
    elicited: list[Row],
    coordinates: list[Row],
    self_perplexity: pd.DataFrame | None,
    resampler: Resampler,
) -> Part:
    """Every predictor of every prompt and prefix.

    Args:
        study: The study.
        shifts: Log-probability shifts.
        elicited: Rows of `elicitation`.
        coordinates: Rows of `coordinates`.
        self_perplexity: As `score` writes it; None if no prompt was scored by itself.
        resampler: Source of the draws.

    Returns:
        Rows of `predictors`.
    """
    rows: list[Row] = []
    absent = Skip("self-perplexity of prompts", "no prompt was scored by itself")
    skipped: list[Skip] = [absent] if self_perplexity is None else []
    prefixes = [one for one in ("fixed", "mix") if one in study.scoring.prefixes + study.elicitation.prefixes]
    for prompt, family in families(study).items():
        for prefix in prefixes:
            found = [
                *shift_predictors(study, shifts, prompt, prefix, resampler),
                *_elicitation(elicited, prompt, prefix),
                *_coordinates(coordinates, prompt, prefix),
                *(_self_perplexity(self_perplexity, prompt) if prefix == "fixed" else ()),
            ]
            rows += [_row(prompt, family, prefix, predictor) for predictor in found]
            skipped += _missing(study, shifts, prompt, prefix)
    return Part(rows, skipped)


def _row(prompt: str, family: str, prefix: str, predictor: Predictor) -> Row:
    identity = {"prompt": prompt, "family": family, "prefix": prefix}
    name = {"trait": predictor.trait, "predictor": predictor.name}
    return {**identity, **name, **interval(predictor.estimate), "source": predictor.source}


def shift_predictors(
    study: Study, shifts: Shifts, prompt: str, prefix: str, resampler: Resampler
) -> Iterator[Predictor]:
    """PH, its companions and PPD of one prefix, as far as the responses were scored.

    With w the shift of each training response in nats per token: `ph` its mean, `gamma` the share above zero,
    `sigma` its standard deviation, `snr` mean / standard deviation, `mald` the mean of |w|; `ppd` the mean of
    |w| over neutral controls; `cross_ph` and `cross_ppd` the means of w and |w| over controls that show one
    trait; `ph_minus_ppd` the first less `ppd` (trait `all`) or less `cross_ppd` (that trait).
    """
    confidence = study.statistics.confidence
    train = shifts.get(Scored(prompt, prefix, "train"))
    if train is not None:
        width = spread(train, resampler)
        yield Predictor("ph", ALL, mean_interval(train, confidence))
        yield Predictor("gamma", ALL, share_interval(train, confidence))
        yield Predictor("sigma", ALL, width.sigma)
        yield Predictor("snr", ALL, width.ratio)
        yield Predictor("mald", ALL, mean_interval(np.abs(train), confidence))
    for dataset in ("neutral", *traits(study)):
        controls = shifts.get(Scored(prompt, prefix, dataset))
        if controls is None:
            continue
        trait = ALL if dataset == "neutral" else dataset
        size = np.abs(controls)
        if dataset == "neutral":
            yield Predictor("ppd", ALL, mean_interval(size, confidence))
        else:
            yield Predictor("cross_ph", trait, mean_interval(controls, confidence))
            yield Predictor("cross_ppd", trait, mean_interval(size, confidence))
        if train is not None:
            yield Predictor("ph_minus_ppd", trait, welch_difference(train, size, confidence))


def _elicitation(elicited: list[Row], prompt: str, prefix: str) -> Iterator[Predictor]:
    own = [row for row in elicited if (row["prompt"], row["prefix"]) == (prompt, prefix)]
    fixed = [row for row in elicited if (row["prompt"], row["prefix"]) == (prompt, "fixed")]
    for row in own or fixed:
        yield Predictor("elicitation", str(row["trait"]), _estimate(row), "own" if own else "fixed")


def _coordinates(coordinates: list[Row], prompt: str, prefix: str) -> Iterator[Predictor]:
    for row in coordinates:
        component = int(str(row["component"]))
        if (row["prompt"], row["prefix"]) == (prompt, prefix) and component <= N_COMPONENT_PREDICTORS:
            yield Predictor(f"pc{component}", ALL, _estimate(row))


def _self_perplexity(table: pd.DataFrame | None, prompt: str) -> Iterator[Predictor]:
    """Of the prompt's own text. It is given, not sampled, and so has no interval; n counts its tokens.

    Of a released value the number of tokens is not known (-1); it counts as one.
    """
    if table is None:
        return
    own = table[table["prompt"] == prompt]
    for context, n, nll in zip(own["context"], own["n_tokens"].astype(int), own["nll"].astype(float), strict=True):
        yield Predictor(f"selfperp_{context}", ALL, Estimate(nll, NAN, NAN, *((abs(n), 0) if n else (0, 1))))


def _estimate(row: Row) -> Estimate:
    value, lo, hi = (float(str(row[name])) for name in ("value", "lo", "hi"))
    return Estimate(value, lo, hi, int(str(row["n"])), int(str(row["n_nan"])))


def _missing(study: Study, shifts: Shifts, prompt: str, prefix: str) -> list[Skip]:
    if prefix not in study.scoring.prefixes:
        return []
    single = [key for key in traits(study) if study.traits[key].control_prompt is not None]
    wanted = ["train", *(["neutral", *single] if study.scoring.n_controls else [])]
    return [
        Skip(f"predictors from {dataset} responses for {prompt} ({prefix})", "these responses were not scored")
        for dataset in wanted
        if Scored(prompt, prefix, dataset) not in shifts
    ]


class PointMatrix(NamedTuple):
    """Shifts of all prompts with one prefix on the training responses."""

    prompts: list[str]
    W_NK: Floats  # prompts × examples, nats per token; complete
    n_nan: int  # examples left out because a prompt has no value for them


def point_matrix(study: Study, shifts: Shifts, prefix: str) -> PointMatrix:
    """The matrix W of a prefix, less the examples that some prompt has no value for.

    A prompt without any value is left out first, for else it would cost every example.
    """
    named = {
        prompt: values
        for prompt in families(study)
        if (values := shifts.get(Scored(prompt, prefix, "train"))) is not None and not np.isnan(values).all()
    }
    if not named:
        return PointMatrix([], np.empty((0, 0)), 0)
    matrix_NK = np.stack(list(named.values()))
    complete_K = ~np.isnan(matrix_NK).any(axis=0)
    return PointMatrix(list(named), matrix_NK[:, complete_K], int((~complete_K).sum()))


class Decomposition(NamedTuple):
    """Rows of `components` and of `coordinates`."""

    components: list[Row]
    coordinates: list[Row]
    skipped: list[Skip]


def decompose(study: Study, shifts: Shifts, resampler: Resampler) -> Decomposition:
    """Principal components of W for the fixed prefixes and for the mixes, each by itself.

    Columns (examples) are centred over prompts and not scaled. A component's correlation with PH is not
    negative; where it is zero, the prompt with the largest coordinate is positive. Intervals are over
    examples.
    """
    result = Decomposition([], [], [])
    for prefix in sorted(study.scoring.prefixes):
        matrix = point_matrix(study, shifts, prefix)
        if len(matrix.prompts) < 2 or matrix.W_NK.shape[1] < 2:
            have = f"{len(matrix.prompts)} and {matrix.W_NK.shape[1]}"
            why = f"it needs two prompts and two complete examples, and there are {have}"
            result.skipped.append(Skip(f"principal components ({prefix})", why))
            continue
        found = principal_components(matrix.W_NK, N_COMPONENTS, matrix.W_NK.mean(axis=1))
        _add_rows(result, study, prefix, matrix, found, resampler)
    return result


def _add_rows(
    result: Decomposition,
    study: Study,
    prefix: str,
    matrix: PointMatrix,
    found: Components,
    resampler: Resampler,
) -> None:
    bounds = component_intervals(matrix.W_NK, found, resampler)
    family_of = families(study)
    n = matrix.W_NK.shape[1]
    key: Row = {"level": LEVEL, "prefix": prefix, "method": METHOD}
    for c, share in enumerate(found.share):
        estimate = Estimate(float(share), bounds.share.lo[c], bounds.share.hi[c], n, matrix.n_nan)
        sizes: Row = {"component": c + 1, "n_prompts": len(matrix.prompts)}
        result.components.append({**key, **sizes, **interval(estimate, "share")})
    for p, prompt in enumerate(matrix.prompts):
        for c in range(found.share.size):
            score, lo, hi = (float(part[p, c]) for part in (found.scores, bounds.scores.lo, bounds.scores.hi))
            place: Row = {"prompt": prompt, "family": family_of[prompt], "component": c + 1}
            result.coordinates.append({**key, **place, **interval(Estimate(score, lo, hi, n, matrix.n_nan))})
