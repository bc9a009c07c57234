"""Turns pydantic's findings into sentences with a place and a way out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from reconciler.errors import Problem
from reconciler.kinds.values import zone_names
from reconciler.manifests import secrets
from reconciler.manifests.nodes import Node, Series, Table
from reconciler.manifests.spelling import nearest, suggestion
from reconciler.model import Source

Step = str | int

_SHOWN = 80
_MAX_FINDINGS = 200
"""Of one document; they are compared with each other, and nobody reads on."""

_TYPES = {
    "int_type": ("a whole number", "Write a whole number, without quotes."),
    "float_type": ("a number", "Write a number, without quotes."),
    "bool_type": ("true or false", "Write true or false, without quotes."),
    "list_type": ("a list", "Write a list: [a, b], or one entry a line after a dash."),
    "dict_type": ("a mapping", "Write a mapping: {name: value}, or one name a line."),
    "model_type": ("a mapping", "Write a mapping: {name: value}, or one name a line."),
    "model_attributes_type": ("a mapping", "Write a mapping: {name: value}, or one name a line."),
}
_FORMS = {
    r"^[A-Z]{2,3}(-[A-Z0-9]{1,4})?$": "Write a country, or a part of one, such as KR, US or US-CA.",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}


def shown(value: object) -> str:
    """``value`` as a message quotes it: short, on one line."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = json.dumps(value, ensure_ascii=False) if value is not None else "null"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 4]}..."


def problems(
    error: ValidationError, table: Table, known: Callable[[tuple[Step, ...]], Iterable[str]]
) -> list[Problem]:
    """One problem for each finding of ``error``, placed in ``table``, which was validated.

    ``known``: the field names allowed in the mapping at a path. A union reports every branch it
    tried; only the findings that reach deepest are kept. A missing field is not reported beside its
    misspelling.
    """
    findings = error.errors(include_url=False)[:_MAX_FINDINGS]
    details = [(_path(table, detail), detail) for detail in findings]
    misspelt = {
        (*path[:-1], nearest(str(path[-1]), known(path[:-1])))
        for path, detail in details
        if detail["type"] == "extra_forbidden"
    }
    found: dict[tuple[Step, ...], Problem] = {}
    for path, detail in details:
        if detail["type"] == "missing" and path in misspelt:
            continue
        if any(other[: len(path)] == path and len(other) > len(path) for other, _ in details):
            continue
        found.setdefault(path, _problem(detail, path, table, known))
    return list(found.values())


def _path(table: Table, detail: ErrorDetails) -> tuple[Step, ...]:
    """The place of a finding without the names of union branches and validators, which are no keys."""
    node: Node = table
    path: list[Step] = []
    loc = [step for step in detail["loc"] if step != "[key]"]
    for position, step in enumerate(loc):
        last = position == len(loc) - 1
        if isinstance(node, Table) and (step in node or (last and detail["type"] == "missing")):
            path.append(step)
            node = node.get(step)
        elif isinstance(node, Series) and isinstance(step, int) and step < len(node):
            path.append(step)
            node = node[step]
    return tuple(path)


def _holder(table: Table, path: tuple[Step, ...]) -> tuple[Table | Series, Step | None]:
    """The collection that holds the last step of ``path``."""
    node: Any = table
    for step in path[:-1]:
        node = node[step]
    return node, (path[-1] if path else None)


def place(table: Table, path: tuple[Step, ...]) -> Source:
    """Where the value at ``path`` stands; the nearest thing around it that does."""
    node: Node = table
    source = table.source()
    for step in path:
        inside = step in node if isinstance(node, Table) else _is_index(node, step)
        if not inside:
            break
        holder: Any = node
        source, node = holder.value_source(step), holder[step]
    return source


def _is_index(node: Node, step: Step) -> bool:
    return isinstance(node, Series) and isinstance(step, int) and step < len(node)


def way_out(text: str) -> str:
    """The second half of a validator's sentence as a hint, such as ``Write https://.``."""
    return f"{text[:1].upper()}{text[1:]}."


def dotted(path: Iterable[Step]) -> str:
    """A path as the user reads it."""
    return ".".join(str(step) for step in path)


def _problem(
    detail: ErrorDetails,
    path: tuple[Step, ...],
    table: Table,
    known: Callable[[tuple[Step, ...]], Iterable[str]],
) -> Problem:
    kind = detail["type"]
    holder, step = _holder(table, path)
    name = dotted(path)
    if kind == "extra_forbidden":
        source = holder.key_source(step) if isinstance(holder, Table) else holder.source()
        hint = suggestion(str(step), known(path[:-1]))
        return Problem(f"{name}: no such field here", source, hint)
    if kind == "missing":
        return Problem(f"{name}: required, and not written", holder.source(), f"Add {path[-1]}.")
    message, hint = _sentence(detail, path, holder)
    if detail["loc"] and detail["loc"][-1] == "[key]" and isinstance(holder, Table):
        return Problem(f"{name}: as a name, {message}", holder.key_source(step), hint)
    return Problem(f"{name}: {message}" if name else message, place(table, path), hint)


def _sentence(detail: ErrorDetails, path: tuple[Step, ...], holder: Table | Series) -> tuple[str, str]:
    """What is wrong with the value, and what to write."""
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "secret":
        return str(context["reason"]), secrets.WAY_OUT
    if value is None:
        return "null would clear a field that must have a value", "Write a value."
    if kind == "string_type":
        return _not_text(value, path, holder)
    if kind in _TYPES:
        wanted, hint = _TYPES[kind]
        return f"{shown(value)} is not {wanted}", hint
    found = _out_of_limits(kind, value, context)
    return found or _from_validator(str(context.get("error", detail["msg"])), value, path)


def _out_of_limits(kind: str, value: object, context: Mapping[str, Any]) -> tuple[str, str] | None:
    """The sentences for values of the right type that are not allowed, None for other findings."""
    wrong = f"{shown(value)} is not allowed"
    if kind == "literal_error":
        expected = str(context["expected"])
        allowed = re.findall(r"'([^']*)'", expected) or [expected.lower()]  # YAML's true, not Python's True
        hint = suggestion(str(value), allowed)
    elif kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        hint = f"Write a number of {words} {context[bound]:g}."
    elif kind == "string_pattern_mismatch":
        pattern = str(context["pattern"])
        hint = _FORMS.get(pattern, f"It must match {pattern}")
    elif kind in ("string_too_short", "too_short"):
        wrong, hint = "must not be empty", "Write a value, or leave the field out."
    elif kind == "string_too_long":
        wrong, hint = f"longer than {context['max_length']} characters", "Shorten it."
    else:
        return None
    return wrong, hint


def _not_text(value: object, path: tuple[Step, ...], holder: Table | Series) -> tuple[str, str]:
    if isinstance(value, (dict, list)):
        return f"{shown(value)} is not a text", "Write a text."
    step: Any = path[-1] if path else None
    written = holder.value_text(step)
    what = "true or false" if isinstance(value, bool) else "a number"
    return f"{written} without quotes is {what}, not a text", f'Write it in quotes: "{written}".'


def _from_validator(text: str, value: object, path: tuple[Step, ...]) -> tuple[str, str]:
    """A sentence of one of our own validators, ``what is wrong; the way out`` or the way out alone."""
    wrong, _, hint = text.partition("; ")
    if not hint:
        wrong, hint = f"{shown(value)} is not allowed", text
        if isinstance(value, dict):
            wrong = "these fields do not go together"
    hint = way_out(hint)
    if path and path[-1] == "timezone" and isinstance(value, str):
        near = suggestion(value.strip().replace(" ", "_"), zone_names(), listed=0)
        hint = " ".join(part for part in (near, hint) if part)
    return wrong, hint
