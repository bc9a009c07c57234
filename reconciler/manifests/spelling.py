"""The nearest right spelling of what somebody mistyped."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice

_COMPARED = 5000
"""Comparing is slow; in longer lists only what begins alike is compared."""

_LONGEST = 200


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like ``word``, None when none is near. Pass a frozenset where there are many."""
    return _nearest(word[:_LONGEST], frozenset(known))


def suggestion(word: str, known: Iterable[str], *, listed: int = 12) -> str:
    """A hint: the nearest spelling, and the allowed words where there are few."""
    return _suggestion(word[:_LONGEST], frozenset(known), listed)


@lru_cache(maxsize=1024)  # one mistake is often made in thousands of places
def _nearest(word: str, known: frozenset[str]) -> str | None:
    words = sorted(known)
    if len(words) > _COMPARED:
        words = list(islice((other for other in words if other[:1] == word[:1]), _COMPARED))
    folded = {other.casefold(): other for other in reversed(words)}
    found = get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


@lru_cache(maxsize=1024)
def _suggestion(word: str, known: frozenset[str], listed: int) -> str:
    words = sorted(known)
    near = _nearest(word, known)
    parts = [f'Did you mean "{near}"?'] if near is not None else []
    if listed and words and (len(words) <= listed or near is None):
        shown = ", ".join(words[:listed]) + (", ..." if len(words) > listed else "")
        parts.append(f"Allowed: {shown}.")
    return " ".join(parts)
