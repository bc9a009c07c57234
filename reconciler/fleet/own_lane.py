"""A lane for a person's command: what a worker remembers of its sites is written by nobody else meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.errors import LockedError
from reconciler.fleet.enforcing import HORIZON
from reconciler.fleet.leases import Leases, worker_name
from reconciler.ledger import Ledger
from reconciler.ledger.lane_store import PATIENCE, LaneStore
from reconciler.ledger.postgres_store import PostgresStore
from reconciler.runtime import Runtime

WAIT = 2 * HORIZON.total_seconds()
"""Seconds that a command waits for a lane at work: it is given back when it has nothing to wait for."""

_ASK_EVERY = 0.2


@contextmanager
def own_lane(store: PostgresStore, lane: str, runtime: Runtime, wait: float = WAIT) -> Iterator[Ledger]:
    """The lane's part of the ledger; workers go on from what it says then, at once.

    Raises LockedError where a worker has the lane for longer than ``wait`` seconds.
    """
    until = time.monotonic() + wait
    try:
        with Leases(lambda: Ledger(store.database(patience=PATIENCE)), worker_name()) as leases:
            while (lease := leases.take(lane)) is None:
                if time.monotonic() > until:
                    raise LockedError(
                        f"a worker is at work in the lane of {lane}",
                        hint="Run the command again; the lane is free when nothing in it is about to change.",
                    )
                time.sleep(_ASK_EVERY)
            try:
                with LaneStore(store, lease.hold).open() as ledger:
                    yield ledger
                    ledger.wake_lanes([lane], runtime.clock())
            finally:
                leases.release(lease)
    finally:
        store.close()
