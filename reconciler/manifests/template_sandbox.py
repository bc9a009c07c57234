"""The room templates run in: Jinja2 without chance, endless loops or texts that fill the memory."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment

from reconciler.errors import Problem
from reconciler.manifests import files

MAX_STEPS = 2_000_000
"""Rounds of loops and calls one template may take."""

_MAX_NUMBER = 1_000_000
"""A larger number given to a function or repeating a text is taken for an attempt to use up memory."""

_WIDE = re.compile(r"[0-9]{6,}")
_WIDTH_FROM_VALUE = re.compile(r"\{[^{}]*\{|%[-+ #0-9.]*\*")
_PADDING = frozenset({"ljust", "rjust", "center", "zfill", "expandtabs"})
_SIZED_FILTERS = ("indent", "batch", "slice", "wordwrap", "truncate")
_DROPPED_FILTERS = ("random", "pprint", "center", "urlize", "xmlattr")
_DROPPED_GLOBALS = ("lipsum",)


class BudgetError(Exception):
    """A template went on for too long, or grew too large."""


class TableError(Exception):
    """A table cannot be read."""


class Loader(jinja2.BaseLoader):
    """Included and imported files: any text file of the project."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.given: dict[str, str] = {}

    def get_source(
        self, environment: jinja2.Environment, template: str
    ) -> tuple[str, str, Callable[[], bool]]:
        """The text of ``template``, a project-relative path; TemplateNotFound says why there is none."""
        _ = environment
        if template in self.given:
            return self.given[template], template, lambda: True
        path = self._directory / template
        if template.startswith("..") or not files.contains(self._directory, path):
            raise jinja2.TemplateNotFound(template, f"{template}: lies outside the project, or hidden")
        text = files.read_text(path, template)
        if isinstance(text, Problem):
            raise jinja2.TemplateNotFound(template, text.message)
        return text, template, lambda: True


class Sandbox(SandboxedEnvironment):
    """Jinja2 without chance, without endless loops, and without texts that fill the memory."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self, loader: Loader, extensions: Iterable[type[Extension]] = ()) -> None:
        super().__init__(
            loader=loader,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            autoescape=False,
            extensions=list(extensions),
        )
        for name in _DROPPED_FILTERS:
            self.filters.pop(name, None)
        for name in _DROPPED_GLOBALS:
            self.globals.pop(name, None)
        self.filters["format"] = _format
        self.filters["counted"] = self.counted
        for name in _SIZED_FILTERS:
            self.filters[name] = _bounded(self.filters[name])
        self.steps = 0

    def join_path(self, template: str, parent: str) -> str:
        """Paths are relative to the file that names them."""
        return posixpath.normpath(posixpath.join(posixpath.dirname(parent), template))

    def step(self) -> None:
        """Count one round. Raises BudgetError after the last one allowed."""
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise BudgetError(f"the template takes more than {MAX_STEPS:,} steps")

    def counted(self, values: Iterable[Any]) -> Iterator[Any]:
        """``values``, each one counted as a step."""
        for value in values:
            self.step()
            yield value

    def call(self, context: Context, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """A call in a template: counted, and no method of a text fills the memory."""
        self.step()
        method = getattr(function, "__wrapped__", function)  # the sandbox wraps str.format
        owner, name = getattr(method, "__self__", None), getattr(method, "__name__", "")
        if isinstance(owner, str) and name in _PADDING:
            _bound(*args, *kwargs.values())
        if isinstance(owner, str) and name in ("format", "format_map"):
            _check_format(owner)
        return super().call(context, function, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """``*``, ``**`` and ``%`` within bounds."""
        if operator == "**":
            _bound(left)
            if isinstance(right, (int, float)) and right > 64:
                raise BudgetError("a power with an exponent above 64")
        elif operator == "%" and isinstance(left, str):
            return _format(left, *(right if isinstance(right, tuple) else (right,)))
        elif operator == "*":
            for one, other in ((left, right), (right, left)):
                if isinstance(one, int) and isinstance(other, (str, list, tuple)):
                    _bound(one * max(len(other), 1))
        return super().call_binop(context, operator, left, right)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        """Every loop runs over counted values."""
        tree = super()._parse(source, name, filename)
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, "counted", [], [], None, None, lineno=loop.lineno)
        return tree


def _bound(*values: object) -> None:
    for value in values:
        if isinstance(value, int) and abs(value) > _MAX_NUMBER:
            raise BudgetError("a number this large is not allowed here")


def _check_format(text: str) -> None:
    if _WIDE.search(text) or _WIDTH_FROM_VALUE.search(text):
        raise BudgetError("a format this wide is not allowed")


def _format(text: str, *values: Any, **named: Any) -> str:
    """printf-style formatting, widths within bounds."""
    _check_format(text)
    return str(text) % (named or values)


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter whose settings (all but the value it is applied to) are no huge numbers."""

    @wraps(function)
    def bounded(*args: Any, **kwargs: Any) -> Any:
        _bound(*args[1:], *kwargs.values())
        return function(*args, **kwargs)

    return bounded
