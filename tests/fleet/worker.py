"""A worker in a process of its own: ``python -m tests.fleet.worker DIR URL SCHEMA``. Notes go to stdout."""

from __future__ import annotations

import os
import signal
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from reconciler.enforcer.clock import SystemClock
from reconciler.fleet.enforcing import Enforced, enforce_lane
from reconciler.fleet.leases import LaneLease, Leases, worker_name
from reconciler.fleet.parts import parts_of
from reconciler.fleet.rounds import Rounds, Work
from reconciler.ledger import Ledger
from reconciler.ledger.lane_store import PATIENCE, LaneStore
from reconciler.ledger.postgres_session import Place
from reconciler.ledger.postgres_store import PostgresStore
from reconciler.manifests import load
from reconciler.redaction import Redactor
from reconciler.runtime import Runtime


def main(directory: str, url: str, schema: str) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    ahead = timedelta(seconds=float(os.environ.get("AHEAD", "0")))

    def clock() -> datetime:
        return datetime.now(tz=UTC) + ahead

    def note(text: str) -> None:
        sys.stdout.write(f"{datetime.now(tz=UTC).isoformat()} {worker} {text}\n")
        sys.stdout.flush()

    worker = worker_name()
    project = load(Path(directory), env=os.environ)
    store = PostgresStore(Place(url, schema), project.environment.name, {})
    parts = parts_of(project)
    runtime = Runtime(os.environ, Redactor(), clock)

    def enforce(lane: str, lease: LaneLease) -> Enforced:
        note(f"takes {lane} in generation {lease.hold.generation}")
        return enforce_lane(
            parts[lane], lease, runtime, LaneStore(store, lease.hold), SystemClock(clock, stop)
        )

    def ended(lane: str, done: Enforced) -> None:
        note(f"ends {lane}: {len(done.run.sights)} looked at, next at {done.next_at}")

    def connect() -> Ledger:
        return Ledger(store.database(patience=PATIENCE))

    with Leases(connect, worker, reaped=lambda found: note(f"reaps {found}"), note=note) as leases:
        Rounds(leases, connect, Work(enforce, ended, note), clock, stop).run()
    note("stops")


if __name__ == "__main__":
    main(*sys.argv[1:])
