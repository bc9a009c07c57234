"""SQLite behind the sandbox: objects of every kind, and the few other tables.

An object's ``scope`` is the path of its ancestors' ids, such as ``12345/17`` for a device. Deleted
objects stay as tombstones, so that lists may lag (switch ``list_delay``). One connection is shared by
all threads under one lock; a request that writes is one transaction.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.errors import ConfigError
from reconciler.model import JsonObject, JsonValue
from reconciler.sandbox.timekeeping import iso

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    kind TEXT NOT NULL, id INTEGER NOT NULL, scope TEXT NOT NULL, external_id TEXT,
    created_at REAL NOT NULL, updated_at REAL NOT NULL, deleted_at REAL,
    body TEXT NOT NULL, prior TEXT, PRIMARY KEY (kind, id));
CREATE INDEX IF NOT EXISTS objects_by_scope ON objects (kind, scope, id) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS objects_by_external_id ON objects (kind, scope, external_id, id)
    WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS tombstones ON objects (kind, scope, deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS objects_below ON objects (scope, kind) WHERE deleted_at IS NULL;
CREATE TABLE IF NOT EXISTS answers (
    credential TEXT NOT NULL, endpoint TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL,
    at REAL NOT NULL, status INTEGER NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (credential, endpoint, key));
CREATE INDEX IF NOT EXISTS answers_by_time ON answers (at);
CREATE TABLE IF NOT EXISTS arming (
    site_id INTEGER NOT NULL, partition_id INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (site_id, partition_id));
CREATE TABLE IF NOT EXISTS activity (
    event_id INTEGER PRIMARY KEY, dealer_id INTEGER NOT NULL, site_id INTEGER NOT NULL,
    partition_id INTEGER NOT NULL, category_id INTEGER NOT NULL, at REAL NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS activity_by_time ON activity (dealer_id, at, event_id);
CREATE INDEX IF NOT EXISTS activity_by_site ON activity (site_id, at, event_id);
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY, site_id INTEGER NOT NULL, partition_id INTEGER NOT NULL, due_at REAL NOT NULL,
    status TEXT NOT NULL, attempts INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (status, due_at);
CREATE TABLE IF NOT EXISTS grants (
    sort TEXT NOT NULL, value TEXT NOT NULL, expires_at REAL, body TEXT NOT NULL, PRIMARY KEY (sort, value));
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, body TEXT NOT NULL);
"""

_TABLES = ("objects", "answers", "arming", "activity", "deliveries", "grants", "settings")
_COLUMNS = "kind, id, scope, external_id, created_at, updated_at, deleted_at, body, prior"
LARGEST_ID = 2**63 - 1


class Row(NamedTuple):
    """One stored object. ``body`` is under the manifest's field names; times are epoch seconds."""

    kind: str
    id: int
    scope: str
    external_id: str | None
    created_at: float
    updated_at: float
    deleted_at: float | None
    body: JsonObject


def unusable(path: Path | str, error: sqlite3.Error) -> ConfigError:
    """What a person is told when the database itself fails."""
    return ConfigError(
        f"the sandbox's data in {path} cannot be used: {error}",
        hint="Check the disk and who may write the file, or remove it: the sandbox begins anew.",
    )


class Store:
    """The tables, and typed access to objects. Use inside ``transaction`` or ``reading``."""

    def __init__(self, path: Path | str) -> None:
        self.lock = threading.RLock()
        self.path = path
        try:
            self._db = sqlite3.connect(
                str(path), check_same_thread=False, isolation_level=None, timeout=30, cached_statements=256
            )
            for pragma in ("journal_mode=WAL", "synchronous=OFF", "temp_store=MEMORY", "cache_size=-65536"):
                self._db.execute(f"PRAGMA {pragma}").close()
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as exc:
            raise unusable(path, exc) from exc

    def close(self) -> None:
        """Close the database. Closing twice does nothing."""
        with self.lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing: committed at the end, rolled back on any exception. Nests as one.

        Raises ConfigError when the database itself fails.
        """
        with self.lock:
            if self._db.in_transaction:
                yield
                return
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except BaseException as exc:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                if isinstance(exc, sqlite3.Error):
                    raise unusable(self.path, exc) from exc
                raise

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query, as tuples."""
        with self.lock:
            return self._db.execute(sql, values).fetchall()

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Execute one statement; the id of the inserted row, if it inserted one."""
        with self.lock:
            return self._db.execute(sql, values).lastrowid or 0

    def clear(self) -> None:
        """Empty every table."""
        with self.transaction():
            for table in _TABLES:
                self.run(f"DELETE FROM {table}")  # noqa: S608 - names of our own

    def setting(self, name: str) -> JsonValue:
        """The stored setting, None where there is none."""
        found = self.rows("SELECT body FROM settings WHERE name = ?", (name,))
        return json.loads(found[0][0]) if found else None

    def save_setting(self, name: str, value: JsonValue) -> None:
        """Keep ``value`` under ``name``."""
        self.run("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, json.dumps(value)))

    def next_id(self, kind: str) -> int:
        """The next free id of ``kind``, from 1; ids are never used again (section 11.2)."""
        return (self.rows("SELECT max(id) FROM objects WHERE kind = ?", (kind,))[0][0] or 0) + 1

    def insert(
        self,
        kind: str,
        scope: str,
        external_id: str | None,
        body: JsonObject,
        at: float,
        *,
        object_id: int | None = None,
    ) -> Row:
        """Create an object, under the next id unless ``object_id`` names one."""
        number = self.next_id(kind) if object_id is None else object_id
        self.run(
            f"INSERT INTO objects ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, NULL, ?, NULL)",  # noqa: S608
            (kind, number, scope, external_id, at, at, json.dumps(body)),
        )
        return Row(kind, number, scope, external_id, at, at, None, body)

    def get(self, kind: str, object_id: int, *, deleted: bool = False) -> Row | None:
        """The object, or None; a deleted one only when asked for."""
        if not 0 <= object_id <= LARGEST_ID:
            return None
        found = self.rows(
            f"SELECT {_COLUMNS} FROM objects WHERE kind = ? AND id = ?",  # noqa: S608
            (kind, object_id),
        )
        row = _row(found[0]) if found else None
        return row if row is None or deleted or row.deleted_at is None else None

    def find(self, kind: str, scope: str, external_id: str) -> Row | None:
        """The living object with this external id in ``scope``, the oldest if there are several."""
        found = self.rows(
            f"SELECT {_COLUMNS} FROM objects INDEXED BY objects_by_external_id"  # noqa: S608
            " WHERE kind = ? AND scope = ? AND external_id = ?"
            " AND deleted_at IS NULL ORDER BY id LIMIT 1",
            (kind, scope, external_id),
        )
        return _row(found[0]) if found else None

    def within(
        self,
        kind: str,
        scope: str,
        *,
        as_of: float | None = None,
        deleted: bool = False,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Row]:
        """The objects of ``kind`` in ``scope`` by id.

        ``as_of``: as the list stood at that instant. ``deleted``: tombstones too.
        """
        condition = "deleted_at IS NULL"
        values: list[str | float] = [kind, scope]
        if deleted:
            condition = "1"
        elif as_of is not None:
            condition = "created_at <= ? AND (deleted_at IS NULL OR deleted_at > ?)"
            values += [as_of, as_of]
        found = self.rows(
            f"SELECT {_COLUMNS} FROM objects WHERE kind = ? AND scope = ? AND {condition}"  # noqa: S608
            " ORDER BY id LIMIT ? OFFSET ?",
            (*values, -1 if limit is None else limit, offset),
        )
        return [_row(each, as_of) for each in found]

    def all(self, kind: str) -> list[Row]:
        """Every living object of ``kind``, whatever its scope, by id."""
        found = self.rows(
            f"SELECT {_COLUMNS} FROM objects WHERE kind = ? AND deleted_at IS NULL ORDER BY id",  # noqa: S608
            (kind,),
        )
        return [_row(each) for each in found]

    def below(self, scope: str) -> list[Row]:
        """Every living object directly in ``scope``, of any kind."""
        found = self.rows(
            f"SELECT {_COLUMNS} FROM objects WHERE scope = ? AND deleted_at IS NULL ORDER BY kind, id",  # noqa: S608
            (scope,),
        )
        return [_row(each) for each in found]

    def update(self, row: Row, body: JsonObject, at: float, *, external_id: str | None = None) -> Row:
        """Replace the body (and the external id where given); the old body stays readable ``as_of``."""
        changed = row._replace(body=body, updated_at=at, external_id=external_id or row.external_id)
        self.run(
            "UPDATE objects SET body = ?, prior = body, updated_at = ?, external_id = ?"
            " WHERE kind = ? AND id = ?",
            (json.dumps(body), at, changed.external_id, row.kind, row.id),
        )
        return changed

    def delete(self, row: Row, at: float) -> None:
        """Turn the object into a tombstone."""
        self.run("UPDATE objects SET deleted_at = ? WHERE kind = ? AND id = ?", (at, row.kind, row.id))

    def counts(self) -> dict[str, int]:
        """Living objects by kind."""
        found = self.rows("SELECT kind, count(*) FROM objects WHERE deleted_at IS NULL GROUP BY kind")
        return dict(found)


def stored(row: Row) -> JsonObject:
    """An object as it is stored, under the manifest's field names."""
    return {
        "kind": row.kind,
        "id": row.id,
        "scope": row.scope,
        "external_id": row.external_id,
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
        "body": row.body,
    }


def _row(found: tuple[Any, ...], as_of: float | None = None) -> Row:
    kind, number, scope, external_id, created_at, updated_at, deleted_at, body, prior = found
    stale = as_of is not None and prior is not None and updated_at > as_of
    return Row(
        kind,
        number,
        scope,
        external_id,
        created_at,
        updated_at,
        deleted_at,
        json.loads(prior if stale else body),
    )
