"""What every ledger does, wherever it is kept: in a file, on a git branch, in a PostgreSQL database."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.errors import LedgerError, LockedError
from reconciler.intents import IntentDraft, IntentStatus, Moved
from reconciler.ledger import FileStore, Ledger, Store
from reconciler.ledger.postgres_session import Place
from reconciler.ledger.postgres_store import PostgresStore
from reconciler.ledger.schema import SCHEMA_VERSION
from reconciler.model import Address, Owned, Replaced
from tests.ledger.repositories import KEY, NOW, SITE, edited, make_origin, store
from tests.ledger.test_arming_record import command
from tests.ledger.test_ledger import owned_rows
from tests.postgresql import Server

DOOR = Address("device", ("acme", "hq", "door"))
KINDS = ["file", "branch", "postgresql"]


class Kept:
    """One ledger; ``run`` is another run on it, of another process or machine."""

    def __init__(self, kind: str, folder: Path, server: Callable[[], Server]) -> None:
        self.kind = kind
        self.folder = folder
        if kind == "branch":
            self.origin = make_origin(folder)
            self._clones = (self.origin.clone(f"clone-{number}") for number in count())
        if kind == "postgresql":
            self.place = Place(server().url, server().schema())

    def run(self, environment: str = "production") -> Store:
        if self.kind == "file":
            return FileStore(self.folder / "kept" / "ledger.db", environment)
        if self.kind == "branch":
            return store(next(self._clones), environment, env={"RECONCILER_LEDGER_KEY": KEY})
        return PostgresStore(self.place, environment, {})

    def spoil(self, table: str, column: str, value: str) -> None:
        """Somebody edits the only row of ``table``."""
        self._change(table, f"UPDATE {table} SET {column} = '{value}'")

    def come_from_the_future(self) -> None:
        """A later version of this program has written it."""
        later = str(SCHEMA_VERSION + 1)
        self._change(
            "owned",
            f"UPDATE ledger_version SET version = {later}"
            if self.kind == "postgresql"
            else f"PRAGMA user_version = {later}",
        )

    def _change(self, table: str, statement: str) -> None:
        if self.kind == "branch":
            path = f"production/{table}.jsonl"
            edited(self.origin, path, '{"address": "site:acme/hq", "of_tomorrow": 1}\n')
        elif self.kind == "file":
            with sqlite3.connect(self.folder / "kept" / "ledger.db") as file:
                file.execute(statement)
            file.close()
        else:
            with psycopg.connect(self.place.url) as connection:
                connection.execute(f"SET search_path TO {self.place.schema}")
                connection.execute(statement)


@pytest.fixture(params=KINDS)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    return Kept(request.param, tmp_path, lambda: request.getfixturevalue("postgresql"))


@pytest.fixture(params=["file", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    """A ledger that is written where it lies."""
    return Kept(request.param, tmp_path, lambda: request.getfixturevalue("postgresql"))


def intended(ledger: Ledger, *digests: str) -> None:
    run = ledger.begin_run("apply", "trace", "config", NOW)
    for digest in digests:
        ledger.intend_all(run, [IntentDraft(SITE, "update", None, digest, moves={"n": Moved("a", "b")})], NOW)


def test_what_one_run_owns_the_next_one_owns(kept: Kept) -> None:
    row = Owned(
        SITE, "17", "hq", protect=True, replaced={"name": Replaced("é%?'", None)}, secrets={"s": "\0\uf8ff0"}
    )
    with kept.run().open() as ledger:
        ledger.bind("https://api.example.com")
        ledger.record(replace(row, remote_id="16"))
        ledger.record(row)
        ledger.record(Owned(DOOR, "5", "door"))
        ledger.forget(DOOR)
        ledger.attest(DOOR, {"name": "Door"})
    with kept.run().open() as ledger:
        assert ledger.owned() == {DOOR: Owned(DOOR, None, None, attested={"name": "Door"}), SITE: row}
        with pytest.raises(LedgerError, match=r"is about https://api\.example\.com"):
            ledger.bind("https://api.example.net")
    with kept.run("dev").open() as other:
        assert other.owned() == {}


def test_an_unsettled_intent_is_the_next_runs_to_look_up(kept: Kept) -> None:
    with kept.run().open() as ledger:
        intended(ledger, "first", "second")
        [before] = ledger.unsettled()
        assert before.payload_digest == "second", "another payload takes the place of the first"
    with kept.run().open() as ledger:
        [intent] = ledger.unsettled(SITE)
        assert replace(intent, id=0, run=0) == replace(before, id=0, run=0)
        assert ledger.unsettled(DOOR) == []
        run = ledger.begin_run("apply", "trace-2", "config", NOW)
        again = ledger.intend_all(run, [IntentDraft(SITE, "update", None, "second")], NOW)
        assert [each.idempotency_key for each in again] == [intent.idempotency_key]
        ledger.settle(intent, IntentStatus.UNKNOWN, None, NOW, seen="a list without it")
        ledger.resolve(ledger.unsettled()[0], "18", happened=True, resolved_by="kim", now=NOW)
        with pytest.raises(LedgerError, match="settled already"):
            ledger.settle(intent, IntentStatus.FAILED, None, NOW)
        ledger.end_run(run, "done", NOW)
    with kept.run().open() as ledger:
        assert ledger.unsettled() == []
        assert [(each.address, each.resolved_by) for each in ledger.resolutions()] == [(SITE, "kim")]
        assert [each.result for each in ledger.runs(5)] == ["done", None]
        intended(ledger, "second")
        assert ledger.unsettled()[0].idempotency_key != intent.idempotency_key, "a new write has a new key"


def test_what_fails_inside_a_transaction_leaves_nothing(kept: Kept) -> None:
    with kept.run().open() as ledger:
        with pytest.raises(ZeroDivisionError):
            _break_off(ledger)
        assert ledger.owned() == {}
        with ledger.transaction():
            ledger.record(Owned(SITE, "17", "hq"))
    with kept.run().open() as ledger:
        assert list(ledger.owned()) == [SITE]


def _break_off(ledger: Ledger) -> None:
    with ledger.transaction():
        ledger.record(Owned(SITE, "17", "hq"))
        with ledger.transaction():
            ledger.record(Owned(DOOR, "5", "door"))
        raise ZeroDivisionError


def test_an_intent_needs_its_run_and_the_ledger_goes_on_after_a_refusal(kept: Kept) -> None:
    with kept.run().open() as ledger:
        with pytest.raises(LedgerError, match="refused a statement"):
            ledger.intend_all(99, [IntentDraft(SITE, "update", None, "d")], NOW)
        intended(ledger, "d")
        assert len(ledger.unsettled()) == 1


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("production", "environment production"),
        ("enforce:production", "enforcement in environment production"),
        ("listen:sim", "listening in environment sim"),
        ("verification:eu:1", "answering verifications in environment eu:1"),
        ("report:eu:1:17", "reporting of site 17 in environment eu:1"),
        ("enforce", "environment enforce"),
        ("eu:1", "environment eu:1"),
    ],
)
def test_a_refusal_says_what_the_lock_keeps_others_from(kept: Kept, name: str, said: str) -> None:
    with (
        kept.run().lock(name, command="one", now=NOW),
        pytest.raises(LockedError, match=f"^{said} is locked by `one`"),
    ):
        kept.run().lock(name, command="other", now=NOW).__enter__()


def test_equal_secrets_have_equal_digests_in_every_run(kept: Kept) -> None:
    with kept.run().open() as ledger, kept.run().open() as other:
        assert (
            ledger.secret_digest("hidden") == other.secret_digest("hidden") != ledger.secret_digest("other")
        )


def test_one_run_holds_the_lock_and_is_named_to_the_others(kept: Kept) -> None:
    with kept.run().lock("production", command="apply sites", now=NOW) as lock:
        assert lock.took_over is None
        with pytest.raises(LockedError, match="production is locked by `apply sites`") as caught:
            kept.run().lock("production", command="apply", now=NOW).__enter__()
        assert (caught.value.command, caught.value.holder is None) == ("apply sites", False)
        holder = kept.run().holder("production")
        assert holder is not None
        assert holder.command == "apply sites"
        with kept.run().lock("enforce:production", command="enforce", now=NOW):
            pass
    assert kept.run().holder("production") is None
    with kept.run().lock("production", command="apply", now=NOW) as lock:
        assert lock.took_over is None


def test_what_is_written_under_the_lock_is_there_for_the_next_run(kept: Kept) -> None:
    mine = kept.run()
    with mine.lock("production", command="apply", now=NOW), mine.open() as ledger:
        ledger.record(Owned(SITE, "17", "hq"))
    with kept.run().open() as ledger:
        assert list(ledger.owned()) == [SITE]


def test_overrides_stand_until_they_are_cleared_or_over(kept: Kept) -> None:
    until = NOW + timedelta(hours=2)
    with kept.run().open() as ledger:
        ledger.set_override(SITE, 2, "armed_away", until=until, reason="party", made_by="kim", now=NOW)
        ledger.set_override(SITE, None, "disarmed", until=until, reason="works", made_by="lou", now=NOW)
    with kept.run().open() as ledger:
        found = ledger.overrides(NOW)
        assert {(each.partition, each.state) for each in found} == {(2, "armed_away"), (None, "disarmed")}
        assert ledger.clear_override(SITE, None, NOW)
        assert not ledger.clear_override(SITE, None, NOW)
    with kept.run().open() as ledger:
        assert [each.partition for each in ledger.overrides(NOW)] == [2]
        assert ledger.overrides(until) == []


def test_commands_come_back_in_order_with_their_totals(kept: Kept) -> None:
    late = replace(command(), lateness=2.5, note="a\nnote")
    early = replace(command(SITE, 3), lateness=-1.0, issued_at=NOW + timedelta(1))
    with kept.run().open() as ledger:
        ledger.record_command(late)
        ledger.record_command(early)
        ledger.watch(str(SITE), None, "{}")
        ledger.watch(str(SITE), None, '{"seen": 1}')
    with kept.run().open() as ledger:
        assert ledger.commands(SITE) == [late, early]
        assert ledger.commands(DOOR) == []
        assert ledger.command_totals() == {late.result: (2, 2.5)}
        assert ledger.watched() == {(str(SITE), None): '{"seen": 1}'}


def test_an_alert_is_open_until_it_is_resolved_and_told(kept: Kept) -> None:
    with kept.run().open() as ledger:
        number = ledger.open_alert("open_zone", str(SITE), None, "Zone 3 is open.", NOW)
    with kept.run().open() as ledger:
        assert [(each.id, each.message) for each in ledger.open_alerts()] == [(number, "Zone 3 is open.")]
        ledger.resolve_alert(number, NOW)
        assert ledger.open_alerts() == []
        ledger.tell_alert(number, {"phone": "resolved"}, settled=False)
        assert [each.told for each in ledger.untold_alerts()] == [{"phone": "resolved"}]
        ledger.tell_alert(number, {"phone": "resolved"}, settled=True)
    with kept.run().open() as ledger:
        assert ledger.untold_alerts() == []


def test_a_row_edited_by_hand_is_named_and_not_guessed(kept: Kept) -> None:
    with kept.run().open() as ledger:
        ledger.record(Owned(SITE, "17", "hq"))
    kept.spoil("owned", "secrets", "nonsense")
    with pytest.raises(LedgerError, match="cannot be read"), kept.run().open() as ledger:
        ledger.owned()


def test_a_ledger_of_a_later_version_is_refused_and_left_alone(kept: Kept) -> None:
    with kept.run().open() as ledger:
        ledger.record(Owned(SITE, "17", "hq"))
    kept.come_from_the_future()
    with pytest.raises(LedgerError, match=r"has format|not known"):
        kept.run().open()


def test_a_ledger_brought_up_to_date_under_a_run_takes_nothing_more_from_it(database: Kept) -> None:
    with database.run().open() as ledger:
        ledger.record(Owned(SITE, "17", "hq"))
        database.come_from_the_future()
        with pytest.raises(LedgerError, match="has format") as caught:
            ledger.record(Owned(DOOR, "5", "door"))
        assert "Upgrade" in caught.value.hint
        assert list(ledger.owned()) == [SITE]


@pytest.mark.parametrize("statement", ["UPDATE commands SET note = 'x'", "DELETE FROM commands"])
def test_what_was_commanded_cannot_be_changed(database: Kept, statement: str) -> None:
    with database.run().open() as ledger:
        ledger.record_command(command())
    with pytest.raises((sqlite3.Error, psycopg.Error), match="append-only"):
        database._change("commands", statement)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(owned_rows, max_size=4, unique_by=lambda row: str(row.address)))
def test_what_was_recorded_is_what_is_owned(database: Kept, rows: list[Owned]) -> None:
    with database.run().open() as ledger:
        for address in ledger.owned():
            ledger.forget(address)
        for row in rows:
            ledger.record(row)
        assert ledger.owned() == {row.address: row for row in rows}
        assert list(ledger.owned()) == sorted(row.address for row in rows)
