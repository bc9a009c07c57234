"""The tables of one environment as files of JSON lines, and back.

A line is a row: sorted keys, no nulls and no defaults, so the same rows are the same bytes. What the next
run does not need is left out; older versions of the files keep it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from reconciler.errors import LedgerError
from reconciler.ledger.database import Database, instant, json_text
from reconciler.model import Address, JsonObject

KEPT_RUNS = 100
KEPT_COMMANDS = 2000
KEPT_OVERRIDES = 500
KEPT_RESOLUTIONS = 500
KEPT_ANSWERS = 2000

Lines = Mapping[str, tuple[str, ...]]
"""The lines of each file, by its name."""


@dataclass(frozen=True, slots=True)
class Table:
    """How a table is written. ``key``: the columns that tell its rows apart; ``order``: theirs in the file.

    ``kept``: which rows are. ``at``: what to order merged rows by where it is not ``order``.
    ``numbered``: whether a row keeps its number, which others name it by.
    ``nested``: columns that hold JSON. ``addresses`` and ``times``: columns to be read as such.
    """

    name: str
    key: tuple[str, ...]
    order: str
    kept: str = "1"
    at: str | None = None
    numbered: bool = False
    nested: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    times: frozenset[str] = frozenset()

    @property
    def file(self) -> str:
        return f"{self.name}.jsonl"


def _last(count: int, table: str) -> str:
    return f"id IN (SELECT id FROM {table} WHERE environment = ?1 ORDER BY id DESC LIMIT {count})"  # noqa: S608


_UNSETTLED = "status IN ('open', 'unknown')"
_JUST_CREATED = (  # lists may lag behind it when the next run reads them
    "(operation = 'create' AND status = 'done' AND run = (SELECT max(id) FROM runs WHERE environment = ?1))"
)
_IN_DOUBT = f"id IN (SELECT run FROM intents WHERE {_UNSETTLED})"  # noqa: S608  # both are ours

TABLES = (
    Table("accounts", (), "account"),
    Table("confirmations", ("account", "endpoint"), "account, endpoint", times=frozenset({"seen_at"})),
    Table(
        "owned",
        ("address",),
        "address",
        nested=frozenset({"replaced", "secrets", "attested"}),
        addresses=frozenset({"address"}),
    ),
    Table(
        "runs",
        ("id",),
        "id",
        kept=f"{_last(KEPT_RUNS, 'runs')} OR {_IN_DOUBT}",
        numbered=True,
        times=frozenset({"started_at", "ended_at"}),
    ),
    Table(
        "intents",
        ("id",),
        "id",
        kept=f"{_UNSETTLED} OR {_JUST_CREATED}",
        numbered=True,
        nested=frozenset({"moves"}),
        addresses=frozenset({"address"}),
        times=frozenset({"intended_at", "settled_at"}),
    ),
    Table(
        "resolutions",
        ("address", "operation", "number", "resolved_at"),
        "id",
        kept=_last(KEPT_RESOLUTIONS, "resolutions"),
        at="resolved_at",
        addresses=frozenset({"address"}),
        times=frozenset({"resolved_at"}),
    ),
    Table(
        "commands",
        ("target", "partition", "issued_at", "result"),
        "id",
        kept=_last(KEPT_COMMANDS, "commands"),
        at="issued_at",
        addresses=frozenset({"target"}),
        times=frozenset({"due", "issued_at", "changed_at"}),
    ),
    Table(
        "overrides",
        ("target", "partition", "created_at"),
        "created_at, target, partition",
        kept=f"cleared_at IS NULL OR {_last(KEPT_OVERRIDES, 'overrides')}",
        addresses=frozenset({"target"}),
        times=frozenset({"until", "created_at", "cleared_at"}),
    ),
    Table(
        "answers",
        ("site_id", "verification", "responded_at"),
        "id",
        kept=f"{_UNSETTLED} OR {_last(KEPT_ANSWERS, 'answers')}",
        at="responded_at",
        addresses=frozenset({"site", "contact"}),
        times=frozenset({"asked_at", "responded_at", "settled_at"}),
    ),
    Table("watched", ("target", "partition"), "target, partition"),
    Table(
        "alerts",
        ("id",),
        "id",
        kept="resolved_at IS NULL OR settled = 0",
        numbered=True,
        nested=frozenset({"told"}),
        times=frozenset({"opened_at", "resolved_at"}),
    ),
)
"""In the order in which rows may refer to those before."""


@dataclass(frozen=True, slots=True)
class _Columns:
    """The columns written of a table, with the default of those that have one."""

    names: tuple[str, ...]
    defaults: Mapping[str, object] = field(default_factory=dict)


def _columns(database: Database, table: Table) -> _Columns:
    hidden = {"environment"} if table.numbered else {"environment", "id"}
    found = [column for column in database.columns(table.name) if column.name not in hidden]
    return _Columns(
        tuple(column.name for column in found),
        {column.name: column.default for column in found if column.default is not None},
    )


def dump(database: Database) -> dict[str, tuple[str, ...]]:
    """The lines of every file of the environment; a table without rows has none."""
    return {table.file: tuple(_dumped(database, table)) for table in TABLES}


def _dumped(database: Database, table: Table) -> Iterator[str]:
    columns = _columns(database, table)
    statement = (
        f"SELECT {', '.join(columns.names)} FROM {table.name}"  # noqa: S608  # names from our schema
        f" WHERE environment = ?1 AND ({table.kept}) ORDER BY {table.order}"
    )
    for row in database.rows(statement, (database.environment,)):
        content = {
            name: json.loads(value) if name in table.nested else value
            for name in columns.names
            if (value := row[name]) is not None and value != columns.defaults.get(name)
        }
        yield json_text(content)


def text_of(lines: tuple[str, ...]) -> bytes | None:
    """A file of ``lines``; None, no file, for none."""
    return "".join(f"{line}\n" for line in lines).encode() if lines else None


def lines_of(content: bytes, place: str) -> tuple[str, ...]:
    """The lines of a file at ``place``. Raises LedgerError where it is no text."""
    try:
        return tuple(line for line in content.decode().split("\n") if line.strip())
    except UnicodeDecodeError as exc:
        raise _damaged(place, f"it is no text ({exc.reason})") from exc


def load(database: Database, files: Mapping[str, bytes], place: Callable[[str], str]) -> None:
    """Fill the empty tables of ``database`` from the contents of ``files``, by name.

    ``place`` says where a file is. Raises LedgerError for the first line that is no row, with its number.
    """
    with database.transaction():
        for table in TABLES:
            content = files.get(table.file)
            if content is not None:
                _load(database, table, content, place(table.file))


def _load(database: Database, table: Table, content: bytes, place: str) -> None:
    columns = _columns(database, table)
    lines_of(content, place)
    for number, line in enumerate(content.decode().split("\n"), start=1):
        if not line.strip():
            continue
        row = _row(table, columns, line, f"{place}:{number}")
        names = ("environment", *row)
        try:
            database.insert(
                f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",  # noqa: S608
                (database.environment, *row.values()),
            )
        except LedgerError as exc:
            reason = str(exc.__cause__) if isinstance(exc.__cause__, sqlite3.Error) else exc.message
            raise _damaged(f"{place}:{number}", reason) from exc


def _row(table: Table, columns: _Columns, line: str, place: str) -> JsonObject:
    """The values of a line by column. Raises LedgerError."""
    try:
        content = json.loads(line)
        if not isinstance(content, dict):
            raise ValueError("it is no JSON object")  # noqa: TRY004  # told to a person as the others are
        unknown = sorted(set(content) - set(columns.names))
        if unknown:
            raise ValueError(f"it has a field {unknown[0]!r} that is not known")
        for name in table.addresses & content.keys():
            Address.parse(str(content[name]))
        for name in table.times & content.keys():
            if instant(content[name]).tzinfo is None:
                raise ValueError(f"{name} has no time zone")
    except (ValueError, TypeError) as exc:
        merged = line.startswith(("<<<<<<<", "=======", ">>>>>>>"))
        raise _damaged(place, "a merge conflict was left in it" if merged else str(exc)) from exc
    return {name: json_text(value) if name in table.nested else value for name, value in content.items()}


def _damaged(place: str, reason: str) -> LedgerError:
    return LedgerError(
        f"{place} cannot be read: {reason}",
        hint="It was edited by hand or damaged. Restore the file from an earlier commit of the branch; "
        "nothing was changed.",
    )


def merged(
    table: Table, ours: tuple[str, ...], base: tuple[str, ...], theirs: tuple[str, ...]
) -> tuple[str, ...]:
    """``theirs`` with what changed from ``base`` to ``ours``.

    Raises LedgerError where both changed one row.
    """
    if theirs in (base, ours):
        return ours
    gone, new = set(base) - set(ours), [line for line in ours if line not in set(base)]
    kept = [line for line in theirs if line not in gone and line not in set(new)]
    taken = {_identity(table, line) for line in kept}
    for line in new:
        if _identity(table, line) in taken:
            raise LedgerError(
                f"another run has changed {table.file} of the ledger at the same moment: {line}",
                hint="Run the command again.",
            )
    return tuple(sorted([*kept, *new], key=lambda line: _rank(table, line)))


def _identity(table: Table, line: str) -> tuple[object, ...]:
    content = json.loads(line)
    return tuple(content.get(name) for name in table.key)


def _rank(table: Table, line: str) -> tuple[tuple[bool, int | str], ...]:
    """Where a line stands in its file: by its key, missing values first."""
    content = json.loads(line)
    names = (table.at,) if table.at else table.order.split(", ")
    return tuple((content.get(name) is not None, content.get(name) or "") for name in names)
