"""Do the directions that prompts take tell what they suppress, and whether they suppress the other trait too?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from inoc.analyse.geometry import Gram, Group, axes_of
from inoc.stats.correlation import Correlation, pearson
from inoc.stats.gram import Method, Representation, angles_to_mean, inner_products
from inoc.stats.means import Floats

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
        suppression: Kind of trait → prompt → suppression in points; a prompt without one is left out.
        confidence: Level of the intervals.
    """
    found: list[DimensionTest] = []
    for method in ("pca", "svd"):
        scores = axes_of(gram, method, 2).scores
        for dimension in range(1, scores.shape[1] + 1):
            for expected, group in enumerate(OTHER, 1):
                y = np.array([suppression[group].get(prompt, np.nan) for prompt in gram.prompts])
                correlation = pearson(scores[:, dimension - 1], y, confidence)
                found.append(DimensionTest(method, dimension, group, dimension == expected, correlation))
    return found


def cross_angles(gram: Gram, groups: Mapping[str, Group]) -> dict[str, Floats]:
    """The five angles that may foretell the suppression of the other trait, in degrees, each of shape (prompts,).

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
    y = np.array([_of_other(groups[prompt], prompt, suppression) for prompt in gram.prompts])
    return {name: pearson(values, y, confidence) for name, values in cross_angles(gram, groups).items()}


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
