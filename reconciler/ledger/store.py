"""Where the ledger of an environment is kept. Everything above asks a store and knows no more of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from reconciler.errors import ConfigError
from reconciler.ledger.ledger import Ledger
from reconciler.ledger.lock import EnvironmentLock, Holder, holder_of
from reconciler.model import Shelf


class Lock(Protocol):
    """The right to change an account, or to arm in it, from ``__enter__`` to ``__exit__``.

    ``took_over`` names, once entered, the holder that ended without releasing it; None after a clean end.
    Entering raises LockedError, naming the holder, where another living run has it.
    """

    @property
    def took_over(self) -> Holder | None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Store(Protocol):
    """The ledger of one environment, wherever it is kept, and its locks."""

    def exists(self) -> bool:
        """False where nothing has been remembered yet; asking makes nothing."""
        ...

    def open(self, warn: Callable[[str], None] | None = None) -> Ledger:
        """The ledger. Raises LedgerError where it cannot be read.

        ``warn``: told what was amiss with it, and takes the reason where a plan can do without what it
        cannot reach.
        """
        ...

    def lock(self, name: str, *, command: str, now: datetime) -> Lock:
        """The lock ``name`` of this ledger, to be entered for the time of ``command``."""
        ...

    def shelf(self) -> Shelf | None:
        """What machines share through this ledger; None where it is no place for that."""
        ...

    def holder(self, name: str) -> Holder | None:
        """Who holds the lock ``name`` now, as far as that can be told without taking it."""
        ...


class FileStore:
    """A ledger in an SQLite file of this machine, its locks beside it."""

    def __init__(self, path: Path, environment: str) -> None:
        self._path = path
        self._environment = environment

    def exists(self) -> bool:
        return self._path.exists()

    def open(self, warn: Callable[[str], None] | None = None) -> Ledger:
        return Ledger.open(self._path, self._environment, warn)

    def lock(self, name: str, *, command: str, now: datetime) -> EnvironmentLock:
        return EnvironmentLock(self._path.parent, name, command=command, now=now)

    def shelf(self) -> None:
        return None

    def holder(self, name: str) -> Holder | None:
        return holder_of(self._path.parent, name)


def database_store(
    url: str, schema: str, environment: str, env: Mapping[str, str], redact: Callable[[str], str] = str
) -> Store:
    """A ledger in the schema ``schema`` of the PostgreSQL database ``url``, in libpq's form.

    ``env``: environment variables, which say who runs this; ``redact`` masks secrets in texts. Raises
    ConfigError where the client for PostgreSQL is not installed.
    """
    try:
        from reconciler.ledger.postgres_session import Place  # noqa: PLC0415  of the extra `fleet`
        from reconciler.ledger.postgres_store import PostgresStore  # noqa: PLC0415
    except ImportError as exc:
        raise ConfigError(
            f"the ledger is in a PostgreSQL database, and psycopg cannot be used: {exc}",
            hint="Install it: pip install 'chekt-reconciler[fleet]'",
        ) from exc
    return PostgresStore(Place(url, schema, redact), environment, env)
