"""What a change of schedules, calendars, sites or time-zone data does to the transitions of a fleet."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from reconciler.arming.fleet import Fleet
from reconciler.arming.project import Target
from reconciler.arming.states import State
from reconciler.arming.timeline import Timeline, Transition

FURTHEST = dt.timedelta(hours=12)
"""A transition that comes back within this time has moved; beyond, one is dropped and another added."""


class Moved(NamedTuple):
    """The same change of state at another instant; ``target`` as it is after the change."""

    target: Target
    before: Transition
    after: Transition


class Single(NamedTuple):
    """A transition that one side alone has."""

    target: Target
    transition: Transition


class Beginning(NamedTuple):
    """A target whose state at the first instant differs; None on the side that does not arm it."""

    target: Target
    before: State | None
    after: State | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences in ``[start, end)``, each list ascending by instant, then target, then partition.

    ``begins`` is by target. ``kept``: how many transitions both sides have.
    """

    begins: tuple[Beginning, ...]
    added: tuple[Single, ...]
    dropped: tuple[Single, ...]
    moved: tuple[Moved, ...]
    kept: int

    @property
    def empty(self) -> bool:
        """Whether both sides arm alike."""
        return not (self.begins or self.added or self.dropped or self.moved)


class _Change(NamedTuple):
    """What happens to all targets that go from one timeline to another."""

    begins: tuple[State | None, State | None]
    added: tuple[Transition, ...]
    dropped: tuple[Transition, ...]
    moved: tuple[tuple[Transition, Transition], ...]
    kept: int


def compare(before: Fleet, after: Fleet, start: dt.datetime, end: dt.datetime) -> Comparison:
    """How ``after`` differs from ``before`` in ``start <= at < end`` (aware). Reasons do not count."""
    targets = {target.key: target for fleet in (before, after) for target in fleet.targets}
    changes: dict[tuple[Timeline | None, Timeline | None], _Change] = {}
    begins: list[Beginning] = []
    added: list[Single] = []
    dropped: list[Single] = []
    moved: list[Moved] = []
    kept = 0
    for key in sorted(targets, key=lambda key: key.order):
        target = targets[key]
        pair = before.timeline_of(key), after.timeline_of(key)
        if pair not in changes:
            changes[pair] = _change(*pair, start, end)
        change = changes[pair]
        if change.begins[0] is not change.begins[1]:
            begins.append(Beginning(target, *change.begins))
        added += [Single(target, one) for one in change.added]
        dropped += [Single(target, one) for one in change.dropped]
        moved += [Moved(target, one, two) for one, two in change.moved]
        kept += change.kept
    # Sorting is stable, so targets stay in their order within an instant.
    added.sort(key=lambda one: one.transition.at)
    dropped.sort(key=lambda one: one.transition.at)
    moved.sort(key=lambda one: one.after.at)
    return Comparison(tuple(begins), tuple(added), tuple(dropped), tuple(moved), kept)


def _change(before: Timeline | None, after: Timeline | None, start: dt.datetime, end: dt.datetime) -> _Change:
    # A transition that moves across the beginning or the end has moved all the same: look further.
    low, high = start - FURTHEST, end + FURTHEST
    first = list(before.transitions(low, high)) if before else []
    second = list(after.transitions(low, high)) if after else []
    gone, come = _without(first, second), _without(second, first)
    pairs = _pairs(gone, come)
    left, right = {one for one, _ in pairs}, {two for _, two in pairs}
    inside = [one for one in first if start <= one.at < end]
    return _Change(
        (before.at(start)[0] if before else None, after.at(start)[0] if after else None),
        tuple(two for two in come if two not in right and start <= two.at < end),
        tuple(one for one in gone if one not in left and start <= one.at < end),
        tuple(pair for pair in pairs if any(start <= one.at < end for one in pair)),
        len(inside) - len(set(inside) & set(gone)),
    )


def _identity(transition: Transition) -> tuple[dt.datetime, State, State]:
    return transition.at, transition.from_state, transition.to_state


def _without(those: Sequence[Transition], others: Iterable[Transition]) -> list[Transition]:
    known = {_identity(one) for one in others}
    return [one for one in those if _identity(one) not in known]


def _pairs(gone: Sequence[Transition], come: Sequence[Transition]) -> list[tuple[Transition, Transition]]:
    """Transitions that moved: the nearest first, each one once, and only between equal states."""
    starts = [two.at for two in come]
    near: list[tuple[dt.timedelta, int, int]] = []
    for index, one in enumerate(gone):
        low, high = bisect_left(starts, one.at - FURTHEST), bisect_right(starts, one.at + FURTHEST)
        near += [
            (abs(starts[other] - one.at), index, other)
            for other in range(low, high)
            if _identity(one)[1:] == _identity(come[other])[1:]
        ]
    left: set[int] = set()
    right: set[int] = set()
    found = []
    for _, index, other in sorted(near):
        if index not in left and other not in right:
            left.add(index)
            right.add(other)
            found.append((gone[index], come[other]))
    return found
