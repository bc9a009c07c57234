"""Statements and rows as the ledger's tables know them, in psycopg's form and back."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import psycopg


class NamedRow(Sequence[Any]):
    """A row whose values are found by number and by column."""

    __slots__ = ("_names", "_values")

    def __init__(self, names: Mapping[str, int], values: Sequence[Any]) -> None:
        self._names = names
        self._values = values

    def __getitem__(self, key: Any) -> Any:
        return self._values[self._names[key] if isinstance(key, str) else key]

    @property
    def id(self) -> int:
        """The value of the column ``id``, 0 where there is none."""
        return self._values[self._names["id"]] if "id" in self._names else 0

    def __len__(self) -> int:
        return len(self._values)


def named_row(cursor: psycopg.Cursor[Any]) -> Callable[[Sequence[Any]], NamedRow]:
    """Psycopg's way to make rows of a result."""
    names: dict[str, int] = {}
    for number, column in enumerate(cursor.description or ()):
        names.setdefault(column.name, number)
    return lambda values: NamedRow(names, [found(value) for value in values])


@lru_cache(maxsize=512)
def placed(statement: str) -> str:
    """``statement`` with psycopg's sign for a value in place of ``?``."""
    return re.sub(r"'(?:[^']|'')*'|\?|%", _sign, statement)


def _sign(match: re.Match[str]) -> str:
    return "%s" if match[0] == "?" else match[0].replace("%", "%%")


_NUL = ("\0", "\uf8ff0")
"""A character that texts of the API may hold and PostgreSQL's may not, and what stands for it there."""

_MARK = ("\uf8ff", "\uf8ff1")
"""The first character of that, and what stands for it."""


def given(value: object) -> object:
    """``value`` as it is sent: numbers for booleans, and no character that PostgreSQL refuses."""
    if isinstance(value, str):
        return value.replace(*_MARK).replace(*_NUL)
    return int(value) if isinstance(value, bool) else value


def found(value: object) -> object:
    """The value that ``given`` sent."""
    if isinstance(value, str):
        return value.replace(_NUL[1], _NUL[0]).replace(_MARK[1], _MARK[0])
    return value
