"""A ledger in a PostgreSQL database: opened, locked, lost, brought up to date."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from reconciler.errors import ConfigError, LedgerError, LockedError
from reconciler.intents import IntentDraft, IntentStatus
from reconciler.ledger import Ledger, database_store, postgres_schema, postgres_session
from reconciler.ledger.postgres_schema import OWN_TABLES
from reconciler.ledger.postgres_session import Place
from reconciler.ledger.postgres_store import PostgresLock, PostgresStore
from reconciler.model import Address, Owned
from tests.postgresql import Server

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SITE = Address("site", ("acme", "hq"))

Open = Callable[[], PostgresStore]


@pytest.fixture
def schema(postgresql: Server) -> str:
    return postgresql.schema()


@pytest.fixture
def another(postgresql: Server, schema: str) -> Open:
    """Another run on the same ledger, whose connections have its name."""
    url = f"{postgresql.url}&application_name={schema}"
    return lambda: PostgresStore(Place(url, schema), "production", {})


@pytest.fixture
def cut(postgresql: Server, schema: str) -> Callable[[], None]:
    """Ends every connection to the ledger, as a restart of the server does."""

    def end() -> None:
        with psycopg.connect(postgresql.url, autocommit=True) as connection:
            ended = connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = %s",
                (schema,),
            ).fetchall()
        assert ended

    return end


def test_a_ledger_is_made_when_it_is_opened_and_not_when_it_is_asked_for(another: Open) -> None:
    assert not another().exists()
    assert another().holder("production") is None
    another().open().close()
    assert another().exists()


def test_both_databases_end_with_the_same_tables_and_columns(
    postgresql: Server, schema: str, another: Open, tmp_path: Path
) -> None:
    another().open().close()
    with psycopg.connect(postgresql.url) as connection:
        rows = connection.execute(
            "SELECT table_name, column_name, data_type, is_nullable, collation_name"
            " FROM information_schema.columns WHERE table_schema = %s",
            (schema,),
        ).fetchall()
    types = {"bigint": "INTEGER", "text": "TEXT", "double precision": "REAL", "bytea": "BLOB"}
    there = {
        (table, name, types[kind], nullable == "NO")
        for table, name, kind, nullable, _ in rows
        if table not in OWN_TABLES
    }
    assert {
        collation for table, *_, kind, _, collation in rows if kind == "text" and table not in OWN_TABLES
    } == {"C"}
    Ledger.open(tmp_path / "ledger.db", "production").close()
    here = set()
    with sqlite3.connect(tmp_path / "ledger.db") as file:
        for (table,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            if table.startswith("sqlite_"):
                continue
            for _, name, kind, required, _, key in file.execute(f"PRAGMA table_info({table})"):
                here.add((table, name, kind, bool(required or key)))
    file.close()
    assert there == here


def test_the_lock_is_one_runs_and_names_it(another: Open) -> None:
    with another().lock("production", command="apply", now=NOW) as lock:
        assert lock.took_over is None
        with (
            pytest.raises(LockedError, match="locked by `apply`"),
            another().lock("production", command="plan", now=NOW),
        ):
            pytest.fail("two runs hold one lock")
        with another().lock("arming:production", command="enforce", now=NOW):
            pass
    assert another().holder("production") is None
    with another().lock("production", command="plan", now=NOW) as lock:
        assert lock.took_over is None


def test_a_lost_connection_is_a_lost_lock_and_nothing_more_is_written(
    another: Open, cut: Callable[[], None]
) -> None:
    store = another()
    with store.lock("production", command="apply", now=NOW), store.open() as ledger:
        ledger.record(Owned(SITE, "17", "hq"))
        cut()
        with pytest.raises(LedgerError):
            ledger.record(Owned(SITE, "18", "hq"))
        assert ledger.owned() == {SITE: Owned(SITE, "17", "hq")}, "reads go on"
        with pytest.raises(LedgerError, match="with it the lock of production"):
            ledger.record(Owned(SITE, "19", "hq"))
        assert another().holder("production") is None
        with another().lock("production", command="plan", now=NOW) as taken:
            assert taken.took_over is not None
            assert taken.took_over.command == "apply"
    with store.lock("production", command="apply", now=NOW), store.open() as ledger:
        ledger.record(Owned(SITE, "20", "hq"))


def test_without_a_lock_a_lost_connection_is_made_again(another: Open, cut: Callable[[], None]) -> None:
    with another().open() as ledger:
        cut()
        ledger.record(Owned(SITE, "17", "hq"))
        cut()
        assert list(ledger.owned()) == [SITE]


_HOLDS = """
import sys
from datetime import UTC, datetime
from reconciler.ledger.postgres_session import Place
from reconciler.ledger.postgres_store import PostgresStore

store = PostgresStore(Place(sys.argv[1], sys.argv[2]), "production", {"GITHUB_ACTOR": "kim"})
with store.lock("production", command="apply sites", now=datetime(2026, 11, 20, 8, 30, tzinfo=UTC)):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(postgresql: Server, schema: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDS, postgresql.url, schema],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_lock_of_a_killed_process_is_taken_over_and_its_holder_named(
    another: Open, holder: subprocess.Popen[str]
) -> None:
    with pytest.raises(LockedError, match="of kim, process") as caught:
        another().lock("production", command="apply", now=NOW).__enter__()
    assert str(holder.pid) in caught.value.message
    assert "2026-11-20T08:30:00" in caught.value.message
    holder.kill()
    holder.wait()
    lock = another().lock("production", command="apply", now=NOW)
    with soon_held(lock):
        assert lock.took_over is not None
        assert (lock.took_over.command, lock.took_over.pid) == ("apply sites", holder.pid)


@contextmanager
def soon_held(lock: PostgresLock) -> Iterator[None]:
    """The lock, held: the server needs a moment to see that its holder's connection has ended."""
    until = time.monotonic() + 20
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(lock)
            except LockedError:
                assert time.monotonic() < until
                time.sleep(0.01)
            else:
                break
        yield


def test_an_older_ledger_is_brought_up_to_date_once_nobody_uses_it(
    monkeypatch: pytest.MonkeyPatch, another: Open, holder: subprocess.Popen[str]
) -> None:
    with another().open() as old:
        old.record(Owned(SITE, "17", "hq"))
        later = (
            *postgres_schema.MIGRATIONS,
            "CREATE TABLE of_tomorrow (id INTEGER PRIMARY KEY) STRICT;\n",
        )
        with monkeypatch.context() as tomorrow:
            tomorrow.setattr(postgres_schema, "MIGRATIONS", later)
            tomorrow.setattr(postgres_schema, "SCHEMA_VERSION", len(later))
            tomorrow.setattr(postgres_session, "SCHEMA_VERSION", len(later))
            with pytest.raises(LedgerError, match="`apply sites` of kim") as caught:
                another().open()
            assert "when that run has ended" in caught.value.hint
            holder.communicate("\n")
            with another().open() as new:
                assert list(new.owned()) == [SITE]
                new.record(Owned(SITE, "18", "hq"))
        with pytest.raises(LedgerError, match=f"has format {len(later)}"):
            old.record(Owned(SITE, "19", "hq"))
    with pytest.raises(LedgerError, match=f"has format {len(later)}"):
        another().open()


def test_runs_that_make_one_ledger_at_the_same_moment_make_one(another: Open) -> None:
    with ThreadPoolExecutor(6) as pool:
        ledgers = list(pool.map(lambda _: another().open(), range(6)))
    for number, ledger in enumerate(ledgers):
        ledger.record(Owned(Address("site", ("acme", f"s{number}")), str(number), None))
    assert len(ledgers[0].owned()) == 6
    for ledger in ledgers:
        ledger.close()


def test_a_schema_of_something_else_is_refused_and_left_alone(
    postgresql: Server, schema: str, another: Open
) -> None:
    with psycopg.connect(postgresql.url) as connection:
        connection.execute(f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.mine (x int)")
    with pytest.raises(LedgerError, match=r"no ledger's.*") as caught:
        another().open()
    assert "?schema=NAME" in caught.value.hint
    with psycopg.connect(postgresql.url) as connection:
        assert connection.execute(f"SELECT * FROM {schema}.mine").fetchall() == []


def test_runs_count_the_writes_of_one_address_together(another: Open) -> None:
    """Two processes that journal for one environment take turns: no number is used twice."""

    def journal(_: int) -> list[str]:
        with another().open() as ledger:
            begun = ledger.begin_run("apply", "trace", "config", NOW)
            keys = []
            for _ in range(5):
                with ledger.transaction():
                    [intent] = ledger.intend_all(begun, [IntentDraft(SITE, "update", None, "d")], NOW)
                    ledger.settle(intent, IntentStatus.DONE, None, NOW)
                keys.append(intent.idempotency_key)
            return keys

    with ThreadPoolExecutor(4) as pool:
        keys = [key for found in pool.map(journal, range(4)) for key in found]
    assert len(set(keys)) == 20


def test_who_waits_too_long_for_its_turn_is_told_and_can_try_again(another: Open) -> None:
    with another().open() as ledger, closing(another().database(patience=0.2)) as database:
        with ledger.transaction():
            ledger.record(Owned(SITE, "17", "hq"))
            with pytest.raises(LedgerError, match="in use by another process"):
                Ledger(database).record(Owned(SITE, "18", "hq"))
        Ledger(database).record(Owned(SITE, "18", "hq"))
        assert ledger.owned()[SITE].remote_id == "18"


def test_what_was_refused_in_part_is_not_taken_for_recorded(another: Open) -> None:
    with another().open() as ledger:
        with pytest.raises(LedgerError, match="refused a part of a change"):
            _half(ledger)
        assert ledger.owned() == {}
        ledger.record(Owned(SITE, "17", "hq"))


def _half(ledger: Ledger) -> None:
    with ledger.transaction():
        ledger.record(Owned(SITE, "17", "hq"))
        with suppress(LedgerError):
            ledger.intend_all(99, [IntentDraft(SITE, "create", None, "digest")], NOW)


class Gate:
    """A way to the server that is cut at a COMMIT: ``before`` it arrives, or ``after`` it was carried out."""

    def __init__(self, server: Server) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._server = str(server.folder / ".s.PGSQL.5432")
        self.cut = ""
        self._mute = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._server)
                for way in (self._ask, self._answer):
                    threading.Thread(target=way, args=(near, far), daemon=True).start()

    def _ask(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while data := near.recv(65536):
                commits = b"COMMIT" in data
                if commits and self.cut == "before":
                    break
                if commits and self.cut == "after":
                    self._mute.set()
                far.sendall(data)
        self._shut(near, far)

    def _answer(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while data := far.recv(65536):
                if self._mute.is_set():
                    self._mute.clear()
                    break
                near.sendall(data)
        self._shut(near, far)

    def _shut(self, *ends: socket.socket) -> None:
        for end in ends:
            with suppress(OSError):  # the other thread was first
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@pytest.fixture
def gate(postgresql: Server) -> Iterator[Gate]:
    made = Gate(postgresql)
    yield made
    made.close()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_intent_whose_commit_is_unknown_is_looked_up_before_anything_is_sent(
    gate: Gate, schema: str, another: Open, moment: str
) -> None:
    url = f"postgresql://reconciler@127.0.0.1:{gate.port}/postgres?sslmode=disable&gssencmode=disable"
    store = PostgresStore(Place(url, schema), "production", {})
    drafts = [IntentDraft(SITE, "create", None, "digest")]
    with store.lock("production", command="apply", now=NOW), store.open() as ledger:
        begun = ledger.begin_run("apply", "trace", "config", NOW)
        gate.cut = moment
        with pytest.raises(LedgerError, match="it is not known whether that is recorded"):
            ledger.intend_all(begun, drafts, NOW)
        gate.cut = ""
        assert len(ledger.unsettled()) == (moment == "after"), "reads go on, and tell"
        with pytest.raises(LedgerError, match="with it the lock of production"):
            ledger.intend_all(begun, drafts, NOW)
    with soon_held(another().lock("production", command="apply", now=NOW)), another().open() as ledger:
        begun = ledger.begin_run("apply", "trace-2", "config", NOW)
        [intent] = ledger.intend_all(begun, drafts, NOW)
        assert (intent.number, len(ledger.unsettled())) == (1, 1), "one write, under one key"


def test_without_the_client_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    for name in [name for name in sys.modules if name.startswith("reconciler.ledger.postgres_")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ConfigError, match="psycopg cannot be used") as caught:
        database_store("postgresql:///r", "r", "production", {})
    assert "pip install 'chekt-reconciler[fleet]'" in caught.value.hint


def test_a_server_that_is_not_there_is_a_sentence_without_the_password(tmp_path: Path) -> None:
    place = Place(f"postgresql://keeper:hidden-word@/r?host={tmp_path}", "r")
    with pytest.raises(LedgerError, match=r"postgresql://keeper@/r \(schema r\) cannot be reached") as e:
        PostgresStore(place, "production", {}).open()
    assert "PGPASSWORD" in e.value.hint
    assert "hidden-word" not in f"{e.value.message} {e.value.hint}"
