"""What a YAML file holds, with the place of every key and value.

``Table`` and ``Series`` are a dict and a list that remember where they stand. Places are kept as
character offsets, one integer an entry, and turned into line and column only when somebody asks.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple, TypeAlias

from reconciler.model import Source

KEY_SHIFT = 32
"""A table's mark is ``key offset << KEY_SHIFT | value offset``."""

_VALUE_MASK = (1 << KEY_SHIFT) - 1


class Origin(NamedTuple):
    """Where a rendered line came from: a template's line, and how many characters they share."""

    file: str
    line: int
    shared: int


@dataclass(slots=True)
class Page:
    """One file as text. ``origins``: for rendered text, the template line behind each line."""

    file: str
    text: str
    starts: array[int]
    origins: tuple[Origin, ...] = ()

    @classmethod
    def of(cls, file: str, text: str, origins: tuple[Origin, ...] = ()) -> Page:
        """A page of ``text``; lines end with a line feed."""
        starts = array("Q", [0])
        at = text.find("\n")
        while at >= 0:
            starts.append(at + 1)
            at = text.find("\n", at + 1)
        return cls(file, text, starts, origins)

    def place(self, offset: int) -> Source:
        """The line and column of a character, in the template where the text was rendered."""
        line = bisect_right(self.starts, offset)
        column = offset - self.starts[line - 1] + 1
        if not self.origins:
            return Source(self.file, line, column)
        origin = self.origins[min(line, len(self.origins)) - 1]
        return Source(origin.file, origin.line, min(column, origin.shared + 1))

    def offset(self, line: int, column: int) -> int:
        """The offset of a line and column counted from 0."""
        return self.starts[min(line, len(self.starts) - 1)] + column


class Table(dict[Any, Any]):
    """A YAML mapping. ``base``: the table its later keys were taken from (defaults)."""

    __slots__ = ("base", "marks", "page", "start")

    def __init__(self, page: Page, start: int) -> None:
        super().__init__()
        self.page = page
        self.start = start
        self.marks: list[int] | tuple[int, ...] = ()
        self.base: Table | None = None

    def source(self) -> Source:
        """Where the mapping begins."""
        return self.page.place(self.start)

    def mark(self, key: object) -> tuple[Page, int] | None:
        """The page and the packed mark of ``key``, None where it is not written."""
        for name, mark in zip(self, self.marks, strict=False):
            if name == key:
                return self.page, mark
        return self.base.mark(key) if self.base is not None and key in self else None

    def key_source(self, key: object) -> Source:
        """Where ``key`` stands; the mapping's own place when it is not written."""
        found = self.mark(key)
        return self.source() if found is None else found[0].place(found[1] >> KEY_SHIFT)

    def value_source(self, key: object) -> Source:
        """Where the value of ``key`` stands; the mapping's own place when it is not written."""
        found = self.mark(key)
        return self.source() if found is None else found[0].place(found[1] & _VALUE_MASK)

    def value_text(self, key: object) -> str:
        """The value of ``key`` as it is spelled in the file: one line of plain text."""
        found = self.mark(key)
        return "" if found is None else plain_text(found[0], found[1] & _VALUE_MASK)

    def page_of(self, key: object) -> Page:
        """The file that writes ``key``."""
        found = self.mark(key)
        return self.page if found is None else found[0]

    def over(self, base: Table) -> Table:
        """A copy with the entries of ``base`` this one lacks; tables in both are merged one level."""
        merged = Table(self.page, self.start)
        merged.update(self)
        merged.marks = self.marks
        merged.base = base
        for key, value in base.items():
            own = merged.get(key)
            if key not in merged:
                merged[key] = value
            elif isinstance(own, Table) and isinstance(value, Table):
                inner = Table(own.page, own.start)
                inner.update(own)
                inner.update({name: entry for name, entry in value.items() if name not in own})
                inner.marks = own.marks
                inner.base = value
                merged[key] = inner
        return merged


class Series(list[Any]):
    """A YAML sequence."""

    __slots__ = ("marks", "page", "start")

    def __init__(self, page: Page, start: int) -> None:
        super().__init__()
        self.page = page
        self.start = start
        self.marks: list[int] | tuple[int, ...] = ()

    def source(self) -> Source:
        """Where the sequence begins."""
        return self.page.place(self.start)

    def value_source(self, index: int) -> Source:
        """Where an entry stands."""
        return self.page.place(self.marks[index])

    def value_text(self, index: int) -> str:
        """An entry as it is spelled in the file: one line of plain text."""
        return plain_text(self.page, self.marks[index])


Node: TypeAlias = "Table | Series | str | int | float | bool | None"


def plain_text(page: Page, offset: int) -> str:
    """The unquoted scalar at ``offset``, as written."""
    end = offset
    text = page.text
    while end < len(text) and text[end] not in ",]}\n\r#":
        end += 1
    return text[offset:end].strip()


class Positions(Mapping[str, Source]):
    """The places of a resource's fields by dotted path, found when asked for."""

    __slots__ = ("_hidden", "_table")

    def __init__(self, table: Table, hidden: frozenset[str]) -> None:
        self._table = table
        self._hidden = hidden

    def __getitem__(self, path: str) -> Source:
        node: Node = self._table
        source: Source | None = None
        for depth, step in enumerate(path.split(".")):
            if depth == 0 and step in self._hidden:
                raise KeyError(path)
            if isinstance(node, Table):
                key = step if step in node else next((k for k in node if str(k) == step), None)
                if key is None:
                    raise KeyError(path)
                source, node = node.value_source(key), node[key]
            elif isinstance(node, Series) and step.isdecimal() and int(step) < len(node):
                source, node = node.value_source(int(step)), node[int(step)]
            else:
                raise KeyError(path)
        assert source is not None
        return source

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(
            _paths(str(key), value) for key, value in self._table.items() if key not in self._hidden
        )

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _paths(path: str, node: Node) -> Iterator[str]:
    yield path
    if isinstance(node, Table):
        entries: Iterator[tuple[object, Node]] = iter(node.items())
    elif isinstance(node, Series):
        entries = iter(enumerate(node))
    else:
        return
    for step, value in entries:
        yield from _paths(f"{path}.{step}", value)
