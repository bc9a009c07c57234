"""What is wrong with a schedule: windows that disagree, and nights that a calendar would cut short.

DESIGN section 8: windows of equal rank that overlap must share a mode.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, NamedTuple

from reconciler.arming.spec import DAY, Fields, Window, fields_of, list_of, reference_id, weekdays, window
from reconciler.kinds.schedule import DAYS
from reconciler.model import JsonValue

Path = tuple[str | int, ...]

_WEEK = 7 * DAY
_AGREE = "give both the same mode, or end one before the other begins"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a schedule, placed by ``path`` and ``other`` within the schedule's fields."""

    path: Path
    other: Path | None
    message: str
    hint: str
    severity: Literal["error", "warning"]


class _Placed(NamedTuple):
    """A window, the place it is written at, and its name for people."""

    path: Path
    window: Window
    name: str


class _Day(NamedTuple):
    """A calendar of the schedule. ``dates`` is None where only its days' rule is known."""

    path: Path
    id: str
    dates: frozenset[dt.date] | None
    windows: tuple[_Placed, ...]
    closed: bool


def check_schedule(
    fields: Mapping[str, JsonValue], calendars: Mapping[str, Mapping[str, JsonValue]]
) -> list[Finding]:
    """The findings on one schedule, errors and warnings, in the order of its fields.

    ``fields``: the normalised fields of a ``schedule``; ``calendars``: those of its calendars, by id.
    A calendar that is missing there is left to the check of references.
    """
    week = _week(fields)
    days = _calendars(fields, calendars)
    exceptions = _exceptions(fields)
    return [
        *_week_conflicts(week),
        *_exception_conflicts(exceptions),
        *(finding for day in days for finding in _calendar_conflicts(day)),
        *(finding for one, two in combinations(days, 2) for finding in _between_calendars(one, two)),
        *_cut_nights(week, days, {date: placed for date, _, placed in exceptions}),
    ]


def _week(fields: Fields) -> list[list[_Placed]]:
    week: list[list[_Placed]] = [[] for _ in DAYS]
    for index, value in enumerate(list_of(fields.get("windows"))):
        one = window(fields_of(value))
        for day in weekdays(fields_of(value)):
            week[day].append(_Placed(("windows", index), one, f"{DAYS[day]} {one}"))
    return week


def _placed(values: JsonValue, path: Path, name: str) -> tuple[_Placed, ...]:
    found = [window(fields_of(value)) for value in list_of(values)]
    return tuple(_Placed((*path, index), one, f"{name} {one}") for index, one in enumerate(found))


def _exceptions(fields: Fields) -> list[tuple[dt.date, Path, tuple[_Placed, ...]]]:
    found = []
    for index, value in enumerate(list_of(fields.get("exceptions"))):
        text = str(fields_of(value)["date"])
        path: Path = ("exceptions", index)
        windows = _placed(fields_of(value)["windows"], (*path, "windows"), text)
        found.append((dt.date.fromisoformat(text), path, windows))
    return found


def _calendars(fields: Fields, calendars: Mapping[str, Fields]) -> list[_Day]:
    found = []
    for index, value in enumerate(list_of(fields.get("calendars"))):
        name, path = reference_id(value), ("calendars", index)
        if name not in calendars:
            continue
        calendar = calendars[name]
        dates = calendar.get("dates")
        closed = calendar.get("closed")
        values: JsonValue = calendar.get("windows")
        if closed is not None:
            values = [{"arm": "00:00", "disarm": "24:00", "mode": closed}]
        known = None if dates is None else frozenset(map(dt.date.fromisoformat, map(str, list_of(dates))))
        # A finding points into the schedule, so a calendar's windows all stand where it is listed.
        windows = tuple(one._replace(path=path) for one in _placed(values, path, f"calendar {name}"))
        found.append(_Day(path, name, known, windows, closed is not None))
    return found


def _disagree(one: Window, two: Window, days_later: int, period: int | None = None) -> bool:
    """Whether ``one`` and ``two``, owned ``days_later`` days after it, overlap in different modes."""
    if one.state is two.state:
        return False
    shifts = (0,) if period is None else (-period, 0, period)
    begin = two.start + days_later * DAY
    end = two.end + days_later * DAY
    return any(one.start < end + shift and begin + shift < one.end for shift in shifts)


def _in_file(path: Path) -> list[str]:
    return [f"{step:06d}" if isinstance(step, int) else step for step in path]


def _conflict(one: _Placed, two: _Placed, severity: Literal["error", "warning"] = "error") -> Finding:
    first, second = sorted((one, two), key=lambda placed: _in_file(placed.path))
    other = first.path if first.path != second.path else None
    message = f"windows overlap and disagree on the mode: {first.name} and {second.name}"
    return Finding(second.path, other, message, _AGREE, severity)


def _week_conflicts(week: list[list[_Placed]]) -> Iterator[Finding]:
    seen: set[frozenset[Path]] = set()
    placed = [(day, one) for day in range(7) for one in week[day]]
    for (day, one), (later, two) in combinations(placed, 2):
        pair = frozenset((one.path, two.path))
        if pair not in seen and _disagree(one.window, two.window, later - day, _WEEK):
            seen.add(pair)
            yield _conflict(one, two)


def _within(windows: Sequence[_Placed]) -> Iterator[Finding]:
    """Conflicts of the windows of one date."""
    for one, two in combinations(windows, 2):
        if _disagree(one.window, two.window, 0):
            yield _conflict(one, two)


def _across(
    before: Sequence[_Placed], after: Sequence[_Placed], severity: Literal["error", "warning"] = "error"
) -> Iterator[Finding]:
    """Conflicts of the windows of one date with those of the next."""
    for one in before:
        for two in after:
            if _disagree(one.window, two.window, 1):
                yield _conflict(one, two, severity)


def _exception_conflicts(
    exceptions: list[tuple[dt.date, Path, tuple[_Placed, ...]]],
) -> Iterator[Finding]:
    first: dict[dt.date, tuple[Path, tuple[_Placed, ...]]] = {}
    for date, path, windows in exceptions:
        if date in first:
            hint = "write all windows of a date in one exception"
            yield Finding(path, first[date][0], f"exception {date} stands twice", hint, "error")
            continue
        first[date] = (path, windows)
        yield from _within(windows)
    for date, (_, windows) in first.items():
        following = first.get(date + dt.timedelta(days=1))
        if following:
            yield from _across(windows, following[1])


def _touching(one: frozenset[dt.date], two: frozenset[dt.date]) -> bool:
    return any(date + dt.timedelta(days=1) in two for date in one)


def _calendar_conflicts(day: _Day) -> Iterator[Finding]:
    yield from _within(day.windows)
    if day.dates is None or _touching(day.dates, day.dates):
        for finding in _across(day.windows, day.windows):
            yield Finding(
                finding.path, None, f"{finding.message}, on two dates in a row", _AGREE, finding.severity
            )


def _between_calendars(one: _Day, two: _Day) -> Iterator[Finding]:
    """Two calendars: dates both hold (the first listed wins), and nights that reach the other's date."""
    for before, after in ((one, two), (two, one)):
        if before.dates is None or after.dates is None:
            yield from _across(before.windows, after.windows, "warning")
        elif _touching(before.dates, after.dates):
            yield from _across(before.windows, after.windows)
    shared = one.dates & two.dates if one.dates is not None and two.dates is not None else frozenset()
    same = [placed.window for placed in one.windows] == [placed.window for placed in two.windows]
    if shared and not (same and one.closed == two.closed):
        yield Finding(
            two.path,
            one.path,
            f"calendars {one.id} and {two.id} both hold {min(shared)}: {one.id}, listed first, decides",
            "list first the calendar that should decide, or take the date out of one",
            "warning",
        )


def _armed_at_end(windows: Sequence[_Placed]) -> bool:
    return any(one.window.end >= DAY for one in windows)


def _over_midnight(before: Sequence[_Placed], after: Sequence[_Placed]) -> _Placed | None:
    """The window that holds at the midnight after which ``after`` counts, if the site stays armed over it."""
    if not _armed_at_end(before):
        return None
    reaching = [one for one in before if one.window.end > DAY]
    return next(iter(reaching + [one for one in after if one.window.start == 0]), None)


def _cut_nights(
    week: list[list[_Placed]], days: list[_Day], exceptions: Mapping[dt.date, tuple[_Placed, ...]]
) -> Iterator[Finding]:
    """Calendars whose date ends armed at midnight, where the usual week stays armed over that midnight."""

    def owned(date: dt.date) -> Sequence[_Placed]:
        if date in exceptions:
            return exceptions[date]
        for day in days:
            if day.dates is not None and date in day.dates:
                return [*day.windows, *(week[date.weekday()] if day.closed else ())]
        return week[date.weekday()]

    taken: set[dt.date] = set(exceptions)
    for day in days:
        found = () if day.closed else _candidates(day, week, owned, frozenset(taken))
        taken |= day.dates or set()
        # A closed date keeps the usual windows, so its night is whole.
        for name, weekday, after in found:
            night = _over_midnight(week[weekday], week[(weekday + 1) % 7])
            if night and _armed_at_end(day.windows) and not _over_midnight(day.windows, after):
                yield Finding(
                    day.path,
                    night.path,
                    f"calendar {day.id} would disarm at midnight after {name}, "
                    f"in the middle of the usual night {night.name}",
                    "let its last window disarm next morning, or write closed, which keeps the usual windows",
                    "warning",
                )
                break


def _candidates(
    day: _Day,
    week: list[list[_Placed]],
    owned: Callable[[dt.date], Sequence[_Placed]],
    taken: frozenset[dt.date],
) -> Iterator[tuple[str, int, Sequence[_Placed]]]:
    """The days to look at: name, weekday, and the windows owned by the day after.

    Dates where they are known and the calendar decides them; each weekday otherwise.
    """
    if day.dates is None:
        for weekday, name in enumerate(DAYS):
            yield f"a {name}", weekday, week[(weekday + 1) % 7]
        return
    for date in sorted(day.dates - taken):
        yield str(date), date.weekday(), owned(date + dt.timedelta(days=1))
