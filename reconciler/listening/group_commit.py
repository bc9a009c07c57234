"""Writes of many threads, committed together: one wait for the disk serves all that came meanwhile."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeAlias, TypeVar

from reconciler.errors import LedgerError
from reconciler.ledger import Ledger

_Result = TypeVar("_Result")

MOST_TOGETHER = 500
"""Writes in one commit."""


class Outcome(NamedTuple):
    """What came to pass at an endpoint; ``consumer`` is empty where it is the receiver's."""

    endpoint: str
    consumer: str
    name: str


Counts: TypeAlias = Counter[Outcome]

Change: TypeAlias = Callable[[Ledger, Counts], _Result]
"""A write; it adds the outcomes it brings about to the counts of its commit."""


class _Write(NamedTuple):
    change: Change[Any]
    future: Future[Any]


class GroupCommit:
    """Runs writes on a thread of its own, as many in one transaction as have come since the last one.

    A future is done when its write is on disk. A write that is wrong in itself fails alone; when the ledger
    cannot be written, all of its commit fail with LedgerError, and outcomes that were only counted wait for
    the next one. Entered before the first write; what was handed over before the exit is still written.
    """

    def __init__(self, ledger: Ledger, clock: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._clock = clock
        self._waiting: list[_Write] = []
        self._uncounted: Counts = Counter()
        self._changed = threading.Condition()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="listen-commit", daemon=True)

    def submit(self, change: Change[_Result]) -> Future[_Result]:
        """Have ``change`` done with the next commit. Raises LedgerError after the end."""
        future: Future[_Result] = Future()
        with self._changed:
            if self._ending:
                raise LedgerError("the ledger takes no more writes: the receiver has stopped")
            self._waiting.append(_Write(change, future))
            self._changed.notify()
        return future

    def count(self, outcome: Outcome) -> Future[None]:
        """Count ``outcome`` with the next commit, or with the first one that succeeds after it."""
        with self._changed:
            self._uncounted[outcome] += 1
        return self.submit(lambda _ledger, _counts: None)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while writes := self._next():
            self._commit(writes)
        if self._uncounted:
            self._commit([])

    def _next(self) -> list[_Write]:
        """What waits, as soon as something does; empty when all is written and nothing more can come."""
        with self._changed:
            while not self._waiting and not self._ending:
                self._changed.wait()
            taken, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
            return taken

    def _commit(self, writes: Sequence[_Write]) -> None:
        with self._changed:
            uncounted, self._uncounted = self._uncounted, Counter()
        try:
            results = self._write(writes, uncounted.copy())
        except Exception as exc:  # noqa: BLE001  # told to whoever waits for it
            with self._changed:
                self._uncounted.update(uncounted)
            if len(writes) > 1 and not isinstance(exc, LedgerError):
                for write in writes:
                    self._commit([write])
                return
            for write in writes:
                write.future.set_exception(exc)
        else:
            for write, result in zip(writes, results, strict=True):
                write.future.set_result(result)

    def _write(self, writes: Sequence[_Write], counts: Counts) -> list[Any]:
        now = self._clock()
        with self._ledger.transaction():
            results = [write.change(self._ledger, counts) for write in writes]
            for outcome, number in counts.items():
                self._ledger.count_outcome(*outcome, number, now)
        return results
