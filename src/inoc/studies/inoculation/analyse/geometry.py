"""Geometry of prompts: components and angles of W, by response and by token.

Everything comes from the Gram matrix W Wᵀ, added up over blocks of examples. Drawing blocks anew gives the intervals.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.stats.bootstrap import Resampler, percentile_bounds
from inoc.stats.gram import (
    REPRESENTATIONS,
    Axes,
    Method,
    Representation,
    add_gram,
    angles,
    decompose_gram,
    fix_signs,
    inner_products,
)
from inoc.stats.means import Estimate, Floats
from inoc.studies.inoculation.analyse.inputs import Shifts
from inoc.studies.inoculation.analyse.predictors import N_COMPONENTS, PointMatrix, point_matrix
from inoc.studies.inoculation.analyse.rows import Row, Skip, families, interval
from inoc.studies.inoculation.analyse.tokens import TokenSource, open_tokens, prompts_by_token
from inoc.studies.inoculation.study import Study
from inoc.tables import INDEX, NUMBER, STRING

_ANGLES = [("level", STRING), ("prefix", STRING), ("representation", STRING)]  # raw, pca2 or svd2

ANGLES = pa.schema(
    [
        *_ANGLES,
        ("group", STRING),  # within_negative, within_positive, cross_trait, negative_neutral or positive_neutral
        ("mean_deg", NUMBER),
        ("sd_deg", NUMBER),  # population standard deviation over the pairs
        ("n_pairs", INDEX),  # ordered, so that a pair within a group counts twice
        ("n_nan", INDEX),  # pairs of which a prompt has no direction
        ("lo", NUMBER),  # of the mean, over examples
        ("hi", NUMBER),
    ]
)
"""`angles`. Key: level, prefix, representation, group."""

PAIRWISE_ANGLES = pa.schema(
    [
        *_ANGLES,
        ("prompt", STRING),
        ("other", STRING),  # every pair is there in both orders
        ("family", STRING),
        ("other_family", STRING),
        ("angle_deg", NUMBER),  # 0 to 180; NaN if a prompt has no direction
        ("place", INDEX),  # of the prompt along the first component, from 1
        ("other_place", INDEX),
    ]
)
"""`pairwise_angles`. Key: level, prefix, representation, prompt, other."""

TABLES = {"angles": ANGLES, "pairwise_angles": PAIRWISE_ANGLES}


NEUTRAL = "neutral"
N_BLOCKS = 64
CHUNK_BYTES = 16_000_000
METHODS: tuple[Method, ...] = ("pca", "svd")
PLANES: dict[Method, Representation] = {"pca": "pca2", "svd": "svd2"}
Level = Literal["point", "token"]
Group = Literal["negative", "positive", "neutral"]

PAIR_GROUPS: dict[str, tuple[Group, Group]] = {
    "within_negative": ("negative", "negative"),
    "within_positive": ("positive", "positive"),
    "cross_trait": ("negative", "positive"),
    "negative_neutral": ("negative", "neutral"),
    "positive_neutral": ("positive", "neutral"),
}
"""Pairs whose angles are summarised; negative is the family of an unwanted trait, positive of a wanted one."""


class Gram(NamedTuple):
    """Inner products of prompts, by block of examples."""

    prompts: list[str]
    blocks: Floats  # shape (blocks, prompts, prompts), nats²; their sum is W Wᵀ, uncentred
    means: Floats  # shape (prompts,): mean of each row of W, nats
    n: int  # columns used
    n_nan: int  # columns left out because a prompt has no value for them

    @property
    def whole(self) -> Floats:
        """W Wᵀ."""
        total: Floats = self.blocks.sum(axis=0)
        return total


def point_gram(matrix: PointMatrix, *, scaled: bool = False) -> Gram:
    """The Gram matrix of mean shifts, one column per response.

    Args:
        matrix: Prompts × examples.
        scaled: Standardise each column over the prompts.
    """
    n = matrix.W_NK.shape[1]
    blocks = np.zeros((min(N_BLOCKS, n), len(matrix.prompts), len(matrix.prompts)))
    for block, columns in zip(blocks, np.array_split(np.arange(n), len(blocks)) if n else [], strict=True):
        add_gram(block, matrix.W_NK[:, columns], scaled=scaled)
    return Gram(matrix.prompts, blocks, matrix.W_NK.mean(axis=1) if n else np.zeros(0), n, matrix.n_nan)


def token_gram(source: TokenSource, *, scaled: bool = False) -> Gram:
    """The Gram matrix of token shifts, one column per token, in memory that does not grow with the tokens.

    Args:
        source: The stream; examples fall into blocks by the order of their ids.
        scaled: Standardise each column over the prompts.

    Raises:
        DataError: If stored tokens do not fit the counts.
    """
    n_prompts, n_examples = len(source.prompts), source.n_examples
    blocks = np.zeros((min(N_BLOCKS, n_examples), n_prompts, n_prompts))
    block_of = source.ranks() * len(blocks) // max(1, n_examples)
    sums, n, n_nan = np.zeros(n_prompts), 0, 0
    for batch in source.batches():
        last = batch.first + len(batch.lengths)
        ends = np.concatenate([[0], np.cumsum(batch.lengths)])
        own = block_of[batch.first : last]
        starts = [0, *(np.flatnonzero(np.diff(own)) + 1), len(own)]
        for start, stop in itertools.pairwise(starts):
            part = batch.shifts[:, ends[start] : ends[stop]]
            sums_part = part.sum(axis=1)
            width = part.shape[1]
            if not np.isfinite(sums_part).all():
                part = part[:, np.isfinite(part).all(axis=0)]
                sums_part = part.sum(axis=1)
            add_gram(blocks[own[start]], part, scaled=scaled)
            sums += sums_part
            n += part.shape[1]
            n_nan += width - part.shape[1]
    return Gram(source.prompts, blocks, sums / max(1, n), n, n_nan)


def axes_of(gram: Gram, method: Method, n_components: int = N_COMPONENTS) -> Axes:
    """Components of the rows of W, with signs: the correlation with the row means is not negative."""
    return fix_signs(decompose_gram(gram.whole, method, n_components), gram.means)


def order_by_first(gram: Gram) -> list[str]:
    """Prompts by their coordinate on the first principal component, ascending."""
    first = axes_of(gram, "pca", 1).scores[:, 0]
    return [gram.prompts[place] for place in np.argsort(first, kind="stable")]


class Geometry(NamedTuple):
    """Rows of the four tables, the Gram matrices they come from, and what could not be computed."""

    components: list[Row]
    coordinates: list[Row]
    angles: list[Row]
    pairwise_angles: list[pd.DataFrame]  # hundreds of prompts have too many pairs for rows
    grams: dict[tuple[Level, str], Gram]  # (level, prefix)
    skipped: list[Skip]


def geometry(study: Study, shifts: Shifts, logprobs: Sequence[Path], resampler: Resampler) -> Geometry:
    """Components, coordinates and angles, point-wise and token-wise, for fixed prefixes and for mixes.

    The point-wise principal components are those of `predictors.decompose` and are not repeated here.

    Args:
        study: The study.
        shifts: Mean shifts of each response.
        logprobs: All shards of the token table.
        resampler: Source of the draws, which are over blocks of examples.

    Raises:
        DataError: If token tables contradict each other.
    """
    grams, skipped = _grams(study, shifts, logprobs)
    family_of, groups = families(study), prompt_groups(study)
    order = _heatmap_order(grams)
    result = Geometry([], [], [], [], grams, skipped)
    for (level, prefix), gram in grams.items():
        key: Row = {"level": level, "prefix": prefix}
        scores: dict[Representation, Floats] = {}
        for method in METHODS:
            repeated = (level, method) == ("point", "pca")
            drawn = _drawn_axes(gram, method, 2 if repeated else N_COMPONENTS, resampler)
            scores[PLANES[method]] = drawn.scores[..., :2]
            if not repeated:
                _add_components(result, {**key, "method": method}, gram, drawn, family_of, resampler)
        for representation in REPRESENTATIONS:
            named: Row = {**key, "representation": representation}
            inner = angles(inner_products(gram.whole, representation))
            drawn_angles = _drawn_angles(gram, scores.get(representation), resampler)
            rows = _group_rows(gram, inner, drawn_angles, groups, resampler)
            result.angles.extend({**named, **row} for row in rows)
            pairs = _pairs(gram.prompts, inner, family_of, order)
            result.pairwise_angles.append(pairs.assign(level=level, prefix=prefix, representation=representation))
    return result


def _grams(study: Study, shifts: Shifts, logprobs: Sequence[Path]) -> tuple[dict[tuple[Level, str], Gram], list[Skip]]:
    grams: dict[tuple[Level, str], Gram] = {}
    skipped: list[Skip] = []
    for prefix in study.scoring.prefixes:
        matrix = point_matrix(study, shifts, prefix)
        if len(matrix.prompts) < 2 or matrix.W_NK.shape[1] < 2:
            have = f"{len(matrix.prompts)} and {matrix.W_NK.shape[1]}"
            why = f"it needs two prompts and two complete examples, and there are {have}"
            skipped.append(Skip(f"geometry of prompts ({prefix})", why))
        else:
            grams["point", prefix] = point_gram(matrix)
        found = _token_gram_of(logprobs, list(families(study)), prefix)
        if isinstance(found, str):
            skipped.append(Skip(f"geometry of prompts by token ({prefix})", found))
            continue
        grams["token", prefix] = found
        lacking = [prompt for prompt in matrix.prompts if prompt not in found.prompts]
        if lacking:
            why = f"no log-probabilities of their tokens are stored: {', '.join(lacking)}"
            skipped.append(Skip(f"geometry of some prompts by token ({prefix})", why))
    return grams, skipped


def _token_gram_of(logprobs: Sequence[Path], prompts: list[str], prefix: str) -> Gram | str:
    """The Gram matrix of the prompts that have tokens, or why there is none."""
    stored = prompts_by_token(logprobs, prompts, prefix)
    if not stored:
        return "no log-probabilities of tokens are stored"
    if len(stored) < 2:
        return f"it needs two prompts, and tokens are stored of {stored[0]} alone"
    found = token_gram(open_tokens(logprobs, stored, prefix))
    return found if found.n >= 2 else f"it needs two tokens with values for every prompt, and there are {found.n}"


def prompt_groups(study: Study) -> dict[str, Group]:
    """Prompt → negative (its family is an unwanted trait), positive (a wanted one) or neutral."""
    role: dict[str, Group] = {
        key: "negative" if trait.role == "unwanted" else "positive" for key, trait in study.traits.items()
    }
    return {prompt: role.get(family, "neutral") for prompt, family in families(study).items()}


def _heatmap_order(grams: Mapping[tuple[Level, str], Gram]) -> dict[str, int]:
    """Prompt → place from 1, by the first component of the point-wise fixed matrix, or of the mix without one."""
    gram = grams.get(("point", "fixed")) or grams.get(("point", "mix"))
    return {prompt: place for place, prompt in enumerate(order_by_first(gram), 1)} if gram else {}


def _resampled(gram: Gram, resampler: Resampler) -> Iterator[Floats]:
    """Gram matrices of resampled blocks, some at a time: shape (resamples of the chunk, prompts, prompts)."""
    weights = resampler.simple_weights(len(gram.blocks))
    step = _chunk(gram)
    for start in range(0, len(weights), step):
        yield np.tensordot(weights[start : start + step], gram.blocks, axes=1)


def _chunk(gram: Gram) -> int:
    """Number of resamples at a time."""
    return max(1, CHUNK_BYTES // (8 * len(gram.prompts) ** 2))


def _bounds(resampled: Floats, resampler: Resampler) -> tuple[Floats, Floats]:
    """Percentile bounds over the first axis."""
    if np.isnan(resampled).any():
        flat = resampled.reshape(len(resampled), -1).T
        pairs = np.array([percentile_bounds(column, resampler.confidence) for column in flat])
        shape = resampled.shape[1:]
        return pairs[:, 0].reshape(shape), pairs[:, 1].reshape(shape)
    half = resampler.confidence / 2
    lo, hi = np.quantile(resampled, [0.5 - half, 0.5 + half], axis=0)
    return lo, hi


def _drawn_axes(gram: Gram, method: Method, n_components: int, resampler: Resampler) -> Axes:
    """Components of resampled blocks, shape (resamples, …), signs as they come."""
    found = [decompose_gram(some, method, n_components) for some in _resampled(gram, resampler)]
    return Axes(*(np.concatenate(part) for part in zip(*found, strict=True)))


def _drawn_angles(gram: Gram, scores_BNC: Floats | None, resampler: Resampler) -> Iterator[Floats]:
    """Angles of resampled blocks, some resamples at a time; of raw rows, or in the plane of two components."""
    if scores_BNC is None:
        yield from (angles(some) for some in _resampled(gram, resampler))
        return
    step = _chunk(gram)
    for start in range(0, len(scores_BNC), step):
        some = scores_BNC[start : start + step]
        yield angles(some @ np.swapaxes(some, -1, -2))


def _add_components(
    result: Geometry, key: Row, gram: Gram, drawn: Axes, family_of: Mapping[str, str], resampler: Resampler
) -> None:
    method: Method = "svd" if key["method"] == "svd" else "pca"
    found = axes_of(gram, method)
    kept = found.share.size
    share_lo, share_hi = _bounds(drawn.share, resampler)
    agreement = np.einsum("bnc,nc->bc", drawn.scores, found.scores)
    scores_lo, scores_hi = _bounds(drawn.scores * np.where(agreement < 0, -1.0, 1.0)[:, None, :], resampler)
    for c in range(kept):
        share = Estimate(float(found.share[c]), float(share_lo[c]), float(share_hi[c]), gram.n, gram.n_nan)
        sizes: Row = {"component": c + 1, "n_prompts": len(gram.prompts), "energy": float(found.energy[c])}
        result.components.append({**key, **sizes, **interval(share, "share")})
    for p, prompt in enumerate(gram.prompts):
        for c in range(kept):
            place: Row = {"prompt": prompt, "family": family_of[prompt], "component": c + 1}
            score, lo, hi = (float(part[p, c]) for part in (found.scores, scores_lo, scores_hi))
            result.coordinates.append({**key, **place, **interval(Estimate(score, lo, hi, gram.n, gram.n_nan))})


class AngleSummary(NamedTuple):
    """Angles between the prompts of two groups."""

    mean_deg: float  # NaN without a pair
    sd_deg: float  # population standard deviation over the pairs
    n_pairs: int  # ordered within a group, so that each pair counts twice
    n_nan: int  # pairs of which a prompt has no direction


def pair_mask(groups: Sequence[Group], first: Group, second: Group) -> np.ndarray:
    """Which (row, column) pairs are of a kind; a prompt is never paired with itself."""
    rows = np.array([group == first for group in groups])
    columns = np.array([group == second for group in groups])
    mask: np.ndarray = rows[:, None] & columns[None, :] & ~np.eye(len(groups), dtype=bool)
    return mask


def summarise_angles(angle_NN: Floats, mask: np.ndarray) -> AngleSummary:
    """Mean and spread of the chosen angles."""
    chosen = angle_NN[mask]
    known = chosen[~np.isnan(chosen)]
    if not known.size:
        return AngleSummary(float("nan"), float("nan"), 0, chosen.size)
    return AngleSummary(float(known.mean()), float(known.std()), known.size, chosen.size - known.size)


def _group_rows(
    gram: Gram, angle_NN: Floats, drawn: Iterable[Floats], groups: Mapping[str, Group], resampler: Resampler
) -> list[Row]:
    own = [groups[prompt] for prompt in gram.prompts]
    masks = {name: mask for name, kinds in PAIR_GROUPS.items() if (mask := pair_mask(own, *kinds)).any()}
    means: dict[str, list[Floats]] = {name: [] for name in masks}
    for some in drawn:
        for name, mask in masks.items():
            means[name].append(_known_means(some[:, mask]))
    rows: list[Row] = []
    for name, mask in masks.items():
        lo, hi = resampler.bounds(np.concatenate(means[name]))
        summary = summarise_angles(angle_NN, mask)
        rows.append({"group": name, **summary._asdict(), "lo": lo, "hi": hi})
    return rows


def _known_means(values_BP: Floats) -> Floats:
    known = ~np.isnan(values_BP)
    count = known.sum(axis=1)
    total = np.where(known, values_BP, 0).sum(axis=1)
    means: Floats = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return means


def _pairs(
    prompts: Sequence[str], angle_NN: Floats, family_of: Mapping[str, str], order: Mapping[str, int]
) -> pd.DataFrame:
    """Every pair of prompts in both orders, without the columns of the matrix that the angles are from."""
    row, column = np.nonzero(~np.eye(len(prompts), dtype=bool))
    names = np.array(prompts, dtype=object)
    kinds = np.array([family_of[prompt] for prompt in prompts], dtype=object)
    places = np.array([order.get(prompt, 0) for prompt in prompts], dtype=np.int64)
    return pd.DataFrame(
        {
            "prompt": names[row],
            "other": names[column],
            "family": kinds[row],
            "other_family": kinds[column],
            "angle_deg": angle_NN[row, column],
            "place": places[row],
            "other_place": places[column],
        }
    )
