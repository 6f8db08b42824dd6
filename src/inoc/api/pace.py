"""How fast to ask: two buckets, requests and tokens, that learn from what the API says.

The state is a plain value, kept where all processes see it, so that several jobs together are as fast as one may be.
A bucket refills evenly. A request may be sent when neither is in debt, and then puts both down, perhaps below zero;
so a request larger than a bucket is still sent, and is waited for afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

BURST_S = 3.0  # a full bucket is what flows in during so many seconds
_CUT = 0.7  # after a refusal that does not say how long to wait
_SLOWEST = 0.02
_RECOVERY = 0.01  # of the full rate, per answer
_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 600.0


class Limits(NamedTuple):
    """Most per minute."""

    requests: float
    tokens: float


@dataclass(frozen=True)
class Pace:
    """Where the limiter stands.

    Attributes:
        requests: Level of the bucket of requests; negative is debt.
        tokens: Level of the bucket of tokens.
        at: When the levels were right, seconds.
        factor: Share of the allowed rate that is used; falls when the API refuses.
        closed_until: Nothing is sent before, seconds.
        cut_at: When the factor fell last.
        told_requests: Most requests per minute by the API's word.
        told_tokens: Most tokens per minute by the API's word.
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
    """What is really allowed per minute: the smaller of configured and told, slowed down after refusals."""
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


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that a refusal asks to wait; None if it does not say in numbers."""
    for name, seconds in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        value = _number(headers.get(name))
        if value is not None:
            return value * seconds
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
