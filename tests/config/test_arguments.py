from __future__ import annotations

import argparse

import pytest

from inoc.config.arguments import whole


def test_whole_numbers_within_the_limits_are_read() -> None:
    assert [whole(0)("0"), whole(1)("17"), whole(2, 100)("100")] == [0, 17, 100]


@pytest.mark.parametrize("text", ["-1", "1", "101", "2.0", "", "²", " 3", "9" * 5000])
def test_others_are_refused_with_the_limits(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected a whole number from 2 to 100, not"):
        whole(2, 100)(text)
