"""The connection to a ledger in a PostgreSQL database: opened, lost, opened again; failures as sentences."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg
from psycopg import ClientCursor, Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from reconciler.errors import LedgerError
from reconciler.ledger.postgres_rows import NamedRow, given, named_row, placed
from reconciler.ledger.postgres_schema import bring_up_to_date, number_of, version_of
from reconciler.ledger.schema import SCHEMA_VERSION, newer

PATIENCE = 30.0
"""Seconds that a session waits for others, and half of those that others wait for one that does not go on."""

_DEFAULTS = {
    "connect_timeout": "10",
    "application_name": "reconciler",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""A server that has gone is noticed in half a minute, where the URL says nothing else."""

_SESSION = """
SET search_path TO "{schema}";
SET lock_timeout TO {wait};
SET idle_in_transaction_session_timeout TO {stall};
SET tcp_keepalives_idle TO 15; SET tcp_keepalives_interval TO 5; SET tcp_keepalives_count TO 3;
SET tcp_user_timeout TO {wait};
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
SHOW server_encoding
"""
"""The server, too, notices that this machine has gone: its locks are free then. In milliseconds."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a ledger is: ``url`` is libpq's, ``schema`` the ledger's own; ``redact`` masks secrets."""

    url: str
    schema: str
    redact: Callable[[str], str] = str

    def __str__(self) -> str:
        """What people are told; without the password."""
        parts = urlsplit(self.url)
        user, at, host = parts.netloc.rpartition("@")
        return f"postgresql://{user.partition(':')[0]}{at}{host}{parts.path} (schema {self.schema})"


class Session:
    """One connection, shared by a run's ledger, its locks and their threads.

    The locks are the session's, so they end with it, and nobody else writes what this run has a lock for:
    a write goes over the very connection that holds the lock. Once that is lost, reads go over a new one,
    and writes are refused until no lock of this session is held any more.
    """

    def __init__(self, place: Place, environment: str, *, turn: str = "", patience: float = PATIENCE) -> None:
        """``turn``: of the environment, what this session writes, where others may write the rest meanwhile.

        Raises LedgerError where the database cannot be used, or holds no ledger this program can use.
        """
        self.place = place
        self._turn = number_of(place.schema, "turn", environment, turn)
        self._patience = patience
        self._threads = threading.RLock()
        self._depth = 0
        self._held: dict[str, int] = {}
        self._lost: LedgerError | None = None
        self._ended = False
        self._connection = connect(place, patience)

    def close(self) -> None:
        """Let go of the connection, and with it of every lock, for good."""
        with self._threads:
            self._ended = True
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """As ``Database.transaction`` of a ledger."""
        with self._threads, translated(self.place):
            if self._depth == 0:
                self._begin()
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0 and not self._connection.closed:
                    with suppress(psycopg.Error):  # lost: there is nothing left to take back
                        self._connection.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._commit()

    @contextmanager
    def still(self) -> Iterator[None]:
        """As ``Database.still`` of a ledger: everything read inside is of one moment."""
        with self._threads, translated(self.place):
            if self._depth:
                yield
                return
            self._alive()
            self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if not self._connection.closed:
                    self._connection.execute("ROLLBACK")

    def query(self, statement: str, values: Sequence[object] = ()) -> list[NamedRow]:
        """All rows of a query, over a new connection where the one before was lost."""
        with self._threads, translated(self.place):
            if self._depth == 0:
                self._alive()
            try:
                return self._execute(statement, values).fetchall()
            except psycopg.OperationalError:
                if self._depth or not self._connection.closed or not _only_reads(statement):
                    raise
                self._alive()
                return self._execute(statement, values).fetchall()

    def insert(self, statement: str, values: Sequence[object]) -> int:
        """Add a row; its id, 0 where it has none."""
        with self.transaction():
            row = self._execute(f"{statement} RETURNING *", values).fetchone()
        return 0 if row is None else row.id

    def change(self, statement: str, values: Sequence[object]) -> int:
        """Write; how many rows it touched."""
        with self.transaction():
            return self._execute(statement, values).rowcount

    def take(self, name: str) -> bool:
        """Take the lock ``name`` of the ledger, which this session then holds; whether it was free."""
        number = number_of(self.place.schema, "lock", name)
        with self._threads, translated(self.place):
            self._alive()
            if name in self._held:
                return False
            [[taken]] = self._execute("SELECT pg_try_advisory_lock(?)", (number,)).fetchall()
            if taken:
                self._held[name] = number
            return bool(taken)

    def give_back(self, name: str) -> None:
        """Hold the lock ``name`` no longer. One that was lost with its connection is free already."""
        with self._threads:
            number = self._held.pop(name)
            lost, self._lost = self._lost, self._lost if self._held else None
            if lost is None and not self._connection.closed:
                with suppress(psycopg.Error):  # lost at this very moment
                    self._execute("SELECT pg_advisory_unlock(?)", (number,))

    def check(self) -> None:
        """Raises LedgerError where a lock was lost: nothing may be written then."""
        with self._threads:
            self._note_loss()
            if self._lost is not None:
                raise self._lost

    def _begin(self) -> None:
        """Begin to write: nobody else of this environment does until the end, and the format stays."""
        self.check()
        self._alive()
        try:
            version = self._opened()
        except psycopg.OperationalError:
            if not self._connection.closed:
                raise
            self.check()  # nothing was written: without a lock, a new connection does as well
            self._alive()
            version = self._opened()
        if version != SCHEMA_VERSION:
            self._connection.execute("ROLLBACK")
            raise newer(str(self.place), version)

    def _commit(self) -> None:
        """Raises LedgerError where it is not known whether it happened, and where something was refused."""
        try:
            ended = self._connection.execute("COMMIT").statusmessage
        except psycopg.OperationalError as exc:
            if not self._connection.closed:
                raise
            raise LedgerError(
                f"the connection to the ledger {self.place} was lost in the middle of a change; it is not "
                "known whether that is recorded",
                hint="Run the command again: it reads what is recorded and looks up the writes in flight.",
            ) from exc
        if ended != "COMMIT":
            raise LedgerError(
                f"the ledger {self.place} refused a part of a change, and so recorded none of it",
                hint="This is a bug in reconciler if its tables were not edited by hand.",
            )

    def _opened(self) -> int:
        """Begin, when it is our turn; the format of the ledger then."""
        try:
            cursor = self._connection.execute(
                f"BEGIN; SELECT pg_advisory_xact_lock_shared({number_of(self.place.schema)});"  # noqa: S608
                f" SELECT pg_advisory_xact_lock({self._turn}); SELECT version FROM ledger_version"
            )
        except BaseException:
            if not self._connection.closed:
                self._connection.execute("ROLLBACK")
            raise
        while cursor.nextset():
            pass
        found = cursor.fetchone()
        return 0 if found is None else int(found[0])

    def _alive(self) -> None:
        """Open a new connection where this one was lost."""
        if self._ended:
            raise LedgerError(f"the ledger {self.place} is closed", hint="This is a bug in reconciler.")
        if self._connection.closed:
            self._note_loss()
            self._connection = connect(self.place, self._patience)

    def _note_loss(self) -> None:
        if self._connection.closed and self._held and self._lost is None:
            names = ", ".join(self._held)
            self._lost = LedgerError(
                f"the connection to the ledger {self.place} was lost, and with it the lock of {names}",
                hint="This process writes nothing more, since another run may hold it; workers of its fleet "
                "stop within seconds. Run it again: it looks up what the writes in flight have done.",
            )

    def _execute(self, statement: str, values: Sequence[object]) -> psycopg.Cursor[NamedRow]:
        cursor = ClientCursor(self._connection, row_factory=named_row)
        return cursor.execute(placed(statement).encode(), [given(value) for value in values])


def connect(place: Place, patience: float = PATIENCE) -> Connection[TupleRow]:
    """A connection to a ledger of this program's format. Raises LedgerError."""
    with translated(place):
        connection = _reached(place, patience)
        wait = round(1000 * patience)
        try:
            settings = _SESSION.format(schema=place.schema, wait=wait, stall=2 * wait)
            cursor = connection.execute(settings.encode())
            while cursor.nextset():
                pass
            if cursor.fetchone() != ("UTF8",):
                raise LedgerError(
                    f"the database of the ledger {place} is not UTF-8",
                    hint="Make one that is: createdb --encoding UTF8 --template template0 NAME",
                )
            bring_up_to_date(connection, place.schema, str(place))
        except BaseException:
            connection.close()
            raise
    return connection


def _reached(place: Place, patience: float = PATIENCE) -> Connection[TupleRow]:
    options = {**_DEFAULTS, **conninfo_to_dict(place.url)}
    if patience < PATIENCE:
        options |= {"connect_timeout": "2", "tcp_user_timeout": str(round(1000 * patience))}
    return psycopg.connect(make_conninfo("", **options), autocommit=True, cursor_factory=ClientCursor)


def exists(place: Place) -> bool:
    """Whether anything was ever remembered there; asking makes nothing. Raises LedgerError."""
    with translated(place), _reached(place) as connection:
        return version_of(connection, place.schema) is not None


_HELD = """
SELECT owner, pid, host, command, since FROM "{schema}".locks WHERE name = %s AND EXISTS (
    SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE datname = current_database() AND locktype = 'advisory' AND granted AND objsubid = 1
        AND (classid::bigint << 32) + objid::bigint = %s
)
"""


def holder_row(place: Place, name: str) -> TupleRow | None:
    """Who holds the lock ``name`` now: user, process, host, command, since when. Raises LedgerError."""
    with translated(place), _reached(place) as connection:
        if version_of(connection, place.schema) is None:
            return None
        values = (name, number_of(place.schema, "lock", name))
        return connection.execute(_HELD.format(schema=place.schema).encode(), values).fetchone()


def _only_reads(statement: str) -> bool:
    return statement.lstrip().upper().startswith("SELECT")


@contextmanager
def translated(place: Place) -> Iterator[None]:
    """Psycopg's exceptions as LedgerError, without passwords and with what to do."""
    try:
        yield
    except psycopg.Error as exc:
        text = place.redact(" ".join(str(exc).split()))
        message, hint = _explanation(exc)
        raise LedgerError(f"the ledger {place} {message} ({text})", hint=hint) from exc


_BY_STATE = (
    ("28", "refused this user", "Give the right one in the URL, PGUSER and PGPASSWORD, or PGSERVICE."),
    ("3D", "names a database that does not exist", "Make it: createdb --encoding UTF8 NAME"),
    (
        "42501",
        "may not be used by this user",
        "Let it: GRANT CREATE ON DATABASE NAME TO USER, or make the schema and give it to the user.",
    ),
    ("55P03", "is in use by another process", "Wait for it to finish and run the command again."),
    ("57014", "did not answer in time", "Look at the database's load, and run the command again."),
    ("25P03", "ended a change that stood still for too long", "Run the command again."),
    ("25006", "is read-only", "Name the primary server, not a standby: `target_session_attrs=read-write`."),
    ("53100", "could not be written to disk", "Make room on the database server, then run again."),
    ("53300", "takes no more connections", "Raise the server's max_connections, or run fewer at a time."),
)


def _explanation(error: psycopg.Error) -> tuple[str, str]:
    state = error.sqlstate or ""
    for start, message, hint in _BY_STATE:
        if state.startswith(start):
            return message, hint
    if isinstance(error, psycopg.OperationalError) and (not state or state.startswith(("08", "57P"))):
        return "cannot be reached", (
            "Check the server and the URL in `ledger`. User and password come from PGUSER and PGPASSWORD, a "
            "service file, or a URL kept outside of reconciler.yaml: ledger: {env: RECONCILER_LEDGER_URL}."
        )
    if isinstance(error, psycopg.ProgrammingError) and not state:
        return "has a URL that PostgreSQL does not take", "Write postgresql://HOST/DATABASE?schema=NAME."
    return "refused a statement", "This is a bug in reconciler if its tables were not edited by hand."
