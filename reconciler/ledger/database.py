"""What the tables of a ledger are kept in, whichever database it is, and how values are written there."""

from __future__ import annotations

import json
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from reconciler.errors import LedgerError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_Record = TypeVar("_Record", bound="DataclassInstance")

Decoders = Mapping[str, Callable[[Any], object]]
"""Column -> what makes a value of its text or number; null is None without it."""

_KEY_BYTES = 32


class Row(Protocol):
    """A row of a query: its values in order, and by column; of two columns of one name the first."""

    def __getitem__(self, key: int | str, /) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...

    def __len__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table, with the value it has where nothing is written; None where there is none."""

    name: str
    default: object


class Database(ABC):
    """The database of a ledger, seen by one environment. Safe to share between threads.

    Statements are plain SQL with ``?`` for values, which are texts, numbers, bytes and None. Every method
    raises LedgerError where the database refuses or is out of reach.
    """

    def __init__(self, place: str, environment: str) -> None:
        """``place`` is what people are told; it holds no secret.

        ``part``: how the addresses begin that whoever enforces has to do with; of all, to begin with.
        """
        self.place = place
        self.environment = environment
        self.part = ""

    @property
    def in_part(self) -> tuple[int, str]:
        """The parameters of ``substr(address, 1, ?) = ?``."""
        return len(self.part), self.part

    @abstractmethod
    def close(self) -> None:
        """Let go of the database; the ledger cannot be used after."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """Everything written inside is committed together and is kept at the end, or not at all.

        May be nested: the outermost one commits. One at a time writes an environment: what was read inside
        is still so. Raises LedgerError where this run may not write any more, too.
        """

    @abstractmethod
    def still(self) -> AbstractContextManager[None]:
        """Nothing is written meanwhile by this run, so that several queries are of one moment."""

    @abstractmethod
    def rows(self, statement: str, values: tuple[object, ...] = ()) -> Sequence[Row]:
        """All rows of a query."""

    @abstractmethod
    def insert(self, statement: str, values: tuple[object, ...]) -> int:
        """Add a row, in a transaction of its own or the one around; its id, 0 where it has none."""

    @abstractmethod
    def change(self, statement: str, values: tuple[object, ...]) -> int:
        """Write, in a transaction of its own or the one around; how many rows it touched."""

    @abstractmethod
    def columns(self, table: str) -> list[Column]:
        """The columns of ``table`` in their order."""

    @abstractmethod
    def number_after(self, table: str) -> None:
        """Number new rows of ``table`` after those that were written with their number."""

    def read(
        self, record: type[_Record], decoders: Decoders, statement: str, values: tuple[object, ...] = ()
    ) -> list[_Record]:
        """The rows of a query as ``record``, whose fields are columns of the same name.

        Raises LedgerError, naming the row, for one that no version of this program has written.
        """
        columns = [
            (each.name, decoders.get(each.name, _as_it_is), str(each.type).endswith("| None"))
            for each in fields(record)
        ]
        found = []
        for row in self.rows(statement, values):
            try:
                found.append(
                    record(**{name: _value(row[name], decode, may) for name, decode, may in columns})
                )
            except (ValueError, TypeError, KeyError) as exc:
                raise LedgerError(
                    f"the ledger {self.place} cannot be read: {record.__name__} {row[0]}: {exc}",
                    hint="Restore the ledger from a backup; it was edited by hand or damaged.",
                ) from exc
        return found

    def key(self, name: str) -> bytes:
        """The random key ``name`` of this ledger, made on first use and kept for good."""
        with self.transaction():
            self.change(
                "INSERT INTO keys (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (name, secrets.token_bytes(_KEY_BYTES)),
            )
            value: bytes = self.rows("SELECT value FROM keys WHERE name = ?", (name,))[0]["value"]
        return value


class Tables:
    """Some tables of one environment, in the database that a ledger shares among its parts."""

    def __init__(self, database: Database) -> None:
        self._database = database


def stamp(now: datetime) -> str:
    """``now`` (aware) as sortable UTC text with microseconds."""
    if now.tzinfo is None:
        raise ValueError("a time in the ledger must be aware")
    return now.astimezone(UTC).isoformat(timespec="microseconds")


def _as_it_is(value: object) -> object:
    return value


def _value(stored: object, decode: Callable[[Any], object], may_be_null: bool) -> object:  # noqa: FBT001
    """What ``stored`` says. Raises ValueError where a file cut short left nothing."""
    if stored is not None:
        return decode(stored)
    if not may_be_null:
        raise ValueError("a value is missing")
    return None


def json_text(value: object) -> str:
    """``value`` as compact JSON, equal for equal values."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def json_object(text: str) -> dict[str, Any]:
    """The object that ``json_text`` wrote. Raises ValueError for anything else."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError(f"{text!r} is no JSON object")  # noqa: TRY004  # a wrong value, for the caller
    return found


def instant(text: str) -> datetime:
    """The aware UTC time that ``stamp`` wrote."""
    return datetime.fromisoformat(text)
