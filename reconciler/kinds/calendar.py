"""A calendar: the days on which a schedule does something else (DESIGN section 8)."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from reconciler.kinds.kind import Kind, Spec, simulated
from reconciler.kinds.schedule import Date, DayWindow
from reconciler.kinds.values import Mode, Text, sorted_set


class IcsFile(Spec):
    """An iCalendar file as the manifests hold it: its path, and the digest of its content."""

    file: Text
    sha256: Text


def _ics(value: object) -> object:
    return {"file": value, "sha256": "-"} if isinstance(value, str) and value else value


Ics = Annotated[IcsFile, BeforeValidator(_ics), WithJsonSchema({"type": "string", "minLength": 1})]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2,3}(-[A-Z0-9]{1,4})?$")]


class CalendarSpec(Spec):
    """Days on which a schedule does something else."""

    holidays: Annotated[
        Country | None,
        Field(description="Public holidays of a country, or of a part of it: KR, US, US-CA."),
    ] = None
    dates: Annotated[
        list[Date] | None,
        AfterValidator(lambda v: v and sorted_set(v)),
        Field(description="Dates, YYYY-MM-DD."),
    ] = None
    ics: Annotated[
        Ics | None,
        Field(description="An iCalendar file, relative to this manifest; its events are the days."),
    ] = None
    closed: Annotated[
        Mode | None,
        Field(description="Armed all day in this mode, besides the date's own windows."),
    ] = None
    windows: Annotated[
        list[DayWindow] | None, Field(description="Windows instead of the usual ones; [] for none.")
    ] = None

    @model_validator(mode="after")
    def _one_each(self) -> CalendarSpec:
        if sum(value is not None for value in (self.holidays, self.dates, self.ics)) != 1:
            raise ValueError("write one of holidays, dates or ics: the days of the calendar")
        if (self.closed is None) == (self.windows is None):
            raise ValueError("write either closed (armed all day) or windows: what happens on its days")
        return self


CALENDAR = Kind(
    name="calendar",
    collection="calendars",
    title="Calendar",
    spec=CalendarSpec,
    read_only=frozenset({"calendar_id", "created_at"}),
    unordered=frozenset({"dates"}),
    simulated=simulated("calendar", CalendarSpec, "/sim/v0/calendars"),
    portal=(
        "In the CHeKT app, open each site whose schedule uses calendar {id}, then Arming, Schedule.",
        "Set the days listed.",
    ),
)
