"""The ledger of an environment as the worker of one lane sees it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from reconciler.ledger.database import Database
from reconciler.ledger.fenced import FencedDatabase
from reconciler.ledger.lanes import Hold, fence
from reconciler.ledger.ledger import Ledger
from reconciler.ledger.postgres_store import PostgresStore
from reconciler.ledger.store import Lock

PATIENCE = 1.5
"""As a session's: a worker that does not go on keeps others from its lane for less than a lease."""


class LaneStore:
    """The ledger behind the fence of ``hold``: a ``Store``.

    What enforcing and alerting read of it is the lane's own part. Lanes do not wait for each other to write.
    Closed, its connection serves the next lane; ``store.close`` ends it.
    """

    def __init__(self, store: PostgresStore, hold: Hold) -> None:
        self._store = store
        self._hold = hold

    def exists(self) -> bool:
        return True

    def open(self, warn: Callable[[str], None] | None = None) -> Ledger:  # noqa: ARG002  # nothing is amiss
        inner = self._store.lent(PATIENCE)
        database = FencedDatabase(inner, self._check)
        database.part = f"site:{self._hold.lane}/"
        return Ledger(database)

    def _check(self, database: Database) -> None:
        fence(database, self._hold)

    def lock(self, name: str, *, command: str, now: datetime) -> Lock:
        return self._store.lock(name, command=command, now=now)
