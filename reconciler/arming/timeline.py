"""When a schedule arms and disarms in one zone: ``decide`` and ``transitions`` (DESIGN section 8).

A timeline works out stretches of 32 days as they are asked for, and keeps them. It covers 1970 to 2099.
"""

from __future__ import annotations

import datetime as dt
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from reconciler.arming import overrides as orders
from reconciler.arming.days import LocalDays
from reconciler.arming.instants import EPOCH_DAY, moments
from reconciler.arming.spec import DAY, Calendar, Override, Schedule
from reconciler.arming.states import State
from reconciler.arming.zones import FIRST_YEAR, LAST_YEAR, Zone, zone
from reconciler.errors import ConfigError, ManifestError

HORIZON = dt.timedelta(days=3653)
"""How far ahead ``decide`` looks for the next change: ten years."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_BEGIN = dt.datetime(FIRST_YEAR, 1, 1, tzinfo=dt.UTC)
_END = dt.datetime(LAST_YEAR + 1, 1, 1, tzinfo=dt.UTC)
_SECOND = dt.timedelta(seconds=1)
_STRETCH = 32 * 86400
_KEPT = 256
"""How many stretches a timeline keeps: 22 years."""


class Decision(NamedTuple):
    """What a target should be at an instant.

    ``state`` holds until ``valid_until`` and changes there; None: it does not change within HORIZON.
    ``reason`` is the one at the instant asked about: windows that merge take turns in naming it.
    """

    state: State
    reason: str
    valid_until: dt.datetime | None


class Transition(NamedTuple):
    """A real change of state at the instant ``at`` (UTC)."""

    at: dt.datetime
    from_state: State
    to_state: State
    reason: str


class Vanished(NamedTuple):
    """A window that never opens, since the clock skips all of it at the instant ``at`` (UTC)."""

    at: dt.datetime
    date: dt.date
    reason: str
    zone: str

    def __str__(self) -> str:
        return f"{self.reason}: vanishes on {self.date}, since clocks in {self.zone} skip all of it"


@dataclass(frozen=True, slots=True, eq=False)
class _Stretch:
    """The moments of 32 days; the first is the beginning's."""

    at: array[int]
    states: tuple[State, ...]
    reasons: tuple[str, ...]


class Timeline:
    """One schedule with its calendars in one zone. Keeps the stretches it has worked out."""

    def __init__(self, days: LocalDays, zone: Zone) -> None:
        self.zone = zone
        self._days = days
        self._stretches: dict[int, _Stretch] = {}
        self._endings: dict[str, str] = {}

    def at(self, instant: dt.datetime, overrides: Sequence[Override] = ()) -> tuple[State, str]:
        """State and reason at ``instant`` (aware). Raises ConfigError outside 1970 to 2099."""
        _covered(instant)
        return self._effective(instant, overrides)

    def _at_second(self, second: int) -> tuple[State, str]:
        stretch = self._stretch(second // _STRETCH)
        index = bisect_right(stretch.at, second) - 1
        return stretch.states[index], stretch.reasons[index]

    def decide(self, instant: dt.datetime, overrides: Sequence[Override] = ()) -> Decision:
        """State, reason and end of the state at ``instant`` (aware), under the target's ``overrides``."""
        state, reason = self.at(instant, overrides)
        return Decision(state, reason, self._next_change(instant, state, overrides))

    def transitions(
        self, start: dt.datetime, end: dt.datetime, overrides: Sequence[Override] = ()
    ) -> Iterator[Transition]:
        """The real changes of state in ``start <= at < end`` (aware), ascending."""
        if overrides:
            yield from self._overridden(start, end, overrides)
            return
        state: State | None = None
        reason = ""
        for second, new, why in self._moments(_ceiling(start), _ceiling(end)):
            if state is not None and new is not state:
                yield Transition(_instant(second), state, new, why if new else self._ending(reason))
            state, reason = new, why

    def vanished(self, start: dt.datetime, end: dt.datetime) -> Iterator[Vanished]:
        """The windows that lie wholly in a gap or on a skipped date, by the clock change's instant."""
        low = bisect_left(self.zone.instants, _ceiling(start))
        high = bisect_left(self.zone.instants, _ceiling(end))
        for change in self.zone.changes[low:high]:
            begin, finish = change.at + change.before, change.at + change.after
            first, last = begin // 86400 + EPOCH_DAY, (finish - 1) // 86400 + EPOCH_DAY
            for ordinal, plan in enumerate(self._days.plans(first - 1, last), first - 1):
                midnight = (ordinal - EPOCH_DAY) * DAY
                for _, window, reason in plan.windows:
                    opens, closes = (midnight + window.start) * 60, (midnight + window.end) * 60
                    if begin <= opens and closes <= finish:
                        date = dt.date.fromordinal(ordinal)
                        yield Vanished(_instant(change.at), date, reason, self.zone.name)

    def _stretch(self, index: int) -> _Stretch:
        found = self._stretches.get(index)
        if found is None:
            if len(self._stretches) == _KEPT:
                self._stretches.pop(next(iter(self._stretches)), None)
            found = self._stretches[index] = self._work_out(index * _STRETCH, (index + 1) * _STRETCH)
        return found

    def _work_out(self, begin: int, end: int) -> _Stretch:
        first = (begin + self.zone.offset_at(begin)) // 86400 + EPOCH_DAY
        last = (end + self.zone.offset_at(end)) // 86400 + EPOCH_DAY
        found = moments(self._days, self.zone, first, last)
        low, high = bisect_right(found.at, begin) - 1, bisect_left(found.at, end)
        at = array("q", found.at[low:high])
        at[0] = begin
        return _Stretch(at, tuple(found.states[low:high]), tuple(found.reasons[low:high]))

    def _moments(self, begin: int, end: int) -> Iterator[tuple[int, State, str]]:
        """What holds just before ``begin``, then every moment in ``[begin, end)``; seconds since 1970."""
        if begin >= end:
            return
        yield (begin - 1, *self._at_second(begin - 1))
        for index in range(begin // _STRETCH, (end - 1) // _STRETCH + 1):
            stretch = self._stretch(index)
            low, high = bisect_left(stretch.at, begin), bisect_left(stretch.at, end)
            yield from zip(
                stretch.at[low:high], stretch.states[low:high], stretch.reasons[low:high], strict=True
            )

    def _ending(self, reason: str) -> str:
        if reason not in self._endings:
            self._endings[reason] = f"{reason} ends"
        return self._endings[reason]

    def _effective(self, instant: dt.datetime, overrides: Sequence[Override]) -> tuple[State, str]:
        override = orders.active(overrides, instant)
        if override:
            return override.state, orders.reason(override)
        return self._at_second((instant - _EPOCH) // _SECOND)

    def _next_change(
        self, instant: dt.datetime, state: State, overrides: Sequence[Override]
    ) -> dt.datetime | None:
        limit = min(instant + HORIZON, _END)
        edges = orders.edges(overrides)
        now: dt.datetime | None = instant
        while now is not None and now < limit:
            edge = next((edge for edge in edges if edge > now), None)
            following = None if orders.active(overrides, now) else self._scheduled_change(now, edge or limit)
            now = following or edge
            if now is not None and now < limit and self._effective(now, overrides)[0] is not state:
                return now.astimezone(dt.UTC)
        return None

    def _scheduled_change(self, after: dt.datetime, before: dt.datetime) -> dt.datetime | None:
        """The first change that the schedule makes in ``after < at < before``."""
        second, last = _second(after) + 1, _ceiling(before)
        state: State | None = None
        for at, new, _ in self._moments(second, last):
            if state is not None and new is not state:
                return _instant(at)
            state = new
        return None

    def _overridden(
        self, start: dt.datetime, end: dt.datetime, overrides: Sequence[Override]
    ) -> Iterator[Transition]:
        scheduled = {transition.at for transition in self.transitions(start, end)}
        inside = {edge.astimezone(dt.UTC) for edge in orders.edges(overrides) if start <= edge < end}
        state, reason = self._effective(start - dt.timedelta(microseconds=1), overrides)
        for at in sorted(scheduled | inside):
            new, why = self._effective(at, overrides)
            if new is not state:
                loosened = not new and not orders.active(overrides, at)
                yield Transition(at, state, new, self._ending(reason) if loosened else why)
            state, reason = new, why


def _covered(instant: dt.datetime) -> None:
    if not _BEGIN <= instant < _END:
        raise ConfigError(
            f"{instant.isoformat()} is outside the years {FIRST_YEAR} to {LAST_YEAR}",
            hint="ask about a time for which time-zone rules are known",
        )


def _second(instant: dt.datetime) -> int:
    _covered(instant)
    return (instant - _EPOCH) // _SECOND


def _ceiling(instant: dt.datetime) -> int:
    """The first whole second from ``instant`` on; the end of the last year covered is allowed."""
    if instant == _END:
        return (_END - _EPOCH) // _SECOND
    return _second(instant) + (instant.microsecond > 0)


def _instant(second: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(second, dt.UTC)


def timeline(schedule: Schedule, calendars: Iterable[Calendar], zone_name: str) -> Timeline:
    """The one timeline of ``schedule`` in a zone, shared by all that ask; ``calendars`` may hold others too.

    Raises ManifestError where a calendar or the zone is unknown.
    """
    known = {calendar.id: calendar for calendar in calendars}
    missing = [name for name in schedule.calendars if name not in known]
    if missing:
        raise ManifestError(
            f"schedule {schedule.id} names a calendar that is not there: {missing[0]}",
            hint="declare the calendar, or take it out of the schedule",
        )
    return _shared(schedule, tuple(known[name] for name in schedule.calendars), zone_name)


@lru_cache(maxsize=8192)
def _shared(schedule: Schedule, calendars: tuple[Calendar, ...], zone_name: str) -> Timeline:
    return Timeline(_local_days(schedule, calendars), zone(zone_name))


@lru_cache(maxsize=1024)
def _local_days(schedule: Schedule, calendars: tuple[Calendar, ...]) -> LocalDays:
    """The dates of a schedule are the same in every zone."""
    return LocalDays(schedule, calendars)


def decide(
    schedule: Schedule,
    calendars: Iterable[Calendar],
    overrides: Sequence[Override],
    zone_name: str,
    instant: dt.datetime,
) -> Decision:
    """What ``schedule`` wants at ``instant`` (aware), why, and until when."""
    return timeline(schedule, calendars, zone_name).decide(instant, overrides)


def transitions(
    schedule: Schedule,
    calendars: Iterable[Calendar],
    zone_name: str,
    start: dt.datetime,
    end: dt.datetime,
    overrides: Sequence[Override] = (),
) -> Iterator[Transition]:
    """The real changes of state in ``start <= at < end`` (aware), ascending."""
    return timeline(schedule, calendars, zone_name).transitions(start, end, overrides)


def vanished(
    schedule: Schedule, calendars: Iterable[Calendar], zone_name: str, start: dt.datetime, end: dt.datetime
) -> Iterator[Vanished]:
    """The windows that clock changes in ``start <= at < end`` (aware) skip whole: warnings."""
    return timeline(schedule, calendars, zone_name).vanished(start, end)
