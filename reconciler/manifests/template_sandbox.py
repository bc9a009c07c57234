"""The room templates run in: Jinja2 without chance, endless loops or texts that fill the memory."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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

MAX_TEXT = 16_000_000
"""Characters of one text a template makes on its way; what it renders to may be longer."""

MAX_MADE = 256_000_000
"""Characters of all such texts, and entries of all lists: what is made may all be kept."""

MAX_VALUES = 1_000_000
"""Values in one list or mapping, those inside of those inside counted as often as they stand there."""

_MAX_BITS = 4096
"""Of a whole number."""

_WIDE = re.compile(r"[0-9]{6,}")
_WIDTH_FROM_VALUE = re.compile(r"\{[^{}]*\{|%[-+ #0-9.]*\*")
_PADDING = frozenset({"ljust", "rjust", "center", "zfill", "expandtabs"})
_SIZED_FILTERS = ("indent", "batch", "slice", "wordwrap", "truncate")
_DROPPED_FILTERS = ("random", "pprint", "center", "urlize", "xmlattr")
_DROPPED_GLOBALS = ("lipsum",)
_GROWING = frozenset({"replace", "join", "translate"})
_TOO_LONG = f"a text of more than {MAX_TEXT:,} characters"


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

    intercepted_binops = frozenset({"*", "**", "%", "+", "-"})

    def __init__(self, loader: Loader, extensions: Iterable[type[Extension]] = ()) -> None:
        super().__init__(
            loader=loader,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            autoescape=False,
            extensions=list(extensions),
            finalize=_flat,
        )
        for name in _DROPPED_FILTERS:
            self.filters.pop(name, None)
        for name in _DROPPED_GLOBALS:
            self.globals.pop(name, None)
        self.filters["format"] = _format
        for name in _SIZED_FILTERS:
            self.filters[name] = _bounded(self.filters[name])
        self.filters = {name: self._stepping(name, filter_) for name, filter_ in self.filters.items()}
        self.filters["counted"] = self.counted
        self.filters["entry"] = self.entry
        self.steps = 0
        self.made = 0

    def join_path(self, template: str, parent: str) -> str:
        """Paths are relative to the file that names them."""
        return posixpath.normpath(posixpath.join(posixpath.dirname(parent), template))

    def step(self) -> None:
        """Count one round. Raises BudgetError after the last one allowed."""
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise BudgetError(f"the template takes more than {MAX_STEPS:,} steps")

    def _stepping(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """A filter that counts as a step, is not asked for a huge text, and makes none."""

        @wraps(function)
        def stepping(*args: Any, **kwargs: Any) -> Any:
            self.step()
            if name in _GROWING:
                args = tuple(self.counted(each) if isinstance(each, Iterator) else each for each in args)
                values = [each for each in args if isinstance(each, (str, list, tuple, dict))]
                _check_growth(name, values, [*kwargs.values()])
            return self.watched(function(*args, **kwargs))

        return stepping

    def watched(self, value: Any) -> Any:
        """``value``, unless it is too long, holds too much, or too much was made before it."""
        if isinstance(value, (str, list)):
            self.made += len(value)
            if self.made > MAX_MADE or len(value) > MAX_TEXT:
                raise BudgetError(_TOO_LONG)
        return value

    def entry(self, value: Any) -> Any:
        """``value`` as a part of a list, a mapping or a text."""
        return self.watched(_flat(value))

    def counted(self, values: Iterable[Any]) -> Iterator[Any]:
        """``values``, each one counted as a step."""
        for value in values:
            self.step()
            yield self.watched(value)

    def call(self, context: Context, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """A call in a template: counted, and no method of a text fills the memory."""
        self.step()
        method = getattr(function, "__wrapped__", function)  # the sandbox wraps str.format
        owner, name = getattr(method, "__self__", None), getattr(method, "__name__", "")
        if isinstance(owner, str) and name in _PADDING:
            _bound(*args, *kwargs.values())
        if isinstance(owner, str) and name in ("format", "format_map"):
            _check_format(owner, args, kwargs)
        if isinstance(owner, str) and name in _GROWING:
            _check_growth(name, [owner, *args], [*kwargs.values()])
        return self.watched(super().call(context, function, *args, **kwargs))

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
                    _bound(one * _weight(other))
        if isinstance(left, int) and isinstance(right, int):
            _check_bits(operator, left, right)
        return self.watched(super().call_binop(context, operator, left, right))

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        """Every loop runs over counted values; what is put together is looked at."""
        tree = super()._parse(source, name, filename)
        _watch(tree)
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, "counted", [], [], None, None, lineno=loop.lineno)
        return tree


def _bound(*values: object) -> None:
    for value in values:
        if isinstance(value, int) and abs(value) > _MAX_NUMBER:
            raise BudgetError("a number this large is not allowed here")


def _check_format(text: str, values: Iterable[Any], named: Mapping[str, Any]) -> None:
    if _WIDE.search(text) or _WIDTH_FROM_VALUE.search(text):
        raise BudgetError("a format this wide is not allowed")
    parts = [part for each in values for part in (each.values() if isinstance(each, Mapping) else (each,))]
    longest = max(map(_weight, (*parts, *named.values())), default=1)
    if (text.count("%") + text.count("{")) * longest > MAX_TEXT:
        raise BudgetError(_TOO_LONG)


def _weight(value: Any) -> int:
    """Characters of a text; values in a list or mapping, at any depth, counted up to MAX_VALUES."""
    if isinstance(value, str):
        return max(len(value), 1)
    if not isinstance(value, (list, tuple, dict)):
        return 1
    weight = 0
    inside: list[Any] = [value]
    while inside:
        each = inside.pop()
        weight += 1 + (len(each) // 64 if isinstance(each, str) else 0)
        if weight > MAX_VALUES:
            raise BudgetError(f"a list or mapping holds more than {MAX_VALUES:,} values")
        if isinstance(each, dict):
            inside.extend(each.values())
        elif isinstance(each, (list, tuple)):
            inside.extend(each)
    return weight


def _flat(value: Any) -> Any:
    """``value``, unless it is a tower of lists that would be printed or compared for ever."""
    if isinstance(value, (list, tuple, dict)):
        _weight(value)
    return value


def _check_growth(name: str, values: Sequence[Any], named: Sequence[Any]) -> None:
    """The text that ``replace``, ``join`` or ``translate`` would make, before it is made."""
    sizes = [_weight(each) for each in (*values, *named)]
    if name == "replace" and len(values) > 1 and all(isinstance(each, str) for each in values[:2]):
        sizes[0] = values[0].count(values[1])
    if len(sizes) > 1 and sizes[0] * max(sizes[1:]) > MAX_TEXT:
        raise BudgetError(_TOO_LONG)
    for value in values:
        if isinstance(value, (list, tuple)) and sum(map(_weight, value)) > MAX_TEXT:
            raise BudgetError(_TOO_LONG)


def _check_bits(operator: str, left: int, right: int) -> None:
    bits = left.bit_length() * right if operator == "**" else left.bit_length() + right.bit_length()
    if operator in ("*", "**", "+", "-") and bits > _MAX_BITS:
        raise BudgetError("a number this large is not allowed here")


def _watch(tree: nodes.Template) -> None:
    """Look at what literals put together, and at texts joined by ``~``."""
    for pair in [*tree.find_all(nodes.Pair)]:
        pair.value = _entry(pair.value)
    for series in [*tree.find_all(nodes.List)]:
        series.items = [_entry(each) for each in series.items]
    for row in [*tree.find_all(nodes.Tuple)]:
        if row.ctx == "load":
            row.items = [_entry(each) for each in row.items]
    for concat in [*tree.find_all(nodes.Concat)]:
        concat.nodes = [_entry(each) for each in concat.nodes]


def _entry(node: nodes.Expr) -> nodes.Expr:
    if isinstance(node, nodes.Const):
        return node
    return nodes.Filter(node, "entry", [], [], None, None, lineno=node.lineno)


def _format(text: str, *values: Any, **named: Any) -> str:
    """printf-style formatting, widths within bounds."""
    _check_format(text, values, named)
    return str(text) % (named or values)


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter whose settings (all but the value it is applied to) are no huge numbers."""

    @wraps(function)
    def bounded(*args: Any, **kwargs: Any) -> Any:
        _bound(*args[1:], *kwargs.values())
        return function(*args, **kwargs)

    return bounded
