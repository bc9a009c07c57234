"""How a worker carries out a lane of an apply: under a lease, stopped in time, its end written down."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from reconciler.account import open_account
from reconciler.engine import Event, StepFinished
from reconciler.errors import LedgerError, ReconcilerError
from reconciler.fleet.applying import apply_lane, hindered, result_text
from reconciler.fleet.leases import LaneLease, Leases
from reconciler.fleet.parts import applied_part
from reconciler.fleet.projects import Projects
from reconciler.fleet.queue import Job, Queue
from reconciler.ledger import Ledger, Store
from reconciler.ledger.fleet import Assignment, applying
from reconciler.ledger.lane_store import LaneStore
from reconciler.ledger.postgres_store import PostgresStore
from reconciler.runtime import Runtime
from reconciler.workflows import Applied

_LOOK_EVERY = 0.5
"""Seconds between two looks at whether a lane is to be stopped."""

_SILENT = 15.0
"""Seconds without a beat after which the command that handed a lane out counts as dead."""

_AGAIN = timedelta(seconds=1)
"""How long a lane waits that another worker's lease still holds."""


@dataclass(frozen=True, slots=True)
class Place:
    """What the work on one environment shares in this worker."""

    store: PostgresStore
    ledger: Ledger
    leases: Leases


@dataclass(frozen=True, slots=True)
class Carrier:
    """Carries out lanes of applies as the worker ``name``. Thread-safe.

    ``place`` opens what an environment needs; ``draining``, once set, stops lanes after the writes in flight.
    """

    name: str
    place: Callable[[str], Place]
    projects: Projects
    queue: Queue
    runtime: Runtime
    draining: threading.Event
    note: Callable[[str], None]

    def carry_out(self, job: Job) -> str:
        """Work on the lane of ``job``; a word on how that ended. Raises LedgerError."""
        place = self.place(job.environment)
        with place.leases.lane(applying(job.lane)) as lease:
            if lease is None:  # of a worker that died a moment ago, or one that is about to end with it
                again = place.ledger.handout(job.run)
                if again is not None and not again.closed:
                    self.queue.put(job, self.runtime.clock() + _AGAIN)
                return "held"
            taken = place.ledger.take(job.run, job.lane, self.name, lease.hold.generation)
            if taken is None:
                return "over"
            try:
                ended = self._work(job, place, taken, lease)
            except LedgerError as exc:  # the lease is lost, above all
                self.note(f"Lane {job.lane} of run {job.run} stops: {exc.message}. {exc.hint}")
                place.ledger.give_back(taken)
                ended = False
        if not ended:  # only now: another worker can have it at once
            self.queue.put(job)
        return "ended" if ended else "given back"

    def _work(self, job: Job, place: Place, taken: Assignment, lease: LaneLease) -> bool:
        """Whether the lane has ended; else it was given back."""
        self.note(f"Lane {taken.lane} of run {taken.run}: begun.")
        watch = _Watch(place.ledger, taken, lease, self.draining)
        with watch.kept():
            applied = self._apply(job, place, taken, lease, watch)
        if applied.report.interrupted and self.draining.is_set() and not watch.called_off:
            place.ledger.give_back(taken)
            self.note(f"Lane {taken.lane} of run {taken.run}: left to another worker.")
            return False
        place.ledger.finish(taken, result_text(applied))
        done = len(applied.report.outcomes)
        self.note(f"Lane {taken.lane} of run {taken.run}: ended, {done} changes.")
        return True

    def _apply(self, job: Job, place: Place, taken: Assignment, lease: LaneLease, watch: _Watch) -> Applied:
        task = place.ledger.task(taken)
        handout = place.ledger.handout(taken.run)
        assert handout is not None, taken.run
        store = LaneStore(place.store, lease.hold, taken.run)
        try:
            with self.projects.project(job.bundle, place.ledger.published) as project:
                stores: dict[tuple[Path, str], Store] = {(project.directory, job.environment): store}
                runtime = replace(self.runtime, stores=stores, permit=lease.check, notice=None)
                with open_account(applied_part(project, job.lane), runtime) as account:
                    return apply_lane(
                        account, task, taken.run, handout.parallelism, on_event=watch.heard, stop=watch.stop
                    )
        except LedgerError:
            raise
        except ReconcilerError as exc:  # a secret that this worker lacks, above all
            return hindered(task, f"worker {self.name}: {exc.message}")


@dataclass(slots=True)
class _Watch:
    """Stops a lane in time, and tells how far it is.

    ``called_off``: the run is over, or its command died; else it was this worker that had to stop.
    """

    ledger: Ledger
    taken: Assignment
    lease: LaneLease
    draining: threading.Event
    stop: threading.Event = field(default_factory=threading.Event)
    called_off: bool = False
    _progress: tuple[int, int] | None = None
    _told: tuple[int, int] | None = None
    _beat: int = -1
    _beat_at: float = field(default_factory=time.monotonic)

    def heard(self, event: Event) -> None:
        """Hears the events of the lane."""
        if isinstance(event, StepFinished):
            self._progress = (event.done, event.total)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Watches while the block runs."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(_LOOK_EVERY):
                try:
                    self._look()
                except LedgerError:  # without a ledger the lease runs out
                    continue

        thread = threading.Thread(target=watch, name=f"watch {self.taken.lane}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _look(self) -> None:
        if self.draining.is_set() or self.lease.lost:
            self.stop.set()
        handout = self.ledger.handout(self.taken.run)
        if handout is None or handout.closed or handout.stopping or self._silent(handout.beat):
            self.called_off = True
            self.stop.set()
        if self._progress is not None and self._progress != self._told:
            self._told = self._progress
            self.ledger.advance(self.taken, *self._told)

    def _silent(self, beat: int) -> bool:
        now = time.monotonic()
        if beat != self._beat:
            self._beat, self._beat_at = beat, now
        return now - self._beat_at > _SILENT
