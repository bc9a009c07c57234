"""What a command does while workers carry out the lanes of its run: it hands out, watches, and collects."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.account import Account
from reconciler.engine import Event
from reconciler.fleet.applying import not_begun, parted, result_of, task_of, together
from reconciler.fleet.queue import Job, Queue
from reconciler.ledger import Ledger
from reconciler.ledger.fleet import Assignment, AssignmentStatus, WorkerRecord, applying
from reconciler.model import Plan
from reconciler.workflows import Applied, Options, Planned, carry_out, in_run, looked_at_again
from reconciler.writes import Report

LOOK_EVERY = 0.5
"""Seconds between two looks at the lanes."""

SILENT = 5.0
"""Seconds without a beat after which a worker counts as dead."""

_AGAIN = 5.0
"""Seconds after which a lane that no living worker has is put into the queue once more."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One look at a run: its lanes, by name, and how many workers live."""

    lanes: tuple[Assignment, ...]
    workers: int

    def count(self, status: AssignmentStatus) -> int:
        """How many lanes have ``status``."""
        return sum(each.status is status for each in self.lanes)


class Pulse:
    """Tells living workers from dead ones by this machine's clock: those whose beat grows."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[int, float]] = {}

    def living(self, workers: Sequence[WorkerRecord]) -> frozenset[str]:
        """The names of those that live; one that is seen for the first time may."""
        now = self._clock()
        for each in workers:
            known = self._seen.get(each.name)
            if known is None or known[0] != each.beat:
                self._seen[each.name] = (each.beat, now)
        return frozenset(each.name for each in workers if now - self._seen[each.name][1] < SILENT)


def apply_by_fleet(
    account: Account,
    planned: Planned,
    options: Options,
    bundle: str,
    queue: Queue,
    *,
    on_event: Callable[[Event], None],
    heard: Callable[[Sight], None],
    stop: threading.Event,
) -> Applied:
    """Carry out ``planned`` by workers, lane by lane; like ``apply_plan`` otherwise, whose end it has.

    ``bundle``: digest of the published project. The environment's lock must be held. ``stop``, once set,
    hands out nothing more and waits until the lanes under way have finished the writes in flight.
    """
    parts = parted(planned.plan)
    own, found = replace(planned, plan=parts.account), list[Applied]()

    def work(run: int) -> Report:
        report = carry_out(account, own, options, run, on_event=on_event, stop=stop)
        found.append(looked_at_again(account, own, report, options, on_event=on_event, stop=stop))
        if parts.lanes:
            following = _Following(account.ledger, queue, run, bundle, parts.lanes)
            found.extend(following.run(options.parallelism, stop, heard))
        return together(planned.plan, found).report

    in_run(account, planned, options, work)
    return together(planned.plan, found)


class _Following:
    """The lanes of one run, from handing out to their results."""

    def __init__(
        self, ledger: Ledger, queue: Queue, run: int, bundle: str, lanes: Mapping[str, Plan]
    ) -> None:
        self._ledger = ledger
        self._queue = queue
        self._run = run
        self._bundle = bundle
        self._lanes = lanes
        self._pulse = Pulse()
        self._put_at = 0.0

    def run(self, parallelism: int, stop: threading.Event, heard: Callable[[Sight], None]) -> list[Applied]:
        """What came of each lane."""
        tasks = {lane: (task_of(plan), len(plan.changes)) for lane, plan in self._lanes.items()}
        self._ledger.hand_out(self._run, self._bundle, parallelism, tasks)
        try:
            self._follow(stop, heard)
        finally:
            self._ledger.close_handout(self._run)
        results = self._ledger.results(self._run)
        why = "the run was stopped before its lane was ended"
        return [
            result_of(results[lane]) if lane in results else not_begun(plan, why)
            for lane, plan in self._lanes.items()
        ]

    def _follow(self, stop: threading.Event, heard: Callable[[Sight], None]) -> None:
        """Until every lane has ended or, once stopped, none is under way."""
        stopping = False
        while True:
            self._ledger.keep_handing_out(self._run)
            living = self._pulse.living(self._ledger.workers())
            lanes = tuple(self._ledger.assignments(self._run))
            heard(Sight(lanes, len(living)))
            held = {row.lane for row in self._ledger.lanes() if row.seconds_left > 0}
            running = [each for each in lanes if _is_under_way(each, held)]
            if all(each.status is AssignmentStatus.ENDED for each in lanes) or (stopping and not running):
                return
            if stop.is_set() and not stopping:
                stopping = True
                self._ledger.stop_handing_out(self._run)
                for each in lanes:
                    self._queue.withdraw(self._job(each.lane))
            if stopping:
                time.sleep(LOOK_EVERY)
            else:
                idle = (each for each in lanes if each not in running)
                self._put([each.lane for each in idle if each.status is not AssignmentStatus.ENDED])
                stop.wait(LOOK_EVERY)

    def _put(self, lanes: Sequence[str]) -> None:
        """See that every lane without a worker waits for one."""
        now = time.monotonic()
        if now < self._put_at:
            return
        self._put_at = now + _AGAIN
        for lane in lanes:
            self._queue.put(self._job(lane))

    def _job(self, lane: str) -> Job:
        return Job("apply", self._ledger.environment, lane, self._bundle, self._run)


def _is_under_way(assignment: Assignment, held: Container[str]) -> bool:
    """Whether a worker has the lane: one that died, or lost it, has no lease any more."""
    return assignment.status is AssignmentStatus.RUNNING and applying(assignment.lane) in held
