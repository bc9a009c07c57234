"""An arming schedule: the windows of a usual week, and what changes them (DESIGN section 8).

CHeKT publishes no endpoint for schedules (chekt-api/README.md section 8).
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from reconciler.kinds.kind import Kind, Reference, Spec, simulated
from reconciler.kinds.values import Identifier, Mode, TimeZone

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def clock(text: str) -> str:
    """A local wall time ``HH:MM``, 00:00 to 23:59."""
    if not re.fullmatch(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]", text):
        raise ValueError('write a time from "00:00" to "23:59", with two digits each')
    return text


def closing_clock(text: str) -> str:
    """A local wall time ``HH:MM``, 00:00 to 24:00, the end of a window."""
    return text if text == "24:00" else clock(text)


def date(text: str) -> str:
    """A calendar date ``YYYY-MM-DD``."""
    try:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            raise ValueError("not YYYY-MM-DD")
        dt.date.fromisoformat(text)
    except ValueError:
        raise ValueError("write a date that exists, as YYYY-MM-DD") from None
    return text


def duration(text: str) -> str:
    """A length of time such as ``30m``, ``2h`` or ``90s``, more than zero."""
    match = re.fullmatch(r"([0-9]{1,6})([smh])", text)
    if not match or int(match[1]) == 0:
        raise ValueError('write a duration such as "90s", "30m" or "2h"')
    return text


def seconds(text: str) -> int:
    """The seconds of a ``duration``."""
    return int(text[:-1]) * {"s": 1, "m": 60, "h": 3600}[text[-1]]


def _week_order(days: list[Day]) -> list[Day]:
    return sorted(set(days), key=DAYS.index)


def _text(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern})


Clock = Annotated[str, AfterValidator(clock), _text(r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
ClosingClock = Annotated[
    str, AfterValidator(closing_clock), _text(r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")
]
Date = Annotated[str, AfterValidator(date), _text(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Duration = Annotated[str, AfterValidator(duration), _text(r"^[0-9]{1,6}[smh]$")]


class DayWindow(Spec):
    """Armed from ``arm`` to ``disarm``; an earlier ``disarm`` is on the next day."""

    arm: Annotated[Clock, Field(description='Local time at which the site arms: "18:00".')]
    disarm: Annotated[
        ClosingClock,
        Field(description='Local time at which it disarms; "24:00" is midnight at the end of the day.'),
    ]
    mode: Annotated[Mode, Field(description="How it is armed: away, stay or night.")] = "away"

    @model_validator(mode="after")
    def _not_empty(self) -> DayWindow:
        if self.arm == self.disarm:
            raise ValueError(
                'arm and disarm are the same time; for a whole day write arm: "00:00", disarm: "24:00"'
            )
        return self


class WeekWindow(DayWindow):
    """A window on some days of the week; the day it starts on owns it."""

    days: Annotated[list[Day], AfterValidator(_week_order), Field(min_length=1, description="mon to sun.")]


class ScheduleException(Spec):
    """One date that has windows of its own, before any calendar."""

    date: Annotated[Date, Field(description="YYYY-MM-DD in the schedule's zone.")]
    windows: Annotated[list[DayWindow], Field(description="The windows of that date; [] for none.")]


class RearmAfter(Spec):
    """Let a manual change stand for a while, then arm again."""

    rearm_after: Annotated[Duration, Field(description='How long it stands: "30m".')]


def _manual_change(value: object) -> object:
    if isinstance(value, str) and value not in ("respect_until_next", "enforce"):
        raise ValueError("write respect_until_next, enforce or {rearm_after: 30m}")
    return value


class ScheduleSpec(Spec):
    """When sites are armed."""

    timezone: Annotated[
        TimeZone | None, Field(description="Zone of the times; each site's own when left out.")
    ] = None
    windows: Annotated[list[WeekWindow], Field(description="The windows of a usual week; [] for none.")]
    calendars: Annotated[
        list[Identifier] | None,
        Field(description="Calendars whose days replace or extend the windows."),
    ] = None
    exceptions: Annotated[
        list[ScheduleException] | None, Field(description="Single dates with windows of their own.")
    ] = None
    manual_change: Annotated[
        Literal["respect_until_next", "enforce"] | RearmAfter | None,
        BeforeValidator(_manual_change),
        Field(
            description="What to do when a person arms or disarms by hand. respect_until_next when left out."
        ),
    ] = None


SCHEDULE = Kind(
    name="schedule",
    collection="schedules",
    title="Schedule",
    spec=ScheduleSpec,
    references=(Reference("calendars.*", "calendar"),),
    read_only=frozenset({"schedule_id", "created_at"}),
    simulated=simulated("schedule", ScheduleSpec, "/sim/v0/schedules"),
    portal=(
        "In the CHeKT app, open each site that uses schedule {id}, then Arming, Schedule.",
        "Set the windows listed, partition by partition.",
    ),
)
