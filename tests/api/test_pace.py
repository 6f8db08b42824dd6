"""The limiter, without a clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.api.pace import BURST_S, Limits, after_answer, after_refusal, fresh, rates, retry_after_s, take

LIMITS = Limits(600, 60_000)


def sent_times(sizes: list[float], limits: Limits = LIMITS) -> list[float]:
    """When requests of these sizes are sent, if each is sent as soon as it may."""
    pace, now, times = fresh(limits, 0.0), 0.0, []
    for size in sizes:
        while True:
            pace, wait = take(pace, limits, size, now)
            if not wait:
                break
            now += wait
        times.append(now)
    return times


@given(st.lists(st.floats(1, 5000), min_size=1, max_size=30))
def test_no_minute_has_more_than_the_limits_a_burst_and_one_request(sizes: list[float]) -> None:
    times = sent_times(sizes)
    for at in times:
        inside = [size for time, size in zip(times, sizes, strict=True) if at <= time < at + 60]
        assert len(inside) <= LIMITS.requests * (1 + BURST_S / 60) + 2
        assert sum(inside) <= LIMITS.tokens * (1 + BURST_S / 60) + max(sizes) + 1


@pytest.mark.parametrize(("size", "seconds"), [(1, (300 - 30) / 10), (500, (300 * 500 - 3000) / 1000)])
def test_the_limits_are_used_up(size: float, seconds: float) -> None:
    assert sent_times([size] * 300)[-1] == pytest.approx(seconds, abs=1)


def test_a_request_larger_than_the_bucket_is_sent_and_waited_for() -> None:
    first, second = sent_times([30_000, 1])
    assert first == 0
    assert second == pytest.approx(60 * (30_000 - 60_000 * BURST_S / 60) / 60_000)


def test_nothing_is_sent_before_the_server_said() -> None:
    pace = after_refusal(fresh(LIMITS, 0.0), {"retry-after": "7"}, 10.0)
    assert take(pace, LIMITS, 1, 10.0)[1] == pytest.approx(7)
    assert pace.factor == 1  # the server knows best, so there is nothing to guess


def test_refusals_that_do_not_say_how_long_slow_down_and_answers_speed_up_again() -> None:
    pace = fresh(LIMITS, 0.0)
    for second in range(10):
        pace = after_refusal(pace, {}, float(second))
    slow = rates(pace, LIMITS)
    assert slow.requests < LIMITS.requests / 10
    for _ in range(200):
        pace = after_answer(pace, {})
    assert rates(pace, LIMITS) == LIMITS


def test_refusals_at_one_moment_slow_down_once() -> None:
    once = after_refusal(fresh(LIMITS, 0.0), {}, 5.0)
    assert after_refusal(once, {}, 5.1).factor == once.factor


def test_told_limits_hold_if_they_are_smaller() -> None:
    told = {"x-ratelimit-limit-requests": "60", "x-ratelimit-limit-tokens": "1000000"}
    assert rates(after_answer(fresh(LIMITS, 0.0), told), LIMITS) == Limits(60, LIMITS.tokens)


@pytest.mark.parametrize("value", ["-1", "many", "inf", "nan", ""])
def test_headers_that_make_no_sense_change_nothing(value: str) -> None:
    names = ["limit-requests", "limit-tokens", "remaining-requests", "remaining-tokens"]
    headers = {f"x-ratelimit-{name}": value for name in names}
    assert after_answer(fresh(LIMITS, 0.0), headers) == fresh(LIMITS, 0.0)
    assert retry_after_s({"retry-after": value}) is None
