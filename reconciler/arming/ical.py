"""Armed spans as an iCalendar text (RFC 5545) that calendar programs open."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from reconciler.arming.fleet import NO_OVERRIDES, Fleet, Overrides
from reconciler.arming.project import Target
from reconciler.arming.states import State

_PRODUCT = "-//chekt-reconciler//arming//EN"


class ArmedSpan(NamedTuple):
    """One target armed in one state for ``[start, end)`` (UTC)."""

    target: Target
    state: State
    start: dt.datetime
    end: dt.datetime
    reason: str


def armed_spans(
    fleet: Fleet, start: dt.datetime, end: dt.datetime, overrides: Overrides = NO_OVERRIDES
) -> Iterator[ArmedSpan]:
    """When each target is armed in ``[start, end)`` (aware), cut there; ascending by the span's end."""
    holding = fleet.holding(start, overrides)
    since = {
        target.key: ArmedSpan(target, state, start, end, reason)
        for target, (state, reason) in zip(fleet.targets, holding, strict=True)
    }
    for target, change in fleet.transitions(start, end, overrides):
        span = since[target.key]
        if span.state and span.start < change.at:
            yield span._replace(end=change.at)
        since[target.key] = ArmedSpan(target, change.to_state, change.at, end, change.reason)
    yield from (span for span in since.values() if span.state)


def calendar_text(spans: Iterable[ArmedSpan], stamp: dt.datetime, name: str = "Arming") -> str:
    """One event a span, with UTC times, folded lines and UIDs that stay the same from run to run.

    ``stamp`` (aware) is DTSTAMP, when the text was made; ``name`` is the calendar's title.
    """
    from icalendar import Calendar, Event  # noqa: PLC0415 - slow to import, and one format needs it

    calendar = Calendar()
    calendar.add("prodid", _PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", name)
    for span in spans:
        where = _where(span.target)
        event = Event()
        event.add("uid", _uid(span))
        event.add("dtstamp", stamp.astimezone(dt.UTC))
        event.add("dtstart", span.start.astimezone(dt.UTC))
        event.add("dtend", span.end.astimezone(dt.UTC))
        event.add("summary", f"{where} {span.state}")
        event.add("description", span.reason)
        event.add("transp", "TRANSPARENT")
        calendar.add_component(event)
    text: bytes = calendar.to_ical()
    return text.decode()


def _where(target: Target) -> str:
    return target.address if target.partition is None else f"{target.address} partition {target.partition}"


def _uid(span: ArmedSpan) -> str:
    name = f"{_where(span.target)} {span.state} {span.start.astimezone(dt.UTC).isoformat()}"
    return f"{hashlib.sha256(name.encode()).hexdigest()[:32]}@chekt-reconciler"
