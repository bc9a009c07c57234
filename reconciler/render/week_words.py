"""What a plan does to a week of arming, in words and in letters: for those who cannot see the picture."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

from reconciler.arming.states import State
from reconciler.arming.weekly import DAYS, Armed, WeekChange
from reconciler.escape import visible
from reconciler.model import ToldWeek
from reconciler.render import grid

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NAMED = 3
"""Targets named in a line; of more the rest is counted."""

_LETTERS = {
    None: " ",
    State.DISARMED: ".",
    State.ARMED_STAY: "S",
    State.ARMED_NIGHT: "N",
    State.ARMED_AWAY: "A",
}
_KEY = "A away, N night, S stay, . disarmed; a letter is half an hour"
_SLOTS = 48
"""Letters a day: half hours."""


def told(change: WeekChange) -> ToldWeek:
    """All that is said of it, as plain data that a plan can carry."""
    return ToldWeek(
        title(change), names(change), remark(change), tuple(sentences(change)), tuple(letters(change))
    )


def date_text(date: dt.date) -> str:
    """``Fri 20 Nov``."""
    return f"{WEEKDAYS[date.weekday()]} {date.day} {_MONTHS[date.month - 1]}"


def words(state: State | None) -> str:
    """``armed away``; None: no schedule says anything."""
    return "no schedule" if state is None else str(state).replace("_", " ")


def dates(change: WeekChange) -> list[dt.date]:
    """The dates of the week."""
    return [change.first + dt.timedelta(days=number) for number in range(DAYS)]


def title(change: WeekChange) -> str:
    """The schedule, before and after where they differ, and the zone whose clock is shown."""
    sides = [side for side in (change.before, change.after) if side is not None]
    names = dict.fromkeys(side.target.schedule.id for side in sides)
    zones = dict.fromkeys(side.target.zone for side in sides)
    told = f"schedule {' -> '.join(names)}"
    moved = f" (time zone {' -> '.join(zones)})" if len(zones) > 1 else ""
    clocks = [change.zone.name, *change.also]
    rest = len(clocks) - _NAMED
    more = f" and {rest} more" if rest > 0 else ""
    each = "each site's clock in " if change.also else "clock of "
    return visible(f"{told}, {each}{', '.join(clocks[:_NAMED])}{more}{moved}")


def names(change: WeekChange) -> str:
    """Who is armed so: ``site:acme/hq, site:acme/shop and 12 more``."""
    told = [
        visible(key.address if key.partition is None else f"{key.address} partition {key.partition}")
        for key in change.targets
    ]
    rest = len(told) - _NAMED
    return ", ".join(told[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def remark(change: WeekChange) -> str:
    """What the picture cannot show: that a side is unknown, or that nothing differs."""
    if change.unknown:
        return f"When they were armed before is not known: {visible(change.unknown)}."
    if not change.differences:
        return "No hour of the next year differs."
    return ""


def sentences(change: WeekChange) -> list[str]:
    """The hours that differ, days with the same hours together."""
    found: dict[str, list[dt.date]] = {}
    for date in dates(change):
        for one in change.differences:
            part = grid.part(change.zone, date, one.start, one.end)
            if part is not None:
                told = f"{part.begins} to {part.ends}: {words(one.before)} before, {words(one.after)} after"
                found.setdefault(told, []).append(date)
    return [f"{told} ({_listed(days)})" for told, days in found.items()]


def _listed(days: list[dt.date]) -> str:
    """``Fri 30 Oct, Mon 2, Tue 3 Nov``: the month once."""
    told = [date_text(date) for date in days]
    for number, (date, following) in enumerate(pairwise(days)):
        if date.month == following.month:
            told[number] = told[number].rpartition(" ")[0]
    return ", ".join(told)


def letters(change: WeekChange) -> list[str]:
    """The days that differ, a letter for each half hour: before with a minus, after with a plus.

    Days that look alike are drawn once, under the first of them.
    """
    drawn: dict[tuple[str, str], str] = {}
    for date in dates(change):
        if any(grid.part(change.zone, date, one.start, one.end) for one in change.differences):
            rows = _row(change.before, change, date), _row(change.after, change, date)
            drawn.setdefault(rows, f"{date_text(date):<10}")
    if not drawn:
        return []
    scale = "".join(f"{hour:<6}" for hour in range(0, 24, 3)).rstrip()
    shown = [
        f"{sign} {label} {row}" for rows, label in drawn.items() for sign, row in zip("-+", rows, strict=True)
    ]
    return [f"  {'':<10} {scale}", *shown, f"  {'':<10} {_KEY}"]


def _row(side: Armed | None, change: WeekChange, date: dt.date) -> str:
    """The state in the middle of each half hour of the clock; a skipped one shows the state after it."""
    midnight = dt.datetime.combine(date, dt.time())
    row = []
    for slot in range(_SLOTS):
        shown = midnight + dt.timedelta(minutes=30 * slot + 15)
        second = change.zone.first(round((shown - dt.datetime(1970, 1, 1)).total_seconds()))  # noqa: DTZ001
        at = dt.datetime.fromtimestamp(second, dt.UTC)
        row.append(_LETTERS[side.line.at(at)[0] if side is not None else None])
    return "".join(row).rstrip()
