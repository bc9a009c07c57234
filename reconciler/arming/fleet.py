"""Many targets at once: the work is done once a distinct schedule and zone, not once a site."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby, repeat
from operator import itemgetter

from reconciler.arming.project import Target, TargetKey
from reconciler.arming.spec import Calendar, Override, Schedule
from reconciler.arming.states import State
from reconciler.arming.timeline import Decision, Timeline, Transition, timeline

Timelines = Callable[[Schedule, Sequence[Calendar], str], Timeline]

Overrides = Mapping[TargetKey, Sequence[Override]]

NO_OVERRIDES: Overrides = {}


class Fleet:
    """Targets, grouped by the timeline they share. Answers are in the order of ``targets``.

    ``targets`` are kept in the order of output: by address, then partition. ``timelines`` makes the
    timeline of a schedule, its calendars and a zone; another one decides with other time-zone data.
    """

    def __init__(self, targets: Sequence[Target], timelines: Timelines = timeline) -> None:
        self.targets = tuple(sorted(targets, key=lambda target: target.key.order))
        self.timelines: list[Timeline] = []
        self._members: list[list[int]] = []
        self._group: list[int] = []
        known: dict[tuple[int, int, str], int] = {}
        for index, target in enumerate(self.targets):
            # Targets share their schedule and calendars as objects; comparing those first is quick.
            shared = (id(target.schedule), id(target.calendars), target.zone)
            if shared not in known:
                known[shared] = self._group_of(timelines(target.schedule, target.calendars, target.zone))
            self._group.append(known[shared])
            self._members[known[shared]].append(index)
        self._index = {target.key: index for index, target in enumerate(self.targets)}

    def _group_of(self, line: Timeline) -> int:
        if line not in self.timelines:
            self.timelines.append(line)
            self._members.append([])
        return self.timelines.index(line)

    def timeline_of(self, key: TargetKey) -> Timeline | None:
        """The timeline of a target, None where the fleet has no such target."""
        index = self._index.get(key)
        return None if index is None else self.timelines[self._group[index]]

    def holding(self, instant: dt.datetime, overrides: Overrides = NO_OVERRIDES) -> list[tuple[State, str]]:
        """State and reason of every target at ``instant`` (aware)."""
        of_group = [line.at(instant) for line in self.timelines]
        found = [of_group[group] for group in self._group]
        for index, line, orders in self._apart(overrides):
            found[index] = line.at(instant, orders)
        return found

    def decisions(self, instant: dt.datetime, overrides: Overrides = NO_OVERRIDES) -> list[Decision]:
        """State, reason and end of the state of every target at ``instant`` (aware)."""
        of_group = [line.decide(instant) for line in self.timelines]
        found = [of_group[group] for group in self._group]
        for index, line, orders in self._apart(overrides):
            found[index] = line.decide(instant, orders)
        return found

    def _apart(self, overrides: Overrides) -> list[tuple[int, Timeline, Sequence[Override]]]:
        """The targets with overrides of their own."""
        known = [
            (self._index[key], orders) for key, orders in overrides.items() if orders and key in self._index
        ]
        return [(index, self.timelines[self._group[index]], orders) for index, orders in known]

    def transitions(
        self, start: dt.datetime, end: dt.datetime, overrides: Overrides = NO_OVERRIDES
    ) -> Iterator[tuple[Target, Transition]]:
        """The real changes in ``start <= at < end``, ascending by instant, then target, then partition."""
        apart = self._apart(overrides)
        alone = {index for index, _, _ in apart}
        changes: list[tuple[dt.datetime, Sequence[int], Transition]] = []
        for line, members in zip(self.timelines, self._members, strict=True):
            shared = [index for index in members if index not in alone] if alone else members
            changes += [(change.at, shared, change) for change in line.transitions(start, end)]
        for index, line, orders in apart:
            changes += [(change.at, (index,), change) for change in line.transitions(start, end, orders)]
        changes.sort(key=itemgetter(0))
        return self._spread(changes)

    def _spread(
        self, changes: Sequence[tuple[dt.datetime, Sequence[int], Transition]]
    ) -> Iterator[tuple[Target, Transition]]:
        for _, same in groupby(changes, key=itemgetter(0)):
            together = [pair for _, members, change in same for pair in zip(members, repeat(change))]
            together.sort(key=itemgetter(0))
            yield from ((self.targets[index], change) for index, change in together)
