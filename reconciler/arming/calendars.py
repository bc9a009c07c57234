"""The days of calendars: listed dates, public holidays, the events of an iCalendar file.

Raises ManifestError for a calendar whose days cannot be told.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from reconciler.arming.events import event_dates
from reconciler.arming.spec import Calendar, Days, Fields, fields_of, list_of, windows
from reconciler.arming.states import State
from reconciler.errors import ManifestError
from reconciler.model import Address

_NONE: frozenset[dt.date] = frozenset()


@dataclass(frozen=True, slots=True)
class ListedDays:
    """Dates that the manifest lists."""

    dates: frozenset[dt.date]

    def in_year(self, year: int) -> frozenset[dt.date]:
        return frozenset(date for date in self.dates if date.year == year)


@dataclass(frozen=True, slots=True)
class HolidayDays:
    """Public holidays of a country or of a part of it, ``KR``, ``US-CA``, observed days included."""

    place: str

    def in_year(self, year: int) -> frozenset[dt.date]:
        return _holidays(self.place, year)


@dataclass(frozen=True, slots=True)
class EventDays:
    """The dates that the events of an iCalendar text cover (``events.py``)."""

    text: str

    def in_year(self, year: int) -> frozenset[dt.date]:
        return _event_years(self.text).get(year, _NONE)


def calendar(calendar_id: str, fields: Fields, texts: Mapping[str, str]) -> Calendar:
    """The calendar of a resource's normalised fields; ``texts`` holds iCalendar files by their path.

    Raises ManifestError for an unknown country or part, a file that is missing in ``texts`` or broken.
    """
    closed = fields.get("closed")
    return Calendar(
        id=calendar_id,
        days=_days(calendar_id, fields, texts),
        closed=None if closed is None else State.of(f"armed_{closed}"),
        windows=None if fields.get("windows") is None else windows(fields["windows"]),
    )


def _days(calendar_id: str, fields: Fields, texts: Mapping[str, str]) -> Days:
    address = Address("calendar", (calendar_id,))
    if fields.get("holidays") is not None:
        days = HolidayDays(str(fields["holidays"]))
        problem = _unknown_place(days.place)
        if problem:
            raise ManifestError(
                f"holidays: {problem}",
                hint="write a country of the holidays package, or a part of it: KR, US, US-CA",
                address=address,
            )
        return days
    if fields.get("dates") is not None:
        return ListedDays(frozenset(dt.date.fromisoformat(str(text)) for text in list_of(fields["dates"])))
    file = str(fields_of(fields.get("ics")).get("file"))
    if file not in texts:
        raise ManifestError(
            f"the iCalendar file {file} was not read", hint="name a file that is there", address=address
        )
    try:
        _event_years(texts[file])
    except ValueError as exc:
        raise ManifestError(
            f"{file} does not tell the days of the calendar: {exc}",
            hint="export it again as iCalendar (RFC 5545), with events of whole days",
            address=address,
        ) from exc
    return EventDays(texts[file])


@lru_cache(maxsize=256)
def _event_years(text: str) -> Mapping[int, frozenset[dt.date]]:
    years: dict[int, set[dt.date]] = {}
    for date in event_dates(text):
        years.setdefault(date.year, set()).add(date)
    return {year: frozenset(dates) for year, dates in years.items()}


@lru_cache(maxsize=1024)
def _unknown_place(place: str) -> str:
    """Why ``place`` has no holidays; empty where it has."""
    import holidays  # noqa: PLC0415 - slow to import, and few projects need it

    country, _, part = place.partition("-")
    try:
        holidays.country_holidays(country, subdiv=part or None)
    except NotImplementedError as exc:
        return str(exc)
    return ""


@lru_cache(maxsize=16384)
def _holidays(place: str, year: int) -> frozenset[dt.date]:
    import holidays  # noqa: PLC0415

    country, _, part = place.partition("-")
    return frozenset(holidays.country_holidays(country, subdiv=part or None, years=year))
