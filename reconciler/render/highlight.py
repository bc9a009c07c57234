"""What two long values have in common: only what moved is marked, so that a reader finds it."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import NamedTuple

_BY_CHARACTER = 32
"""Values up to so many characters are compared letter by letter, longer ones word by word."""

_MOST = 400
"""Words compared; the comparison takes time that grows with their square."""

_ALIKE = 0.5
"""Below so much in common two values are simply different."""


class Piece(NamedTuple):
    """A part of a value; ``moved`` where the other value has something else or nothing."""

    text: str
    moved: bool


def pieces(before: str, after: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Both values in pieces, which joined are the values again."""
    split = list if max(len(before), len(after)) <= _BY_CHARACTER else _words
    left, right = split(before), split(after)
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    few = max(len(left), len(right)) <= _MOST
    if not few or matcher.real_quick_ratio() < _ALIKE or matcher.ratio() < _ALIKE:
        return (Piece(before, moved=True),), (Piece(after, moved=True),)
    old: list[Piece] = []
    new: list[Piece] = []
    for tag, start, end, begin, stop in matcher.get_opcodes():
        same = tag == "equal" and not _crumb(left[start:end])
        _add(old, "".join(left[start:end]), moved=not same)
        _add(new, "".join(right[begin:stop]), moved=not same)
    return tuple(old), tuple(new)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+|\s+|[^\w\s]", text)


def _crumb(units: list[str]) -> bool:
    """A letter or a blank that happens to be the same: it only tears the marks apart."""
    text = "".join(units)
    return len(text) == 1 and (text.isalnum() or text.isspace())


def _add(found: list[Piece], text: str, *, moved: bool) -> None:
    if not text:
        return
    if found and found[-1].moved is moved:
        found[-1] = Piece(found[-1].text + text, moved)
    else:
        found.append(Piece(text, moved))
