"""Directions of prompts against the traits that they suppress, their own and the other one."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from inoc.stats.correlation import Correlation, pearson
from inoc.stats.gram import Method, Representation, angles_to_mean, inner_products
from inoc.stats.means import Floats
from inoc.studies.inoculation.analyse.geometry import Gram, Group, Level, axes_of
from inoc.studies.inoculation.analyse.heuristics import with_q
from inoc.studies.inoculation.analyse.prediction import Block, outcomes
from inoc.studies.inoculation.analyse.rows import ALL, Row, Skip, families, traits
from inoc.studies.inoculation.runs import study_runs, total_steps
from inoc.studies.inoculation.study import Study
from inoc.tables import FLAG, INDEX, NUMBER, STRING

_TESTED = [
    ("n", INDEX),  # prompts
    ("n_nan", INDEX),  # prompts left out because they were not trained with or have no direction
    ("r", NUMBER),
    ("r_lo", NUMBER),
    ("r_hi", NUMBER),
    ("p", NUMBER),
    ("q", NUMBER),  # false-discovery rate over the whole table
]

DIMENSION_TESTS = pa.schema(
    [
        ("level", STRING),
        ("prefix", STRING),  # of the coordinates and of the runs
        ("learning_rate", NUMBER),
        ("method", STRING),
        ("dimension", INDEX),  # 1 or 2
        ("trait", STRING),  # whose suppression
        ("on_diagonal", FLAG),  # dimension 1 with an unwanted trait, 2 with a wanted one
        *_TESTED,
    ]
)
"""`dimension_tests`. Key: level, prefix, learning_rate, method, dimension, trait."""

_PAIR = [("unwanted", STRING), ("wanted", STRING)]  # the two traits whose prompts take part

CROSS_ANGLES = pa.schema(
    [
        ("level", STRING),
        ("prefix", STRING),
        *_PAIR,
        ("prompt", STRING),
        ("family", STRING),
        ("predictor", STRING),
        ("angle_deg", NUMBER),  # 0 to 90 from an axis, 0 to 180 to a centroid; NaN without direction
    ]
)
"""`cross_angles`. Key: level, prefix, unwanted, wanted, prompt, predictor."""

CROSS_ANGLE_TESTS = pa.schema(
    [
        ("level", STRING),
        ("prefix", STRING),
        ("learning_rate", NUMBER),
        *_PAIR,
        ("predictor", STRING),  # against the suppression of the trait that the prompt does not name
        *_TESTED,
    ]
)
"""`cross_angle_tests`. Key: level, prefix, learning_rate, unwanted, wanted, predictor."""

TABLES = {"dimension_tests": DIMENSION_TESTS, "cross_angles": CROSS_ANGLES, "cross_angle_tests": CROSS_ANGLE_TESTS}


FROM_AXIS: dict[str, Method] = {"angle_from_pca_axis": "pca", "angle_from_svd_axis": "svd"}
TO_CENTROID: dict[str, Representation] = {
    "angle_to_centroid_pca": "pca2",
    "angle_to_centroid_svd": "svd2",
    "angle_to_centroid_raw": "raw",
}
CROSS_PREDICTORS = (*FROM_AXIS, *TO_CENTROID)
OTHER: dict[Group, Group] = {"negative": "positive", "positive": "negative"}


class DimensionTest(NamedTuple):
    """One coordinate against the suppression of one kind of trait, over all prompts."""

    method: Method
    dimension: int  # 1 or 2
    group: Group  # negative or positive: whose suppression
    on_diagonal: bool  # dimension 1 with negative, dimension 2 with positive
    correlation: Correlation


def dimension_tests(
    gram: Gram, suppression: Mapping[Group, Mapping[str, float]], confidence: float = 0.95
) -> list[DimensionTest]:
    """Signed first and second coordinates against the suppression of the negative and of the positive trait.

    Args:
        gram: Inner products of the prompts.
        suppression: Kind of trait → prompt → suppression in points; a prompt without one is left out, and a kind
            that is absent is not tested.
        confidence: Level of the intervals.
    """
    found: list[DimensionTest] = []
    for method in ("pca", "svd"):
        scores = axes_of(gram, method, 2).scores
        for dimension in range(1, scores.shape[1] + 1):
            for expected, group in enumerate(OTHER, 1):
                if group not in suppression:
                    continue
                y = np.array([suppression[group].get(prompt, np.nan) for prompt in gram.prompts])
                correlation = pearson(scores[:, dimension - 1], y, confidence)
                found.append(DimensionTest(method, dimension, group, dimension == expected, correlation))
    return found


def cross_angles(gram: Gram, groups: Mapping[str, Group]) -> dict[str, Floats]:
    """The five angles that may predict the suppression of the other trait, in degrees, each of shape (prompts,).

    `angle_from_pca_axis` and `angle_from_svd_axis` are atan2(|second|, |first coordinate|); the others are the angle
    to the mean vector of the other group in the plane of two components, of two singular vectors, and in W itself.
    NaN for neutral prompts, and where there is no direction.
    """
    members = {
        kind: [place for place, prompt in enumerate(gram.prompts) if groups[prompt] == kind]
        for kind in ("negative", "positive")
    }
    found: dict[str, Floats] = {}
    for name, method in FROM_AXIS.items():
        scores = np.abs(axes_of(gram, method, 2).scores)
        second = scores[:, 1] if scores.shape[1] > 1 else np.zeros(len(scores))
        found[name] = np.degrees(np.arctan2(second, scores[:, 0]))
    for name, representation in TO_CENTROID.items():
        inner = inner_products(gram.whole, representation)
        to_positive, to_negative = (angles_to_mean(inner, members[kind]) for kind in ("positive", "negative"))
        found[name] = np.where([groups[prompt] == "negative" for prompt in gram.prompts], to_positive, to_negative)
    neutral = np.array([groups[prompt] == "neutral" for prompt in gram.prompts])
    return {name: np.where(neutral, np.nan, values) for name, values in found.items()}


def cross_suppression_tests(
    gram: Gram,
    groups: Mapping[str, Group],
    suppression: Mapping[Group, Mapping[str, float]],
    confidence: float = 0.95,
) -> dict[str, Correlation]:
    """Each of the five angles against the suppression of the trait that the prompt does not name.

    Args:
        gram: Inner products of the prompts.
        groups: Prompt → negative, positive or neutral; neutral prompts take no part.
        suppression: Kind of trait → prompt → suppression in points.
        confidence: Level of the intervals.
    """
    taking_part = [groups[prompt] in OTHER for prompt in gram.prompts]
    y = np.array([_of_other(groups[prompt], prompt, suppression) for prompt in gram.prompts])[taking_part]
    return {name: pearson(values[taking_part], y, confidence) for name, values in cross_angles(gram, groups).items()}


def _of_other(kind: Group, prompt: str, suppression: Mapping[Group, Mapping[str, float]]) -> float:
    return suppression[OTHER[kind]].get(prompt, np.nan) if kind in OTHER else float("nan")


def mean_angles(angle_NN: Floats, groups: Sequence[Group], kind: Group) -> Floats:
    """Mean angle of each prompt to all other prompts of a kind, in degrees; NaN if there is none."""
    means = np.full(len(groups), np.nan)
    for place in range(len(groups)):
        chosen = [angle_NN[place, j] for j, group in enumerate(groups) if group == kind and j != place]
        known = [value for value in chosen if not np.isnan(value)]
        means[place] = np.mean(known) if known else np.nan
    return means


class Dimensions(NamedTuple):
    """Rows of `dimension_tests`, `cross_angles` and `cross_angle_tests`, and what could not be computed."""

    tests: list[Row]
    angles: list[Row]
    angle_tests: list[Row]
    skipped: list[Skip]


def dimensions(study: Study, grams: Mapping[tuple[Level, str], Gram], suppression: list[Row]) -> Dimensions:
    """Both questions, for every level, prefix and learning rate.

    Args:
        study: Traits and families.
        grams: (level, prefix) → inner products of the prompts; those of a prefix meet its own runs.
        suppression: Rows of `suppression`; the last step with all seeds pooled is used.
    """
    pairs = _trait_pairs(study)
    result = Dimensions([], [], [], [])
    if grams and not pairs:
        why = "it needs an unwanted and a wanted trait that prompts name"
        result.skipped.append(Skip("angles against the suppression of the other trait", why))
    rates = sorted({run.learning_rate for run in study_runs(study) if run.prompt})
    for (level, prefix), gram in grams.items():
        key: Row = {"level": level, "prefix": prefix}
        for pair in pairs:
            result.angles.extend({**key, **row} for row in _angle_rows(study, gram, pair))
        for rate in rates:
            known = {
                trait: outcomes(suppression, Block(trait, rate, prefix, ALL), total_steps(study))
                for trait in traits(study)
            }
            if not any(known.values()):
                continue
            named: Row = {**key, "learning_rate": rate}
            result.tests.extend({**named, **row} for row in _test_rows(study, gram, known))
            for pair in pairs:
                result.angle_tests.extend({**named, **row} for row in _angle_test_rows(study, gram, pair, known))
    return result._replace(tests=with_q(result.tests), angle_tests=with_q(result.angle_tests))


class TraitPair(NamedTuple):
    """Two traits, each of which may be suppressed by prompts that name the other."""

    unwanted: str
    wanted: str

    def group(self, family: str) -> Group:
        """Role of a family; families of neither trait count as neutral."""
        return "negative" if family == self.unwanted else "positive" if family == self.wanted else "neutral"


def _trait_pairs(study: Study) -> list[TraitPair]:
    named = set(families(study).values())
    unwanted, wanted = (
        [key for key in traits(study) if key in named and study.traits[key].role == role]
        for role in ("unwanted", "wanted")
    )
    return [TraitPair(*pair) for pair in itertools.product(unwanted, wanted)]


def _groups(study: Study, pair: TraitPair) -> dict[str, Group]:
    return {prompt: pair.group(family) for prompt, family in families(study).items()}


def _test_rows(study: Study, gram: Gram, known: Mapping[str, Mapping[str, float]]) -> list[Row]:
    rows: list[Row] = []
    for trait, suppression in known.items():
        group: Group = "negative" if study.traits[trait].role == "unwanted" else "positive"
        for test in dimension_tests(gram, {group: suppression}, study.statistics.confidence):
            place: Row = {"method": test.method, "dimension": test.dimension, "trait": trait}
            rows.append({**place, "on_diagonal": test.on_diagonal, **_columns(test.correlation)})
    return rows


def _angle_rows(study: Study, gram: Gram, pair: TraitPair) -> list[Row]:
    family_of, rows = families(study), list[Row]()
    for name, values in cross_angles(gram, _groups(study, pair)).items():
        for prompt, value in zip(gram.prompts, values, strict=True):
            if pair.group(family_of[prompt]) != "neutral":
                row: Row = {"prompt": prompt, "family": family_of[prompt], "predictor": name}
                rows.append({**pair._asdict(), **row, "angle_deg": float(value)})
    return rows


def _angle_test_rows(study: Study, gram: Gram, pair: TraitPair, known: Mapping[str, Mapping[str, float]]) -> list[Row]:
    suppression: dict[Group, Mapping[str, float]] = {"negative": known[pair.unwanted], "positive": known[pair.wanted]}
    tests = cross_suppression_tests(gram, _groups(study, pair), suppression, study.statistics.confidence)
    return [{**pair._asdict(), "predictor": name, **_columns(found)} for name, found in tests.items()]


def _columns(found: Correlation) -> Row:
    bounds: Row = {"r": found.value, "r_lo": found.lo, "r_hi": found.hi}
    return {**bounds, "p": found.p, "n": found.n, "n_nan": found.n_nan}
