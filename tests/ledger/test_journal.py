"""An intent is on disk before its write, is settled once, and its key is its own."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import LedgerError
from reconciler.intents import Intent, IntentDraft, IntentStatus, Moved, Resolution
from reconciler.ledger import Ledger, Run, stamp
from reconciler.ledger.schema import APPLICATION_ID, MIGRATIONS
from reconciler.model import Address, Operation
from reconciler.planning.digest import idempotency_key

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SITE = Address("site", ("acme", "hq"))
DEVICE = Address("device", ("acme", "hq", "front-door"))


def intend(ledger: Ledger, operation: Operation = "create", digest: str = "d1") -> Intent:
    run = ledger.begin_run("apply", "trace", "config", NOW)
    return ledger.intend_all(run, [IntentDraft(SITE, operation, None, digest)], NOW)[0]


def test_an_open_intent_is_unsettled_until_it_is_settled_once() -> None:
    with Ledger.open(":memory:", "dev") as ledger:
        intent = intend(ledger)
        assert ledger.unsettled() == [intent]
        ledger.settle(intent, IntentStatus.DONE, "17", NOW)
        assert ledger.unsettled() == []
        with pytest.raises(LedgerError, match="settled already"):
            ledger.settle(intent, IntentStatus.FAILED, None, NOW)


@pytest.mark.parametrize("status", [IntentStatus.DONE, IntentStatus.FAILED])
def test_a_new_intent_for_the_same_content_has_a_new_key(status: IntentStatus) -> None:
    with Ledger.open(":memory:", "dev") as ledger:
        first = intend(ledger)
        ledger.settle(first, status, None, NOW)
        second = intend(ledger)
        assert (first.number, second.number) == (1, 2)
        assert first.idempotency_key != second.idempotency_key


def test_the_repeat_of_an_open_intent_is_that_intent() -> None:
    with Ledger.open(":memory:", "dev") as ledger:
        assert intend(ledger) == intend(ledger)
        assert len(ledger.unsettled()) == 1


def test_another_payload_supersedes_an_open_intent() -> None:
    with Ledger.open(":memory:", "dev") as ledger:
        first = intend(ledger, digest="d1")
        second = intend(ledger, digest="d2")
        assert second.number == 2
        assert second.idempotency_key != first.idempotency_key
        assert ledger.unsettled() == [second]


def test_parts_and_operations_of_one_address_are_separate_intents() -> None:
    with Ledger.open(":memory:", "dev") as ledger:
        run = ledger.begin_run("apply", "trace", "config", NOW)
        drafts = [
            IntentDraft(SITE, "update", None, "d", remote_id="17"),
            IntentDraft(SITE, "update", "arming_settings", "d", remote_id="17"),
            IntentDraft(SITE, "delete", None, "d", remote_id="17"),
            IntentDraft(DEVICE, "update", None, "d", external_id="front-door"),
        ]
        intents = ledger.intend_all(run, drafts, NOW)
        assert [each.number for each in intents] == [1, 2, 1, 1]
        assert len({each.idempotency_key for each in intents}) == 4
        assert ledger.unsettled() == intents


def test_a_repeat_is_told_from_what_else_is_open_at_its_address() -> None:
    with Ledger.open(":memory:", "dev") as ledger:
        run = ledger.begin_run("apply", "trace", "config", NOW)
        site, settings, other = (
            IntentDraft(SITE, "update", None, "d"),
            IntentDraft(SITE, "update", "arming_settings", "d"),
            IntentDraft(SITE, "update", "arming_settings", "other"),
        )
        first, second = ledger.intend_all(run, [site, settings], NOW)
        assert ledger.intend_all(run, [settings, site], NOW) == [second, first]
        [third] = ledger.intend_all(run, [other], NOW)
        assert ledger.unsettled() == [first, third]


def test_what_was_created_lately_is_known_from_its_settlement_on() -> None:
    with Ledger.open(":memory:", "dev") as ledger:
        run = ledger.begin_run("apply", "trace", "config", NOW)
        drafts = [
            IntentDraft(SITE, "create", None, "d"),
            IntentDraft(DEVICE, "create", None, "d"),
            IntentDraft(Address("site", ("acme", "old")), "create", None, "d"),
            IntentDraft(Address("site", ("acme", "mill")), "update", None, "d"),
            IntentDraft(Address("site", ("acme", "open")), "create", None, "d"),
        ]
        made, failed, old, updated, _ = ledger.intend_all(run, drafts, NOW)
        ledger.settle(made, IntentStatus.DONE, "1", NOW)
        ledger.settle(failed, IntentStatus.FAILED, None, NOW)
        ledger.settle(old, IntentStatus.DONE, "2", NOW - timedelta(seconds=1))
        ledger.settle(updated, IntentStatus.DONE, "3", NOW)
        assert ledger.created_since(NOW) == {("site", "1")}
        assert ledger.created_since(NOW - timedelta(seconds=1)) == {("site", "1"), ("site", "2")}
        assert ledger.created_since(NOW + timedelta(seconds=1)) == frozenset()


def test_a_batch_is_journalled_whole_or_not_at_all() -> None:
    with Ledger.open(":memory:", "dev") as ledger:
        run = ledger.begin_run("apply", "trace", "config", NOW)
        wrong: Operation = "destroy"  # type: ignore[assignment]
        with pytest.raises(LedgerError):
            ledger.intend_all(
                run, [IntentDraft(SITE, "create", None, "d"), IntentDraft(SITE, wrong, None, "d")], NOW
            )
        assert ledger.unsettled() == []


def test_an_intent_needs_its_run() -> None:
    with Ledger.open(":memory:", "dev") as ledger, pytest.raises(LedgerError):
        ledger.intend_all(99, [IntentDraft(SITE, "create", None, "d")], NOW)


@settings(max_examples=40, deadline=None)
@given(
    history=st.lists(
        st.tuples(
            st.sampled_from(["create", "update", "delete"]),
            st.sampled_from(["d1", "d2"]),
            st.sampled_from([None, *IntentStatus]),
        ),
        max_size=12,
    )
)
def test_no_two_writes_share_a_key_unless_one_repeats_the_other(
    history: list[tuple[Operation, str, IntentStatus | None]],
) -> None:
    settled: set[str] = set()
    with Ledger.open(":memory:", "dev") as ledger:
        for operation, digest, status in history:
            intent = intend(ledger, operation, digest)
            assert intent.idempotency_key not in settled
            if status is not None and status is not IntentStatus.OPEN:
                ledger.settle(intent, status, None, NOW)
            if status in (IntentStatus.DONE, IntentStatus.FAILED):
                settled.add(intent.idempotency_key)


LATER = NOW + timedelta(minutes=5)
DRAFT = IntentDraft(
    SITE,
    "update",
    "arming_settings",
    "d1",
    "17",
    "hq",
    {"name": Moved("before", "sent"), "zone": Moved("a", "b")},
)


def row(ledger: Ledger, table: str, number: int = 1) -> dict[str, object]:
    """A row as it lies in the file."""
    [found] = ledger._database.rows(f"SELECT * FROM {table} WHERE id = ?", (number,))
    return dict(found)


def test_every_field_of_an_intent_is_kept(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db", "dev") as ledger:
        run = ledger.begin_run("apply", "trace", "config", NOW)
        [made] = ledger.intend_all(run, [DRAFT], LATER)
    with Ledger.open(tmp_path / "ledger.db", "dev") as ledger:
        assert ledger.unsettled() == [made]
        assert ledger.unsettled()[0].status is IntentStatus.OPEN
        assert made == Intent(
            id=1,
            run=run,
            address=SITE,
            operation="update",
            part="arming_settings",
            number=1,
            payload_digest="d1",
            idempotency_key=idempotency_key(SITE, "update", "d1", 1),
            intended_at=LATER,
            remote_id="17",
            external_id="hq",
            moves=DRAFT.moves,
            status=IntentStatus.OPEN,
            seen="",
        )
        assert row(ledger, "intents")["settled_at"] is None


@pytest.mark.parametrize("status", [IntentStatus.DONE, IntentStatus.FAILED, IntentStatus.UNKNOWN])
@pytest.mark.parametrize(("known", "kept"), [(None, "17"), ("18", "18")])
def test_how_an_intent_ended_is_kept_with_when_and_what(
    status: IntentStatus, known: str | None, kept: str
) -> None:
    with Ledger.open(":memory:", "dev") as ledger:
        [intent, other] = ledger.intend_all(
            ledger.begin_run("apply", "trace", "config", NOW),
            [DRAFT, IntentDraft(DEVICE, "update", None, "d1", "17")],
            NOW,
        )
        before = row(ledger, "intents")
        ledger.settle(intent, status, known, LATER, seen="it may be two")
        assert row(ledger, "intents") == before | {
            "status": status.value,
            "settled_at": stamp(LATER),
            "remote_id": kept,
            "seen": "it may be two",
        }
        left = (
            [other]
            if status is not IntentStatus.UNKNOWN
            else [
                replace(intent, status=status, remote_id=kept, seen="it may be two"),
                other,
            ]
        )
        assert ledger.unsettled() == left


@pytest.mark.parametrize("last", [IntentStatus.DONE, IntentStatus.FAILED, IntentStatus.UNKNOWN])
def test_what_is_unknown_can_be_settled_later(last: IntentStatus) -> None:
    with Ledger.open(":memory:", "dev") as ledger:
        intent = intend(ledger)
        ledger.settle(intent, IntentStatus.UNKNOWN, None, NOW, seen="nothing")
        ledger.settle(intent, last, None, LATER)
        assert row(ledger, "intents")["status"] == last.value
        assert row(ledger, "intents")["seen"] == ""


@pytest.mark.parametrize("first", [IntentStatus.DONE, IntentStatus.FAILED])
@pytest.mark.parametrize("second", [IntentStatus.DONE, IntentStatus.FAILED, IntentStatus.UNKNOWN])
def test_a_known_outcome_is_final(first: IntentStatus, second: IntentStatus) -> None:
    with Ledger.open(":memory:", "dev") as ledger:
        intent = intend(ledger)
        ledger.settle(intent, first, "17", NOW)
        before = row(ledger, "intents")
        with pytest.raises(LedgerError, match="intent 1 is settled already") as caught:
            ledger.settle(intent, second, "18", LATER)
        assert caught.value.address == SITE
        assert row(ledger, "intents") == before


def test_nothing_is_settled_as_open() -> None:
    with Ledger.open(":memory:", "dev") as ledger:
        intent = intend(ledger)
        with pytest.raises(LedgerError, match="refused a statement"):
            ledger.settle(intent, IntentStatus.OPEN, None, NOW)
        assert ledger.unsettled() == [intent]


def test_unsettled_intents_come_oldest_first_and_by_address() -> None:
    with Ledger.open(":memory:", "dev") as ledger:
        run = ledger.begin_run("apply", "trace", "config", NOW)
        drafts = [IntentDraft(each, "create", None, "d") for each in (SITE, DEVICE)]
        first, second = ledger.intend_all(run, drafts, NOW)
        ledger.settle(first, IntentStatus.UNKNOWN, None, NOW)
        assert [each.id for each in ledger.unsettled()] == [1, 2]
        assert ledger.unsettled(DEVICE) == [second]
        assert ledger.unsettled(Address("site", ("acme", "depot"))) == []


def test_what_is_superseded_failed_at_that_time_and_beside_it_nothing() -> None:
    with Ledger.open(":memory:", "dev") as ledger:
        run = ledger.begin_run("apply", "trace", "config", NOW)
        drafts = [
            IntentDraft(SITE, "update", None, "d1"),
            IntentDraft(SITE, "update", "arming_settings", "d1"),
            IntentDraft(SITE, "delete", None, "d1"),
            IntentDraft(DEVICE, "update", None, "d1"),
        ]
        _, *others = ledger.intend_all(run, drafts, NOW)
        [new] = ledger.intend_all(run, [IntentDraft(SITE, "update", None, "d2")], LATER)
        assert ledger.unsettled() == [*others, new]
        superseded = row(ledger, "intents")
        assert (superseded["status"], superseded["settled_at"]) == ("failed", stamp(LATER))
        assert new.number == 3


def test_environments_share_neither_intents_nor_runs(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(path, "dev") as dev, Ledger.open(path, "production") as production:
        mine, theirs = intend(dev), intend(production)
        assert (dev.unsettled(), production.unsettled()) == ([mine], [theirs])
        assert theirs.number == 1
        with pytest.raises(LedgerError, match="settled already"):
            dev.settle(theirs, IntentStatus.DONE, None, NOW)
        dev.end_run(theirs.run, "done", LATER)
        assert production.runs(10)[0].ended_at is None
        dev.resolve(mine, None, happened=False, resolved_by="kim", now=NOW)
        assert production.resolutions() == []
        assert [each.id for each in dev.runs(10)] == [mine.run]


def test_every_field_of_a_run_is_kept_and_the_last_come_first() -> None:
    with Ledger.open(":memory:", "dev") as ledger:
        first = ledger.begin_run("apply", "trace-1", "config-1", NOW)
        second = ledger.begin_run("destroy", "trace-2", "config-2", LATER)
        ledger.end_run(first, "partial", LATER)
        assert row(ledger, "runs")["config_digest"] == "config-1"
        ended = Run(first, "apply", "trace-1", NOW, LATER, "partial")
        going_on = Run(second, "destroy", "trace-2", LATER, None, None)
        assert ledger.runs(10) == [going_on, ended]
        assert ledger.runs(1) == [going_on]
        assert ended.to_json() == {
            "id": first,
            "command": "apply",
            "trace_id": "trace-1",
            "started_at": "2026-11-20T09:00:00.000000+00:00",
            "ended_at": "2026-11-20T09:05:00.000000+00:00",
            "result": "partial",
        }
        assert going_on.to_json()["ended_at"] is None


@pytest.mark.parametrize(("happened", "status"), [(True, "done"), (False, "failed")])
def test_a_persons_word_settles_it_and_is_kept(*, happened: bool, status: str) -> None:
    with Ledger.open(":memory:", "dev") as ledger:
        run = ledger.begin_run("apply", "trace", "config", NOW)
        [intent] = ledger.intend_all(run, [DRAFT], NOW)
        ledger.settle(intent, IntentStatus.UNKNOWN, None, NOW, seen="it may be two")
        [unknown] = ledger.unsettled()
        ledger.resolve(unknown, "18", happened=happened, resolved_by="kim", now=LATER)
        kept = row(ledger, "intents")
        assert (kept["status"], kept["remote_id"], kept["seen"]) == (status, "18", "it may be two")
        assert ledger.resolutions() == [
            Resolution(SITE, "update", "arming_settings", 1, happened, "18", "it may be two", "kim", LATER)
        ]
        with pytest.raises(LedgerError, match="settled already"):
            ledger.resolve(unknown, None, happened=True, resolved_by="lee", now=LATER)
        assert len(ledger.resolutions()) == 1


def test_a_word_that_cannot_be_kept_settles_nothing() -> None:
    nobody: str = None  # type: ignore[assignment]
    with Ledger.open(":memory:", "dev") as ledger:
        intent = intend(ledger)
        with pytest.raises(LedgerError, match="refused a statement"):
            ledger.resolve(intent, None, happened=True, resolved_by=nobody, now=NOW)
        assert ledger.unsettled() == [intent]


def test_what_people_said_comes_oldest_first() -> None:
    with Ledger.open(":memory:", "dev") as ledger:
        for who in ("kim", "lee"):
            ledger.resolve(intend(ledger), None, happened=False, resolved_by=who, now=NOW)
        assert [each.resolved_by for each in ledger.resolutions()] == ["kim", "lee"]


def test_an_unknown_write_of_the_first_format_is_one_that_is_never_sent_again(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    connection = sqlite3.connect(path)
    connection.executescript(MIGRATIONS[0])
    connection.execute("INSERT INTO runs VALUES (1, 'dev', 'apply', 't', 'c', ?, NULL, NULL)", (stamp(NOW),))
    for number, status in enumerate(("open", "unknown", "done"), 1):
        connection.execute(
            "INSERT INTO intents VALUES"
            " (?, 1, 'dev', 'site:acme/hq', 'create', NULL, ?, 'd', ?, NULL, 'hq', ?, ?, ?)",
            (number, number, f"key{number}", stamp(NOW), status, None if status == "open" else stamp(NOW)),
        )
    connection.executescript(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1;")
    connection.close()
    with Ledger.open(path, "dev") as ledger:
        assert [(each.id, each.moves, each.seen) for each in ledger.unsettled()] == [(1, {}, "")]
        assert [row(ledger, "intents", n)["status"] for n in (1, 2, 3)] == ["open", "failed", "done"]


_KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from reconciler.ledger import Ledger
from reconciler.intents import IntentDraft, IntentStatus
from reconciler.model import Address, Owned

now = datetime(2026, 11, 20, tzinfo=UTC)
ledger = Ledger.open(Path(sys.argv[1]), "dev")
run = ledger.begin_run("apply", "trace", "config", now)
addresses = [Address("site", ("acme", f"s{n}")) for n in range(3)]
first, second, third = ledger.intend_all(
    run, [IntentDraft(a, "create", None, "d", external_id=a.id) for a in addresses], now
)
with ledger.transaction():
    ledger.settle(first, IntentStatus.DONE, "1", now)
    ledger.record(Owned(addresses[0], "1", "s0"))
if sys.argv[2] == "inside":
    with ledger.transaction():
        ledger.settle(second, IntentStatus.DONE, "2", now)
        ledger.record(Owned(addresses[1], "2", "s1"))
        os.kill(os.getpid(), signal.SIGKILL)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("where", ["between", "inside"])
def test_what_was_journalled_survives_a_kill_and_half_a_transaction_does_not(
    tmp_path: Path, where: str
) -> None:
    path = tmp_path / "ledger.db"
    ended = subprocess.run([sys.executable, "-c", _KILLED, path, where], check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    with Ledger.open(path, "dev") as ledger:
        assert [intent.address.id for intent in ledger.unsettled()] == ["s1", "s2"]
        assert [intent.external_id for intent in ledger.unsettled()] == ["s1", "s2"]
        assert [address.id for address in ledger.owned()] == ["s0"]


def test_every_journal_write_reaches_the_disk(tmp_path: Path) -> None:
    """A killed process proves the write, not the sync; the mode of the file's log proves that."""
    with Ledger.open(tmp_path / "ledger.db", "dev") as ledger:
        assert ledger._database.rows("PRAGMA synchronous")[0][0] == 2
        assert ledger._database.rows("PRAGMA journal_mode")[0][0] == "wal"
        assert ledger._database.rows("PRAGMA foreign_keys")[0][0] == 1
