"""Instants as whole microseconds since 1970 UTC: quick to compare, and exact."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from typing import NewType

Micros = NewType("Micros", int)
"""An instant; lengths of time are plain ints of the same unit."""

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(instant: datetime) -> Micros:
    """``instant`` (aware) as microseconds."""
    return Micros((instant - _EPOCH) // _MICROSECOND)


def moment(at: int) -> datetime:
    """The instant ``at`` (microseconds) as an aware time in UTC."""
    return _EPOCH + timedelta(microseconds=at)


class Stretches:
    """Stretches of time, disjoint and ascending, that are only ever added at the end."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._before: list[int] = []

    def add(self, start: int, end: int) -> None:
        """Add ``[start, end)``; what of it is held already counts once."""
        if self._ends:
            start = max(start, self._ends[-1])
        if start >= end:
            return
        total = self._before[-1] + self._ends[-1] - self._starts[-1] if self._ends else 0
        self._starts.append(start)
        self._ends.append(end)
        self._before.append(total)

    def within(self, start: int, end: int) -> int:
        """How much of ``[start, end)`` the stretches cover."""
        return self._until(end) - self._until(start) if self._ends and end > start else 0

    def _until(self, at: int) -> int:
        index = bisect_right(self._starts, at) - 1
        if index < 0:
            return 0
        return self._before[index] + min(at, self._ends[index]) - self._starts[index]

    def holds(self, at: int) -> bool:
        """Whether ``at`` lies in a stretch."""
        index = bisect_right(self._starts, at) - 1
        return index >= 0 and at < self._ends[index]
