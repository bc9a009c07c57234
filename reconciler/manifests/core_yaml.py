"""YAML 1.2 core, read strictly: every document as tables, series and scalars that know their place.

The events come from PyYAML's parser (libyaml where it is built in); what they mean is decided here,
since PyYAML resolves by YAML 1.1, where ``18:00`` is a number and ``no`` is false.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from reconciler.errors import Problem
from reconciler.manifests.characters import control_character, misplaced_tabs, refused_character
from reconciler.manifests.nodes import KEY_SHIFT, Node, Page, Series, Table

MAX_DEPTH = 64
"""Deeper nesting than any manifest needs; keeps every walk over the data shallow."""

MAX_SCALAR = 65_536
"""Characters of one value."""

MAX_ENTRIES = 100_000
"""Of one list or mapping."""

MAX_VALUES = 2_000_000
"""Of one file: more than 100,000 resources need."""

MAX_DOCUMENTS = 200_000
"""Of one file."""

_LONGEST_NUMBER = 64
"""Digits. Python would refuse to print a number of thousands, and no field is that wide."""

_FREE_EXPANSION = 10_000
_EXPANSION_FACTOR = 10
_MAX_PROBLEMS = 1000
_SERIES: Final = object()
_NO_KEY: Final = object()
_DISCARD: Final = object()

_SPECIAL = frozenset("-+.0123456789~nNtTfF")
_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_TAG = "tag:yaml.org,2002:"
_TAG_TYPES: dict[str, type | tuple[type, ...]] = {
    "null": type(None),
    "bool": bool,
    "int": int,
    "float": (float, int),
}
_HINTS = (
    (
        "cannot start any token",
        "Indent with spaces, and put a value that begins with @ ` % or a tab in quotes.",
    ),
    ("mapping values are not allowed", 'Put a text that holds ": " in quotes, or check the indentation.'),
    ("expected ':'", "Write `key: value`, with a space after the colon."),
    ("expected <block end>", "Keep the entries of one list or mapping at the same indentation."),
    ("did not find expected key", "Keep the entries of one mapping at the same indentation."),
    ("expected '-' indicator", "Keep the entries of one list at the same indentation."),
    ("expected ',' or", "Close the bracket, or put a comma between the entries."),
    ("end of stream", "Close the quotes or the bracket that are still open."),
    ("undefined alias", "Define the anchor (&name) above, or put a text that begins with * in quotes."),
    ("<document start>", "Separate documents by a line of three dashes."),
)
_GENERAL_HINT = "Check the indentation, the quotes and the brackets on this line and the one before."


def resolve(text: str) -> Node:
    """The value of a plain scalar by the core schema of YAML 1.2. ValueError: a number that is too long."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return _whole(text, 10)
    if _BASED.fullmatch(text):
        return _whole(text, 0)
    return float(text) if _FLOAT.fullmatch(text) else text


def _whole(text: str, base: int) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError("too long")
    return int(text, base)


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file: its root, and where it begins."""

    page: Page
    start: int
    root: Node


@dataclass(slots=True)
class Reading:
    """What a file held: its documents, what is wrong, and whether reading stopped half-way."""

    documents: list[Document] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    broken: bool = False


PARSER: Callable[[str], Any] = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
"""libyaml where PyYAML was built with it: about ten times faster, with the same events."""


class _Frame:
    """A collection being filled: ``key`` waits for its value; _SERIES where there are no keys."""

    __slots__ = ("anchor", "key", "key_at", "marks", "node")

    def __init__(self, node: Any, anchor: str | None) -> None:
        self.node = node
        self.anchor = anchor
        self.marks: list[int] = []
        self.key: Any = _SERIES if type(node) is Series else _NO_KEY
        self.key_at = 0


class _StopError(Exception):
    """Reading cannot go on; the problem says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def read(page: Page, parser: Callable[[str], Any] = PARSER) -> Reading:
    """Every document of ``page``. Never raises for what the text holds: ``problems`` says it.

    ``parser``: a PyYAML loader; only its events are used.
    """
    reading = Reading()
    refused = refused_character(page)
    if refused is not None:
        reading.problems.append(refused)
        reading.broken = True
        return reading
    composer = _Composer(page, reading)
    try:
        composer.run(parser(page.text).get_event)
    except _StopError as stop:
        reading.problems.append(stop.problem)
        reading.broken = True
    except yaml.MarkedYAMLError as exc:
        reading.problems.append(_syntax_problem(page, exc))
        reading.broken = True
    except yaml.YAMLError as exc:
        reading.problems.append(Problem(f"this is not YAML: {exc}", page.place(0), _GENERAL_HINT))
        reading.broken = True
    if not reading.broken and "\t" in page.text:
        reading.problems.extend(misplaced_tabs(page, composer.spans))
    return reading


class _Composer:
    """Builds the documents of one page from parser events, without recursion."""

    def __init__(self, page: Page, reading: Reading) -> None:
        self.page = page
        self.reading = reading
        self.spans: list[tuple[int, int]] = []
        self._keep_spans = "\t" in page.text
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._open: dict[str, int] = {}
        self._count = 0
        self._expanded = 0

    def run(self, get: Callable[[], Any]) -> None:
        """Read events to the end of the stream."""
        while True:
            event = get()
            kind = type(event)
            if kind is StreamStartEvent:
                continue
            if event is None or kind is StreamEndEvent:
                return
            assert kind is DocumentStartEvent, kind
            start: int = event.start_mark.index
            self._anchors.clear()
            root, at = self._document(get)
            self.reading.documents.append(Document(self.page, at if root is not None else start, root))
            if len(self.reading.documents) > MAX_DOCUMENTS:
                what = f"more than {MAX_DOCUMENTS:,} documents in one file"
                raise _StopError(Problem(what, self.page.place(start), "Split it into several."))

    def _document(self, get: Callable[[], Any]) -> tuple[Node, int]:
        """The root of one document, up to and with its end event, and where it stands."""
        outside = _Frame(Series(self.page, 0), None)
        frame = outside
        stack: list[_Frame] = []
        attach = self._attach
        while True:
            event = get()
            kind = type(event)
            if kind is ScalarEvent:
                value: Any = event.value
                at: int = event.start_mark.index
                if event.implicit[0]:
                    if not value or value[0] in _SPECIAL:
                        value = self._plain(value, at)
                elif event.tag is not None:
                    value = self._tagged(value, event.tag, at)
                if event.style == '"' and not event.value.isprintable():
                    self._check_escapes(event.value, at)
                if event.anchor is not None or self._keep_spans or len(event.value) > MAX_SCALAR:
                    self._unusual(event, value, at)
                attach(frame, value, at)
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                at = event.start_mark.index
                opened = self._collection(event, at, len(stack))
                attach(frame, opened.node, at)
                stack.append(frame)
                frame = opened
            elif kind is AliasEvent:
                at = event.start_mark.index
                attach(frame, self._alias(event.anchor, at), at)
            elif kind is DocumentEndEvent:
                return outside.node[0], outside.marks[0]
            else:  # the end of a mapping or of a sequence
                self._close(frame)
                frame = stack.pop()

    def _attach(self, frame: _Frame, value: Any, at: int) -> None:
        """Put ``value`` into the open collection: as an entry, a key, or the value of the last key."""
        self._count += 1
        if len(frame.marks) >= MAX_ENTRIES or self._count > MAX_VALUES:
            self._too_many(frame, at)
        if frame.key is _SERIES:
            frame.node.append(value)
            frame.marks.append(at)
        elif frame.key is _NO_KEY:
            frame.key = self._key(frame, value, at)
            frame.key_at = at
        else:
            if frame.key is not _DISCARD:
                frame.node[frame.key] = value
                frame.marks.append(frame.key_at << KEY_SHIFT | at)
            frame.key = _NO_KEY

    def _too_many(self, frame: _Frame, at: int) -> None:
        what = f"more than {MAX_VALUES:,} values in one file"
        if len(frame.marks) >= MAX_ENTRIES:
            what = f"more than {MAX_ENTRIES:,} entries in one list or mapping"
        raise _StopError(Problem(what, self.page.place(at), "Split it into several."))

    def _close(self, frame: _Frame) -> None:
        frame.node.marks = tuple(frame.marks)
        if frame.anchor is not None:
            self._anchors[frame.anchor] = frame.node, self._count - self._open.pop(frame.anchor)

    def _key(self, frame: _Frame, value: Any, at: int) -> Any:
        """``value`` as a key of the open table, or _DISCARD where it cannot be one (a problem is noted)."""
        if type(value) is str:
            if value == "<<":
                self._note("merge keys (<<) are not part of YAML 1.2", at, "Write the fields out.")
                return _DISCARD
            value = sys.intern(value)
        elif type(value) is not int:
            self._note("this key is not a text", at, "Write a field name; put other text in quotes.")
            return _DISCARD
        if value in frame.node:
            earlier = self.page.place(frame.marks[list(frame.node).index(value)] >> KEY_SHIFT)
            self._note(
                f"{value}: written twice; the first one stands at {earlier}", at, "Keep one of the two."
            )
            return _DISCARD
        return value

    def _note(self, message: str, at: int, hint: str) -> None:
        self.reading.problems.append(Problem(message, self.page.place(at), hint))
        if len(self.reading.problems) >= _MAX_PROBLEMS:
            problem = Problem(
                "too many errors in this file to go on", self.page.place(at), "Correct these first."
            )
            raise _StopError(problem)

    def _plain(self, text: str, at: int) -> Node:
        try:
            return resolve(text)
        except ValueError:
            self._note("this number is too long", at, "Put it in quotes if it is a text.")
            return text[:20]

    def _tagged(self, text: str, tag: str, at: int) -> Node:
        name = tag.removeprefix(_TAG)
        if tag == "!" or name == "str":
            return text
        value = self._plain(text, at)
        if name not in _TAG_TYPES or not isinstance(value, _TAG_TYPES[name]):
            self._note(f"the tag {tag.replace(_TAG, '!!')} cannot be used here", at, "Leave the tag out.")
        return value

    def _check_escapes(self, text: str, at: int) -> None:
        """Text that an escape makes: a terminal, a log or a database may act on a control character."""
        control = control_character(text)
        if control is not None:
            self._note(f"the control character {control} has no place in a value", at, "Remove it.")

    def _unusual(self, event: Any, value: Node, at: int) -> None:
        """What only some scalars need: a size check, an anchor, a record of where they lie."""
        if len(event.value) > MAX_SCALAR:
            size = len(event.value)
            self._note(f"this value has {size} characters; at most {MAX_SCALAR} are read", at, "Shorten it.")
        if event.anchor is not None:
            self._anchors[event.anchor] = value, 1
        if self._keep_spans:
            self.spans.append((at, event.end_mark.index))

    def _collection(self, event: Any, at: int, depth: int) -> _Frame:
        """An empty collection to fill."""
        is_map = type(event) is MappingStartEvent
        if depth >= MAX_DEPTH:
            place = self.page.place(at)
            raise _StopError(Problem(f"nested deeper than {MAX_DEPTH} levels", place, "Flatten it."))
        if event.tag is not None and event.tag not in ("!", _TAG + ("map" if is_map else "seq")):
            tag = event.tag.replace(_TAG, "!!")
            self._note(f"the tag {tag} cannot be used here", at, "Leave the tag out.")
        if event.anchor is not None:
            self._open[event.anchor] = self._count
        return _Frame(Table(self.page, at) if is_map else Series(self.page, at), event.anchor)

    def _alias(self, name: str, at: int) -> Node:
        if name in self._open or name not in self._anchors:
            inside = "stands inside itself" if name in self._open else "is not defined above"
            raise _StopError(
                Problem(
                    f"the alias *{name} {inside}",
                    self.page.place(at),
                    "Define the anchor (&name) above, or put a text that begins with * in quotes.",
                )
            )
        value, weight = self._anchors[name]
        self._count += weight
        self._expanded += weight
        own = self._count - self._expanded
        if self._expanded > _FREE_EXPANSION + _EXPANSION_FACTOR * own:
            raise _StopError(
                Problem(
                    f"the alias *{name} makes this file explode: {own} values become {self._expanded}",
                    self.page.place(at),
                    "Write the values out, or make the file a template (.yaml.j2).",
                )
            )
        return value


def _syntax_problem(page: Page, exc: yaml.MarkedYAMLError) -> Problem:
    mark = exc.problem_mark or exc.context_mark
    place = page.place(page.offset(mark.line, mark.column)) if mark is not None else page.place(0)
    found = ", ".join(str(part) for part in (exc.context, exc.problem) if part)
    at_tab = mark is not None and page.text[page.offset(mark.line, mark.column) :][:1] == "\t"
    if at_tab:
        return Problem("a tab cannot be used here", place, "Indent with spaces.")
    hint = next((hint for words, hint in _HINTS if words in found), _GENERAL_HINT)
    return Problem(f"this is not valid YAML: {found}", place, hint)
