"""Ten numbers that compare the effects of a fixed prefix and its mix on the same responses."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from inoc.errors import DataError
from inoc.stats.means import NAN, Floats

FEWEST_COLUMNS = 20
SMALLEST, SMALLEST_SNR = 1e-9, 1e-6
View = Literal["raw", "pca1", "svd1"]
VIEWS: tuple[View, ...] = ("raw", "pca1", "svd1")


class FixedMix(NamedTuple):
    """The ten, from f (shifts by the fixed prefix) and m (by the mix); NaN where a denominator vanishes."""

    ph_ratio: float  # mean m / mean f
    variance_difference: float  # s²(m) − s²(f), nats², ddof 1
    gamma_mix: float  # share of m above zero
    snr_mix: float  # mean m / s(m)
    cosine: float  # of f and m, not centred
    effective_rank: float  # exp of the entropy of |m| / Σ|m|: 1 if one response has it all
    snr_ratio: float  # SNR of m / SNR of f
    mald_ratio: float  # mean |m| / mean |f|
    absolute_snr_mix: float  # mean |m| / s(m)
    absolute_snr_ratio: float  # that of m / that of f


UNKNOWN = FixedMix(*(NAN,) * 10)


def fixed_mix(fixed_K: Floats, mix_K: Floats) -> FixedMix:
    """The ten heuristics of one prompt.

    Args:
        fixed_K: Shifts by the fixed prefix, nats per token, shape (examples,).
        mix_K: Shifts of the same examples by the mix.

    Returns:
        Over the examples of which both are finite; NaN for fewer than twenty.
    """
    both = np.isfinite(fixed_K) & np.isfinite(mix_K)
    f, m = fixed_K[both], mix_K[both]
    if f.size < FEWEST_COLUMNS:
        return UNKNOWN
    sd_f, sd_m = float(f.std(ddof=1)), float(m.std(ddof=1))
    snr_f, snr_m = _ratio(f.mean(), sd_f), _ratio(m.mean(), sd_m)
    mald_f, mald_m = float(np.abs(f).mean()), float(np.abs(m).mean())
    absolute_f, absolute_m = _ratio(mald_f, sd_f), _ratio(mald_m, sd_m)
    return FixedMix(
        ph_ratio=_ratio(m.mean(), f.mean()),
        variance_difference=sd_m**2 - sd_f**2,
        gamma_mix=float((m > 0).mean()),
        snr_mix=snr_m,
        cosine=_ratio(float(f @ m), float(np.linalg.norm(f) * np.linalg.norm(m))),
        effective_rank=_effective_rank(m),
        snr_ratio=_ratio(snr_m, snr_f, SMALLEST_SNR),
        mald_ratio=_ratio(mald_m, mald_f),
        absolute_snr_mix=absolute_m,
        absolute_snr_ratio=_ratio(absolute_m, absolute_f, SMALLEST_SNR),
    )


def _ratio(top: float, bottom: float, smallest: float = SMALLEST) -> float:
    # A failed denominator must not become a number either: NaN is not larger than anything.
    return float(top / bottom) if abs(bottom) >= smallest else NAN


def _effective_rank(m: Floats) -> float:
    size = np.abs(m)
    total = size.sum()
    if not total > 0:
        return NAN
    p = size[size > 0] / total
    return float(np.exp(-(p * np.log(p)).sum()))


def rank_one(fixed_NK: Floats, mix_NK: Floats, view: View) -> tuple[Floats, Floats]:
    """Both matrices seen along the first component of the fixed one.

    Args:
        fixed_NK: Shifts by the fixed prefixes, prompts × examples, complete.
        mix_NK: Shifts by the mixes of the same prompts on the same examples.
        view: `raw` leaves them; `pca1` takes the column means of the fixed matrix from both and projects them on its
            first principal component; `svd1` projects both on its first right singular vector.

    Returns:
        The two projections, of the same shape, without the means.

    Raises:
        DataError: If the shapes differ or a cell of the fixed matrix is not finite.
    """
    if fixed_NK.shape != mix_NK.shape or not np.isfinite(fixed_NK).all():
        msg = (
            f"rank-1 views need two matrices of the same prompts and examples without NaN, not {fixed_NK.shape} and "
            f"{mix_NK.shape} with {int((~np.isfinite(fixed_NK)).sum())} cells that are not finite in the first"
        )
        raise DataError(msg)
    if view == "raw":
        return fixed_NK, mix_NK
    centre_K = fixed_NK.mean(axis=0) if view == "pca1" else np.zeros(fixed_NK.shape[1])
    f, m = fixed_NK - centre_K, mix_NK - centre_K
    values, vectors = np.linalg.eigh(f @ f.T)
    if not values[-1] > 0:
        return np.zeros_like(f), np.zeros_like(m)
    axis_K = f.T @ vectors[:, -1] / values[-1] ** 0.5
    return np.outer(f @ axis_K, axis_K), np.outer(m @ axis_K, axis_K)


def fixed_mix_table(fixed_NK: Floats, mix_NK: Floats, view: View) -> list[FixedMix]:
    """The ten heuristics of every prompt in one view."""
    fixed, mix = rank_one(fixed_NK, mix_NK, view)
    return [fixed_mix(f, m) for f, m in zip(fixed, mix, strict=True)]


def is_constant(values: Floats) -> bool:
    """Whether a heuristic has the same value for every prompt, so that nothing can correlate with it.

    Several of the ten must be constant, up to sign or not, in a rank-1 view, where every row is a multiple of one
    vector. Rounding is allowed for; an unknown value counts neither way, and without any value this is true.
    """
    known = values[np.isfinite(values)]
    return not known.size or bool(np.ptp(known) <= 1e-9 * max(1e-300, float(np.abs(known).max())))
