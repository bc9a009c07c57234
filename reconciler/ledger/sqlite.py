"""The ledger's file: opened safely, written durably, every failure translated into a sentence."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.errors import LedgerError
from reconciler.ledger.database import Column, Database
from reconciler.ledger.schema import APPLICATION_ID, MIGRATIONS, SCHEMA_VERSION, newer, statements

MEMORY = ":memory:"
_BUSY_SECONDS = 30.0
_TURN_SECONDS = 0.05
_OTHERS = 0o077
"""The permissions of everybody but the owner."""


class FileDatabase(Database):
    """One SQLite connection, shared by the threads of a run through a lock.

    Write-ahead log with ``synchronous=FULL``: what a finished transaction wrote survives a crash of
    the process and of the machine.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        place: str,
        environment: str,
        guard: Callable[[], None] | None = None,
    ) -> None:
        """``guard`` is called before anything is written, and raises where this run may not any more."""
        super().__init__(place, environment)
        self._connection = connection
        self._guard = guard
        self._lock = threading.RLock()
        self._depth = 0

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        if self._guard is not None:
            self._guard()
        with self._lock, translated(self.place):
            if self._depth == 0:
                self._begin()
            self._depth += 1
            try:
                yield
                if self._depth == 1:
                    self._connection.execute("COMMIT")
            except BaseException:
                # A full disk can refuse the commit itself and leave the transaction open.
                if self._depth == 1 and self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._depth -= 1

    def _begin(self) -> None:
        """Take the file's write lock. Raises LedgerError where another program has changed the tables."""
        self._connection.execute("BEGIN IMMEDIATE")
        version = _pragma(self._connection, "user_version")
        if version != SCHEMA_VERSION:
            self._connection.execute("ROLLBACK")
            raise newer(self.place, version)

    @contextmanager
    def still(self) -> Iterator[None]:
        with self._lock:
            yield

    def rows(self, statement: str, values: tuple[object, ...] = ()) -> list[sqlite3.Row]:
        with self._lock, translated(self.place):
            return self._connection.execute(statement, values).fetchall()

    def insert(self, statement: str, values: tuple[object, ...]) -> int:
        with self.transaction():
            return self._connection.execute(statement, values).lastrowid or 0

    def change(self, statement: str, values: tuple[object, ...]) -> int:
        with self.transaction():
            return self._connection.execute(statement, values).rowcount

    def columns(self, table: str) -> list[Column]:
        return [
            Column(row["name"], None if row["dflt_value"] is None else self._evaluated(row["dflt_value"]))
            for row in self.rows(f"PRAGMA table_info({table})")
        ]

    def number_after(self, table: str) -> None:
        """SQLite does so by itself."""

    def _evaluated(self, expression: str) -> object:
        return self.rows(f"SELECT {expression}")[0][0]  # a default of our schema


def _silent(_: str) -> None:
    """Tells nobody."""


def open_database(
    path: Path | str,
    environment: str,
    warn: Callable[[str], None] | None = None,
    guard: Callable[[], None] | None = None,
) -> FileDatabase:
    """The ledger file at ``path``, created (0600, in a 0700 directory) where it is missing.

    ``":memory:"`` gives a ledger that lives as long as the object. ``warn`` is told where others could read
    the file until now; ``guard`` is the database's. Raises LedgerError for a file that is damaged, of another
    program, of a newer version, a link, read-only or out of reach.
    """
    place = str(path)
    if place != MEMORY:
        _create(Path(path), warn or _silent)
    with translated(place):
        connection = sqlite3.connect(
            place, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            connection.row_factory = sqlite3.Row
            _upgrade(connection, place)
        except BaseException:
            connection.close()
            raise
    return FileDatabase(connection, place, environment, guard)


def _create(path: Path, warn: Callable[[str], None]) -> None:
    """Make the file with narrow permissions before SQLite would make it with the usual ones.

    One that others can read or write is made private, its log too. A link is refused: what a manifest's
    repository brings along must not choose which file is written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.is_symlink():
            raise LedgerError(
                f"the ledger {path} is a symbolic link",
                hint="Name the file itself under `ledger:` in reconciler.yaml.",
            )
        if path.exists() and not path.is_file():
            raise OSError(errno.EINVAL, "it is no file")
        _make(path)
    except OSError as exc:
        raise LedgerError(
            f"the ledger {path} cannot be opened for writing: {exc.strerror or exc}",
            hint="Let this user write the file and its directory, or name another file under `ledger:`.",
        ) from exc
    _make_private(path, warn)


def _make(path: Path) -> None:
    """Make the file where it is missing. Raises OSError where it cannot be read and written.

    A file that is there is not opened: to close it would drop every lock that SQLite holds on it for this
    process (POSIX advisory locks), and the log of a ledger open here would be deleted by the next process.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        effective = os.access in os.supports_effective_ids
        if not os.access(path, os.R_OK | os.W_OK, effective_ids=effective):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from None


def _make_private(path: Path, warn: Callable[[str], None]) -> None:
    """Take the ledger's files from other users. Raises LedgerError where only their owner can."""
    for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        if not file.exists() or not file.stat().st_mode & _OTHERS:
            continue
        try:
            file.chmod(0o600)
        except OSError as exc:
            raise LedgerError(
                f"the ledger {file} is open to other users, and this one cannot change that: {exc.strerror}",
                hint=f"Let its owner run: chmod 600 {file}",
            ) from exc
        warn(f"The ledger {file} was open to other users; it is its owner's alone now.")


def _upgrade(connection: sqlite3.Connection, place: str) -> None:
    """Refuse what is no ledger or is newer than this program; bring an older one up to date."""
    _check_identity(connection, place)
    _use_write_ahead_log(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    if _pragma(connection, "user_version") == SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have upgraded it while this one waited for the write lock.
        for version in range(_check_identity(connection, place), SCHEMA_VERSION):
            for statement in statements(MIGRATIONS[version]):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch the file to a write-ahead log; it stays so.

    SQLite does not wait for the lock this takes, so two processes that make one ledger at the same
    moment have to take turns here.
    """
    for _ in range(int(_BUSY_SECONDS / _TURN_SECONDS)):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            time.sleep(_TURN_SECONDS)
        else:
            return
    connection.execute("PRAGMA journal_mode = WAL")


def _check_identity(connection: sqlite3.Connection, place: str) -> int:
    """The schema version of the file; raises LedgerError for a foreign or a newer one."""
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    version = _pragma(connection, "user_version")
    mark = _pragma(connection, "application_id")
    if mark != APPLICATION_ID and (tables or mark):
        raise LedgerError(
            f"{place} is an SQLite database of another program, not a ledger",
            hint="Name another file under `ledger:` in reconciler.yaml; nothing was changed in this one.",
        )
    if version > SCHEMA_VERSION:
        raise newer(place, version)
    return version


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    value: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value


@contextmanager
def translated(place: str) -> Iterator[None]:
    """SQLite's exceptions as LedgerError, with what to do."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as exc:
        message, hint = _explain(exc)
        raise LedgerError(f"the ledger {place} {message} ({exc})", hint=hint) from exc


def _explain(error: sqlite3.Error | UnicodeDecodeError) -> tuple[str, str]:
    # SQLite quotes the damaged schema in its message, which then may be no text at all.
    name = "SQLITE_CORRUPT" if isinstance(error, ValueError) else getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return "is damaged or is not a ledger", (
            "Restore it from a backup. Without one, move it away: the next plan finds the resources again "
            "by their external ids and offers to adopt them."
        )
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return "cannot be opened for writing", "Let this user write the file and its directory."
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "is in use by another process", "Wait for it to finish and run the command again."
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return "could not be written to disk", "Check the disk's free space and health, then run again."
    return "refused a statement", "This is a bug in reconciler if the file was not edited by hand."
