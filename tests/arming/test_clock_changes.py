"""What happens where clocks are moved: gaps, overlaps, skipped dates, windows that vanish."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from tests.arming.comparison import changes, timeline_of, utc, window

NEW_YORK = "America/New_York"
NIGHTS = [window("18:00", "08:00", days="daily")]


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        # Shown twice: stricter at the first occurrence, looser at the second.
        ([window("18:00", "01:30", days="daily")], ["01:30-05:00 disarmed", "18:00-05:00 armed_away"]),
        ([window("01:30", "05:00", days="daily")], ["01:30-04:00 armed_away", "05:00-05:00 disarmed"]),
        ([window("01:15", "01:45", days="daily")], ["01:15-04:00 armed_away", "01:45-05:00 disarmed"]),
        # The first minute of the repeated hour is shown twice, the minute after it once.
        ([window("18:00", "01:00", days="daily")], ["01:00-05:00 disarmed", "18:00-05:00 armed_away"]),
        ([window("01:00", "05:00", days="daily")], ["01:00-04:00 armed_away", "05:00-05:00 disarmed"]),
        ([window("18:00", "02:00", days="daily")], ["02:00-05:00 disarmed", "18:00-05:00 armed_away"]),
        # An opening that would end before it starts does not open.
        (
            [window("18:00", "01:15", days="daily"), window("01:45", "05:00", days="daily")],
            ["05:00-05:00 disarmed", "18:00-05:00 armed_away"],
        ),
        # Where the clock makes windows overlap, the stricter holds.
        (
            [window("18:00", "01:30", "away", "daily"), window("01:40", "05:00", "stay", "daily")],
            ["01:30-05:00 armed_stay", "05:00-05:00 disarmed", "18:00-05:00 armed_away"],
        ),
        # The resulting state counts, not whether a window begins or ends.
        (
            [window("00:00", "01:30", "away", "daily"), window("01:30", "05:00", "stay", "daily")],
            ["00:00-04:00 armed_away", "01:30-05:00 armed_stay", "05:00-05:00 disarmed"],
        ),
        (
            [window("00:00", "01:30", "stay", "daily"), window("01:30", "05:00", "away", "daily")],
            ["00:00-04:00 armed_stay", "01:30-04:00 armed_away", "05:00-05:00 disarmed"],
        ),
    ],
)
def test_the_repeated_hour_in_new_york(windows: list[Any], expected: list[str]) -> None:
    found = changes(NEW_YORK, "2024-11-03", "2024-11-03", windows)
    assert found == [f"11-03 {text}" for text in expected]


def test_a_night_that_ends_in_the_repeated_hour_changes_twice_a_day() -> None:
    line = timeline_of({"windows": [window("18:00", "01:30", days="daily")]}, {}, NEW_YORK)
    by_day: dict[dt.date, int] = {}
    for change in line.transitions(utc("2024-10-30 04:00"), utc("2024-11-08 05:00")):
        day = line.zone.local(change.at).date()
        by_day[day] = by_day.get(day, 0) + 1
    assert by_day == {dt.date(2024, 10, 30) + dt.timedelta(days=n): 2 for n in range(9)}


def test_precedence_comes_before_the_choice_of_the_occurrence() -> None:
    # The usual window would end at 01:30; the exception holds on in stay, so 01:30 is a loosening.
    fields = {
        "windows": [window("18:00", "01:45", "stay", "sat")],
        "exceptions": [{"date": "2024-11-03", "windows": [window("00:30", "01:30", "away")]}],
    }
    assert changes(NEW_YORK, "2024-11-03", "2024-11-03", fields) == [
        "11-03 00:30-04:00 armed_away",
        "11-03 01:30-05:00 armed_stay",
        "11-03 01:45-05:00 disarmed",
    ]


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        ([window("02:15", "04:00", days="daily")], ["03:00-04:00 armed_away", "04:00-04:00 disarmed"]),
        ([window("01:00", "02:45", days="daily")], ["01:00-05:00 armed_away", "03:00-04:00 disarmed"]),
        ([window("02:00", "03:00", days="daily")], []),
        ([window("02:15", "02:45", days="daily")], []),
        ([window("01:30", "03:30", days="daily")], ["01:30-05:00 armed_away", "03:30-04:00 disarmed"]),
        # The opening lies in the gap: the site stays armed.
        (
            [window("00:00", "02:10", days="daily"), window("02:50", "05:00", days="daily")],
            ["00:00-05:00 armed_away", "05:00-04:00 disarmed"],
        ),
        # A stricter window that lies in the gap leaves no trace between looser ones.
        (
            [
                window("01:00", "02:10", "stay", "daily"),
                window("02:10", "02:50", "away", "daily"),
                window("02:50", "04:00", "stay", "daily"),
            ],
            ["01:00-05:00 armed_stay", "04:00-04:00 disarmed"],
        ),
    ],
)
def test_the_skipped_hour_in_new_york(windows: list[Any], expected: list[str]) -> None:
    found = changes(NEW_YORK, "2024-03-10", "2024-03-10", windows)
    assert found == [f"03-10 {text}" for text in expected]


@pytest.mark.parametrize(
    ("zone", "first", "last", "window_", "expected"),
    [
        # zoneinfo shows 23:30 of this day twice when asked by fold; clocks showed it once.
        (
            "America/Nuuk",
            "2023-10-28",
            "2023-10-28",
            window("18:00", "23:30", days="daily"),
            ["10-28 18:00-02:00 armed_away", "10-28 23:30-02:00 disarmed"],
        ),
        (
            "America/Nuuk",
            "2023-03-25",
            "2023-03-25",
            window("18:00", "22:30", days="daily"),
            ["03-25 18:00-03:00 armed_away", "03-25 23:00-02:00 disarmed"],
        ),
        # Half an hour.
        (
            "Australia/Lord_Howe",
            "2024-04-07",
            "2024-04-07",
            window("18:00", "01:45", days="daily"),
            ["04-07 01:45+10:30 disarmed", "04-07 18:00+10:30 armed_away"],
        ),
        (
            "Australia/Lord_Howe",
            "2024-10-06",
            "2024-10-06",
            window("02:10", "05:00", days="daily"),
            ["10-06 02:30+11:00 armed_away", "10-06 05:00+11:00 disarmed"],
        ),
        # Winter is the change, in Ireland and, around Ramadan, in Morocco.
        (
            "Europe/Dublin",
            "2024-10-27",
            "2024-10-27",
            window("00:00", "01:30", days="daily"),
            ["10-27 00:00+01:00 armed_away", "10-27 01:30+00:00 disarmed"],
        ),
        (
            "Africa/Casablanca",
            "2024-03-10",
            "2024-03-10",
            window("00:00", "02:30", days="daily"),
            ["03-10 00:00+01:00 armed_away", "03-10 02:30+00:00 disarmed"],
        ),
        (
            "Africa/Casablanca",
            "2024-04-14",
            "2024-04-14",
            window("02:30", "05:00", days="daily"),
            ["04-14 03:00+01:00 armed_away", "04-14 05:00+01:00 disarmed"],
        ),
        # Midnight that does not exist, or exists twice.
        (
            "Asia/Beirut",
            "2024-03-30",
            "2024-03-31",
            window("22:00", "24:00", days="sat"),
            ["03-30 22:00+02:00 armed_away", "03-31 01:00+03:00 disarmed"],
        ),
        (
            "Africa/Cairo",
            "2024-04-26",
            "2024-04-26",
            window("00:00", "06:00", days="daily"),
            ["04-26 01:00+03:00 armed_away", "04-26 06:00+03:00 disarmed"],
        ),
        (
            "Africa/Cairo",
            "2024-10-31",
            "2024-10-31",
            window("18:00", "23:30", days="daily"),
            ["10-31 18:00+03:00 armed_away", "10-31 23:30+02:00 disarmed"],
        ),
        (
            "America/Sao_Paulo",
            "2018-11-03",
            "2018-11-04",
            window("00:00", "24:00", days="sat"),
            ["11-03 00:00-03:00 armed_away", "11-04 01:00-02:00 disarmed"],
        ),
        (
            "America/Sao_Paulo",
            "2018-02-17",
            "2018-02-18",
            window("12:00", "24:00", days="sat"),
            ["02-17 12:00-02:00 armed_away", "02-18 00:00-03:00 disarmed"],
        ),
        (
            "America/Havana",
            "2020-11-01",
            "2020-11-01",
            window("18:00", "00:00", days="daily"),
            ["11-01 00:00-05:00 disarmed", "11-01 18:00-05:00 armed_away"],
        ),
        (
            "America/Havana",
            "2020-11-01",
            "2020-11-01",
            window("00:00", "06:00", days="daily"),
            ["11-01 00:00-04:00 armed_away", "11-01 06:00-05:00 disarmed"],
        ),
        # Two hours.
        (
            "Antarctica/Troll",
            "2023-10-29",
            "2023-10-29",
            window("18:00", "02:30", days="daily"),
            ["10-29 02:30+00:00 disarmed", "10-29 18:00+00:00 armed_away"],
        ),
        ("Antarctica/Troll", "2023-03-26", "2023-03-26", window("01:30", "02:30", days="daily"), []),
        # A skipped date: the evening before runs up to the change, the rest of the next night from it.
        (
            "Pacific/Apia",
            "2011-12-29",
            "2011-12-31",
            window("18:00", "08:00", days="thu"),
            ["12-29 18:00-10:00 armed_away", "12-31 00:00+14:00 disarmed"],
        ),
        (
            "Pacific/Apia",
            "2011-12-29",
            "2011-12-31",
            window("18:00", "08:00", days="fri"),
            ["12-31 00:00+14:00 armed_away", "12-31 08:00+14:00 disarmed"],
        ),
        (
            "Pacific/Apia",
            "2011-12-29",
            "2011-12-31",
            window("18:00", "08:00", days="daily"),
            [
                "12-29 08:00-10:00 disarmed",
                "12-29 18:00-10:00 armed_away",
                "12-31 08:00+14:00 disarmed",
                "12-31 18:00+14:00 armed_away",
            ],
        ),
        ("Pacific/Apia", "2011-12-29", "2011-12-31", window("00:00", "24:00", days="fri"), []),
        (
            "Pacific/Kwajalein",
            "1993-08-20",
            "1993-08-22",
            window("18:00", "08:00", days="sat"),
            ["08-22 00:00+12:00 armed_away", "08-22 08:00+12:00 disarmed"],
        ),
        # An offset with seconds: the clock jumped from 00:00:00 to 00:44:30.
        (
            "Africa/Monrovia",
            "1972-01-07",
            "1972-01-07",
            window("00:30", "06:00", days="daily"),
            ["01-07 00:44+00:00 armed_away", "01-07 06:00+00:00 disarmed"],
        ),
        # The end of the years in which summer time was standard.
        (
            "Europe/London",
            "1971-10-31",
            "1971-10-31",
            window("18:00", "02:30", days="daily"),
            ["10-31 02:30+00:00 disarmed", "10-31 18:00+00:00 armed_away"],
        ),
    ],
)
def test_clock_changes_of_the_world(
    zone: str, first: str, last: str, window_: Any, expected: list[str]
) -> None:
    assert changes(zone, first, last, [window_]) == expected


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("1970-01-01", "1970-01-02", ["1970-01-01 09:00", "1970-01-01 23:00"]),
        ("2099-12-31", "2100-01-01", ["2099-12-31 09:00", "2099-12-31 23:00"]),
    ],
)
def test_the_first_and_the_last_day_that_a_timeline_covers(
    first: str, last: str, expected: list[str]
) -> None:
    line = timeline_of({"windows": NIGHTS}, {}, "Asia/Seoul")
    assert [change.at for change in line.transitions(utc(first), utc(last))] == [
        utc(text) for text in expected
    ]


def test_an_exception_and_a_calendar_on_days_of_clock_changes() -> None:
    fields = {
        "windows": [window("18:00", "01:30", days="daily")],
        "exceptions": [{"date": "2024-03-10", "windows": [window("02:30", "12:00", "stay")]}],
        "calendars": ["autumn"],
    }
    calendars = {"autumn": {"dates": ["2024-11-03"], "closed": "stay"}}
    assert changes(NEW_YORK, "2024-03-10", "2024-03-10", fields, calendars) == [
        "03-10 01:30-05:00 disarmed",
        "03-10 03:00-04:00 armed_stay",
        "03-10 12:00-04:00 disarmed",
    ]
    assert changes(NEW_YORK, "2024-11-03", "2024-11-04", fields, calendars) == [
        "11-03 00:00-04:00 armed_stay",
        "11-04 00:00-05:00 armed_away",
        "11-04 01:30-05:00 disarmed",
        "11-04 18:00-05:00 armed_away",
    ]


@pytest.mark.parametrize(
    ("zone", "span", "window_", "dates"),
    [
        (NEW_YORK, ("2024-03-01", "2024-04-01"), window("02:15", "02:45", days="daily"), ["2024-03-10"]),
        (NEW_YORK, ("2024-03-01", "2024-04-01"), window("02:00", "03:00", days="daily"), ["2024-03-10"]),
        (NEW_YORK, ("2024-03-01", "2024-04-01"), window("02:00", "03:01", days="daily"), []),
        (NEW_YORK, ("2024-03-01", "2024-04-01"), window("01:59", "02:30", days="daily"), []),
        (
            NEW_YORK,
            ("2024-03-10 07:00", "2024-03-10 07:01"),
            window("02:15", "02:45", days="daily"),
            ["2024-03-10"],
        ),
        (NEW_YORK, ("2024-03-10 07:01", "2024-04-01"), window("02:15", "02:45", days="daily"), []),
        (NEW_YORK, ("2024-03-01", "2024-03-10 07:00"), window("02:15", "02:45", days="daily"), []),
        (
            "Pacific/Apia",
            ("2011-12-01", "2012-02-01"),
            window("09:00", "12:00", days="daily"),
            ["2011-12-30"],
        ),
        (
            "Pacific/Apia",
            ("2011-12-01", "2012-02-01"),
            window("00:00", "24:00", days="daily"),
            ["2011-12-30"],
        ),
        ("Pacific/Apia", ("2011-12-01", "2012-02-01"), window("18:00", "08:00", days="daily"), []),
        (
            "America/Sao_Paulo",
            ("2018-11-01", "2018-12-01"),
            window("00:10", "00:20", days="sun"),
            ["2018-11-04"],
        ),
    ],
)
def test_windows_that_clocks_skip_are_reported(
    zone: str, span: tuple[str, str], window_: Any, dates: list[str]
) -> None:
    line = timeline_of({"windows": [window_]}, {}, zone)
    found = list(line.vanished(utc(span[0]), utc(span[1])))
    assert [str(one.date) for one in found] == dates
    assert all(window_["arm"] in str(one) and zone in str(one) for one in found)
