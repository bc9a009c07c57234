"""A ledger in a PostgreSQL database: opened, locked, lost, brought up to date."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from reconciler.errors import LedgerError, LockedError
from reconciler.ledger import Ledger
from reconciler.ledger.postgres_schema import OWN_TABLES
from reconciler.ledger.postgres_session import Place
from reconciler.ledger.postgres_store import PostgresStore
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
