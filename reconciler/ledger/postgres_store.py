"""A ledger in a PostgreSQL database: for machines that work on one account together."""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict
from datetime import datetime
from types import TracebackType
from typing import Self

from reconciler.errors import LedgerError
from reconciler.ledger.claim import run_url
from reconciler.ledger.database import Column, Database, Row, stamp
from reconciler.ledger.ledger import Ledger
from reconciler.ledger.lock import Holder, refusal, user_name
from reconciler.ledger.postgres_session import PATIENCE, Place, Session, exists, holder_row
from reconciler.ledger.postgres_shelf import PostgresShelf


class PostgresDatabase(Database):
    """The tables of a ledger on PostgreSQL. ``closing`` hears that they are not used any more."""

    def __init__(self, session: Session, environment: str, closing: Callable[[], None]) -> None:
        super().__init__(str(session.place), environment)
        self._session = session
        self._closing: Callable[[], None] | None = closing

    def close(self) -> None:
        closing, self._closing = self._closing, None
        if closing is not None:
            closing()

    def transaction(self) -> AbstractContextManager[None]:
        return self._session.transaction()

    def still(self) -> AbstractContextManager[None]:
        return self._session.still()

    def rows(self, statement: str, values: tuple[object, ...] = ()) -> Sequence[Row]:
        return self._session.query(statement, values)

    def insert(self, statement: str, values: tuple[object, ...]) -> int:
        return self._session.insert(statement, values)

    def change(self, statement: str, values: tuple[object, ...]) -> int:
        return self._session.change(statement, values)

    def columns(self, table: str) -> list[Column]:
        found = self.rows(
            "SELECT column_name, column_default FROM information_schema.columns"
            " WHERE table_schema = current_schema() AND table_name = ? ORDER BY ordinal_position",
            (table,),
        )
        return [Column(name, self._evaluated(default)) for name, default in found]

    def number_after(self, table: str) -> None:
        if any(column.name == "id" for column in self.columns(table)):
            self.rows(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"  # noqa: S608
            )

    def _evaluated(self, expression: str | None) -> object:
        return None if expression is None else self.rows(f"SELECT {expression}")[0][0]


class PostgresStore:
    """The ledger of ``environment`` at ``place``.

    Ledger and locks share a connection, so that a lock that is lost stops what it was taken for. ``env``:
    environment variables, which say who runs this.
    """

    def __init__(self, place: Place, environment: str, env: Mapping[str, str]) -> None:
        self._place = place
        self._environment = environment
        self._env = env
        self._session: Session | None = None
        self._users = 0
        self._shelf: PostgresShelf | None = None
        self._joining = threading.Lock()
        self._spare: list[Session] = []

    @property
    def place(self) -> Place:
        """Where the database is."""
        return self._place

    def exists(self) -> bool:
        return self._session is not None or exists(self._place)

    def open(self, warn: Callable[[str], None] | None = None) -> Ledger:  # noqa: ARG002  # nothing is amiss
        return Ledger(PostgresDatabase(self.join(), self._environment, self.leave))

    def lock(self, name: str, *, command: str, now: datetime) -> PostgresLock:
        owner = self._env.get("GITHUB_ACTOR") or user_name()
        run, host = run_url(self._env), socket.gethostname()
        where = f"{host} ({run})" if run else host
        return PostgresLock(self, name, Holder(owner, os.getpid(), where, command, stamp(now)))

    def shelf(self) -> PostgresShelf:
        with self._joining:
            if self._shelf is None:
                self._shelf = PostgresShelf(self._place)
            return self._shelf

    def holder(self, name: str) -> Holder | None:
        row = holder_row(self._place, name)
        return None if row is None else Holder(*row)

    def database(self, *, turn: str = "", patience: float = PATIENCE) -> PostgresDatabase:
        """The ledger's tables over a connection of their own. Raises LedgerError."""
        session = Session(self._place, self._environment, turn=turn, patience=patience)
        return PostgresDatabase(session, self._environment, session.close)

    def lent(self, patience: float) -> PostgresDatabase:
        """The ledger's tables over a connection that goes to the next one who asks when it is closed.

        What is written waits for no other writer of the environment: for who alone writes what it writes.
        ``patience`` is the session's, the same for all of these. Raises LedgerError.
        """
        with self._joining:
            session = self._spare.pop() if self._spare else None
        if session is None:
            session = Session(self._place, self._environment, turn=uuid.uuid4().hex, patience=patience)
        return PostgresDatabase(session, self._environment, lambda: self._spare.append(session))

    def close(self) -> None:
        """Close the connections that nobody uses at the moment."""
        with self._joining:
            while self._spare:
                self._spare.pop().close()

    def join(self) -> Session:
        """The connection of this run, to be left after use. Raises LedgerError."""
        with self._joining:
            if self._session is None:
                self._session = Session(self._place, self._environment)
            self._users += 1
            return self._session

    def leave(self) -> None:
        """One user of the connection less; the last one closes it."""
        with self._joining:
            self._users -= 1
            if self._users == 0 and self._session is not None:
                self._session.close()
                self._session = None


class PostgresLock:
    """A lock of the ledger, held by this run's connection from ``__enter__`` to ``__exit__``.

    The server frees it when the connection ends, however it ends. A row says who has it; one that is found
    by whoever takes the lock names a holder that ended without releasing it: ``took_over``.
    """

    def __init__(self, store: PostgresStore, name: str, holder: Holder) -> None:
        self._store = store
        self._name = name
        self._holder = holder
        self._session: Session | None = None
        self.took_over: Holder | None = None

    def __enter__(self) -> Self:
        """Take the lock. Raises LockedError, naming the holder and since when, if another run has it."""
        session = self._store.join()
        try:
            if not session.take(self._name):
                raise refusal(self._name, _holder(session, self._name))
            try:
                self.took_over = self._announce(session)
            except BaseException:
                session.give_back(self._name)
                raise
        except BaseException:
            self._store.leave()
            raise
        self._session = session
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session, self._session = self._session, None
        assert session is not None
        try:
            # Without the connection the lock is free already, and the next holder is told who had it.
            with suppress(LedgerError):
                session.change("DELETE FROM locks WHERE name = ?", (self._name,))
        finally:
            session.give_back(self._name)
            self._store.leave()

    def _announce(self, session: Session) -> Holder | None:
        """Write down who has the lock now; who had it and did not say that it ended."""
        holder = asdict(self._holder)
        with session.transaction():
            before = _holder(session, self._name)
            session.change(
                "INSERT INTO locks (name, owner, host, pid, command, since) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, host = excluded.host,"
                " pid = excluded.pid, command = excluded.command, since = excluded.since",
                (self._name, *(holder[name] for name in ("user", "host", "pid", "command", "since"))),
            )
        return before


def _holder(session: Session, name: str) -> Holder | None:
    rows = session.query("SELECT owner, pid, host, command, since FROM locks WHERE name = ?", (name,))
    return Holder(*rows[0]) if rows else None
