"""A worker that enforces: takes the lanes in which something is due, the most urgent first, many at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from reconciler.errors import ReconcilerError
from reconciler.fleet.enforcing import Enforced
from reconciler.fleet.leases import LaneLease, Leases, Reconnecting
from reconciler.ledger import Ledger

WIDTH = 32
"""Lanes at once in one worker: each waits for its server and its own rate most of the time."""

POLL = 0.25
"""Seconds between two looks at the lanes that wait."""

MOST = 10_000
"""Lanes looked at: beyond those that this worker has just left, however many these are, there are others."""

AGAIN_AFTER = 5.0
"""Seconds that a worker leaves a lane to others after it failed there."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker does with lanes. ``enforce`` runs a lane by name; raises ReconcilerError."""

    enforce: Callable[[str, LaneLease], Enforced]
    ended: Callable[[str, Enforced], None]
    note: Callable[[str], None]


class Rounds:
    """Runs lanes until ``stop`` is set, then ends those at work. ``clock``: aware, UTC."""

    def __init__(
        self,
        leases: Leases,
        connect: Callable[[], Ledger],
        work: Work,
        clock: Callable[[], datetime],
        stop: threading.Event,
        width: int = WIDTH,
    ) -> None:
        self._leases = leases
        self._ledger = Reconnecting(connect)
        self._work = work
        self._clock = clock
        self._stop = stop
        self._width = width
        self._lock = threading.Lock()
        self._busy: set[str] = set()
        self._not_before: dict[str, float] = {}
        self._trouble = ""

    @property
    def busy(self) -> frozenset[str]:
        """The lanes at work."""
        with self._lock:
            return frozenset(self._busy)

    def run(self) -> None:
        """Take lanes until told to stop; returns when those at work have ended."""
        try:
            with ThreadPoolExecutor(self._width, thread_name_prefix="lane") as pool:
                while not self._stop.wait(POLL):
                    for lane in self._waiting():
                        with self._lock:
                            self._busy.add(lane)
                        pool.submit(self._one, lane)
        finally:
            self._ledger.close()

    def _waiting(self) -> list[str]:
        """The lanes to try now, none where the ledger cannot be reached."""
        free = self._width - len(self.busy)
        if free <= 0:
            return []
        try:
            found = self._ledger.ask(lambda ledger: ledger.waiting_lanes(self._clock(), MOST))
            self._trouble = ""
        except ReconcilerError as exc:
            if exc.message != self._trouble:
                self._trouble = exc.message
                self._work.note(exc.message)
            return []
        busy, now = self.busy, time.monotonic()
        return [lane for lane in found if lane not in busy and self._not_before.get(lane, now) <= now][:free]

    def _one(self, lane: str) -> None:
        try:
            with self._leases.lane(lane, self._clock()) as lease:
                if lease is not None:
                    self._work.ended(lane, self._work.enforce(lane, lease))
        except ReconcilerError as exc:
            self._leave(lane, exc.message)
        except Exception as exc:  # noqa: BLE001  # a defect costs one lane its turn, not all of them their worker
            self._leave(lane, f"this is a bug in reconciler: {type(exc).__name__}: {exc}")
        finally:
            with self._lock:
                self._busy.discard(lane)

    def _leave(self, lane: str, why: str) -> None:
        self._not_before[lane] = time.monotonic() + AGAIN_AFTER
        self._work.note(f"The lane of {lane} was left: {why}")
