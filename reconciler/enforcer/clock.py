"""Time as the loops use it: the wall clock says what is due, the monotonic clock how long to wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

STEP = timedelta(seconds=1)
"""The wall clock was moved, or the machine slept, when the two clocks part by more than this."""

LONGEST_WAIT = 5.0
"""Seconds at most in one wait: overrides, manifests and the clock are looked at in between."""


class Clock(Protocol):
    """``now`` is aware, UTC; ``monotonic`` seconds from anywhere; ``wait`` sleeps that many seconds."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...

    def wait(self, seconds: float) -> None:
        """Sleep, or less where ``stopped`` becomes true."""
        ...

    @property
    def stopped(self) -> bool:
        """Whether the run is to end."""
        ...


class SystemClock:
    """The machine's clocks. ``wall``: where the time of day comes from; ``monotonic``: seconds from anywhere.

    ``bell``, rung from any thread, ends a wait, or the next one; whoever sets ``stop`` rings it too.
    """

    def __init__(
        self,
        wall: Callable[[], datetime],
        stop: threading.Event,
        bell: threading.Event | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._stop = stop
        self._bell = bell or stop

    def now(self) -> datetime:
        return self._wall()

    def monotonic(self) -> float:
        return self._monotonic()

    def wait(self, seconds: float) -> None:
        rung = self._bell.wait(max(0.0, seconds))
        if rung and self._bell is not self._stop:
            self._bell.clear()

    @property
    def stopped(self) -> bool:
        return self._stop.is_set()


class StepDetector:
    """Notices that the wall clock and the monotonic clock have parted: a step, or a suspend."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wall, self._monotonic = clock.now(), clock.monotonic()

    def step(self) -> timedelta | None:
        """How far the wall clock has moved on its own since the last call; None for no more than drift."""
        wall, monotonic = self._clock.now(), self._clock.monotonic()
        moved = wall - self._wall - timedelta(seconds=monotonic - self._monotonic)
        self._wall, self._monotonic = wall, monotonic
        return moved if abs(moved) > STEP else None


def wait_until(clock: Clock, instant: datetime) -> None:
    """Sleep towards ``instant``, LONGEST_WAIT at most."""
    left = (instant - clock.now()).total_seconds()
    if left > 0:
        clock.wait(min(left, LONGEST_WAIT))
