"""A bucket that machines share, on a shelf that all of them reach.

A change takes a round trip to the shelf, in which nobody else changes the bucket. Whatever the threads of
this process ask for meanwhile goes together in the next one, so the round trips do not cap the rate; what
is spent is still counted one by one. Instants on the shelf are by its clock, not by that of any machine.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from reconciler.chekt.bucket import Bucket
from reconciler.chekt.budget import BucketInMemory, read_bucket, written_bucket
from reconciler.errors import LedgerError
from reconciler.model import Shelf

_DISAGREEMENT = 0.25
"""Seconds by which two clocks may drift before they are compared anew."""


@dataclass(slots=True)
class _Request:
    """A change that a thread waits for."""

    step: Callable[[Bucket | None], Bucket]
    done: bool = False


class BucketOnShelf:
    """The bucket ``name`` on ``shelf``. ``clock``: Unix seconds, as the budget's.

    A shelf that gets out of reach during a run costs the sharing, not the run: the bucket goes on in memory,
    from what was last known of it.
    """

    def __init__(self, shelf: Shelf, name: str, clock: Callable[[], float]) -> None:
        self._shelf = shelf
        self._name = name
        self._clock = clock
        self._spare = BucketInMemory()
        self._requests: list[_Request] = []
        self._ahead: float | None = None
        self._queue = threading.Lock()
        self._turn = threading.Lock()

    def change(self, step: Callable[[Bucket | None], Bucket]) -> None:
        mine = _Request(step)
        with self._queue:
            self._requests.append(mine)
        with self._turn:
            if not mine.done:
                self._carry_out()

    def _carry_out(self) -> None:
        """Do what all threads wait for, in the order in which they came."""
        with self._queue:
            requests, self._requests = self._requests, []

        def steps(bucket: Bucket | None) -> Bucket:
            for request in requests:
                bucket = request.step(bucket)
            assert bucket is not None
            return bucket

        def change(text: str | None, now: float) -> str:
            ahead = self._shelf_is_ahead(now)
            kept = None if text is None else read_bucket(text.encode())
            after = steps(None if kept is None else kept.moved(-ahead))
            self._spare.change(lambda _: after)
            return written_bucket(after.moved(ahead))

        try:
            self._shelf.change(self._name, change)
        except LedgerError:
            self._spare.change(steps)
        for request in requests:
            request.done = True

    def _shelf_is_ahead(self, now: float) -> float:
        """Seconds by which the shelf's clock is ahead of ours.

        Kept while it does, and a multiple of 1/1024, so that an instant moved there and back is the same.
        """
        measured = now - self._clock()
        if self._ahead is None or abs(measured - self._ahead) > _DISAGREEMENT:
            self._ahead = round(measured * 1024) / 1024
        return self._ahead
