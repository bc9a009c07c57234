"""The ledger of an environment as the worker of one lane sees it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from reconciler.ledger.database import Database
from reconciler.ledger.fenced import FencedDatabase
from reconciler.ledger.fleet import check_open
from reconciler.ledger.lanes import Hold, fence
from reconciler.ledger.ledger import Ledger
from reconciler.ledger.lock import Holder
from reconciler.ledger.postgres_store import PostgresStore
from reconciler.ledger.store import Lock
from reconciler.model import Shelf

PATIENCE = 1.5
"""As a session's: a worker that does not go on keeps others from its lane for less than a lease."""


class LaneStore:
    """The ledger behind the fence of ``hold``: a ``Store``.

    What enforcing and alerting read of it is the lane's own part. Lanes do not wait for each other to write.
    Closed, its connection serves the next lane; ``store.close`` ends it.
    ``run``: that of an apply, whose lanes read all of it, and write nothing once it is over.
    """

    def __init__(self, store: PostgresStore, hold: Hold, run: int | None = None) -> None:
        self._store = store
        self._hold = hold
        self._run = run

    def exists(self) -> bool:
        return True

    def open(self, warn: Callable[[str], None] | None = None) -> Ledger:  # noqa: ARG002  # nothing is amiss
        inner = self._store.lent(PATIENCE)
        database = FencedDatabase(inner, self._check)
        if self._run is None:
            database.part = f"site:{self._hold.lane}/"
        return Ledger(database)

    def _check(self, database: Database) -> None:
        fence(database, self._hold)
        if self._run is not None:
            check_open(database, self._run)

    def shelf(self) -> Shelf | None:
        return self._store.shelf()

    def holder(self, name: str) -> Holder | None:
        return self._store.holder(name)

    def lock(self, name: str, *, command: str, now: datetime) -> Lock:
        return self._store.lock(name, command=command, now=now)
