"""Each consumer of an event settles on its own: tried again, later and later, then set aside for a person."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.errors import LedgerError
from reconciler.ledger import Consumption, Delivery, Ledger
from reconciler.listening.consumers import Attempt, NotConsumedError
from reconciler.listening.group_commit import GroupCommit
from reconciler.listening.lane import Lane, Patience, delay
from tests.listening.rig import wait_for

NINE = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@dataclass
class Clock:
    now: datetime = NINE

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Taker:
    """A consumer that keeps what it took, and refuses as often as it is told to."""

    refusals: dict[str, int] = field(default_factory=dict)
    taken: list[tuple[str, int]] = field(default_factory=list)
    go_on: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.go_on.set()

    def consume(self, attempt: Attempt) -> None:
        event = attempt.delivery.event_id
        self.taken.append((event, attempt.number))
        self.go_on.wait(10)
        if event == "defect":
            raise ZeroDivisionError("division by zero")
        if self.refusals.get(event, 0) > 0:
            self.refusals[event] -= 1
            raise NotConsumedError("not now")

    def abandon(self) -> None:
        self.go_on.set()


@dataclass
class Rig:
    ledger: Ledger
    commits: GroupCommit
    clock: Clock
    told: list[str]
    lanes: list[Lane] = field(default_factory=list)

    def receive(self, *events: str, consumers: tuple[str, ...] = ("first",)) -> None:
        for event in events:
            delivery = Delivery("app", "app", event, event, "alarm.created", self.clock(), b"{}")
            self.commits.submit(lambda ledger, _, each=delivery: ledger.receive(each, consumers)).result(10)

    def lane(self, consumer: Taker, name: str = "first", **patience: int) -> Lane:
        patient = Patience(**patience)
        lane = Lane("app", name, consumer, patient, self.ledger, self.commits, self.clock, self.told.append)
        self.lanes.append(lane)
        lane.start()
        return lane

    def later(self, seconds: float) -> None:
        self.clock.now += timedelta(seconds=seconds)
        for lane in self.lanes:
            lane.wake()

    def number(self, outcome: str, consumer: str = "first") -> int:
        return self.ledger.delivery_figures().outcomes.get(("app", consumer, outcome), 0)

    def waiting(self) -> list[Consumption]:
        return self.ledger.due_consumptions("app", "first", NINE + timedelta(days=9), 100)


@contextmanager
def rigged(path: Path | str = ":memory:") -> Iterator[Rig]:
    clock = Clock()
    with Ledger.open(path, "dev") as ledger, GroupCommit(ledger, clock) as commits:
        rig = Rig(ledger, commits, clock, [])
        try:
            yield rig
        finally:
            for lane in rig.lanes:
                lane.stop()
            assert all(lane.join(10) for lane in rig.lanes)


def test_events_are_taken_in_their_order_once() -> None:
    taker = Taker()
    with rigged() as rig:
        rig.receive(*"abc")
        rig.lane(taker)
        wait_for(lambda: rig.number("done") == 3)
        rig.later(3600)
        rig.receive("d")
        rig.later(0)
        wait_for(lambda: rig.number("done") == 4)
    assert taker.taken == [("a", 1), ("b", 1), ("c", 1), ("d", 1)]


def test_what_fails_is_tried_again_later_and_later_and_holds_up_nothing_else() -> None:
    assert [delay(n).total_seconds() for n in (1, 2, 3, 9, 10, 11, 99)] == [1, 2, 4, 256, 512, 600, 600]
    taker = Taker({"a": 2})
    with rigged() as rig:
        rig.receive("a", "b")
        rig.lane(taker)
        wait_for(lambda: rig.number("done") == 1)
        (row,) = rig.waiting()
        assert (row.note, row.attempts, row.due_at) == ("not now", 1, NINE + timedelta(seconds=1))
        rig.later(1)
        wait_for(lambda: rig.number("failed") == 2)
        (row,) = rig.waiting()
        assert row.due_at == NINE + timedelta(seconds=3)
        rig.later(2)
        wait_for(lambda: rig.number("done") == 2)
    assert taker.taken == [("a", 1), ("b", 1), ("a", 2), ("a", 3)]


def test_what_fails_too_often_is_set_aside_until_a_person_has_it_tried_again() -> None:
    taker = Taker({"a": 3})
    with rigged() as rig:
        rig.receive("a")
        rig.lane(taker, attempts=2)
        wait_for(lambda: rig.number("failed") == 1)
        rig.later(1)
        wait_for(lambda: rig.number("set_aside") == 1)
        (row,) = rig.ledger.consumptions_set_aside()
        assert (row.attempts, row.note) == (2, "not now")
        assert "a is set aside" in rig.told[0]
        rig.later(10_000)
        assert rig.ledger.retry_consumption(row.delivery, "first", rig.clock())
        assert not rig.ledger.retry_consumption(row.delivery, "first", rig.clock())
        rig.later(0)
        wait_for(lambda: rig.number("failed") == 2)
        rig.later(1)
        wait_for(lambda: rig.number("done") == 1)
        assert rig.ledger.consumptions_set_aside() == []
    assert taker.taken == [("a", 1), ("a", 2), ("a", 3), ("a", 4)]


def test_each_consumer_settles_on_its_own() -> None:
    good, bad = Taker(), Taker({"a": 9, "b": 9})
    with rigged() as rig:
        rig.receive("a", "b", consumers=("first", "second"))
        rig.lane(good)
        rig.lane(bad, "second", attempts=1)
        wait_for(lambda: rig.number("done") == 2 and rig.number("set_aside", "second") == 2)
    assert [event for event, _ in good.taken] == ["a", "b"]


def test_a_stop_waits_for_what_is_under_way_and_begins_nothing_else(tmp_path: Path) -> None:
    taker = Taker()
    taker.go_on.clear()
    with rigged(tmp_path / "ledger.db") as rig:
        rig.receive("a", "b")
        lane = rig.lane(taker)
        wait_for(lambda: len(taker.taken) == 1)
        lane.stop()
        assert not lane.join(0.05)
        taker.go_on.set()
        assert lane.join(10)
    with Ledger.open(tmp_path / "ledger.db", "dev") as ledger:
        (left,) = ledger.due_consumptions("app", "first", NINE, 9)
    assert (left.event_id, left.attempts) == ("b", 0)


def test_an_attempt_that_was_never_heard_of_again_counts(tmp_path: Path) -> None:
    with rigged(tmp_path / "ledger.db") as rig:
        rig.receive("a", "b")
        for delivery, times in ((1, 1), (2, 3)):
            for _ in range(times):
                rig.ledger.begin_attempt(delivery, "first")
        taker = Taker()
        rig.lane(taker, attempts=3)
        wait_for(lambda: rig.number("done") == 1 and rig.number("set_aside") == 1)
        assert taker.taken == [("a", 2)], "the next attempt says that it may be a repeat"
        (aside,) = rig.ledger.consumptions_set_aside()
    assert (aside.event_id, aside.note) == ("b", "was begun and not heard of again")


def test_settled_is_settled() -> None:
    with rigged() as rig:
        rig.receive("a")
        assert rig.ledger.settle_consumption(1, "first", NINE)
        assert not rig.ledger.settle_consumption(1, "first", NINE)
        assert not rig.ledger.set_aside_consumption(1, "first", "late", NINE)
        rig.ledger.postpone_consumption(1, "first", "late", NINE)
        assert rig.waiting() == []


def test_a_defect_costs_an_attempt_and_stops_nothing() -> None:
    taker = Taker()
    with rigged() as rig:
        rig.receive("defect", "a")
        rig.lane(taker)
        wait_for(lambda: rig.number("done") == 1)
        (row,) = rig.waiting()
    assert row.note == "ZeroDivisionError: division by zero"


def test_a_ledger_that_fails_is_told_of_once_and_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    taker = Taker()
    with rigged() as rig:
        asked = 0

        def fail(*_: object) -> list[Consumption]:
            nonlocal asked
            asked += 1
            raise LedgerError("the ledger could not be read")

        with monkeypatch.context() as disk:
            disk.setattr(rig.ledger, "due_consumptions", fail)
            rig.receive("a")
            lane = rig.lane(taker)
            wait_for(lambda: lane.wake() or asked > 3)
        lane.wake()
        wait_for(lambda: rig.number("done") == 1)
        assert rig.told == ["app/first: the ledger could not be read"]


@pytest.mark.parametrize("parallel", [1, 4])
def test_as_many_are_under_way_as_are_asked_for(parallel: int) -> None:
    taker = Taker()
    taker.go_on.clear()
    with rigged() as rig:
        rig.receive(*"abcdef")
        rig.lane(taker, parallel=parallel)
        wait_for(lambda: len(taker.taken) == parallel)
        taker.go_on.set()
        wait_for(lambda: rig.number("done") == 6)
    assert sorted(event for event, _ in taker.taken) == list("abcdef")


FIRST = [("app", "first")]


def test_what_nobody_needs_is_forgotten_and_what_waits_is_not() -> None:
    with rigged() as rig:
        rig.receive("a", "b", "c")
        rig.ledger.settle_consumption(1, "first", NINE)
        rig.ledger.settle_consumption(2, "first", NINE)
        later = NINE + timedelta(days=1)
        assert rig.ledger.forget_bodies(NINE, 10, FIRST) == 0, "as old as that, not older"
        assert rig.ledger.forget_bodies(later, 1, FIRST) == 1
        assert rig.ledger.forget_bodies(later, 10, FIRST) == 1
        assert [each.body for each in rig.ledger.deliveries()] == [None, None, b"{}"]
        rig.receive("a")
        assert rig.ledger.deliveries()[0].repeats == 1, "known without its body"
        assert rig.ledger.forget_deliveries(later, 10, FIRST) == 2
        assert [each.event_id for each in rig.ledger.deliveries()] == ["c"]
