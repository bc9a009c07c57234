"""Small texts that machines share through the ledger's database: the buckets of their request budgets."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from reconciler.ledger.postgres_session import Place, connect, translated

_TAKE = """
BEGIN;
SET LOCAL synchronous_commit TO off;
INSERT INTO budgets (name, bucket) VALUES (%(name)s, '') ON CONFLICT (name) DO NOTHING;
SELECT bucket FROM budgets WHERE name = %(name)s FOR UPDATE;
SELECT bucket, extract(epoch FROM clock_timestamp())::float8 FROM budgets WHERE name = %(name)s
"""
"""The clock is read once the row is ours: whoever had it before us has read an earlier time."""

_PUT = "UPDATE budgets SET bucket = %(bucket)s WHERE name = %(name)s; COMMIT"


class PostgresShelf:
    """The shelf of a ledger, over a connection of its own, so that a budget waits for no transaction."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._connections: list[Connection[TupleRow]] = []
        weakref.finalize(self, _close, self._connections)

    def change(self, name: str, step: Callable[[str | None, float], str]) -> None:
        """Replace the text ``name`` by what ``step`` makes of it and of the shelf's time in Unix seconds.

        Nobody changes it meanwhile. ``step`` may be called again where the connection was lost before
        anything was taken. Raises LedgerError.
        """
        with self._lock, translated(self._place):
            connection = self._alive()
            try:
                text, now = _taken(connection, name)
            except psycopg.OperationalError:
                if not connection.closed:
                    raise
                connection = self._alive()
                text, now = _taken(connection, name)
            try:
                bucket = step(text or None, now)
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute(_PUT, {"bucket": bucket, "name": name})

    def _alive(self) -> Connection[TupleRow]:
        if self._connections and self._connections[0].closed:
            self._connections.clear()
        if not self._connections:
            self._connections.append(connect(self._place))
        return self._connections[0]


def _taken(connection: Connection[TupleRow], name: str) -> tuple[str, float]:
    cursor = connection.execute(_TAKE, {"name": name})
    while cursor.nextset():
        pass
    row = cursor.fetchone()
    assert row is not None
    return row[0], row[1]


def _close(connections: list[Connection[TupleRow]]) -> None:
    for connection in connections:
        connection.close()
