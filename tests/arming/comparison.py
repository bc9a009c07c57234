"""The timeline's answers in forms that tests can lay beside others."""

from __future__ import annotations

import datetime as dt
from typing import Any

from reconciler.arming import spec
from reconciler.arming.calendars import calendar
from reconciler.arming.timeline import Timeline, timeline
from tests.arming.minute_scan import Fields

DAILY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def window(arm: str, disarm: str, mode: str = "away", days: str | None = None) -> Fields:
    """A window of a date, or with ``days`` one of the week: "mon fri", "daily"."""
    fields: Fields = {"arm": arm, "disarm": disarm, "mode": mode}
    if days is not None:
        fields["days"] = DAILY if days == "daily" else days.split()
    return fields


def timeline_of(fields: Fields, calendars: dict[str, Fields], zone: str) -> Timeline:
    known = [calendar(name, found, {}) for name, found in calendars.items()]
    return timeline(spec.schedule("s", fields), known, zone)


def changes(
    zone: str, first: str, last: str, fields: Fields | list[Fields], calendars: Any = None
) -> list[str]:
    """The changes from local date ``first`` to ``last``, both included: "11-01 01:30-05:00 disarmed"."""
    if isinstance(fields, list):
        fields = {"windows": fields}
    line = timeline_of(fields, calendars or {}, zone)
    found = []
    for change in line.transitions(utc(first) - dt.timedelta(days=2), utc(last) + dt.timedelta(days=3)):
        local = line.zone.local(change.at)
        if first <= str(local.date()) <= last:
            found.append(f"{local.isoformat(timespec='minutes')[5:].replace('T', ' ')} {change.to_state}")
    return found


def minute_states(line: Timeline, first: dt.date, days: int) -> bytes:
    """One byte a minute of UTC for ``days`` dates from ``first``."""
    start = dt.datetime(first.year, first.month, first.day, tzinfo=dt.UTC)
    end = start + dt.timedelta(days=days)
    found = bytearray()
    state = line.at(start)[0]
    for change in line.transitions(start, end):
        minutes, rest = divmod(change.at - start, dt.timedelta(minutes=1))
        assert not rest, "a change between two minutes"
        assert change.at == start or change.from_state is state
        found += bytes([state]) * (minutes - len(found))
        state = change.to_state
    return bytes(found + bytes([state]) * (days * 1440 - len(found)))
