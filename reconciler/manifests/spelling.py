"""The nearest right spelling of what somebody mistyped."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

_COMPARED = 5000
"""Comparing is slow; in longer lists only what begins alike is compared."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like ``word``, None when none is near."""
    words = sorted(known)
    if len(words) > _COMPARED:
        words = list(islice((other for other in words if other[:1] == word[:1]), _COMPARED))
    folded = {other.casefold(): other for other in reversed(words)}
    found = get_close_matches(word.casefold()[:200], folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def suggestion(word: str, known: Iterable[str], *, listed: int = 12) -> str:
    """A hint: the nearest spelling, and the allowed words where there are few."""
    words = sorted(known)
    near = nearest(word, words)
    parts = [f'Did you mean "{near}"?'] if near is not None else []
    if listed and words and (len(words) <= listed or near is None):
        shown = ", ".join(words[:listed]) + (", ..." if len(words) > listed else "")
        parts.append(f"Allowed: {shown}.")
    return " ".join(parts)
