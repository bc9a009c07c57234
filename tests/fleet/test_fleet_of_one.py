"""One worker enforces as the daemon does: the same commands at the same instants, for the same reasons."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from reconciler.enforcer.daemon import Files, Manifests, daemon, fingerprint
from reconciler.fleet.enforcing import enforce_lane
from reconciler.fleet.leases import Leases
from reconciler.fleet.parts import parts_of
from reconciler.ledger import CommandRecord, Ledger
from reconciler.ledger.lane_store import LaneStore
from reconciler.ledger.postgres_store import PostgresStore
from reconciler.manifests import load
from reconciler.planning.scope import EVERYTHING
from reconciler.redaction import Redactor
from reconciler.runtime import Runtime, store_of
from reconciler.sandbox import DEALER_ID, Sandbox, transport
from tests.enforcer.rig import EVENING, Clock, project

MINUTE = timedelta(minutes=1)
BEGIN, END = EVENING - 15 * MINUTE, EVENING + 22 * MINUTE


class World:
    """One site on the embedded sandbox, a clock, and a person who changes things by hand."""

    def __init__(self, directory: Path, policy: str) -> None:
        self.project = project(directory, policy=policy)
        self.clock = Clock(BEGIN)
        self.runtime = Runtime({}, Redactor(), self.clock.now)
        self._data = directory / ".reconciler" / "sandbox.db"
        self._data.parent.mkdir()
        body = {"scope": str(DEALER_ID), "external_id": "hq", "body": {"name": "Headquarters"}}
        self._site = self._admin("POST", "/objects/site", body)["id"]
        for minutes, state in ((-12, "armed_stay"), (-7, "disarmed"), (12, "disarmed")):
            self.clock.at(EVENING + minutes * MINUTE, lambda state=state: self._by_hand(state))

    def _by_hand(self, state: str) -> None:
        self._admin("PUT", f"/sites/{self._site}/arming", {"state": state, "by": "kim"})

    def _admin(self, method: str, path: str, body: dict[str, str]) -> dict[str, str]:
        sandbox = Sandbox(self._data, clock=self.clock.now)
        try:
            with httpx.Client(transport=transport(sandbox), base_url="http://sandbox.localhost") as http:
                answer = http.request(method, f"/sim/v0{path}", json=body)
                assert answer.is_success, answer.text
                found: dict[str, str] = answer.json()
                return found
        finally:
            sandbox.close()


def by_the_daemon(world: World) -> list[CommandRecord]:
    made, directory = world.project, world.project.directory
    world.clock.stop_at = END
    manifests = Manifests(lambda: load(directory, env={}), lambda: fingerprint(directory), made)
    daemon(manifests, world.runtime, EVERYTHING, world.clock, Files(), lambda _: None)
    with store_of(made, world.runtime).open() as ledger:
        return ledger.commands()


def by_a_worker(world: World, store: PostgresStore) -> tuple[list[CommandRecord], int]:
    """The rows, and how often the lane was taken for them."""
    (lane, part), clock, taken = next(iter(parts_of(world.project).items())), world.clock, 0
    leases = Leases(lambda: Ledger(store.database()), "w1")
    with leases, store.open() as ledger:
        ledger.declare_lanes([lane], clock.now())
        while clock.now() < END:
            if not ledger.waiting_lanes(clock.now(), 1):
                clock.wait(1)
                continue
            with leases.lane(lane) as lease:
                assert lease is not None
                enforce_lane(part, lease, world.runtime, LaneStore(store, lease.hold), clock)
                taken += 1
        return ledger.commands(), taken


@pytest.mark.parametrize("policy", ["respect_until_next", "enforce"])
def test_a_fleet_of_one_leaves_the_history_that_the_daemon_leaves(
    tmp_path: Path, store: PostgresStore, policy: str
) -> None:
    alone = by_the_daemon(World(tmp_path / "alone", policy))
    fleet, taken = by_a_worker(World(tmp_path / "fleet", policy), store)
    assert fleet == alone
    assert {row.result for row in fleet} >= {"confirmed"}
    assert taken > 2, "the lane was given back in between"
