"""A lane: one consumer of one endpoint, and the events it has still to take. It waits for no other lane."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.errors import LedgerError
from reconciler.ledger import Consumption, Ledger
from reconciler.listening.consumers import Attempt, Consumer, NotConsumedError
from reconciler.listening.group_commit import Counts, GroupCommit, Outcome

_POLL_SECONDS = 1.0
"""How often the ledger is asked for what has become due, or was asked for again by a person."""

_LONGEST_DELAY = 600
_TOGETHER = 32
"""Events of a lane that are taken with one look."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How a lane goes about its events: attempts at each, and how many are under way at once."""

    attempts: int = 20
    parallel: int = 1


def delay(attempts: int) -> timedelta:
    """How long to wait after that many failed attempts: 1, 2, 4, ... s, 10 minutes at most."""
    return timedelta(seconds=min(2 ** min(attempts - 1, 20), _LONGEST_DELAY))


class Lane:
    """Tells ``consumer`` of the events of ``endpoint`` on threads of its own, from ``start`` to ``stop``.

    Every attempt is in the ledger before it begins: one that was not heard of again counts, and the next has
    a higher number. What fails for the last time is set aside, and ``told`` hears a sentence of it.
    """

    def __init__(
        self,
        endpoint: str,
        name: str,
        consumer: Consumer,
        patience: Patience,
        ledger: Ledger,
        commits: GroupCommit,
        clock: Callable[[], datetime],
        told: Callable[[str], None],
    ) -> None:
        self.endpoint = endpoint
        self.name = name
        self._consumer = consumer
        self._patience = patience
        self._ledger = ledger
        self._commits = commits
        self._clock = clock
        self._told = told
        self._changed = threading.Condition()
        self._news = 0
        self._stopping = False
        self._abandoned = False
        self._failing = False
        self._taking = threading.Lock()
        self._queue: list[Consumption] = []
        self._under_way: set[int] = set()
        self._threads = [
            threading.Thread(target=self._run, name=f"listen-{endpoint}-{name}", daemon=True)
            for _ in range(patience.parallel)
        ]

    def start(self) -> None:
        """Begin to take events."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """There is something new."""
        with self._changed:
            self._news += 1
            self._changed.notify_all()

    def stop(self) -> None:
        """Begin no other attempt."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def join(self, seconds: float) -> bool:
        """Wait for the attempts under way; whether all have ended."""
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def abandon(self) -> None:
        """End the attempts under way; they are left for the next start."""
        self._abandoned = True
        self._consumer.abandon()

    def _run(self) -> None:
        while not self._stopping:
            seen = self._news
            due = self._take()
            if due is None:
                with self._changed:
                    self._changed.wait_for(lambda: self._stopping or self._news != seen, _POLL_SECONDS)  # noqa: B023  # called at once
            else:
                self._attempt(due)

    def _take(self) -> Consumption | None:
        """The next event that is due and not under way; None where there is none, or the ledger fails."""
        with self._taking:
            if not self._queue:
                try:
                    found = self._ledger.due_consumptions(
                        self.endpoint, self.name, self._clock(), _TOGETHER + len(self._under_way)
                    )
                except LedgerError as exc:
                    self._tell_failure(exc)
                    return None
                self._failing = False
                self._queue = [each for each in found if each.delivery not in self._under_way]
                self._queue.reverse()
            if not self._queue:
                return None
            due = self._queue.pop()
            self._under_way.add(due.delivery)
            return due

    def _attempt(self, due: Consumption) -> None:
        """One attempt at ``due``, from the note that it begins to the note how it ended."""
        number = due.attempts + 1
        try:
            delivery = self._ledger.delivery(due.delivery)
            if delivery is None or due.attempts - due.forgiven >= self._patience.attempts:
                self._end(due, self._aside(due, due.note or "was begun and not heard of again"))
                return
            self._commits.submit(lambda ledger, _: ledger.begin_attempt(due.delivery, self.name)).result()
        except LedgerError as exc:
            self._tell_failure(exc)
            self._let_go(due)
            return
        note = self._consume(Attempt(delivery, number))
        if note is None:
            self._end(due, self._done(due))
        elif not self._abandoned:
            self._end(due, self._failed(due, number, note))

    def _consume(self, attempt: Attempt) -> str | None:
        """Why the event was not taken; None where it was."""
        try:
            self._consumer.consume(attempt)
        except NotConsumedError as exc:
            return str(exc)
        except Exception as exc:  # noqa: BLE001  # a defect costs its event an attempt, not the lane its thread
            return f"{type(exc).__name__}: {exc}"
        return None

    def _tell_failure(self, error: LedgerError) -> None:
        """Tell that the ledger fails, once until it does not: it is asked again every second."""
        if not self._failing:
            self._failing = True
            self._told(f"{self.endpoint}/{self.name}: {error.message}")

    def _done(self, due: Consumption) -> Callable[[Ledger, Counts], None]:
        def settle(ledger: Ledger, counts: Counts) -> None:
            if ledger.settle_consumption(due.delivery, self.name, self._clock()):
                counts[self._outcome("done")] += 1

        return settle

    def _failed(self, due: Consumption, number: int, note: str) -> Callable[[Ledger, Counts], None]:
        counted = number - due.forgiven
        if counted >= self._patience.attempts:
            return self._aside(due, note)

        def postpone(ledger: Ledger, counts: Counts) -> None:
            ledger.postpone_consumption(due.delivery, self.name, note, self._clock() + delay(counted))
            counts[self._outcome("failed")] += 1

        return postpone

    def _aside(self, due: Consumption, note: str) -> Callable[[Ledger, Counts], None]:
        self._told(
            f"{self.endpoint}/{self.name}: event {due.event_id} is set aside, {note}; "
            "`reconciler listen retry` tries it again"
        )

        def set_aside(ledger: Ledger, counts: Counts) -> None:
            if ledger.set_aside_consumption(due.delivery, self.name, note, self._clock()):
                counts[self._outcome("set_aside")] += 1

        return set_aside

    def _end(self, due: Consumption, change: Callable[[Ledger, Counts], None]) -> None:
        """Have the end of the attempt written; the next one need not wait for that."""

        def written(future: Future[None]) -> None:
            failure = future.exception()
            if failure is not None:
                self._told(f"{self.endpoint}/{self.name}: event {due.event_id}: {failure}")
            self._let_go(due)

        try:
            self._commits.submit(change).add_done_callback(written)
        except LedgerError:
            self._let_go(due)

    def _let_go(self, due: Consumption) -> None:
        with self._taking:
            self._under_way.discard(due.delivery)

    def _outcome(self, name: str) -> Outcome:
        return Outcome(self.endpoint, self.name, name)
