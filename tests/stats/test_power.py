from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.power import TTestPower

from inoc.errors import DataError
from inoc.stats.power import Design, Spread, detectable_difference, variance_weights

SPREAD = Spread(seed=9.0, instruction=60.0, residual=180.0)


@pytest.mark.parametrize("n", [5, 50, 200, 800])
@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
def test_one_seed_has_the_power_of_the_paired_t_test(n: int, power: float) -> None:
    found = detectable_difference(SPREAD, Design(n, 1), power)
    sd = (2 * (SPREAD.instruction + SPREAD.residual)) ** 0.5
    assert found.error == pytest.approx(sd / n**0.5)
    assert found.degrees == n - 1
    assert TTestPower().power(found.difference / sd, n, 0.05) == pytest.approx(power, abs=2e-4)


@pytest.mark.parametrize(("n_instructions", "n_seeds", "slack"), [(30, 5, 0.03), (30, 10, 0.03), (30, 3, 0.06)])
def test_the_difference_is_seen_as_often_as_it_says(n_instructions: int, n_seeds: int, slack: float) -> None:
    """Two prompts' suppressions made up with these components, and tested as the formula says."""
    found = detectable_difference(SPREAD, Design(n_instructions, n_seeds))
    rng = np.random.default_rng(n_seeds)
    size = (3_000, n_seeds, n_instructions)
    seed, instruction, residual = (one**0.5 for one in SPREAD)
    shared = rng.normal(0, 10, size)
    one, other = (
        shared
        + rng.normal(0, seed, (*size[:2], 1))
        + rng.normal(0, instruction, (size[0], 1, size[2]))
        + rng.normal(0, residual, size)
        for _ in range(2)
    )
    assert significant(one - other).mean() == pytest.approx(0.05, abs=0.02)
    assert significant(one - other + found.difference).mean() == pytest.approx(0.8, abs=slack)


def significant(tables: np.ndarray) -> np.ndarray:
    """Satterthwaite's test of each table's mean against 0; tables are repeats × seeds × instructions."""
    _, n_seeds, n = tables.shape
    rows, columns, mean = tables.mean(axis=2), tables.mean(axis=1), tables.mean(axis=(1, 2))
    rest = tables - rows[:, :, None] - columns[:, None] + mean[:, None, None]
    freedom = np.array([n_seeds - 1, n - 1, (n_seeds - 1) * (n - 1)])
    squares = np.stack(
        [n * rows.var(axis=1, ddof=1), n_seeds * columns.var(axis=1, ddof=1), (rest**2).sum(axis=(1, 2)) / freedom[2]]
    )
    total = np.maximum(squares[0] + squares[1] - squares[2], 1e-12)
    degrees = total**2 / (squares**2 / freedom[:, None]).sum(axis=0)
    t = mean / np.sqrt(total / (n_seeds * n))
    return np.abs(t) > scipy.stats.t.ppf(0.975, degrees)


@settings(max_examples=40, deadline=None)
@given(st.tuples(*(st.floats(0, 500),) * 3), st.integers(2, 300), st.integers(1, 12), st.integers(2, 12))
def test_more_instructions_never_ask_for_a_larger_difference(
    parts: tuple[float, float, float], n_instructions: int, n_seeds: int, n_prompts: int
) -> None:
    few, many = (
        detectable_difference(Spread(*parts), Design(n, n_seeds, n_prompts)).difference
        for n in (n_instructions, n_instructions + 1 + n_instructions // 2)
    )
    assert many <= few * (1 + 1e-9)


def test_two_seeds_of_many_prompts_need_less_than_those_of_two() -> None:
    """With two prompts alone the mean square of seeds has one degree of freedom, with twelve it has eleven."""
    spread = Spread(100.0, 60.0, 180.0)
    two, twelve = (detectable_difference(spread, Design(200, 2, n)).difference for n in (2, 12))
    assert twelve < 0.6 * two


def test_more_seeds_help_only_where_seeds_differ() -> None:
    alike, differing = Spread(0.0, 60.0, 0.0), Spread(400.0, 60.0, 0.0)
    for spread, better in ((alike, False), (differing, True)):
        two, ten = (detectable_difference(spread, Design(200, n)).difference for n in (2, 10))
        assert (ten < 0.5 * two) == better


def test_what_is_not_known_is_needed_for_several_seeds_only() -> None:
    unknown = SPREAD._replace(seed=float("nan"))
    assert detectable_difference(unknown, Design(200, 1)) == detectable_difference(SPREAD, Design(200, 1))
    assert np.isnan(detectable_difference(unknown, Design(200, 2))).all()


def test_a_negative_estimate_counts_as_nothing() -> None:
    assert detectable_difference(Spread(-1.0, -2.0, 5.0), Design(50, 3)) == detectable_difference(
        Spread(0, 0, 5.0), Design(50, 3)
    )
    assert detectable_difference(Spread(-1.0, 0.0, 0.0), Design(50, 3))[:2] == (0, 0)


def test_one_prompt_has_nothing_to_differ_from() -> None:
    with pytest.raises(DataError, match="a difference needs two"):
        detectable_difference(SPREAD, Design(50, 2, 1))


@pytest.mark.parametrize(("n_instructions", "n_seeds"), [(1, 1), (50, 0)])
def test_a_design_that_cannot_be_tested_is_refused(n_instructions: int, n_seeds: int) -> None:
    with pytest.raises(DataError, match="accepted: from two instructions and one seed on"):
        variance_weights(n_instructions, n_seeds)
