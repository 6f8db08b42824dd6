from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.anova import anova_lm

from inoc.stats.bootstrap import Resampler
from inoc.stats.variance import Components, crossed_components

FACTORS = ("p", "s", "i")
EFFECTS = [frozenset(chosen) for size in (1, 2, 3) for chosen in itertools.combinations(FACTORS, size)]
RESAMPLER = Resampler(400, 0)


def found(values: np.ndarray, factors: tuple[str, ...] = FACTORS) -> Components:
    return crossed_components(values, factors, RESAMPLER)


def simulated(rng: np.random.Generator, shape: tuple[int, ...], sd: dict[str, float]) -> np.ndarray:
    """Sum of normal effects; a key of `sd` names the factors of an effect."""
    values = np.full(shape, 20.0)
    for effect, one in sd.items():
        values = values + rng.normal(0, one, [n if f in effect else 1 for f, n in zip(FACTORS, shape, strict=True)])
    return values


def anova(values: np.ndarray) -> dict[frozenset[str], float]:
    """Mean squares of statsmodels, solved for the components by their expectations."""
    table = pd.DataFrame([(*index, value) for index, value in np.ndenumerate(values)], columns=["p", "s", "i", "y"])
    fit = smf.ols("y ~ C(p) + C(s) + C(i) + C(p):C(s) + C(p):C(i) + C(s):C(i)", table).fit()
    rows = anova_lm(fit).rename(index={"Residual": "C(p):C(s):C(i)"})
    squares = {
        frozenset(name.replace("C(", "").replace(")", "").split(":")): one
        for name, one in (rows["sum_sq"] / rows["df"]).items()
    }
    size = dict(zip(FACTORS, values.shape, strict=True))
    weights = [
        [np.prod([n for factor, n in size.items() if factor not in more]) * (more >= one) for more in EFFECTS]
        for one in EFFECTS
    ]
    return dict(zip(EFFECTS, np.linalg.solve(weights, [squares[one] for one in EFFECTS]), strict=True))


@pytest.mark.parametrize("shape", [(4, 3, 5), (2, 2, 6)])
def test_a_complete_table_has_the_components_of_the_analysis_of_variance(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(sum(shape)).normal(30, 10, shape)
    assert found(values).value == pytest.approx(anova(values))


@given(st.integers(0, 10**6), st.floats(0.1, 0.9))
@settings(max_examples=15, deadline=None)
def test_an_incomplete_table_has_those_of_all_its_pairs(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    values = np.where(rng.random((3, 2, 4)) < share, rng.normal(size=(3, 2, 4)), np.nan)
    cells = [(index, value) for index, value in np.ndenumerate(values) if not np.isnan(value)]
    half: dict[frozenset[str], list[float]] = {}
    for (one, y), (other, z) in itertools.permutations(cells, 2):
        shared = frozenset(f for f, a, b in zip(FACTORS, one, other, strict=True) if a == b)
        half.setdefault(shared, []).append((y - z) ** 2 / 2)
    if len(half) < 7:
        return
    covariance = {shared: np.mean(half[frozenset()]) - np.mean(each) for shared, each in half.items()}
    covariance[frozenset(FACTORS)] = np.mean(half[frozenset()])
    below = {effect: sum(found(values).value[one] for one in EFFECTS if one <= effect) for effect in EFFECTS}
    assert below == pytest.approx({effect: covariance[effect] for effect in EFFECTS}, abs=1e-9)


def test_components_are_unbiased_with_values_missing() -> None:
    rng = np.random.default_rng(0)
    sd = {"p": 3.0, "s": 2.0, "i": 4.0, "ps": 1.0, "pi": 2.0, "si": 1.5, "psi": 3.0}
    drawn = []
    for _ in range(150):
        values = simulated(rng, (6, 4, 12), sd)
        values[rng.random(values.shape) < 0.2] = np.nan
        drawn.append([found(values).value[frozenset(effect)] for effect in sd])
    mean, error = np.mean(drawn, axis=0), np.std(drawn, axis=0, ddof=1) / 150**0.5
    assert (np.abs(mean - np.square(list(sd.values()))) < 4 * error).all()


def test_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(1)
    sd = {"p": 3.0, "i": 4.0, "ps": 2.0, "pi": 2.0, "psi": 3.0}
    held = dict.fromkeys(sd, 0)
    for _ in range(200):
        components = found(simulated(rng, (8, 4, 15), sd))
        for effect, one in sd.items():
            estimate = components.estimate({frozenset(effect): 1.0}, RESAMPLER)
            held[effect] += estimate.lo <= one**2 <= estimate.hi
    assert min(held.values()) >= 0.9 * 200


def test_a_factor_of_one_level_goes_into_the_effects_without_it() -> None:
    values = np.random.default_rng(2).normal(size=(4, 1, 6))
    one_seed, two_factors = found(values), found(values[:, 0], ("p", "i"))
    assert one_seed.value == two_factors.value
    assert set(one_seed.value) == {frozenset("p"), frozenset("i"), frozenset("pi")}
    unknown = one_seed.estimate({frozenset("s"): 1.0}, RESAMPLER)
    assert np.isnan(unknown[:3]).all()
    assert unknown.n == 24


def test_components_neither_shift_nor_depend_on_the_order_of_levels() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(3, 3, 5))
    turned = values[rng.permutation(3)][:, ::-1] + 1e3
    assert found(values).value == pytest.approx(found(turned).value, abs=1e-7)
    assert found(3 * values).value == pytest.approx({effect: 9 * one for effect, one in found(values).value.items()})


def test_negative_estimates_become_nothing_and_positive_ones_stay() -> None:
    components = found(np.random.default_rng(4).normal(size=(3, 3, 4)))
    assert min(components.value.values()) < 0
    clipped = components.not_negative()
    assert clipped.value == {effect: max(one, 0.0) for effect, one in components.value.items()}
    for effect, drawn in clipped.drawn.items():
        assert np.array_equal(drawn, components.drawn[effect].clip(min=0))


def test_nothing_known_has_no_component() -> None:
    components = found(np.full((2, 2, 2), np.nan))
    assert (components.n, components.n_nan, components.value) == (0, 8, {})
    assert np.isnan(components.estimate({frozenset("p"): 1.0}, RESAMPLER).value)
