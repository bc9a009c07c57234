"""How many requests to have in flight: asked anew whenever there may be room for one more."""

from __future__ import annotations

from collections.abc import Callable

Width = Callable[[], int]
"""Requests worth having in flight now, at least 1."""


def steady(count: int) -> Width:
    """Always as many."""
    return lambda: count


EIGHT = steady(8)
