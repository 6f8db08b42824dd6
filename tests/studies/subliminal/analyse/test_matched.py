"""The matched contrast and its permutation test, against sums written out."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from inoc.studies.subliminal.analyse.matched import Matrix, permutation_p
from inoc.studies.subliminal.analyse.transfer import ratio_of

NAN = float("nan")


def matrix(rng, n_teachers=3, n_seeds=2, n_questions=4):
    names = [f"t{k}" for k in range(n_teachers)]
    values = rng.normal(size=(n_teachers, n_teachers, n_seeds, n_questions))
    return Matrix(names, [f"e{k}" for k in range(n_teachers)], values)


def mean_contrast(matrix, order, n_seeds):
    """Students, given by the order, take the places of teacher 0's seeds, teacher 1's seeds, …"""
    n = len(matrix.teachers)
    students = [matrix.values[t, :, s].mean(axis=-1) for t in range(n) for s in range(n_seeds)]
    placed = [students[k] for k in order]
    found = []
    for entity in range(n):
        own = [placed[entity * n_seeds + s][entity] for s in range(n_seeds)]
        others = [placed[k][entity] for k in range(n * n_seeds) if k // n_seeds != entity]
        found.append(np.mean(own) - np.mean(others))
    return float(np.mean(found))


def test_a_contrast_is_the_own_effect_minus_the_mean_of_the_others_in_its_column():
    found = matrix(np.random.default_rng(0))
    expected = found.values[1, 1] - (found.values[0, 1] + found.values[2, 1]) / 2
    np.testing.assert_allclose(found.contrasts()[1], expected)


def test_what_a_column_shares_does_not_matter():
    found = matrix(np.random.default_rng(1))
    shared = found._replace(values=found.values + np.arange(3.0)[None, :, None, None])
    np.testing.assert_allclose(shared.contrasts(), found.contrasts(), atol=1e-12)


def test_teachers_of_one_entity_are_not_compared_with_each_other():
    found = matrix(np.random.default_rng(2))._replace(entities=["owl", "owl", "cat"])
    expected = found.values[0, 0] - found.values[2, 0]
    np.testing.assert_allclose(found.contrasts()[0], expected)


def test_a_failed_student_is_missing_alone():
    found = matrix(np.random.default_rng(3))
    found.values[0, 1] = NAN
    np.testing.assert_allclose(found.contrasts()[1], found.values[1, 1] - found.values[2, 1])
    assert not np.isnan(found.contrasts()[0]).any()


@pytest.mark.parametrize("seed", range(3))
def test_p_is_the_share_of_all_permutations_of_the_students_as_far_from_zero(seed):
    found = matrix(np.random.default_rng(seed))
    all_of_them = [mean_contrast(found, order, 2) for order in permutations(range(6))]
    own = mean_contrast(found, range(6), 2)
    expected = np.mean([abs(one) >= abs(own) - 1e-9 for one in all_of_them])
    assert permutation_p(found, np.random.default_rng(0)) == pytest.approx(expected)


def test_one_teacher_alone_has_no_p():
    assert np.isnan(permutation_p(matrix(np.random.default_rng(0), n_teachers=1), np.random.default_rng(0)))


def test_a_ratio_is_that_of_the_means_and_has_an_interval_only_where_it_can():
    rng = np.random.default_rng(0)
    own, reference = rng.uniform(0.2, 0.4, (3, 10)), rng.uniform(0.1, 0.2, (3, 10))
    found = ratio_of(own, reference, 0.95)
    assert found.value == pytest.approx(own.mean() / reference.mean())
    assert found.lo < found.value < found.hi
    assert found.value**2 == pytest.approx(found.lo * found.hi)
    assert np.isnan(ratio_of(own, np.zeros_like(own), 0.95).value)
    nothing = ratio_of(np.zeros_like(own), reference, 0.95)
    assert nothing.value == 0
    assert np.isnan(nothing.lo)
