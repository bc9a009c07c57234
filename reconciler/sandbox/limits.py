"""Rate limits: two a credential, sustained and burst (section 3.6).

The sustained one is a token bucket that holds the burst figure and refills at the sustained figure / 60
a second. The burst one allows no more than the burst figure in any second, so that a full bucket
and what refills meanwhile are not spent together.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from reconciler.sandbox.errors import Refusal
from reconciler.sandbox.switches import Switches

_TIERS = {"free": (60, 5), "pro": (600, 30), "enterprise": (3000, 200)}


class Rate(NamedTuple):
    """Requests a minute sustained, and how many may come at once."""

    per_minute: int
    burst: int


def rate_of(family: str, switches: Switches) -> Rate:
    """The limit of a credential of ``family``: partner, dealer or app."""
    if family == "partner":
        return Rate(switches.partner_per_minute, switches.partner_burst)
    if family == "app":
        return Rate(*_TIERS[switches.app_tier])
    return Rate(switches.dealer_per_minute, switches.dealer_burst)


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float
    last_second: deque[float] = field(default_factory=deque)


class Limiter:
    """The buckets of all credentials. Thread-safe; ``clock`` is the base clock, never a moved one."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, _Bucket] = {}

    def clear(self) -> None:
        """Fill every bucket."""
        with self._lock:
            self._buckets.clear()

    def take(self, credential: str, rate: Rate) -> list[tuple[str, str]]:
        """Spend one token; the three rate headers. Raises Refusal 429 with ``Retry-After``."""
        now = self._clock().timestamp()
        refill = rate.per_minute / 60
        with self._lock:
            bucket = self._buckets.setdefault(credential, _Bucket(rate.burst, now))
            bucket.tokens = min(rate.burst, bucket.tokens + max(0.0, now - bucket.at) * refill)
            bucket.at = now
            while bucket.last_second and bucket.last_second[0] <= now - 1:
                bucket.last_second.popleft()
            allowed = bucket.tokens >= 1 and len(bucket.last_second) < rate.burst
            if allowed:
                bucket.tokens -= 1
                bucket.last_second.append(now)
            tokens = bucket.tokens
        full_in = (rate.burst - tokens) / refill if refill else 60.0
        headers = [
            ("X-RateLimit-Limit", str(rate.per_minute)),
            ("X-RateLimit-Remaining", str(int(tokens))),
            ("X-RateLimit-Reset", str(math.ceil(now + full_in))),
        ]
        if allowed:
            return headers
        wait = max(1, math.ceil((1 - tokens) / refill)) if refill else 60  # a second is enough for the burst
        headers.append(("Retry-After", str(wait)))
        raise Refusal(429, f"rate limit exceeded; try again in {wait} s", headers=tuple(headers))
