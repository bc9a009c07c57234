"""The days of a target as bars: what a week grid draws, worked out before anything is formatted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from reconciler.arming import overrides as orders
from reconciler.arming.project import Target
from reconciler.arming.spec import Override
from reconciler.arming.states import State
from reconciler.arming.timeline import Timeline
from reconciler.arming.zones import Zone

_EPOCH = dt.date(1970, 1, 1)
_ORIGIN = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_DAY = 86400


class Held(NamedTuple):
    """One state held for ``[start, end)`` (seconds since 1970 UTC), by an override or by the schedule."""

    start: int
    end: int
    state: State
    reason: str
    override: bool


class Bar(NamedTuple):
    """A part of a day, ``left`` to ``right`` in shares of the day's real length, 0 to 1."""

    held: Held
    left: float
    right: float
    begins: str
    ends: str


class Tick(NamedTuple):
    """A full hour of the local clock, and where it lies in the day."""

    hour: int
    left: float


@dataclass(frozen=True, slots=True)
class Day:
    """One local date. ``notes``: what is special about it; ``now``: where the page's own time lies."""

    date: dt.date
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    notes: tuple[str, ...]
    now: float | None


def days(
    target: Target,
    line: Timeline,
    overrides: Sequence[Override],
    dates: Sequence[dt.date],
    now: dt.datetime,
    zone: Zone | None = None,
) -> Iterator[Day]:
    """``target`` on each of the local ``dates``, ascending and without a hole.

    ``zone``: whose dates and clock are meant, that of ``line`` by default.
    """
    zone = line.zone if zone is None else zone
    edges = [_midnight(zone, date) for date in [*dates, dates[-1] + dt.timedelta(days=1)]]
    held = list(_held(line, overrides, edges[0], edges[-1])) if edges[0] < edges[-1] else []
    made = int((now - _ORIGIN).total_seconds())
    for date, begin, end in zip(dates, edges, edges[1:], strict=False):
        inside = [one for one in held if one.start < end and begin < one.end]
        yield Day(
            date,
            tuple(_bar(zone, one, begin, end) for one in inside),
            tuple(_ticks(zone, date, begin, end)),
            (*_notes(target, zone, date, begin, end), *_overridden(zone, inside, begin, end)),
            (made - begin) / (end - begin) if begin <= made < end else None,
        )


class Part(NamedTuple):
    """What of a stretch of time lies in one day: shares of the day's length, and times of its clock."""

    left: float
    right: float
    begins: str
    ends: str


def part(zone: Zone, date: dt.date, start: int, end: int) -> Part | None:
    """The part of ``[start, end)`` (seconds since 1970 UTC) that lies in a local date; None for none."""
    begin, stop = _midnight(zone, date), _midnight(zone, date + dt.timedelta(days=1))
    if start >= stop or end <= begin:
        return None
    inside = _bar(zone, Held(start, end, State.DISARMED, "", override=False), begin, stop)
    return Part(inside.left, inside.right, inside.begins, inside.ends)


def clock(zone: Zone, instant: int) -> str:
    """``instant`` on the local clock, ``18:00``; with seconds where there are any."""
    return _clock((instant + zone.offset_at(instant)) % _DAY)


def local_date(zone: Zone, instant: int) -> dt.date:
    """The local date at ``instant``."""
    return _EPOCH + dt.timedelta(days=(instant + zone.offset_at(instant)) // _DAY)


def _clock(second: int) -> str:
    text = f"{second // 3600:02d}:{second % 3600 // 60:02d}"
    return f"{text}:{second % 60:02d}" if second % 60 else text


def _midnight(zone: Zone, date: dt.date) -> int:
    """The first instant of a local date; of one that clocks skip, that of the change."""
    return zone.first((date - _EPOCH).days * _DAY)


def _held(line: Timeline, overrides: Sequence[Override], begin: int, end: int) -> Iterator[Held]:
    start, stop = (_ORIGIN + dt.timedelta(seconds=second) for second in (begin, end))
    changes = {start}
    changes |= {change.at for change in line.transitions(start, stop, overrides)}
    changes |= {edge for edge in orders.edges(overrides) if start < edge < stop}
    open_one: Held | None = None
    for at in sorted(changes):
        second = int((at - _ORIGIN).total_seconds())
        state, reason = line.at(at, overrides)
        override = orders.active(overrides, at) is not None
        if open_one is not None:
            if (open_one.state, open_one.override) == (state, override):
                continue
            yield open_one._replace(end=second)
        open_one = Held(second, end, state, reason, override)
    if open_one is not None:
        yield open_one


def _bar(zone: Zone, held: Held, begin: int, end: int) -> Bar:
    start, stop = max(held.start, begin), min(held.end, end)
    length = end - begin
    ends = "24:00" if stop == end else clock(zone, stop)
    return Bar(held, (start - begin) / length, (stop - begin) / length, clock(zone, start), ends)


def _ticks(zone: Zone, date: dt.date, begin: int, end: int) -> Iterator[Tick]:
    midnight = (date - _EPOCH).days * _DAY
    for hour in (6, 12, 18):
        instant = zone.first(midnight + hour * 3600)
        if begin < instant < end:
            yield Tick(hour, (instant - begin) / (end - begin))


def _notes(target: Target, zone: Zone, date: dt.date, begin: int, end: int) -> Iterator[str]:
    if begin == end:
        yield "clocks skip this date"
        return
    if date in dict(target.schedule.exceptions):
        yield "exception"
    else:
        named = {calendar.id: calendar for calendar in target.calendars}
        holding = (name for name in target.schedule.calendars if date in named[name].days.in_year(date.year))
        yield from (f"calendar {name}" for name in list(holding)[:1])
    for change in zone.changes:
        if begin <= change.at < end:
            way = "forward" if change.after > change.before else "back"
            shown = _clock((change.at + change.before) % _DAY), _clock((change.at + change.after) % _DAY)
            yield f"clocks go {way} {shown[0]} to {shown[1]}, a day of {_hours(end - begin)}"


def _overridden(zone: Zone, held: Sequence[Held], begin: int, end: int) -> Iterator[str]:
    for one in held:
        if one.override:
            bar = _bar(zone, one, begin, end)
            yield f"{bar.begins} to {bar.ends} {one.state}: {one.reason}"


def _hours(seconds: int) -> str:
    return f"{seconds // 3600} h" + (f" {seconds % 3600 // 60} min" if seconds % 3600 else "")
