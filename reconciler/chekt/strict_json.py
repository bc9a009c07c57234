"""JSON from a server that may be broken or hostile: what two readers could read differently is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence

from reconciler.model import JsonValue

_DEEPEST = 64
"""Levels of nesting. What walks a value may then recurse."""

_LONGEST_NUMBER = 40
"""Characters; ids of 128 bits fit."""

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse(content: bytes) -> JsonValue:
    """The value that ``content`` stands for. Raises ValueError with a few words on what is wrong where.

    UTF-8 only (RFC 8259), no duplicate keys, no NaN or infinity, no half surrogate pair, nothing deeper than
    64 levels and no number of more than 40 characters.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise ValueError(f"not UTF-8 at byte {exc.start}") from None
    try:
        value: JsonValue = _DECODER.decode(text)
    except json.JSONDecodeError as exc:
        raise ValueError(f"{exc.msg} at character {exc.pos}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    _check_depth(value)
    if _SURROGATE.search(text):
        _check_text(value)
    return value


def _object(pairs: Sequence[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice[:40]!r} stands twice in one object")
    return found


def _integer(text: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _fraction(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"the number {text[:40]} is too large")
    return value


def _constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_fraction, parse_constant=_constant
)


def _check_depth(value: JsonValue) -> None:
    level = [value]
    for _ in range(_DEEPEST + 1):
        level = [part for each in level for part in _parts(each) if isinstance(part, (dict, list))]
        if not level:
            return
    raise ValueError("nested too deeply")


def _parts(value: JsonValue) -> Collection[JsonValue]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _check_text(value: JsonValue) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("half a surrogate pair") from None
