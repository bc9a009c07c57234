"""A worker takes the lanes that wait; one that fails is left to others for a while, and stops nobody else."""

from __future__ import annotations

import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

from reconciler.enforcer.once import Run
from reconciler.errors import AuthError
from reconciler.fleet.enforcing import Enforced
from reconciler.fleet.leases import LaneLease, Leases
from reconciler.fleet.rounds import Rounds, Work
from reconciler.ledger import Ledger
from reconciler.ledger.lane_store import LaneStore
from reconciler.ledger.postgres_store import PostgresStore

NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)


def test_lanes_that_fail_do_not_keep_a_worker_from_the_others(store: PostgresStore) -> None:
    broken = [f"a{number:02d}" for number in range(12)]
    sound = ["x", "y", "z"]
    stop, tried, notes, together = threading.Event(), Counter[str](), list[str](), list[int]()

    def connect() -> Ledger:
        return Ledger(store.database())

    def enforce(lane: str, lease: LaneLease) -> Enforced:
        tried[lane] += 1
        together.append(len(rounds.busy))
        if lane in broken:
            raise AuthError("no key") if lane != "a00" else ZeroDivisionError("a defect")
        with LaneStore(store, lease.hold).open() as ledger:
            ledger.look_next(lane, NOW + timedelta(hours=1), 0)
        return Enforced(Run(NOW, NOW), None, ())

    with connect() as ledger:
        ledger.declare_lanes([*broken, *sound], NOW)
    with Leases(connect, "w1") as leases:
        rounds = Rounds(
            leases, connect, Work(enforce, lambda *_: None, notes.append), lambda: NOW, stop, width=2
        )
        thread = threading.Thread(target=rounds.run)
        thread.start()
        until = time.monotonic() + 20
        while not set(sound) <= set(tried) and time.monotonic() < until:
            time.sleep(0.05)
        stop.set()
        thread.join()
    assert {lane: tried[lane] for lane in sound} == dict.fromkeys(sound, 1)
    assert max(together) <= 2
    assert "The lane of a01 was left: no key" in notes
    assert "The lane of a00 was left: this is a bug in reconciler: ZeroDivisionError: a defect" in notes
