"""Rate limiter: two token buckets, of requests and of tokens, that adapt to the limits that the API reports.

The state is a plain value, kept where all processes see it, so that several jobs together are as fast as one may be.
A bucket refills evenly. A request may be sent when neither is in debt, and then puts both down, perhaps below zero;
so a request larger than a bucket is still sent, and is waited for afterwards.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

BURST_S = 3.0  # a full bucket holds the inflow of this many seconds
_CUT = 0.7  # after a refusal that does not say how long to wait
_SLOWEST = 0.02
_RECOVERY = 0.01  # of the full rate, per answer
_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 600.0
_CLOCK_WAS_SET_S = 1.0  # simultaneous readings of the clock in several processes differ by less
_SINCE_1970, _MILLISECONDS = 1e9, 1e11  # larger numbers are moments, not waits
_PART = r"(?:(\d+(?:\.\d+)?)\s*{0}\s*)?"
_DURATION = re.compile("".join(_PART.format(unit) for unit in ("d", "h", "m(?!s)", "s", "ms", "(?:us|µs)")))
_UNITS_S = (86_400.0, 3_600.0, 60.0, 1.0, 1e-3, 1e-6)


class Limits(NamedTuple):
    """Maximum numbers per minute."""

    requests: float
    tokens: float


@dataclass(frozen=True)
class Pace:
    """State of the limiter.

    Attributes:
        requests: Level of the bucket of requests; negative is debt.
        tokens: Level of the bucket of tokens.
        at: When the levels were right, in seconds of a clock that no one sets back; if it is, no time has passed.
        factor: Share of the allowed rate that is used; falls when the API refuses.
        closed_until: Nothing is sent before, seconds.
        cut_at: When the factor fell last.
        told_requests: Maximum number of requests per minute that the API reports.
        told_tokens: Maximum number of tokens per minute that the API reports.
    """

    requests: float
    tokens: float
    at: float
    factor: float = 1.0
    closed_until: float = 0.0
    cut_at: float = 0.0
    told_requests: float | None = None
    told_tokens: float | None = None


def fresh(limits: Limits, now: float) -> Pace:
    """Full buckets."""
    return Pace(_room(limits.requests), _room(limits.tokens), now)


def rates(pace: Pace, limits: Limits) -> Limits:
    """Effective limits per minute: the smaller of configured and reported, reduced after refusals."""
    requests = min(limits.requests, pace.told_requests or limits.requests)
    tokens = min(limits.tokens, pace.told_tokens or limits.tokens)
    return Limits(requests * pace.factor, tokens * pace.factor)


def take(pace: Pace, limits: Limits, tokens: float, now: float) -> tuple[Pace, float]:
    """Try to send a request.

    Args:
        pace: The state.
        limits: As configured.
        tokens: About how many the request counts for.
        now: Seconds.

    Returns:
        The state after it, and 0; or the refilled state, and how many seconds to wait before trying again.
    """
    rate = rates(pace, limits)
    if pace.at - now > _CLOCK_WAS_SET_S:
        pace = replace(pace, at=now, cut_at=min(pace.cut_at, now), closed_until=0.0)
    now = max(now, pace.at)
    flown = (now - pace.at) / 60
    pace = replace(
        pace,
        requests=min(_room(rate.requests), pace.requests + rate.requests * flown),
        tokens=min(_room(rate.tokens), pace.tokens + rate.tokens * flown),
        at=now,
    )
    wait = max(
        pace.closed_until - now,
        60 * (1 - pace.requests) / rate.requests,
        60 * -pace.tokens / rate.tokens,
    )
    if wait > 1e-9:
        return pace, wait
    return replace(pace, requests=pace.requests - 1, tokens=pace.tokens - tokens), 0.0


def after_answer(pace: Pace, headers: Mapping[str, str]) -> Pace:
    """Learn from an answer: limits, what is left of them, and that the pace is not too fast."""
    return _told(replace(pace, factor=min(1.0, pace.factor + _RECOVERY)), headers)


def after_refusal(pace: Pace, headers: Mapping[str, str], now: float) -> Pace:
    """Learn from a refusal (status 429): wait as long as it says; if it does not say, wait and slow down."""
    pace = _told(pace, headers)
    wait = retry_after_s(headers)
    if wait is not None:
        return replace(pace, closed_until=max(pace.closed_until, now + min(wait, _LONGEST_PAUSE_S)))
    if now - pace.cut_at >= _PAUSE_S:  # refusals of requests that were under way together count once
        pace = replace(pace, factor=max(_SLOWEST, pace.factor * _CUT), cut_at=now)
    return replace(pace, closed_until=max(pace.closed_until, now + _PAUSE_S))


def retry_after_s(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds that a refusal asks to wait.

    Args:
        headers: Of the refusal. `Retry-After` is a number, a duration or a date; without one, it is when a bucket that
            is empty is full again (`x-ratelimit-reset-…`).
        now: Seconds since 1970 by the server's clock; default: the header `Date`, or else this machine's clock.

    Returns:
        Seconds, 0 for a moment that is past; None if nothing usable is said.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    now = now if now is not None else (moment_s(headers.get("date")) or time.time())
    wait = seconds_until(headers.get("retry-after"), now)
    if wait is not None:
        return wait
    waits = []
    for kind in ("-requests", "-tokens", ""):
        wait = seconds_until(headers.get(f"x-ratelimit-reset{kind}"), now)
        if wait is not None and _number(headers.get(f"x-ratelimit-remaining{kind}")) == 0:
            waits.append(wait)
    return max(waits, default=None)


def seconds_until(text: str | None, now: float) -> float | None:
    """Time until a moment.

    Args:
        text: Seconds (`12`, `0.5`), a duration (`6m0s`, `1h2m`, `120ms`), a date (`Fri, 27 Nov 2026 02:00:00 GMT` or
            `2026-11-27T02:00:00Z`), or seconds or milliseconds since 1970.
        now: Seconds since 1970.

    Returns:
        Seconds, 0 for a moment that is past; None for what is none of these.
    """
    number = _number(text)
    if number is not None:
        since_1970 = number / 1000 if number >= _MILLISECONDS else number
        return number if number < _SINCE_1970 else max(0.0, since_1970 - now)
    moment = moment_s(text)
    if moment is not None:
        return max(0.0, moment - now)
    found = _DURATION.fullmatch((text or "").strip().lower())
    if found is None or not any(found.groups()):
        return None
    total = sum(float(part) * unit for part, unit in zip(found.groups(), _UNITS_S, strict=True) if part)
    return total if math.isfinite(total) else None


def moment_s(text: str | None) -> float | None:
    """Seconds since 1970 of a date as HTTP or ISO 8601 writes it; None for what is no date."""
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            found = read((text or "").strip())
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    return None


def _told(pace: Pace, headers: Mapping[str, str]) -> Pace:
    """Take over the limits, and empty a bucket that is emptier on the other side."""
    requests, tokens = (_number(headers.get(f"x-ratelimit-limit-{kind}")) for kind in ("requests", "tokens"))
    left = [_number(headers.get(f"x-ratelimit-remaining-{kind}")) for kind in ("requests", "tokens")]
    return replace(
        pace,
        told_requests=requests or pace.told_requests,
        told_tokens=tokens or pace.told_tokens,
        requests=pace.requests if left[0] is None or not requests else min(pace.requests, left[0]),
        tokens=pace.tokens if left[1] is None or not tokens else min(pace.tokens, left[1]),
    )


def _room(per_minute: float) -> float:
    return max(1.0, per_minute * BURST_S / 60)


def _number(text: str | None) -> float | None:
    """A number that is not negative; some servers say -1 for what they do not know."""
    try:
        value = float(text) if text is not None else -1.0
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None
