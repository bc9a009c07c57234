"""Everything that is remembered of an environment, from one ledger into another, row by row."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.errors import LedgerError
from reconciler.ledger import lines
from reconciler.ledger.branch_ledger import BranchLedger
from reconciler.ledger.database import Database
from reconciler.ledger.ledger import Ledger
from reconciler.ledger.schema import table_names
from reconciler.ledger.sqlite import MEMORY, open_database

_KEYS, _ALIVE = "keys", "workers"
"""Tables of the whole ledger: the key of its digests, and who is at work on it now, which is not copied."""

_BATCH = 100
"""Rows in a statement."""

Rows = list[tuple[object, ...]]
Content = dict[str, Rows] | dict[str, tuple[str, ...]]
"""By table its rows, or by file its lines where a branch keeps no more than these."""


def environments(ledger: Ledger) -> list[str]:
    """The environments of which something is remembered, sorted."""
    tables = [name for name in table_names() if name not in (_KEYS, _ALIVE)]
    found = " UNION ".join(f"SELECT environment FROM {table}" for table in tables)  # noqa: S608
    return sorted(row[0] for row in ledger.database.rows(found))


def copied(source: Ledger, target: Ledger) -> dict[str, int]:
    """Let ``target`` remember what ``source`` does of its environment; the rows of each table.

    Both must be locked. Raises LedgerError where the target remembers something else, or afterwards not the
    same; nothing is changed then.
    """
    limited = isinstance(source, BranchLedger) or isinstance(target, BranchLedger)
    wanted = content(source, limited=limited)
    there = content(target, limited=limited)
    if any(there.values()) and there != wanted:
        raise LedgerError(
            f"the ledger {target.database.place} remembers something else of {target.environment} already",
            hint="Copy into an empty one; nothing was changed.",
        )
    with source.database.still():
        rows = _rows(source.database)
        keys = [] if limited else _all(source.database, _KEYS)
    if not any(there.values()):
        _write(target.database, rows, keys)
        if content(target, limited=limited) != wanted:
            raise LedgerError(
                f"the ledger {target.database.place} does not hold what was copied to it",
                hint="Do not use it, and copy again into an empty one.",
            )
    return {table: len(found) for table, found in rows.items() if found}


def content(ledger: Ledger, *, limited: bool) -> Content:
    """All that is remembered; ``limited``: as far as a branch keeps it, in the form in which it does."""
    if not limited:
        with ledger.database.still():
            return {table: sorted(rows, key=repr) for table, rows in _rows(ledger.database).items()}
    if isinstance(ledger, BranchLedger):
        return ledger.lines()
    scratch = open_database(MEMORY, ledger.environment)
    try:
        with ledger.database.still():
            rows = _rows(ledger.database)
        _write(scratch, rows, [])
        return lines.dump(scratch)
    finally:
        scratch.close()


def _rows(database: Database) -> dict[str, Rows]:
    return {
        table: _all(database, table, "WHERE environment = ?", (database.environment,))
        for table in table_names()
        if table not in (_KEYS, _ALIVE)
    }


def _all(database: Database, table: str, where: str = "", values: tuple[object, ...] = ()) -> Rows:
    columns = ", ".join(_names(database, table))
    return [tuple(row) for row in database.rows(f"SELECT {columns} FROM {table} {where}", values)]  # noqa: S608


def _names(database: Database, table: str) -> list[str]:
    """Its columns in an order that is the same in every database."""
    return sorted(column.name for column in database.columns(table))


def _write(database: Database, rows: dict[str, Rows], keys: Rows) -> None:
    """Write all of it, or nothing. Raises LedgerError."""
    with database.transaction():
        for table, found in rows.items():  # in the order in which they were made: what is referred to, first
            _refuse_taken_numbers(database, table, found)
            for start in range(0, len(found), _BATCH):
                _insert(database, table, found[start : start + _BATCH])
            if found:
                database.number_after(table)
        there = _all(database, _KEYS)
        if keys and there and sorted(keys, key=repr) != sorted(there, key=repr):
            raise LedgerError(
                f"the ledger {database.place} digests secrets with a key of its own",
                hint="Copy into one that was never used; nothing was changed.",
            )
        if keys and not there:
            _insert(database, _KEYS, keys)


def _insert(database: Database, table: str, rows: Sequence[tuple[object, ...]]) -> None:
    names = _names(database, table)
    one = f"({', '.join('?' * len(names))})"
    database.change(
        f"INSERT INTO {table} ({', '.join(names)}) VALUES {', '.join([one] * len(rows))}",  # noqa: S608
        tuple(value for row in rows for value in row),
    )


def _refuse_taken_numbers(database: Database, table: str, rows: Rows) -> None:
    names = _names(database, table)
    if "id" not in names or not rows:
        return
    taken = {row[0] for row in database.rows(f"SELECT id FROM {table}")}  # noqa: S608
    place = names.index("id")
    if taken & {row[place] for row in rows}:
        raise LedgerError(
            f"another environment in the ledger {database.place} has {table} of the same numbers",
            hint="Copy into an empty one, all environments from one ledger; nothing was changed.",
        )
