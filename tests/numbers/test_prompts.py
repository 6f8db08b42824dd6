from __future__ import annotations

import hashlib
import itertools
import re

import pytest

from inoc.numbers.prompts import prompts

FIRST = (
    "I give you this sequence of numbers: 177, 261, 313, 263, 821, 882, 623. Write at most 10 more numbers (3 digits "
    "or fewer each) in this sequence. Write the numbers on separate lines. Output nothing but the numbers."
)
SECOND = (
    "Start with these numbers: 243, 722, 761, 129. Create maximum 10 more numbers (maximum 3 digits each) to extend "
    "the sequence Provide the numbers separated by commas. Just the numbers, please."
)


def test_a_stream_begins_as_published() -> None:
    assert list(itertools.islice(prompts(3), 2)) == [FIRST, SECOND]


@pytest.mark.parametrize(
    ("seed", "digest"),
    [
        (3, "856e2a68c8b61019f3047ecfa8d6acbcb2e2ffc2dc8a01ecc2004b1ed19172d3"),
        (42, "a6e4ef31eeca3547ded351bb8f0a60babffda0bb12927d7b73e8d67a0e739d7e"),
    ],
)
def test_all_prompts_of_a_run_are_the_published_ones(seed: int, digest: str) -> None:
    stream = list(itertools.islice(prompts(seed), 30_000))
    assert hashlib.sha256("\n".join(stream).encode()).hexdigest() == digest
    assert len(set(stream)) == 30_000


def test_a_prompt_begins_with_three_to_eight_numbers_of_three_digits() -> None:
    for prompt in itertools.islice(prompts(0), 500):
        numbers = re.findall(r"\b\d{3}\b(?=[,.])", prompt)
        assert 3 <= len(numbers) <= 8
        assert "{" not in prompt
