"""The dates covered by the events of an iCalendar text (RFC 5545).

An all-day event covers its dates, ``DTEND`` excluded. A timed event covers the dates its times are
written in, in its own time zone, whatever zone a schedule runs in. Recurrences are expanded by dateutil
to the year 2100; an event that repeats within a day is refused. Cancelled events count for nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from itertools import islice, takewhile
from typing import Any

from reconciler.arming.zones import FIRST_YEAR, LAST_YEAR

_FIRST = dt.datetime(FIRST_YEAR, 1, 1)  # noqa: DTZ001 - as clocks show it, like all times here
_LAST = dt.datetime(LAST_YEAR + 1, 1, 1)  # noqa: DTZ001
_MOST = 60_000
"""Occurrences of one event: more than one a day from 1970 to 2099."""

_DAY = dt.timedelta(days=1)
_SUB_DAILY = frozenset({"HOURLY", "MINUTELY", "SECONDLY"})
_READ = frozenset({"DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID"})


def event_dates(text: str) -> frozenset[dt.date]:
    """The dates from 1970 to 2099 that the events in ``text`` cover. Raises ValueError for broken text."""
    events = _events(text)
    moved: dict[str, list[dt.date]] = {}
    for event in events:
        if "RECURRENCE-ID" in event:
            moved.setdefault(str(event.get("UID")), []).append(event["RECURRENCE-ID"].dt)
    found: set[dt.date] = set()
    for event in events:
        if str(event.get("STATUS", "")).upper() == "CANCELLED":
            continue
        skipped = [] if "RECURRENCE-ID" in event else moved.get(str(event.get("UID")), [])
        try:
            found.update(_covered(event, skipped))
        except (ValueError, TypeError, OverflowError) as exc:
            raise ValueError(f"event {_name(event)}: {exc}") from exc
    return frozenset(found)


def _events(text: str) -> list[Any]:
    from icalendar import Calendar  # noqa: PLC0415 - slow to import, and few projects need it

    try:
        calendars: list[Any] = list(Calendar.from_ical(text, multiple=True))
    except (ValueError, IndexError, KeyError) as exc:
        raise ValueError(f"it is not iCalendar: {exc}") from exc
    # A file cut short loses its last calendar in silence.
    ends = sum(line.strip().upper() == "END:VCALENDAR" for line in text.splitlines())
    begins = sum(line.strip().upper() == "BEGIN:VCALENDAR" for line in text.splitlines())
    if not calendars or not begins == ends == len(calendars):
        raise ValueError("it is not a whole iCalendar text, from BEGIN:VCALENDAR to END:VCALENDAR")
    events = [event for calendar in calendars for event in calendar.walk("VEVENT")]
    if not events:
        raise ValueError("it has no events")
    for event in events:
        broken = [f"{name}: {why}" for name, why in event.errors if name in _READ]
        if broken or "DTSTART" not in event:
            raise ValueError(f"event {_name(event)}: {broken[0] if broken else 'it has no DTSTART'}")
    return events


def _name(event: Any) -> str:
    return repr(str(event.get("SUMMARY") or event.get("UID") or "without a name"))


def _covered(event: Any, skipped: Sequence[dt.date]) -> Iterator[dt.date]:
    """The dates of one event with its recurrences, but for those at ``skipped``, which moved."""
    length = _length(event)
    excluded = {
        _shown(value, event) if isinstance(value, dt.datetime) else value
        for value in [*skipped, *_values(event, "EXDATE")]
    }
    starts = {_shown(event["DTSTART"].dt, event): length}
    for rule in _listed(event.get("RRULE")):
        starts |= dict.fromkeys(_repeated(rule, event, length), length)
    for value in _values(event, "RDATE"):
        if isinstance(value, tuple):
            begin, end = value
            starts[_shown(begin, event)] = end if isinstance(end, dt.timedelta) else end - begin
        else:
            starts[_shown(value, event)] = length
    for start, long in starts.items():
        if start not in excluded and start.date() not in excluded:
            yield from _dates(start, long)


def _shown(value: dt.date, event: Any) -> dt.datetime:
    """``value`` as the clock of the event's own zone shows it; a date at its midnight."""
    if not isinstance(value, dt.datetime):
        return dt.datetime.combine(value, dt.time())
    zone = getattr(event["DTSTART"].dt, "tzinfo", None)
    if value.tzinfo is not None and zone is not None:
        value = value.astimezone(zone)
    return value.replace(tzinfo=None)


def _length(event: Any) -> dt.timedelta:
    start = event["DTSTART"].dt
    if "DTEND" in event:
        length = _shown(event["DTEND"].dt, event) - _shown(start, event)
    elif "DURATION" in event:
        length = event["DURATION"].dt
    else:
        length = dt.timedelta(0) if isinstance(start, dt.datetime) else _DAY
    if length < dt.timedelta(0):
        raise ValueError("it ends before it begins")
    return length


def _repeated(rule: Any, event: Any, length: dt.timedelta) -> list[dt.datetime]:
    from dateutil.rrule import rrulestr  # noqa: PLC0415

    if _SUB_DAILY.intersection(rule.get("FREQ", ())):
        raise ValueError("it repeats within a day; a calendar holds days")
    parts = [part for part in rule.to_ical().decode().split(";") if not part.startswith("UNTIL=")]
    for until in rule.get("UNTIL", ()):
        last = _shown(until, event)
        if not isinstance(until, dt.datetime):
            last += _DAY - dt.timedelta(seconds=1)
        parts.append(f"UNTIL={last:%Y%m%dT%H%M%S}")
    repeats = rrulestr(";".join(parts), dtstart=_shown(event["DTSTART"].dt, event))
    inside = takewhile(lambda start: start < _LAST, repeats.xafter(_FIRST - length - _DAY, inc=True))
    found = list(islice(inside, _MOST))
    if len(found) == _MOST:
        raise ValueError("it repeats too often; a calendar holds days")
    return found


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _values(event: Any, name: str) -> list[Any]:
    return [value.dt for listed in _listed(event.get(name)) for value in listed.dts]


def _dates(start: dt.datetime, length: dt.timedelta) -> Iterator[dt.date]:
    """The dates that ``[start, start + length)`` touches; a moment without length touches its own."""
    end = start + max(length, dt.timedelta.resolution)
    midnight = dt.datetime.combine(max(start, _FIRST).date(), dt.time())
    while midnight < min(end, _LAST):
        yield midnight.date()
        midnight += _DAY
