"""What a change of manifests does to the transitions: which it adds, drops or moves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Literal, NamedTuple

from reconciler.arming.fleet import Fleet
from reconciler.arming.project import Target
from reconciler.arming.timeline import Timeline, Transition

_NEAR = dt.timedelta(hours=24)
"""A transition between the same states that is closer than this was moved, not dropped and added."""


class Difference(NamedTuple):
    """One transition that differs: ``before`` is None where it is added, ``after`` where it is dropped."""

    target: Target
    kind: Literal["added", "dropped", "moved"]
    before: Transition | None
    after: Transition | None

    @property
    def at(self) -> dt.datetime:
        """The earlier of its instants."""
        return min(change.at for change in (self.before, self.after) if change is not None)


_Pair = tuple[Transition | None, Transition | None]


def differences(before: Fleet, after: Fleet, start: dt.datetime, end: dt.datetime) -> list[Difference]:
    """The transitions in ``[start, end)`` (aware) that differ, by instant, then target, then partition."""
    old, new = before.lines(), after.lines()
    compared: dict[tuple[Timeline | None, Timeline | None], list[_Pair]] = {}
    found = []
    for key in old.keys() | new.keys():
        target, _ = new.get(key) or old[key]
        lines = (old[key][1] if key in old else None, new[key][1] if key in new else None)
        if lines not in compared:
            compared[lines] = _compare(*(_changes(line, start, end) for line in lines))
        found += [Difference(target, _kind(pair), *pair) for pair in compared[lines]]
    return sorted(found, key=lambda one: (one.at, one.target.key.order))


def _changes(line: Timeline | None, start: dt.datetime, end: dt.datetime) -> list[Transition]:
    return list(line.transitions(start, end)) if line else []


def _kind(pair: _Pair) -> Literal["added", "dropped", "moved"]:
    before, after = pair
    if before is None:
        return "added"
    return "dropped" if after is None else "moved"


def _compare(before: Sequence[Transition], after: Sequence[Transition]) -> list[_Pair]:
    """The transitions that differ in instant or states, paired where one was moved."""
    kept = {change[:3] for change in before} & {change[:3] for change in after}
    added = [change for change in after if change[:3] not in kept]
    found: list[_Pair] = []
    for change in before:
        if change[:3] in kept:
            continue
        near = [one for one in added if one[1:3] == change[1:3] and abs(one.at - change.at) < _NEAR]
        moved = min(near, key=lambda one: abs(one.at - change.at), default=None)
        if moved is not None:
            added.remove(moved)
        found.append((change, moved))
    return found + [(None, change) for change in added]
