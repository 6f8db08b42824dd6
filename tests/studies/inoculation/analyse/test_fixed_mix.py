from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA, TruncatedSVD

from inoc.errors import DataError
from inoc.studies.inoculation.analyse.fixed_mix import FixedMix, fixed_mix, fixed_mix_table, is_constant, rank_one
from support.reference import final_scores, needs_reference, shift_matrices


def brute(f: list[float], m: list[float]) -> FixedMix:
    n = len(f)
    mean_f, mean_m = math.fsum(f) / n, math.fsum(m) / n
    var_f = math.fsum((one - mean_f) ** 2 for one in f) / (n - 1)
    var_m = math.fsum((one - mean_m) ** 2 for one in m) / (n - 1)
    abs_f, abs_m = math.fsum(map(abs, f)) / n, math.fsum(map(abs, m)) / n
    shares = [abs(one) / math.fsum(map(abs, m)) for one in m]
    dot = math.fsum(a * b for a, b in zip(f, m, strict=True))
    lengths = math.sqrt(math.fsum(a * a for a in f)) * math.sqrt(math.fsum(b * b for b in m))
    snr_f, snr_m = mean_f / math.sqrt(var_f), mean_m / math.sqrt(var_m)
    return FixedMix(
        mean_m / mean_f,
        var_m - var_f,
        sum(one > 0 for one in m) / n,
        snr_m,
        dot / lengths,
        math.exp(-math.fsum(p * math.log(p) for p in shares if p)),
        snr_m / snr_f,
        abs_m / abs_f,
        abs_m / math.sqrt(var_m),
        abs_m / math.sqrt(var_m) / (abs_f / math.sqrt(var_f)),
    )


@given(st.integers(0, 10_000), st.integers(20, 60))
def test_the_ten_are_their_formulas(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    f, m = rng.normal(0.3, 1, n), rng.normal(0.2, 0.7, n)
    assert fixed_mix(f, m) == pytest.approx(brute(f.tolist(), m.tolist()), rel=1e-8)


def test_only_common_finite_examples_count() -> None:
    rng = np.random.default_rng(0)
    f, m = rng.normal(0.3, 1, 40), rng.normal(0.2, 0.7, 40)
    f[3], m[7] = np.nan, np.inf
    keep = np.delete(np.arange(40), [3, 7])
    assert fixed_mix(f, m) == fixed_mix(f[keep], m[keep])


def test_too_few_examples_give_no_number() -> None:
    assert all(math.isnan(value) for value in fixed_mix(np.ones(19), np.ones(19)))


def test_a_vanishing_denominator_gives_no_number() -> None:
    found = fixed_mix(np.tile([1.0, -1.0], 15), np.zeros(30))
    assert [math.isnan(value) for value in found] == [True, False, False, True, True, True, True, False, True, True]
    assert (found.mald_ratio, found.gamma_mix) == (0, 0)


def test_a_mix_of_one_is_the_fixed_prefix() -> None:
    f = np.random.default_rng(1).normal(0.5, 1, 50)
    found = fixed_mix(f, f)
    assert found.variance_difference == 0
    expected = (1, 1, 1, 1, 1)
    ratios = (found.ph_ratio, found.cosine, found.snr_ratio, found.mald_ratio, found.absolute_snr_ratio)
    assert ratios == pytest.approx(expected)


def matrices() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    f = rng.normal(0.2, 1, (6, 30)) + np.outer(rng.normal(0, 3, 6), rng.normal(1, 0.3, 30))
    return f, 0.5 * f + rng.normal(0, 0.4, (6, 30))


def test_rank_one_views_are_projections_on_scikit_learns_axes() -> None:
    f, m = matrices()
    axis, centre = PCA(1).fit(f).components_[0], f.mean(axis=0)
    for found, w in zip(rank_one(f, m, "pca1"), (f, m), strict=True):
        assert found == pytest.approx(np.outer((w - centre) @ axis, axis), abs=1e-9)
    axis = TruncatedSVD(1, algorithm="arpack", random_state=0).fit(f).components_[0]
    for found, w in zip(rank_one(f, m, "svd1"), (f, m), strict=True):
        assert found == pytest.approx(np.outer(w @ axis, axis), abs=1e-9)


def test_constants_of_a_rank_one_view_are_recognised() -> None:
    f, m = matrices()
    for view in ("pca1", "svd1"):
        table = fixed_mix_table(f, m, view)
        constant = {name for name in FixedMix._fields if is_constant(np.abs([getattr(row, name) for row in table]))}
        wanted = {"cosine", "effective_rank", "snr_ratio", "absolute_snr_mix", "absolute_snr_ratio", "snr_mix"}
        assert constant == wanted
    assert not any(
        is_constant(np.array([getattr(row, name) for row in fixed_mix_table(f, m, "raw")])) for name in FixedMix._fields
    )


def test_matrices_of_different_examples_are_refused() -> None:
    with pytest.raises(DataError, match="same prompts and examples"):
        rank_one(np.ones((2, 3)), np.ones((2, 4)), "svd1")


@needs_reference
def test_released_mixes_give_the_published_correlations_with_the_gap() -> None:
    prompts, fixed, mix = shift_matrices()
    scores = final_scores("Playful")
    gap = np.array([scores[prompt] - scores[f"{prompt}_mix"] for prompt in prompts])
    table = fixed_mix_table(fixed, mix, "raw")
    r = {name: float(np.corrcoef([getattr(row, name) for row in table], gap)[0, 1]) for name in FixedMix._fields}
    strong = ("gamma_mix", "snr_mix", "cosine", "effective_rank", "absolute_snr_mix")
    assert all(0.495 <= r[name] <= 0.595 for name in strong), r
    assert all(abs(r[name]) < 0.2 for name in ("ph_ratio", "snr_ratio", "mald_ratio", "absolute_snr_ratio")), r
