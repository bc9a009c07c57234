"""The ledger of one environment: ownership, journal and arming record in one file."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

from reconciler.ledger.alerts import AlertTables
from reconciler.ledger.answers import AnswerTables
from reconciler.ledger.arming import ArmingTables
from reconciler.ledger.confirmations import ConfirmationTables
from reconciler.ledger.database import Database
from reconciler.ledger.deliveries import DeliveryTables
from reconciler.ledger.fleet import FleetTables
from reconciler.ledger.journal import JournalTables
from reconciler.ledger.lanes import LaneTables
from reconciler.ledger.ownership import Ownership
from reconciler.ledger.reports import ReportTables
from reconciler.ledger.sqlite import open_database


class Ledger(
    Ownership,
    ConfirmationTables,
    JournalTables,
    ArmingTables,
    AlertTables,
    AnswerTables,
    ReportTables,
    DeliveryTables,
    FleetTables,
    LaneTables,
):
    """Everything the reconciler remembers of one environment. Safe to share between threads.

    Several processes may use one file; an apply holds the environment's lock besides.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.environment = database.environment

    @classmethod
    def open(cls, path: Path | str, environment: str, warn: Callable[[str], None] | None = None) -> Ledger:
        """The ledger in the file ``path`` (or ``":memory:"``), created where it is missing.

        ``warn`` is told where other users could read it. Raises LedgerError for a file that is damaged,
        of another program, written by a newer version, read-only, a link or out of reach; such a file is
        left as it is.
        """
        return cls(open_database(path, environment, warn))

    @property
    def database(self) -> Database:
        """What its tables are kept in."""
        return self._database

    def transaction(self) -> AbstractContextManager[None]:
        """Commits everything written inside together, or nothing."""
        return self._database.transaction()

    def checkpoint(self) -> None:
        """Make sure that what was remembered outlives this process.

        Nothing is needed where every change is on disk when it is made.
        """

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
