"""Renders ``*.yaml.j2``: Jinja2, sandboxed, bounded, with every rendered line traced to its template.

To trace lines, a template is rendered a second time with a mark before every piece of text and
every expression; where the marks change what comes out (a template that measures its own text), the
trace is given up and places name the rendered line.
"""

from __future__ import annotations

import csv
import io
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import jinja2
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream

from reconciler.errors import Problem
from reconciler.manifests import files
from reconciler.manifests.nodes import Origin, Page
from reconciler.manifests.spelling import suggestion
from reconciler.manifests.template_sandbox import BudgetError, Loader, Sandbox, TableError
from reconciler.model import Source

MAX_OUTPUT = 64 * 1024 * 1024
"""Characters one template may render to."""

_MARK = re.compile("\ue000([0-9]+):([0-9]+)\ue001")
_LEADING_MARKS = re.compile("(?:\ue000[0-9]+:[0-9]+\ue001)+")


class _Marking(Extension):
    """Puts a mark with file and line before every piece of text and every expression."""

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        """The tokens of a template, with marks in between."""
        sources: list[str] = self.environment.marked_sources  # type: ignore[attr-defined]
        name = stream.name or ""
        if name not in sources:
            sources.append(name)
        number = sources.index(name)
        for token in stream:
            if token.type == "data":
                yield Token(token.lineno, "data", _marked(token.value, number, token.lineno))
            elif token.type == "variable_begin":
                yield Token(token.lineno, "data", _mark(number, token.lineno))
                yield token
            else:
                yield token


def _mark(number: int, line: int) -> str:
    return f"\ue000{number}:{line}\ue001"


def _marked(text: str, number: int, line: int) -> str:
    lines = text.split("\n")
    return "\n".join(f"{_mark(number, line + index)}{part}" for index, part in enumerate(lines))


class _MarkingSandbox(Sandbox):
    def __init__(self, loader: Loader) -> None:
        self.marked_sources: list[str] = []
        super().__init__(loader, [_Marking])


def _shared(one: str, two: str) -> int:
    """How many characters two lines share at their start."""
    return next(
        (at for at, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two))
    )


def _marked_place(text: str, environment: _MarkingSandbox) -> tuple[str, int] | None:
    """File and line of the last mark in ``text``."""
    marks = _MARK.findall(text)
    return (environment.marked_sources[int(marks[-1][0])], int(marks[-1][1])) if marks else None


class Templates:
    """Renders the templates of one project.

    ``variables``: what every template sees, plain data. ``table(path)`` reads a CSV file of the
    project, relative to the template, as a list of rows by column name.
    """

    def __init__(self, directory: Path, variables: Mapping[str, Any]) -> None:
        self._directory = directory
        self._variables = variables

    def render(self, file: str, text: str) -> Page | Problem:
        """The rendered text as a page whose places are in the template, or what went wrong there."""
        private = re.search("[\ue000\ue001]", text)
        if private is not None:
            place = Page.of(file, text).place(private.start())
            return Problem("the characters U+E000 and U+E001 are not allowed here", place, "Remove them.")
        loader = Loader(self._directory)
        loader.given[file] = text
        try:
            rendered = self._run(Sandbox(loader), file)
        except jinja2.TemplateSyntaxError as exc:
            where = exc.name if exc.name is not None else file
            place = self._place(where, exc.lineno, text if where == file else None)
            return Problem(f"this template is not valid: {exc.message}", place, _SYNTAX_HINT)
        except Exception as exc:  # noqa: BLE001 - a template can raise anything; each is translated
            return self._failure(exc, file, text)
        return Page.of(file, rendered, self._origins(loader, file, rendered))

    def _run(self, environment: Sandbox, file: str) -> str:
        template = environment.get_template(file)
        variables = {"table": self._table_reader(file), **self._variables}
        pieces: list[str] = []
        size = 0
        for piece in template.generate(variables):
            pieces.append(piece)
            size += len(piece)
            if size > MAX_OUTPUT:
                raise BudgetError(f"the template renders to more than {MAX_OUTPUT:,} characters")
        return "".join(pieces)

    def _origins(self, loader: Loader, file: str, rendered: str) -> tuple[Origin, ...]:
        """The template line behind each line of ``rendered``."""
        environment = _MarkingSandbox(loader)
        try:
            marked = self._run(environment, file)
        except Exception:  # noqa: BLE001 - marks changed the course of the template: no trace
            marked = ""
        if _MARK.sub("", marked) != rendered:
            return tuple(Origin(file, number + 1, 0) for number in range(rendered.count("\n") + 1))
        texts: dict[str, list[str]] = {}
        origins: list[Origin] = []
        last = (file, 1)
        for line, plain in zip_longest(marked.split("\n"), rendered.split("\n"), fillvalue=""):
            # A mark stands for the text behind it, so of several at the start the last one counts.
            leading = _LEADING_MARKS.match(line)
            name, number = (leading and _marked_place(leading[0], environment)) or last
            last = _marked_place(line, environment) or (name, number)
            if name not in texts:
                texts[name] = loader.get_source(environment, name)[0].split("\n")
            written = texts[name][number - 1] if number <= len(texts[name]) else ""
            origins.append(Origin(name, number, _shared(written, plain)))
        return tuple(origins)

    def _table_reader(self, file: str) -> Callable[[str], list[dict[str, str]]]:
        def table(path: str) -> list[dict[str, str]]:
            """The rows of a CSV file with a header line, every value a text."""
            target = posixpath.normpath(posixpath.join(posixpath.dirname(file), str(path)))
            if target.startswith("..") or not files.contains(self._directory, self._directory / target):
                raise TableError(f"table: {path} lies outside the project, or hidden")
            text = files.read_text(self._directory / target, target)
            if isinstance(text, Problem):
                raise TableError(f"table: {text.message}")
            return [
                {key: value for key, value in row.items() if isinstance(key, str) and isinstance(value, str)}
                for row in csv.DictReader(io.StringIO(text, newline=""))
            ]

        return table

    def _failure(self, exc: Exception, file: str, text: str) -> Problem:
        """A template that broke while it ran, at the line that broke it."""
        where, line = file, 1
        frame = exc.__traceback__
        while frame is not None:
            name = frame.tb_frame.f_code.co_filename
            if "__jinja_exception__" in frame.tb_frame.f_globals:
                where, line = name, frame.tb_lineno
            frame = frame.tb_next
        message, hint, word = _translated(exc, self._variables)
        place = self._place(where, line, text if where == file else None, word)
        return Problem(message, place, hint)

    def _place(self, file: str, line: int, text: str | None, word: str = "") -> Source:
        """A line of a template, at ``word`` or at the first thing on it."""
        if text is None:
            found = files.read_text(self._directory / file, file)
            text = found if isinstance(found, str) else ""
        lines = text.split("\n")
        written = lines[line - 1] if 0 < line <= len(lines) else ""
        match = re.search(rf"\b{re.escape(word)}\b", written) if word else None
        column = match.start() if match else len(written) - len(written.lstrip())
        return Source(file, line, column + 1)


_SYNTAX_HINT = "Check the brackets {{ }} and {% %} here, and that every block is closed."


_FAILURES: tuple[tuple[type[Exception], str, str], ...] = (
    (jinja2.TemplateNotFound, "this file cannot be included: {}", "Name a text file of the project."),
    (jinja2.UndefinedError, "not defined: {}", "Check the name."),
    (
        SecurityError,
        "not allowed in a template: {}",
        "Use variables, filters and tables of the project only.",
    ),
    (TableError, "{}", "Name a CSV file of the project, relative to this template."),
    (BudgetError, "{}", "Make it smaller, or split it into several templates."),
    (RecursionError, "this template calls itself without end", "Give the recursion an end."),
    (MemoryError, "this template needs too much memory", "Make it smaller."),
    (Exception, "this template cannot be rendered: {}", "Correct the expression on this line."),
)
"""What a template may raise while it runs: the message, and the way out."""


def _translated(exc: Exception, variables: Mapping[str, Any]) -> tuple[str, str, str]:
    """Message, hint and the word to look for, of an exception in a template."""
    text = str(exc) or type(exc).__name__
    undefined = re.match(r"'([^']*)' is undefined", text)
    if isinstance(exc, jinja2.UndefinedError) and undefined is not None:
        name = undefined[1]
        hint = f"Set it under variables in reconciler.yaml, or with --var {name}=VALUE."
        near = suggestion(name, variables)
        return f"the variable {name} is not defined", f"{hint} {near}".strip(), name
    missing = re.search(r"has no attribute '([^']*)'", text)
    message, hint = next((words, hint) for kind, words, hint in _FAILURES if isinstance(exc, kind))
    return message.format(text), hint, missing[1] if missing else ""
