"""What a schedule wants on the local clock, date by date, before any change of that clock.

Precedence: exception, then calendar, then the usual windows. An exception or a calendar replaces the
windows owned by its date; a closed calendar adds an all-day window to them. Of several calendars that
hold a date, the first that the schedule lists decides.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import NamedTuple

from reconciler.arming.spec import DAY, Calendar, Schedule, Window, whole_day
from reconciler.arming.states import State
from reconciler.kinds.schedule import DAYS


class Rank(IntEnum):
    """What wins where windows overlap; overrides stand above all of these."""

    WINDOWS = 0
    CALENDAR = 1
    EXCEPTION = 2


class OwnedWindow(NamedTuple):
    """A window that counts on a date, and why."""

    rank: Rank
    window: Window
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class DatePlan:
    """The windows a date owns; ``outside`` is the reason where none of them holds."""

    windows: tuple[OwnedWindow, ...]
    outside: str


class Piece(NamedTuple):
    """From ``second`` of the local date on: the state and its reason."""

    second: int
    state: State
    reason: str


class LocalDays:
    """The dates of one schedule with its calendars, in the order it lists them. Dates are ordinals."""

    def __init__(self, schedule: Schedule, calendars: Sequence[Calendar]) -> None:
        self._schedule = schedule
        self._calendars = tuple(calendars)
        self._name = f"schedule {schedule.id}"
        self._outside = f"{self._name}: outside its windows"
        self._exceptions = {date.toordinal(): windows for date, windows in schedule.exceptions}
        self._week = tuple(self._usual(weekday) for weekday in range(7))
        self._special: dict[int, dict[int, DatePlan]] = {}
        self._pieces: dict[tuple[DatePlan, DatePlan], tuple[Piece, ...]] = {}

    def plans(self, first: int, last: int) -> list[DatePlan]:
        """The plans of the dates ``first`` to ``last``, both included."""
        begin, end = dt.date.fromordinal(first).year, dt.date.fromordinal(last).year
        special: dict[int, DatePlan] = {}
        for year in range(begin, end + 1):
            special |= self._special_dates(year)
        week = self._week
        if not special:
            return [week[(ordinal + 6) % 7] for ordinal in range(first, last + 1)]
        return [special.get(ordinal) or week[(ordinal + 6) % 7] for ordinal in range(first, last + 1)]

    def days(self, first: int, last: int) -> list[tuple[Piece, ...]]:
        """The pieces of each date from ``first`` to ``last``, both included; each begins with second 0."""
        plans = self.plans(first - 1, last)
        known = self._pieces
        found = []
        for pair in pairwise(plans):
            pieces = known.get(pair)
            if pieces is None:
                pieces = known[pair] = _pieces(*pair)
            found.append(pieces)
        return found

    def _usual(self, weekday: int) -> DatePlan:
        windows = self._schedule.week[weekday]
        reason = f"{self._name}: window {DAYS[weekday]} "
        owned = tuple(OwnedWindow(Rank.WINDOWS, one, f"{reason}{one}") for one in windows)
        return DatePlan(owned, self._outside)

    def _special_dates(self, year: int) -> dict[int, DatePlan]:
        if year not in self._special:
            found: dict[int, DatePlan] = {}
            for calendar in self._calendars:
                for date in calendar.days.in_year(year):
                    found.setdefault(date.toordinal(), self._calendar_date(calendar, date))
            for ordinal, windows in self._exceptions.items():
                date = dt.date.fromordinal(ordinal)
                if date.year == year:
                    found[ordinal] = self._exception(date, windows)
            self._special[year] = found
        return self._special[year]

    def _exception(self, date: dt.date, windows: Sequence[Window]) -> DatePlan:
        name = f"{self._name}: exception {date}"
        owned = tuple(OwnedWindow(Rank.EXCEPTION, one, f"{name} {one}") for one in windows)
        return DatePlan(owned, f"{name}, outside its windows")

    def _calendar_date(self, calendar: Calendar, date: dt.date) -> DatePlan:
        name = f"{self._name}: calendar {calendar.id}"
        if calendar.closed is not None:
            reason = f"{name} closed {calendar.closed.mode} {date}"
            closed = OwnedWindow(Rank.CALENDAR, whole_day(calendar.closed), reason)
            usual = self._week[date.weekday()]
            return DatePlan((closed, *usual.windows), usual.outside)
        windows = calendar.windows or ()
        owned = tuple(OwnedWindow(Rank.CALENDAR, one, f"{name} {date} {one}") for one in windows)
        return DatePlan(owned, f"{name} {date}, outside its windows")


def _pieces(before: DatePlan, plan: DatePlan) -> tuple[Piece, ...]:
    """The local day of ``plan``; windows owned by the date ``before`` may reach into it."""
    spans = [(one.window.start - DAY, one.window.end - DAY, one) for one in before.windows]
    spans += [(one.window.start, one.window.end, one) for one in plan.windows]
    edges = {0, *(max(0, start) for start, _, _ in spans), *(end for _, end, _ in spans)}
    found: list[Piece] = []
    for minute in sorted(edge for edge in edges if 0 <= edge < DAY):
        holding = [(start, one) for start, end, one in spans if start <= minute < end]
        if holding:
            # The rank decides; among equals the stricter, and of those the one that began first.
            _, best = max(holding, key=lambda pair: (pair[1].rank, pair[1].window.state, -pair[0]))
            piece = Piece(minute * 60, best.window.state, best.reason)
        else:
            piece = Piece(minute * 60, State.DISARMED, plan.outside)
        if not found or found[-1][1:] != piece[1:]:
            found.append(piece)
    return tuple(found)
