"""Schedules, calendars and overrides as the timeline reads them, in minutes and states.

Made from the normalised fields of ``schedule`` and ``calendar`` resources (``kinds/schedule.py``,
``kinds/calendar.py``). A window is local wall time, owned by the date on which it starts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from reconciler.arming.states import State
from reconciler.kinds.schedule import DAYS, seconds
from reconciler.model import Address, JsonValue

DAY = 1440
"""Minutes of a local day, as clocks are read."""

Fields = Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Window:
    """Armed in ``state`` for ``[start, end)``: minutes after the owning date's midnight.

    ``0 <= start < 1440`` and ``start < end < start + 1440``, or ``0, 1440`` for the whole day.
    """

    start: int
    end: int
    state: State

    def __str__(self) -> str:
        return f"{_clock(self.start)}-{_clock(self.end)} {self.state.mode}"


def _clock(minutes: int) -> str:
    if minutes > DAY:
        minutes -= DAY
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def whole_day(state: State) -> Window:
    """The window of a closed day, midnight to midnight."""
    return Window(0, DAY, state)


@dataclass(frozen=True, slots=True)
class ManualChange:
    """What the enforcer does about a change by hand; ``rearm_after`` in seconds where that is the policy."""

    policy: Literal["respect_until_next", "enforce", "rearm_after"] = "respect_until_next"
    rearm_after: int | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """When sites are armed.

    ``week``: the usual windows owned by each weekday, Monday first. ``exceptions``: windows of single
    dates, ascending. ``calendars``: ids, the first listed wins a date that several hold. ``timezone``:
    None where each site's own counts.
    """

    id: str
    week: tuple[tuple[Window, ...], ...]
    calendars: tuple[str, ...] = ()
    exceptions: tuple[tuple[dt.date, tuple[Window, ...]], ...] = ()
    timezone: str | None = None
    manual_change: ManualChange = ManualChange()


class Days(Protocol):
    """The days of a calendar. Hashable by value, since timelines are shared between equal calendars."""

    def in_year(self, year: int) -> frozenset[dt.date]:
        """Its dates in ``year``."""
        ...

    def __hash__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days on which a schedule does something else.

    Exactly one of ``closed`` (an all-day window besides the date's own) and ``windows`` (instead of
    them) is set.
    """

    id: str
    days: Days
    closed: State | None = None
    windows: tuple[Window, ...] | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """A person's order for one target: ``state`` in ``[start, until)``, aware times; None: already begun."""

    state: State
    until: dt.datetime
    reason: str
    start: dt.datetime | None = None


def reference_id(text: JsonValue) -> str:
    """The id in a reference, given as an address (``schedule:weeknights``) or as the bare id."""
    value = str(text)
    return Address.parse(value).id if ":" in value else value


def fields_of(value: JsonValue) -> Fields:
    """``value`` as a mapping; a missing one is empty."""
    return value if isinstance(value, Mapping) else {}


def list_of(value: JsonValue) -> Sequence[JsonValue]:
    """``value`` as a list; a missing one is empty."""
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def _minutes(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


def window(fields: Fields) -> Window:
    """The window of ``{arm, disarm, mode}``; a ``disarm`` before ``arm`` is on the next day."""
    start, end = _minutes(str(fields["arm"])), _minutes(str(fields["disarm"]))
    return Window(start, end if end > start else end + DAY, State.of(f"armed_{fields.get('mode') or 'away'}"))


def windows(values: JsonValue) -> tuple[Window, ...]:
    """The windows of a list of ``{arm, disarm, mode}``."""
    return tuple(window(fields_of(value)) for value in list_of(values))


def weekdays(fields: Fields) -> tuple[int, ...]:
    """The weekdays of a usual window, Monday 0."""
    return tuple(DAYS.index(str(day)) for day in list_of(fields.get("days")))


def manual_change(value: JsonValue) -> ManualChange:
    """The policy of ``manual_change``; ``respect_until_next`` where it is not written."""
    if isinstance(value, Mapping):
        return ManualChange("rearm_after", seconds(str(value["rearm_after"])))
    return ManualChange("enforce" if value == "enforce" else "respect_until_next")


def schedule(schedule_id: str, fields: Fields) -> Schedule:
    """The schedule of a resource's normalised fields."""
    week: list[list[Window]] = [[] for _ in DAYS]
    for value in list_of(fields.get("windows")):
        for day in weekdays(fields_of(value)):
            week[day].append(window(fields_of(value)))
    exceptions: dict[dt.date, tuple[Window, ...]] = {}
    for value in list_of(fields.get("exceptions")):
        date = dt.date.fromisoformat(str(fields_of(value)["date"]))
        exceptions[date] = exceptions.get(date, ()) + windows(fields_of(value)["windows"])
    zone = fields.get("timezone")
    return Schedule(
        id=schedule_id,
        week=tuple(map(tuple, week)),
        calendars=tuple(reference_id(value) for value in list_of(fields.get("calendars"))),
        exceptions=tuple(sorted(exceptions.items())),
        timezone=None if zone is None else str(zone),
        manual_change=manual_change(fields.get("manual_change")),
    )
