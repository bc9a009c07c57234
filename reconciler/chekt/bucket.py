"""The arithmetic of the rate budget: what a bucket holds at an instant, and what moves it. No I/O.

Two limits hold at once (chekt-api/README.md section 3.6). The sustained one is a bucket of the burst
figure that refills at the sustained figure / 60 a second. The burst one says how fast that bucket may be
emptied: never more than the burst figure in any second.

A server that lowers its limit says so in ``X-RateLimit-Limit``, or only by a 429. Such a 429 halves the
rate; after a while without another one the rate is raised again in steps, each on trial at first. A step
that fails is taken back and tried again after twice the time, so a limit that stays low costs ever fewer
refusals.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from reconciler.chekt.connection import Rate

_KEEP_BACK = 0.08
"""Share of the burst that is never spent: requests that leave evenly do not arrive evenly."""

_REFILL_SHARE = 0.99
"""Share of the sustained rate that is used: two clocks never run equally fast."""

_AT_ONCE = 0.3
_A_SECOND = 0.5
"""Shares of the burst figure: at once after a pause, and a second from then on. Together below 1."""

_LONGEST_BLOCK = 3600.0
"""Seconds; a block further ahead comes from a clock that has stepped."""

_CLOSE = 1.0
"""Seconds by which those who share a bucket may disagree on the time: no second is refilled twice."""

_STEP = 0.1
_LOWEST_SHARE = 1 / 64
TRIAL = 60.0
"""Seconds without a 429 after which a step upward counts as proven."""

SETTLING = 15.0
"""Seconds after a lowering in which further 429s say nothing new: the server's bucket may be empty still."""

HOLD = 300.0
LONGEST_HOLD = 3600.0
"""Seconds that a lowered rate is kept before the next trial: the first time, and at most."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What refusals taught: the ``share`` of the stated rate in use, and the one that is ``proven``.

    ``since``: Unix seconds of the last move; ``hold``: seconds until the next trial.
    """

    share: float = 1.0
    proven: float = 1.0
    since: float = 0.0
    hold: float = HOLD

    def refused(self, now: float) -> Learned:
        """After a 429 that no header explains."""
        if self.share > self.proven:
            return Learned(self.proven, self.proven, now, min(2 * self.hold, LONGEST_HOLD))
        if self.share < 1.0 and 0.0 <= now - self.since < SETTLING:
            return self
        lower = max(self.share / 2, _LOWEST_SHARE)
        return Learned(lower, lower, now)

    def grown(self, now: float) -> Learned:
        """After time without a 429: a step up where one is due."""
        if self.proven >= 1.0:
            return self
        if now < self.since:
            return replace(self, since=now)
        on_trial = self.share > self.proven
        if now - self.since < (TRIAL if on_trial else self.hold):
            return self
        if self.share >= 1.0:
            return Learned()
        return replace(self, share=min(1.0, self.share + _STEP), proven=self.share, since=now)


@dataclass(frozen=True, slots=True)
class Bucket:
    """Both buckets at one instant. Negative tokens are reservations that are not due yet.

    ``limit``: requests a minute the server stated, None before it did. ``blocked_until``: Unix
    seconds before which nothing may be sent.
    """

    tokens: float
    at_once: float
    updated: float
    limit: int | None = None
    blocked_until: float = 0.0
    learned: Learned = Learned()

    def moved(self, seconds: float) -> Bucket:
        """The same bucket by a clock that is ``seconds`` ahead."""
        return replace(
            self,
            updated=self.updated + seconds,
            blocked_until=self.blocked_until and self.blocked_until + seconds,
            learned=replace(self.learned, since=self.learned.since + seconds),
        )


@dataclass(frozen=True, slots=True)
class Rules:
    """The rate agreed on. ``ceiling``: the server may lower it but not raise it, since the user chose it."""

    rate: Rate
    ceiling: bool = False

    def full(self, now: float) -> Bucket:
        """The bucket before anything was sent."""
        fresh = Bucket(0.0, 0.0, now)
        return replace(fresh, tokens=self._capacity(fresh), at_once=self._most_at_once(fresh))

    def refilled(self, bucket: Bucket | None, now: float) -> Bucket:
        """The bucket at ``now``. Until a block ends ``updated`` lies ahead and nothing is refilled."""
        if bucket is None:
            return self.full(now)
        if bucket.updated > now + _LONGEST_BLOCK or bucket.tokens < -100.0 * self.rate.burst:
            return Bucket(0.0, 0.0, now, bucket.limit)
        if now < bucket.updated:
            waits = bucket.blocked_until >= bucket.updated or bucket.updated - now < _CLOSE
            return bucket if waits else replace(bucket, updated=now)
        passed = now - bucket.updated
        return replace(
            bucket,
            tokens=min(self._capacity(bucket), bucket.tokens + passed * self.per_second(bucket)),
            at_once=min(self._most_at_once(bucket), bucket.at_once + passed * self._most_a_second(bucket)),
            updated=now,
            learned=bucket.learned.grown(now),
        )

    def spent(self, bucket: Bucket, now: float) -> tuple[Bucket, float]:
        """A refilled bucket without one token, and the seconds until that token is due."""
        left = replace(bucket, tokens=bucket.tokens - 1.0, at_once=bucket.at_once - 1.0)
        sustained = -left.tokens / self.per_second(bucket)
        burst = -left.at_once / self._most_a_second(bucket)
        return left, max(0.0, bucket.updated - now) + max(0.0, sustained, burst)

    def returned(self, bucket: Bucket) -> Bucket:
        """A refilled bucket with a token back that was not used."""
        return replace(
            bucket,
            tokens=min(self._capacity(bucket), bucket.tokens + 1.0),
            at_once=min(self._most_at_once(bucket), bucket.at_once + 1.0),
        )

    def heeded(self, bucket: Bucket, limit: int | None, remaining: int | None) -> Bucket:
        """A refilled bucket after the server stated its limit, or how many requests are left."""
        tokens = bucket.tokens if remaining is None else min(bucket.tokens, remaining)
        return replace(bucket, tokens=tokens, limit=limit or bucket.limit)

    def refused(
        self, bucket: Bucket, now: float, sent_at: float, seconds: float, limit: int | None
    ) -> Bucket:
        """A refilled bucket after a 429 to a request of ``sent_at`` that asks for ``seconds`` of silence.

        Answers to requests that were under way when the first 429 came teach nothing new, nor does one
        that states a lower limit than was assumed.
        """
        before = self.per_minute(bucket)
        until = max(bucket.blocked_until, now + min(seconds, _LONGEST_BLOCK))
        told = self.heeded(bucket, limit, None)
        news = sent_at >= bucket.blocked_until and self.per_minute(told) >= before
        return replace(
            told,
            tokens=0.0,
            at_once=1.0,
            updated=until,
            blocked_until=until,
            learned=bucket.learned.refused(now) if news else bucket.learned,
        )

    def per_minute(self, bucket: Bucket) -> float:
        """Requests a minute the bucket allows."""
        return max(1.0, self._stated(bucket.limit) * bucket.learned.share)

    def per_second(self, bucket: Bucket) -> float:
        """Tokens that come in a second."""
        return self.per_minute(bucket) / 60.0 * _REFILL_SHARE

    def _stated(self, limit: int | None) -> int:
        if limit is None:
            return self.rate.per_minute
        return min(limit, self.rate.per_minute) if self.ceiling else limit

    def _burst(self, bucket: Bucket) -> float:
        """The burst figure; a limit lower than agreed is taken to lower it as much."""
        return self.rate.burst * min(1.0, self.per_minute(bucket) / self.rate.per_minute)

    def _capacity(self, bucket: Bucket) -> float:
        return max(1.0, min(self._burst(bucket), self.per_minute(bucket)) * (1.0 - _KEEP_BACK))

    def _most_at_once(self, bucket: Bucket) -> float:
        return max(1.0, self._burst(bucket) * _AT_ONCE)

    def _most_a_second(self, bucket: Bucket) -> float:
        return max(self._burst(bucket) * _A_SECOND, 2.0 * self.per_second(bucket))
