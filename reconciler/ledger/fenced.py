"""A database in which nothing is written that its writer may not write any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from reconciler.ledger.database import Column, Database, Row


class FencedDatabase(Database):
    """``inner``, where every transaction begins with ``fence``, which raises where it must not be.

    ``fence`` asks inside the transaction, so what it was told still holds when that is committed.
    """

    def __init__(self, inner: Database, fence: Callable[[Database], None]) -> None:
        super().__init__(inner.place, inner.environment)
        self._inner = inner
        self._fence = fence
        self._depth = 0

    def close(self) -> None:
        self._inner.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._inner.transaction():
            if not self._depth:
                self._fence(self._inner)
            self._depth += 1  # one thread at a time is in here
            try:
                yield
            finally:
                self._depth -= 1

    def still(self) -> AbstractContextManager[None]:
        return self._inner.still()

    def rows(self, statement: str, values: tuple[object, ...] = ()) -> Sequence[Row]:
        return self._inner.rows(statement, values)

    def insert(self, statement: str, values: tuple[object, ...]) -> int:
        with self.transaction():
            return self._inner.insert(statement, values)

    def change(self, statement: str, values: tuple[object, ...]) -> int:
        with self.transaction():
            return self._inner.change(statement, values)

    def columns(self, table: str) -> list[Column]:
        return self._inner.columns(table)

    def number_after(self, table: str) -> None:
        self._inner.number_after(table)
