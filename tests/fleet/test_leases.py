"""A lane is one worker's at a time, and who lost it neither writes nor sends."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    multiple,
    rule,
    run_state_machine_as_test,
)

from reconciler.errors import LeaseLostError, LedgerError
from reconciler.fleet.leases import LEASE, MARGIN, LaneLease, Leases
from reconciler.ledger import DueRow, Hold, Lease, Ledger, fence
from reconciler.ledger.fenced import FencedDatabase
from reconciler.ledger.lane_store import PATIENCE, LaneStore
from reconciler.ledger.postgres_store import PostgresDatabase, PostgresStore
from reconciler.model import Address

NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
LONG, OVER = 60.0, 0.0
"""Seconds of leases: one that lasts for the test, and one that ends at once."""


@pytest.fixture
def ledger(store: PostgresStore) -> Iterator[Ledger]:
    with Ledger(store.database()) as ledger:
        yield ledger


def taken(ledger: Ledger, lane: str = "acme", worker: str = "w1", seconds: float = LONG) -> Hold:
    hold = ledger.take_lane(lane, worker, seconds)
    assert hold is not None
    return hold


def test_of_many_that_ask_at_once_one_gets_the_lane(store: PostgresStore) -> None:
    with ExitStack() as stack:
        ledgers = [stack.enter_context(Ledger(store.database())) for _ in range(6)]
        barrier = threading.Barrier(len(ledgers))

        def ask(number: int) -> Hold | None:
            barrier.wait()
            return ledgers[number].take_lane("acme", f"w{number}", LONG)

        for turn in range(20):
            with ThreadPoolExecutor(len(ledgers)) as pool:
                [hold] = [each for each in pool.map(ask, range(len(ledgers))) if each is not None]
            assert hold.generation == turn + 1
            assert ledgers[0].release_lane(hold)


def test_a_renewed_lease_lasts_and_one_that_is_over_goes_to_who_asks(ledger: Ledger) -> None:
    first = taken(ledger, seconds=OVER)
    assert ledger.renew_lanes([first], LONG) == {first}, "nobody took it meanwhile"
    assert ledger.take_lane("acme", "w2", LONG) is None
    assert ledger.renew_lanes([first], OVER) == {first}
    second = taken(ledger, worker="w2")
    assert second.generation == first.generation + 1
    assert ledger.renew_lanes([first, second], LONG) == {second}
    assert not ledger.release_lane(first)
    assert ledger.release_lane(second)
    assert taken(ledger, worker="w3").generation == 3


def test_the_reaper_gives_back_what_nobody_renews_and_says_whose_it_was(ledger: Ledger) -> None:
    alive, dead = taken(ledger, "acme", "w1"), taken(ledger, "bravo", "w2", OVER)
    assert ledger.reap_lanes() == {"bravo": "w2"}
    assert ledger.reap_lanes() == {}
    assert ledger.renew_lanes([alive, dead], LONG) == {alive}
    assert [(row.lane, row.holder) for row in ledger.lanes()] == [("acme", "w1"), ("bravo", "")]


def test_who_lost_the_lane_writes_nothing_more(store: PostgresStore, ledger: Ledger) -> None:
    first = taken(ledger, seconds=OVER)
    with LaneStore(store, first).open() as old:
        old.watch("site:acme/hq", None, "by the first")
        second = taken(ledger, worker="w2")
        with LaneStore(store, second).open() as new:
            with pytest.raises(LeaseLostError, match="w1 has lost the lane of acme"):
                old.watch("site:acme/hq", None, "late")
            assert new.watched() == {("site:acme/hq", None): "by the first"}
            new.watch("site:acme/hq", None, "by the second")
    assert ledger.watched() == {("site:acme/hq", None): "by the second"}


def test_nobody_takes_a_lane_in_the_middle_of_a_write(store: PostgresStore, ledger: Ledger) -> None:
    first = taken(ledger, seconds=OVER)
    with LaneStore(store, first).open() as old:
        with old.transaction():
            old.watch("site:acme/hq", None, "{}")
            assert ledger.take_lane("acme", "w2", LONG) is None
            assert ledger.reap_lanes() == {}
            assert ledger.renew_lanes([first], OVER) == {first}, "its own renewal does not wait"
        assert ledger.take_lane("acme", "w2", LONG) is not None


def test_a_worker_paused_in_the_middle_of_a_write_keeps_the_lane_for_less_than_a_lease(
    store: PostgresStore, ledger: Ledger
) -> None:
    assert 2 * PATIENCE < LEASE
    first = taken(ledger, seconds=OVER)
    with LaneStore(store, first).open() as paused:
        begun = time.monotonic()

        def write_and_pause() -> None:
            with paused.transaction():
                paused.watch("site:acme/hq", None, "{}")
                while ledger.take_lane("acme", "w2", LONG) is None:
                    assert time.monotonic() - begun < LEASE
                    time.sleep(0.1)

        with pytest.raises(LedgerError, match="terminating connection"):
            write_and_pause()
    assert ledger.watched() == {}


def test_lanes_do_not_wait_for_each_other_to_write(store: PostgresStore, ledger: Ledger) -> None:
    holds = [taken(ledger, "acme"), taken(ledger, "bravo")]
    with LaneStore(store, holds[0]).open() as one, LaneStore(store, holds[1]).open() as other:
        with one.transaction():
            one.watch("site:acme/hq", None, "{}")
            other.watch("site:bravo/hq", None, "{}")
        assert one.watched() == {("site:acme/hq", None): "{}"}, "each sees its own part"


def lease(age: float) -> LaneLease:
    """One whose last renewal was asked for ``age`` seconds ago."""
    clock = Lease(timedelta(seconds=LEASE))
    clock.renew((time.monotonic() - age, time.time() - age))
    return LaneLease(Hold("acme", 1, "w1"), clock)


def test_a_lease_is_over_for_its_worker_before_it_is_for_the_ledger() -> None:
    lease(LEASE - MARGIN - 0.5).check()
    with pytest.raises(
        LeaseLostError, match=r"stops the lane of acme: its lease was not renewed for 3\.\d s"
    ):
        lease(LEASE - MARGIN).check()


def test_a_lease_that_was_overslept_is_not_taken_up_again() -> None:
    overslept = lease(60)
    overslept.renewed(overslept.started())
    with pytest.raises(LeaseLostError):
        overslept.check()


def test_a_worker_renews_what_it_holds_and_learns_what_it_lost(store: PostgresStore, ledger: Ledger) -> None:
    leases = Leases(lambda: Ledger(store.database()), "w1")
    with leases:
        with leases.lane("acme") as kept, leases.lane("bravo") as stolen:
            assert kept is not None
            assert stolen is not None
            assert ledger.renew_lanes([stolen.hold], OVER)
            taken(ledger, "bravo", "w2")
            until = time.monotonic() + 10
            while not stolen.lost:
                assert time.monotonic() < until
                time.sleep(0.05)
            time.sleep(LEASE - MARGIN)  # the other one lives on by renewals alone
            kept.check()
            with pytest.raises(LeaseLostError, match="another worker has taken it over"):
                stolen.check()
            assert ledger.take_lane("acme", "w2", LONG) is None
        assert ledger.take_lane("acme", "w2", LONG) is not None, "it was given back"


def test_a_lane_that_another_worker_has_just_seen_to_is_not_taken_again(ledger: Ledger) -> None:
    ledger.declare_lanes(["acme"], NOW)
    [waiting] = ledger.waiting_lanes(NOW, 9)
    hold = taken(ledger)
    ledger.look_next("acme", NOW + timedelta(minutes=15), 2)
    assert ledger.release_lane(hold)
    assert ledger.take_lane(waiting, "w2", LONG, NOW) is None
    assert ledger.take_lane(waiting, "w2", LONG, NOW + timedelta(minutes=15)) is not None


def row(site: str, minutes: int, priority: int = 0, slot: int = 0, lane: str = "acme") -> DueRow:
    return DueRow(f"site:{lane}/{site}", None, slot, priority, NOW + timedelta(minutes=minutes))


def test_what_is_due_is_leased_by_priority_then_deadline_once_a_generation(ledger: Ledger) -> None:
    hold = taken(ledger)
    rows = [row("a", -1, 1), row("b", -1), row("c", -2, 1), row("d", -3), row("e", 5), row("b", 9, slot=1)]
    ledger.index_lane("acme", rows)
    ledger.index_lane("bravo", [row("z", -9, lane="bravo")])
    first = ledger.lease_due(hold, NOW, 3)
    assert [each.target for each in first] == ["site:acme/d", "site:acme/b", "site:acme/c"]
    assert [each.target for each in ledger.lease_due(hold, NOW, 3)] == ["site:acme/a"]
    assert ledger.lease_due(hold, NOW, 3) == []
    ledger.acknowledge_due("acme", [("site:acme/d", None)], [row("d", 60)])
    assert ledger.release_lane(hold)
    again = ledger.lease_due(taken(ledger, worker="w2"), NOW, 9)
    assert {each.target for each in again} == {"site:acme/a", "site:acme/b", "site:acme/c"}


def test_an_index_brought_up_to_date_keeps_what_is_leased(ledger: Ledger) -> None:
    hold = taken(ledger)
    ledger.index_lane("acme", [row("a", -1), row("b", -1), row("gone", -1)])
    assert len(ledger.lease_due(hold, NOW, 9)) == 3
    ledger.index_lane("acme", [row("a", -1), row("b", -2), row("new", -1)])
    assert {each.target for each in ledger.lease_due(hold, NOW, 9)} == {"site:acme/b", "site:acme/new"}
    assert {each.target for each in ledger.due_in("acme")} == {"site:acme/a", "site:acme/b", "site:acme/new"}


def test_lanes_wait_by_priority_then_deadline_and_an_override_wakes_one(ledger: Ledger) -> None:
    ledger.declare_lanes(["acme", "bravo", "corp", "delta"], NOW)
    for lane, minutes, priority in (("acme", 10, 0), ("bravo", -1, 1), ("corp", -5, 2), ("delta", -2, 1)):
        ledger.look_next(lane, NOW + timedelta(minutes=minutes), priority)
    assert ledger.waiting_lanes(NOW, 9) == ["delta", "bravo", "corp"]
    hold = taken(ledger, "acme")
    until = NOW + timedelta(hours=1)
    ledger.set_override(
        Address("site", ("acme", "hq")), None, "disarmed", until=until, reason="r", made_by="kim", now=NOW
    )
    ledger.look_next("acme", until, 0)
    assert ledger.release_lane(hold)
    assert ledger.waiting_lanes(NOW, 9)[0] == "acme", "woken while it was at work: looked at again"
    ledger.declare_lanes(["acme"], NOW)
    assert ledger.waiting_lanes(NOW, 9) == ["acme"], "the others are no lanes any more"


def test_leases_in_any_order_of_events(store: PostgresStore) -> None:
    class Model(LeaseModel):
        database = store.database()

    try:
        run_state_machine_as_test(
            Model, settings=settings(max_examples=30, stateful_step_count=30, deadline=None)
        )
    finally:
        Model.database.close()


_environments = itertools.count()
LANES, WORKERS = ("acme", "bravo"), ("w1", "w2", "w3")


class LeaseModel(RuleBasedStateMachine):
    """Takings, renewals, ends and writes in any order, against a model of three lines."""

    holds: Bundle[Hold] = Bundle("holds")
    database: PostgresDatabase

    @initialize()
    def begin(self) -> None:
        self.database.environment = f"e{next(_environments)}"
        self.ledger = Ledger(self.database)
        self.generations = dict.fromkeys(LANES, 0)
        self.current: dict[str, Hold] = {}
        self.alive: set[str] = set()

    @rule(
        target=holds,
        lane=st.sampled_from(LANES),
        worker=st.sampled_from(WORKERS),
        seconds=st.sampled_from((LONG, OVER)),
    )
    def take(self, lane: str, worker: str, seconds: float) -> object:
        hold = self.ledger.take_lane(lane, worker, seconds)
        assert (hold is None) == (lane in self.alive)
        if hold is None:
            return multiple()
        self.generations[lane] += 1
        assert hold == Hold(lane, self.generations[lane], worker)
        self.current[lane] = hold
        self._live(lane, seconds)
        return hold

    @rule(hold=holds, seconds=st.sampled_from((LONG, OVER)))
    def renew(self, hold: Hold, seconds: float) -> None:
        renewed = self.ledger.renew_lanes([hold], seconds)
        assert renewed == ({hold} if self._holds(hold) else set())
        if renewed:
            self._live(hold.lane, seconds)

    @rule(hold=consumes(holds))
    def release(self, hold: Hold) -> None:
        assert self.ledger.release_lane(hold) == self._holds(hold)
        if self._holds(hold):
            self._end(hold.lane)

    @rule()
    def reap(self) -> None:
        dead = {lane: hold.worker for lane, hold in self.current.items() if lane not in self.alive}
        assert self.ledger.reap_lanes() == dead
        for lane in dead:
            self._end(lane)

    @rule(hold=holds)
    def write(self, hold: Hold) -> None:
        fenced = FencedDatabase(self.database, lambda database: fence(database, hold))
        try:
            Ledger(fenced).watch(f"site:{hold.lane}/hq", None, str(hold))
        except LeaseLostError:
            assert not self._holds(hold)
        else:
            assert self._holds(hold)
            assert self.ledger.watched()[f"site:{hold.lane}/hq", None] == str(hold)

    def _holds(self, hold: Hold) -> bool:
        return self.current.get(hold.lane) == hold

    def _live(self, lane: str, seconds: float) -> None:
        (self.alive.add if seconds else self.alive.discard)(lane)

    def _end(self, lane: str) -> None:
        del self.current[lane]
        self.alive.discard(lane)
