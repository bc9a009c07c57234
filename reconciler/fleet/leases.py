"""A worker's leases on lanes: renewed by a thread of their own, and asked before anything leaves.

What makes two workers on one lane impossible:

- The database leases a lane to one worker at a time, by its own clock, and raises its generation with each
  taking. What a worker writes stands only while its generation does (``ledger.lanes.fence``).
- A worker counts its lease by its own clocks, from before it asked for it, and stops ``MARGIN`` earlier
  than the database would. It asks at the last moment before a request leaves, so that one that was paused,
  or whose machine slept, sends nothing of what it decided before. A lease once overslept is not taken up
  again, even where nobody took the lane meanwhile: what was decided in it is old.
- An intent is written, under the fence, before its command leaves. Whoever takes a lane over finds it, and
  gives it the time that a command needs to show before anything contrary is commanded
  (``enforcer.confirm``); the same command is repeated under its own key, which the server carries out once.

What is left: a worker paused in the instants between its last look and the socket. It looks once before the
head of a request and once more before the body, so that on waking it lets out a read, or the head of a
command without the body that makes it one. Only a pause right before the body lets a command out, if the
server still waits for that: under the key of an intent that the next worker knows.
"""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

from reconciler.errors import LeaseLostError, LedgerError
from reconciler.ledger import Hold, Lease, Ledger

Answer = TypeVar("Answer")

LEASE = 4.0
"""Seconds that a lane stays with a worker that does not renew it."""

RENEW_EVERY = 0.8
"""Seconds between two renewals, and between two looks for the lanes of workers that have ended."""

MARGIN = 1.0
"""Seconds before the end of its lease from which on a worker sends nothing: a request has to leave, too."""


def worker_name() -> str:
    """A name for this process that no other has, now or later."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


class LaneLease:
    """The right to run one lane, as far as this process can tell by itself. Thread-safe.

    ``clock``: counts from before the lane was asked for.
    """

    def __init__(self, hold: Hold, clock: Lease) -> None:
        self.hold = hold
        self._clock = clock
        self._lost: LeaseLostError | None = None
        self._lock = threading.Lock()

    def check(self) -> None:
        """Raises LeaseLostError where another worker has the lane, or may have it."""
        with self._lock:
            age = self._clock.age().total_seconds()
            if self._lost is None and age >= LEASE - MARGIN:
                self._lost = _lost(self.hold, f"its lease was not renewed for {age:.1f} s")
            if self._lost is not None:
                raise self._lost

    @property
    def lost(self) -> bool:
        try:
            self.check()
        except LeaseLostError:
            return True
        return False

    def started(self) -> tuple[float, float]:
        """The moment a renewal counts from, to be taken before it is asked for."""
        return self._clock.start()

    def renewed(self, started: tuple[float, float]) -> None:
        """The renewal begun at ``started`` went through; a lease that was overslept stays lost."""
        if not self.lost:
            self._clock.renew(started)

    def lose(self) -> None:
        """The ledger says that it is another worker's."""
        with self._lock:
            self._lost = self._lost or _lost(self.hold, "another worker has taken it over")


def _lost(hold: Hold, why: str) -> LeaseLostError:
    return LeaseLostError(
        f"worker {hold.worker} stops the lane of {hold.lane}: {why}",
        hint="Nothing more of it is sent or remembered here; whoever takes it over goes on from the ledger.",
    )


class Leases:
    """The leases of one worker; a context manager, in which they are renewed.

    ``connect`` opens the ledger on a connection of its own. ``reaped`` hears of lanes given back for
    workers that have ended (worker by lane), ``note`` of what goes wrong, in sentences.
    """

    def __init__(
        self,
        connect: Callable[[], Ledger],
        worker: str,
        *,
        reaped: Callable[[Mapping[str, str]], None] = lambda _: None,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.worker = worker
        self._reaped = reaped
        self._note = note
        self._trouble = ""
        self._held: dict[Hold, LaneLease] = {}
        self._lock = threading.Lock()
        self._asking = Reconnecting(connect)
        self._renewing = Reconnecting(connect)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="leases", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._asking.close()
        self._renewing.close()

    @contextmanager
    def lane(self, name: str, due_by: datetime | None = None) -> Iterator[LaneLease | None]:
        """The lane, held until the block ends; None as for ``take``. Raises LedgerError."""
        lease = self.take(name, due_by)
        try:
            yield lease
        finally:
            if lease is not None:
                self.release(lease)

    def take(self, lane: str, due_by: datetime | None = None) -> LaneLease | None:
        """The lane, None where another worker has it, or nothing is due in it by ``due_by``.

        Raises LedgerError.
        """
        clock = Lease(timedelta(seconds=LEASE))
        hold = self._asking.ask(lambda ledger: ledger.take_lane(lane, self.worker, LEASE, due_by))
        if hold is None:
            return None
        lease = LaneLease(hold, clock)
        with self._lock:
            self._held[hold] = lease
        return lease

    def release(self, lease: LaneLease) -> None:
        """Give the lane back; where the ledger cannot be reached, it goes back when the lease is over."""
        with self._lock:
            self._held.pop(lease.hold, None)
        with suppress(LedgerError):
            self._asking.ask(lambda ledger: ledger.release_lane(lease.hold))

    def give_up(self) -> None:
        """Give every lane back at once; nothing more is sent in them. Raises LedgerError."""
        with self._lock:
            held, self._held = self._held, {}
        for lease in held.values():
            lease.lose()
        for hold in held:
            self._asking.ask(partial(Ledger.release_lane, hold=hold))

    def renew(self) -> None:
        """Renew what is held; what the ledger gave to another worker, or was overslept, is lost."""
        with self._lock:
            held = {hold: lease for hold, lease in self._held.items() if not lease.lost}
        if not held:
            return
        started = {hold: lease.started() for hold, lease in held.items()}
        still = self._renewing.ask(lambda ledger: ledger.renew_lanes(list(held), LEASE))
        for hold, lease in held.items():
            if hold in still:
                lease.renewed(started[hold])
            else:
                lease.lose()

    def reap(self) -> None:
        """Give back the lanes of workers that have ended."""
        found = self._renewing.ask(lambda ledger: ledger.reap_lanes())
        if found:
            self._reaped(found)

    def _keep(self) -> None:
        while not self._stop.wait(RENEW_EVERY):
            try:
                self.renew()
                self.reap()
                self._trouble = ""
            except LedgerError as exc:
                if exc.message != self._trouble:
                    self._trouble = exc.message
                    self._note(f"{exc.message}. Lanes that cannot be renewed are stopped.")


class Reconnecting:
    """A ledger that is opened anew after every failure. Thread-safe."""

    def __init__(self, connect: Callable[[], Ledger]) -> None:
        self._connect = connect
        self._ledger: Ledger | None = None
        self._lock = threading.Lock()

    def ask(self, question: Callable[[Ledger], Answer]) -> Answer:
        """What ``question`` says of the ledger. Raises LedgerError."""
        with self._lock:
            if self._ledger is None:
                self._ledger = self._connect()
            try:
                return question(self._ledger)
            except LedgerError:
                self._close()
                raise

    def close(self) -> None:
        with self._lock:
            self._close()

    def _close(self) -> None:
        ledger, self._ledger = self._ledger, None
        if ledger is not None:
            with suppress(LedgerError):
                ledger.close()
