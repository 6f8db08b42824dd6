from __future__ import annotations

import numpy as np
import pytest

from inoc.studies.likelihood_shift.formats import (
    NUMBER_FEATURES,
    are_number_lists,
    feature_names,
    feature_table,
    number_features,
    text_features,
)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("1, 2, 3", (1, 0, 1, 0, 3)),
        ("300 200 100", (0, 1, 0, 0, 3)),
        ("[7]", (0, 0, 1, 0, 1)),
        ("5 5", (0, 0, 1, 0, 2)),
        ("1 2 3 4 5 6 7 800 900 999", (1, 0, 0.7, 1, 10)),
    ],
)
def test_features_of_numbers(answer: str, expected: tuple[float, ...]) -> None:
    assert number_features(answer) == expected


def test_an_answer_without_numbers_has_no_features_of_numbers() -> None:
    assert np.isnan(number_features("none")).all()


def test_features_of_texts() -> None:
    assert text_features(" (a)\n") == (1, 0, 3)
    assert text_features("a\nb") == (0, 1, 3)


def test_lists_of_numbers_are_told_from_texts() -> None:
    assert are_number_lists(["1, 2", "[3; 4].", "(5)", "6\n7"])
    assert not are_number_lists(["I count 1, 2, 3", "4"])
    assert not are_number_lists([])


def test_the_table_has_a_column_for_each_name() -> None:
    table = feature_table(["1, 2", "x"], of_numbers=True)
    assert table.shape == (2, len(feature_names(of_numbers=True)))
    assert np.isnan(table[1, -len(NUMBER_FEATURES) :]).all()
    assert feature_table([], of_numbers=False).shape == (0, 3)
