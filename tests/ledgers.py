"""The ledger under test: a file in its directory or, with RECONCILER_TEST_LEDGER=postgresql, a schema."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from reconciler.ledger.database import Database
from reconciler.ledger.postgres_session import Place
from reconciler.ledger.postgres_store import PostgresStore
from reconciler.ledger.sqlite import open_database
from tests.postgresql import running

SWITCH = "RECONCILER_TEST_LEDGER"
_FILE = "ledger.db"
_NAME = "ledger.schema"
"""In the directory of a ledger on PostgreSQL: the name of its schema."""

_spare: list[str] = []
"""Schemas with an empty ledger: to make one takes longer than most tests."""


def on_postgresql() -> bool:
    """Whether ledgers are kept in the tests' PostgreSQL server."""
    return os.environ.get(SWITCH) == "postgresql"


def open_in(directory: Path, environment: str) -> Database:
    """The ledger of ``directory``, made where there is none."""
    if not on_postgresql():
        return open_database(directory / _FILE, environment)
    return PostgresStore(Place(running().url, _schema(directory)), environment, {}).database()


def setting(directory: Path) -> str:
    """What reconciler.yaml says after ``ledger:`` for the ledger of ``directory``."""
    return f"{running().url}&schema={_schema(directory)}" if on_postgresql() else str(directory / _FILE)


def copy(source: Path, target: Path) -> None:
    """Let ``target``, which has no ledger, have the one of ``source``; nobody has either open."""
    if not on_postgresql():
        shutil.copyfile(source / _FILE, target / _FILE)
        return
    open_in(target, "any").close()
    there, here = _schema(source), _schema(target)
    with _tables(here) as (connection, tables):
        for table in tables:
            columns = "OVERRIDING SYSTEM VALUE SELECT *"
            connection.execute(f"INSERT INTO {here}.{table} {columns} FROM {there}.{table}")
        numbered = connection.execute(
            "SELECT table_name FROM information_schema.columns"
            " WHERE table_schema = %s AND is_identity = 'YES'",
            (here,),
        ).fetchall()
        for (table,) in numbered:
            connection.execute(
                f"SELECT setval(pg_get_serial_sequence('{here}.{table}', 'id'), max(id)) FROM {here}.{table}"
            )


def lose(directory: Path) -> None:
    """The ledger of ``directory`` is gone."""
    if on_postgresql():
        schema = _schema(directory)
        with _tables(schema):
            _spare.append(schema)
        (directory / _NAME).unlink()
    for path in directory.glob(f"{_FILE}*"):
        path.unlink()


def remove(directory: Path) -> None:
    """Remove ``directory`` with its ledger."""
    lose(directory)
    shutil.rmtree(directory)


def _schema(directory: Path) -> str:
    note = directory / _NAME
    if not note.exists():
        note.write_text(_spare.pop() if _spare else running().schema(), encoding="utf-8")
    return note.read_text(encoding="utf-8")


@contextmanager
def _tables(schema: str) -> Iterator[tuple[psycopg.Connection, list[str]]]:
    """The tables of a ledger, emptied, in any order and past their triggers."""
    with psycopg.connect(running().url) as connection:
        connection.execute("SET session_replication_role TO replica")
        found = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = %s AND tablename <> 'ledger_version'",
            (schema,),
        ).fetchall()
        tables = [table for (table,) in found]
        for table in tables:
            connection.execute(f"DELETE FROM {schema}.{table}")
        yield connection, tables
