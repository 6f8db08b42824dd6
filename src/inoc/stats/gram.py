"""Principal components, truncated singular vectors and angles of a wide matrix, from its small Gram matrix alone.

W is prompts × columns, with few prompts and perhaps millions of columns. Scores, shares and angles of its rows
depend on W Wᵀ only, which a stream of columns adds up in little memory.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from inoc.errors import DataError
from inoc.stats.correlation import pearson
from inoc.stats.means import Floats

Method = Literal["pca", "svd"]
Representation = Literal["raw", "pca2", "svd2"]
REPRESENTATIONS: tuple[Representation, ...] = ("raw", "pca2", "svd2")
SHORTEST = 1e-10
ALL_PAIRS = 128
"""Matrices of more rows are decomposed only as far as their components are wanted."""


def add_gram(gram_NN: Floats, block_NK: Floats, *, scaled: bool = False) -> None:
    """Add the products of some more columns to a Gram matrix, in place.

    Args:
        gram_NN: What is there already, float64.
        block_NK: Prompts × further columns, no NaN.
        scaled: Standardise each column over the prompts first (population standard deviation); a constant column
            then adds nothing.
    """
    if scaled:
        block_NK = block_NK - block_NK.mean(axis=0)
        sd_K = block_NK.std(axis=0)
        sizes_K = np.abs(block_NK).max(axis=0)
        block_NK = np.divide(block_NK, sd_K, out=np.zeros_like(block_NK), where=sd_K > 1e-12 * sizes_K)
    gram_NN += block_NK @ block_NK.T


def centred(gram_NN: Floats) -> Floats:
    """Gram matrices after each column was centred over the prompts, shape (…, prompts, prompts)."""
    rows = gram_NN.mean(axis=-1, keepdims=True)
    columns = gram_NN.mean(axis=-2, keepdims=True)
    result: Floats = gram_NN - rows - columns + gram_NN.mean(axis=(-1, -2), keepdims=True)
    return result


class Leading(NamedTuple):
    """The largest eigenvalues of symmetric matrices without negative ones, descending, and their vectors."""

    values: Floats  # shape (…, components); 0 where rounding made one negative
    vectors: Floats  # shape (…, rows, components)
    whole: Floats  # shape (…): sum of all eigenvalues


def leading(matrix_NN: Floats, kept: int) -> Leading:
    """The leading eigenvectors of positive semidefinite matrices, shape (…, rows, rows).

    Of more than `ALL_PAIRS` rows the others are not computed, which takes a third of the time. The values are the same
    but for rounding.
    """
    n = matrix_NN.shape[-1]
    if n <= ALL_PAIRS or kept >= n:
        values, vectors = np.linalg.eigh(matrix_NN)
        values = np.maximum(values[..., ::-1], 0)
        return Leading(values[..., :kept], vectors[..., ::-1][..., :kept], values.sum(axis=-1))
    import scipy.linalg

    flat = matrix_NN.reshape(-1, n, n)
    found_BC, found_BNC = np.empty((len(flat), kept)), np.empty((len(flat), n, kept))
    for at, one in enumerate(flat):
        few, sides = scipy.linalg.eigh(one, subset_by_index=[n - kept, n - 1], check_finite=False)
        found_BC[at], found_BNC[at] = np.maximum(few[::-1], 0), sides[:, ::-1]
    shape = matrix_NN.shape[:-2]
    whole = np.trace(matrix_NN, axis1=-2, axis2=-1)
    return Leading(found_BC.reshape(*shape, kept), found_BNC.reshape(*shape, n, kept), np.asarray(whole))


class Axes(NamedTuple):
    """Components of the rows of W, largest first."""

    scores: Floats  # shape (…, prompts, components), in the unit of W
    share: Floats  # shape (…, components): see `decompose_gram`; NaN if the matrix does not vary
    energy: Floats  # shape (…, components): s² / sum of all s²


def decompose_gram(gram_NN: Floats, method: Method, n_components: int) -> Axes:
    """Components from Gram matrices, signs as they come.

    Args:
        gram_NN: W Wᵀ, uncentred, shape (…, prompts, prompts).
        method: `pca` centres the columns first; `svd`, the truncated singular value decomposition, does not.
        n_components: Maximum number of components; there are never more than prompts (svd) or prompts − 1 (pca).

    Returns:
        `share` is, as in scikit-learn, the variance of the scores over the total variance of the columns, both
        centred. For pca it equals `energy`. For svd it may rise from one component to the next; `energy` is then
        the part of the squared entries of W, s² / ‖W‖².

    Raises:
        DataError: If there are fewer than two prompts or a product is not finite.
    """
    n = gram_NN.shape[-1]
    if n < 2 or not np.isfinite(gram_NN).all():
        msg = f"components need two prompts and finite values, not a Gram matrix of {n} prompts with NaN or infinity"
        raise DataError(msg)
    inner_NN = centred(gram_NN)
    kept = min(n_components, n - 1 if method == "pca" else n)
    found = leading(inner_NN if method == "pca" else gram_NN, kept)
    scores = found.vectors * np.sqrt(found.values[..., None, :])
    varying = ((scores - scores.mean(axis=-2, keepdims=True)) ** 2).sum(axis=-2)
    # Centring leaves a matrix of equal rows a rounding's worth of variance.
    total = np.trace(inner_NN, axis1=-2, axis2=-1)[..., None]
    size = np.trace(gram_NN, axis1=-2, axis2=-1)[..., None]
    varies = total > 1e-14 * np.abs(size)
    share = np.where(varies, varying / np.where(varies, total, 1), np.nan)
    whole = found.whole[..., None]
    energy = found.values / np.where(whole > 0, whole, np.nan)
    return Axes(scores, share, energy)


def fix_signs(axes: Axes, orient_N: Floats) -> Axes:
    """Turn each component so that it means the same in every run.

    The scores' correlation with `orient_N` is not negative; where it is 0 or not defined, the row farthest from the
    origin is positive.
    """
    signs = np.array([_sign(column, orient_N) for column in axes.scores.T])
    return axes._replace(scores=axes.scores * signs)


def _sign(scores_N: Floats, orient_N: Floats) -> float:
    r = pearson(scores_N, orient_N).value
    decisive = r if abs(r) > 1e-9 else scores_N[np.argmax(np.abs(scores_N))]
    return -1.0 if decisive < 0 else 1.0


def inner_products(gram_NN: Floats, representation: Representation) -> Floats:
    """Inner products of the prompts in a representation: raw rows of W, or their first two scores."""
    if representation == "raw":
        return gram_NN
    scores = decompose_gram(gram_NN, "pca" if representation == "pca2" else "svd", 2).scores
    products: Floats = scores @ np.swapaxes(scores, -1, -2)
    return products


def angles(inner_NN: Floats) -> Floats:
    """Angle between every two rows, in degrees from 0 to 180, from their inner products.

    Args:
        inner_NN: Shape (…, rows, rows).

    Returns:
        The same shape; 0 on the diagonal; NaN for rows shorter than 1e-10, which have no direction.
    """
    length = np.sqrt(np.maximum(np.diagonal(inner_NN, axis1=-2, axis2=-1), 0))
    length = np.where(length < SHORTEST, np.nan, length)
    cosine = inner_NN / (length[..., :, None] * length[..., None, :])
    degrees: Floats = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    n = inner_NN.shape[-1]
    degrees[..., range(n), range(n)] *= 0
    return degrees


def angles_to_mean(inner_NN: Floats, members: list[int]) -> Floats:
    """Angle of every row to the mean of some rows, in degrees; shape (rows,); NaN without members or direction."""
    if not members:
        return np.full(inner_NN.shape[0], np.nan)
    weights = np.zeros(inner_NN.shape[0])
    weights[members] = 1 / len(members)
    n = weights.size
    # The mean is one more row, whose products are means of those of its members.
    extended = np.empty((n + 1, n + 1))
    extended[:n, :n] = inner_NN
    extended[n, :n] = extended[:n, n] = inner_NN @ weights
    extended[n, n] = weights @ inner_NN @ weights
    return angles(extended)[:n, n]
