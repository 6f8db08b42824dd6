"""Scores from the probabilities of tokens."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.judge.expected import LEAST_MASS, rate


def position(top: list[tuple[str, float]], sampled: str | None = None) -> dict:
    """One position: (token, probability) pairs; the first is the sampled one."""
    rows = [{"token": token, "logprob": math.log(p) if p else -9999.0} for token, p in top]
    return {"token": top[0][0] if sampled is None else sampled, "logprob": 0.0, "top_logprobs": rows}


def choice(*positions: dict) -> dict:
    return {"logprobs": {"content": list(positions)}}


SHARES = st.dictionaries(st.integers(0, 130), st.floats(0.001, 1), min_size=1, max_size=15)


@given(SHARES, st.floats(0.5, 1), st.sampled_from([9, 100]))
def test_the_score_is_the_mean_of_the_numbers_on_the_scale(
    shares: dict[int, float], covered: float, highest: int
) -> None:
    total = sum(shares.values())
    probabilities = {value: covered * share / total for value, share in shares.items()}
    found = rate(choice(position([(str(value), p) for value, p in probabilities.items()])), highest)
    known = {value: p for value, p in probabilities.items() if value <= highest}
    mass = sum(known.values())
    if mass < LEAST_MASS:
        assert math.isnan(found.score)
        assert found.reason in ("too little on numbers", "no number")
    else:
        mean = np.average(list(known), weights=list(known.values()))
        assert found.score == pytest.approx(100 / highest * mean)
        assert found.reason == ""
    assert found.mass == pytest.approx(mass)
    known_part = 100 / highest * sum(value * p for value, p in known.items())
    assert found.lo == pytest.approx(known_part)
    assert found.hi == pytest.approx(known_part + 100 * (1 - mass))


@given(SHARES)
def test_the_bracket_holds_the_score(shares: dict[int, float]) -> None:
    total = sum(shares.values())
    found = rate(choice(position([(str(value), share / total) for value, share in shares.items()])), 100)
    if not math.isnan(found.score):
        assert -1e-9 <= found.lo <= found.score + 1e-9
        assert found.score <= found.hi + 1e-9
        assert found.hi <= 100


@pytest.mark.parametrize(
    "token",
    [
        "٣",
        "３",
        "०",
        "²",
        "Ⅷ",
        "8.",
        "8/",
        "+8",
        "-8",
        "08",
        "8 8",
        "eight",
        "",
        "1_0",
        "101",
        "1e1",
        "\u00a08",
        "\u20038",
    ],
)
def test_what_is_no_ascii_number_on_the_scale_is_not_read(token: str) -> None:
    found = rate(choice(position([("50", 0.9), (token, 0.1)])), 100)
    assert found.score == pytest.approx(50)
    assert found.mass == pytest.approx(0.9)


@pytest.mark.parametrize("blank", [" 8", "8 ", "\n8", "8\n", "\t8\r\n"])
def test_white_space_around_a_number_does_not_matter(blank: str) -> None:
    found = rate(choice(position([("8", 0.4), (blank, 0.4), ("20", 0.2)])), 100)
    assert found.score == pytest.approx(0.8 * 8 + 0.2 * 20)
    assert found.mass == pytest.approx(1)


def test_a_number_behind_a_token_of_white_space_counts_with_its_probability() -> None:
    found = rate(choice(position([(" ", 0.6), ("10", 0.4)]), position([("90", 1.0)])), 100)
    assert found.score == pytest.approx(0.6 * 90 + 0.4 * 10)
    assert found.mass == pytest.approx(1)


def test_a_number_that_goes_on_in_the_next_token_is_not_its_first_token() -> None:
    found = rate(choice(position([("8", 1.0)]), position([("5", 1.0)])), 100)
    assert math.isnan(found.score)
    assert found.reason == "number in several tokens"
    assert rate(choice(position([("8", 1.0)]), position([(".", 1.0)])), 100).score == pytest.approx(8)
    assert rate(choice(position([("8\n", 1.0)]), position([("5", 1.0)])), 100).score == pytest.approx(8)


def test_a_token_that_is_named_twice_counts_once() -> None:
    found = rate(choice(position([("8", 0.6), ("8", 0.6), ("9", 0.4)])), 100)
    assert found.mass == pytest.approx(1)


def test_less_than_the_least_mass_on_numbers_is_too_little() -> None:
    assert rate(choice(position([("50", 0.81), ("no", 0.19)])), 100).score == pytest.approx(50)
    below = rate(choice(position([("50", 0.79), ("no", 0.21)])), 100)
    assert math.isnan(below.score)
    assert below.mass == pytest.approx(0.79)
    assert (below.lo, below.hi) == (pytest.approx(39.5), pytest.approx(60.5))


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        [],
        {"content": None},
        {"content": []},
        {"content": "8"},
    ],
)
def test_an_answer_without_logprobs_cannot_be_told(logprobs: object) -> None:
    found = rate({"logprobs": logprobs}, 100)
    assert math.isnan(found.score)
    assert found.reason == "no logprobs"


@pytest.mark.parametrize(
    "wrong",
    [
        {"token": "8", "top_logprobs": None},
        {"token": "8", "top_logprobs": []},
        {"token": "8", "top_logprobs": [{"token": "8", "logprob": 3.0}]},
        {"token": "8", "top_logprobs": [{"token": "8", "logprob": "0"}]},
        {"token": "8", "top_logprobs": [{"token": "8", "logprob": float("nan")}]},
        {"token": "8", "top_logprobs": [{"token": 8, "logprob": -0.1}]},
        {"token": "8", "top_logprobs": [{"token": "8", "logprob": 0.0}, {"token": "9", "logprob": -0.1}]},
        {"token": "8", "top_logprobs": ["8"]},
        {"top_logprobs": [{"token": "8", "logprob": 0.0}]},
        "8",
    ],
)
def test_numbers_that_are_no_probabilities_cannot_be_told(wrong: object) -> None:
    found = rate({"logprobs": {"content": [wrong]}}, 100)
    assert math.isnan(found.score)
    assert found.reason == "wrong logprobs"


def same_text(*top: tuple[str, float, list[int] | None]) -> dict:
    rows = [{"token": token, "logprob": math.log(p), "bytes": data} for token, p, data in top]
    return {"token": top[0][0], "logprob": math.log(top[0][1]), "top_logprobs": rows}


def test_tokens_that_read_alike_add_up() -> None:
    """A digit and the byte of it are two tokens with one text."""
    found = rate(
        choice(same_text(("80", 0.5, [56, 48]), ("90", 0.3, None), ("80", 0.1, [56, 48]), ("no", 0.05, None))), 100
    )
    assert found.mass == pytest.approx(0.9)
    assert found.score == pytest.approx((80 * 0.6 + 90 * 0.3) / 0.9)


@pytest.mark.parametrize("data", [([8], [9]), (None, [8])])
def test_tokens_of_other_bytes_add_up_even_if_they_are_equally_likely(data: tuple) -> None:
    found = rate(choice(same_text(("8", 0.45, data[0]), ("8", 0.45, data[1]), ("9", 0.1, None))), 9)
    assert found.mass == pytest.approx(1)
    assert found.score == pytest.approx(100 / 9 * (8 * 0.9 + 9 * 0.1))


@given(st.lists(st.tuples(st.sampled_from(["1", "5", " 5", "9", "x"]), st.floats(0.01, 1)), min_size=1, max_size=12))
def test_the_score_does_not_depend_on_how_a_text_is_divided_among_tokens(top: list[tuple[str, float]]) -> None:
    total = sum(p for _, p in top)
    rows = [(token, p / total * (1 - k * 1e-6)) for k, (token, p) in enumerate(top)]  # no two exactly alike
    joined: dict[str, float] = {}
    for token, p in rows:
        joined[token] = joined.get(token, 0.0) + p
    one, other = rate(choice(position(rows)), 9), rate(choice(position(list(joined.items()), rows[0][0])), 9)
    if one.reason != "number in several tokens" and math.isclose(one.mass, other.mass):
        assert one.score == pytest.approx(other.score, nan_ok=True)
    assert one.mass == pytest.approx(other.mass)
