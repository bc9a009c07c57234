"""The inbox is the same in a file and in a PostgreSQL database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.errors import LedgerError
from reconciler.ledger import Delivery, Ledger
from reconciler.ledger.postgres_session import Place
from reconciler.ledger.postgres_store import PostgresStore

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
BOTH = [("app", "log"), ("app", "crm")]


@pytest.fixture(params=["file", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    def of_server() -> Ledger:
        server = request.getfixturevalue("postgresql")
        return PostgresStore(Place(server.url, server.schema()), "dev", {}).open()

    openers: dict[str, Callable[[], Ledger]] = {
        "file": lambda: Ledger.open(tmp_path / "ledger.db", "dev"),
        "postgresql": of_server,
    }
    with openers[request.param]() as opened:
        yield opened


def delivery(event: str, at: datetime = NOW) -> Delivery:
    return Delivery("app", "app", event, event, "alarm.created", at, b'{"\xff\x00": 1}')


def test_what_is_received_is_waited_for_settled_and_forgotten(ledger: Ledger) -> None:
    assert ledger.receive(delivery("a"), ["log", "crm"])[1]
    number, new = ledger.receive(delivery("a", NOW + timedelta(hours=1)), ["log", "crm"])
    assert not new
    (kept,) = ledger.deliveries()
    assert kept == ledger.delivery(number)
    assert (kept.id, kept.repeats, kept.received_at, kept.body) == (number, 1, NOW, b'{"\xff\x00": 1}')
    assert ledger.due_consumptions("app", "log", NOW - timedelta(seconds=1), 9) == []
    (due,) = ledger.due_consumptions("app", "log", NOW, 9)
    assert (due.delivery, due.attempts, due.event_id) == (number, 0, "a")
    ledger.begin_attempt(number, "log")
    ledger.postpone_consumption(number, "log", "answered 500", NOW + timedelta(seconds=1))
    assert ledger.due_consumptions("app", "log", NOW, 9) == []
    assert ledger.settle_consumption(number, "log", NOW)
    assert not ledger.settle_consumption(number, "log", NOW)
    assert ledger.set_aside_consumption(number, "crm", "exit code 1", NOW)
    later = NOW + timedelta(days=1)
    assert ledger.forget_bodies(later, 9, BOTH) == ledger.forget_deliveries(later, 9, BOTH) == 0, (
        "crm may want it"
    )
    (aside,) = ledger.consumptions_set_aside()
    assert (aside.consumer, aside.note, aside.settled_at) == ("crm", "exit code 1", NOW)
    assert ledger.retry_consumption(number, "crm", later)
    assert ledger.settle_consumption(number, "crm", later)
    assert ledger.forget_bodies(later, 9, BOTH) == 1
    assert ledger.deliveries()[0].body is None
    assert ledger.forget_deliveries(later, 9, BOTH) == 1
    assert ledger.deliveries() == []


def test_what_waits_for_consumers_that_nobody_serves_is_needed_by_nobody(ledger: Ledger) -> None:
    served, _ = ledger.receive(delivery("a"), ["log", "crm"])
    left, _ = ledger.receive(delivery("b"), ["crm", "(enforcer)"])
    ledger.set_aside_consumption(left, "crm", "exit code 1", NOW)
    later = NOW + timedelta(days=1)
    assert ledger.forget_bodies(later, 9, [("app", "log"), ("partner", "crm")]) == 1
    assert ledger.forget_deliveries(later, 9, [("app", "log"), ("partner", "crm")]) == 1
    assert [each.id for each in ledger.deliveries()] == [served]
    assert ledger.consumptions_set_aside() == []
    assert ledger.forget_deliveries(later, 9, []) == 1


def test_outcomes_add_up_and_figures_say_what_is_unsettled(ledger: Ledger) -> None:
    for number in (1, 2):
        ledger.count_outcome("app", "", "bad_signature", number, NOW)
    ledger.count_outcome("app", "log", "done", 1, NOW)
    ledger.receive(delivery("a"), ["log"])
    figures = ledger.delivery_figures()
    assert figures.outcomes == {("app", "", "bad_signature"): 3, ("app", "log", "done"): 1}
    assert figures.unsettled == {("app", "log", "waiting"): 1}


def test_a_commit_that_is_refused_leaves_a_ledger_that_takes_the_next_one(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db", "dev") as ledger:
        with pytest.raises(LedgerError, match="FOREIGN KEY"):
            _write_what_only_the_commit_refuses(ledger)
        assert ledger.receive(delivery("a"), ["log"]) == (1, True)


def _write_what_only_the_commit_refuses(ledger: Ledger) -> None:
    database = ledger._database
    with ledger.transaction():
        database.change("PRAGMA defer_foreign_keys = ON", ())
        database.change(
            "INSERT INTO consumptions (delivery, environment, endpoint, consumer, due_at)"
            " VALUES (99, 'dev', 'app', 'log', '')",
            (),
        )
