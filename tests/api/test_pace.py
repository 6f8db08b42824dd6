"""The limiter, without a clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.api.pace import (
    BURST_S,
    Limits,
    after_answer,
    after_refusal,
    fresh,
    rates,
    retry_after_s,
    seconds_until,
    take,
)

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


NOW = 1_795_744_800.0  # Fri, 27 Nov 2026 02:00:00 GMT


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        ("0.5", 0.5),
        ("Fri, 27 Nov 2026 02:00:20 GMT", 20),
        ("Fri, 27 Nov 2026 03:00:20 +0100", 20),
        ("Friday, 27-Nov-26 02:00:20 GMT", 20),
        ("Fri, 27 Nov 2026 01:00:00 GMT", 0),
        ("2026-11-27T02:00:20Z", 20),
        ("2026-11-27T02:00:20.5+00:00", 20.5),
        ("6m0s", 360),
        ("1ms", 0.001),
        ("1h2m3.5s", 3723.5),
        ("1d", 86_400),
        ("59.961s", 59.961),
        ("250us", 0.00025),
        ("2m 5s", 125),
        (str(NOW + 30), 30),
        (str(int((NOW + 30) * 1000)), 30),
        ("soon", None),
        ("9" * 400, None),
        (f"{'9' * 400}s", None),
        ("", None),
        ("-3", None),
        ("s", None),
        (None, None),
    ],
)
def test_a_moment_is_told_in_many_ways(text: str | None, seconds: float | None) -> None:
    assert seconds_until(text, NOW) == (None if seconds is None else pytest.approx(seconds))
    headers = {} if text is None else {"retry-after": text}
    assert retry_after_s(headers, NOW) == (None if seconds is None else pytest.approx(seconds))


def test_a_date_is_told_from_the_servers_own_clock() -> None:
    headers = {"date": "Mon, 01 Jan 2001 00:00:00 GMT", "retry-after": "Mon, 01 Jan 2001 00:00:09 GMT"}
    assert retry_after_s(headers) == pytest.approx(9)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360),
        ({"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "6m0s"}, None),
        (
            {
                "x-ratelimit-remaining-requests": "3",
                "x-ratelimit-reset-requests": "6m0s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "1ms",
            },
            0.001,
        ),
        ({"retry-after": "2", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 2),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int((NOW + 4) * 1000))}, 4),
    ],
)
def test_without_a_word_on_waiting_an_empty_bucket_says_when_it_is_full(headers: dict, seconds: float | None) -> None:
    assert retry_after_s(headers, NOW) == (None if seconds is None else pytest.approx(seconds))
    pace = after_refusal(fresh(LIMITS, 0.0), {**headers, "date": "Fri, 27 Nov 2026 02:00:00 GMT"}, 10.0)
    if seconds is not None:
        assert take(pace, LIMITS, 1, 10.0)[1] == pytest.approx(seconds)


@given(st.floats(1.5, 1e9), st.floats(0, 500))
def test_a_clock_that_is_set_back_stops_nobody(back: float, pause: float) -> None:
    pace = after_refusal(fresh(LIMITS, 1e9), {"retry-after": str(pause)}, 1e9)
    pace, _ = take(pace, LIMITS, 1, 1e9)
    assert take(pace, LIMITS, 1, 1e9 - back)[1] <= 1
