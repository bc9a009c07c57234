"""Each rule of arming as a table: what a day looks like on the local clock."""

from __future__ import annotations

from typing import Any

import pytest

from tests.arming.comparison import changes, timeline_of, utc, window


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        ([window("18:00", "22:00", days="daily")], ["18:00 armed_away", "22:00 disarmed"]),
        ([window("18:00", "08:00", days="daily")], ["08:00 disarmed", "18:00 armed_away"]),
        ([window("00:00", "24:00", days="wed")], ["00:00 armed_away"]),
        ([window("18:00", "24:00", days="tue")], ["00:00 disarmed"]),
        ([window("18:00", "00:00", days="tue")], ["00:00 disarmed"]),
        (
            [window("18:00", "24:00", days="daily"), window("00:00", "06:00", days="daily")],
            ["06:00 disarmed", "18:00 armed_away"],
        ),
        ([window("08:00", "07:59", days="daily")], ["07:59 disarmed", "08:00 armed_away"]),
        # Those that overlap and agree merge; modes that meet change once.
        (
            [window("12:00", "15:00", days="wed"), window("14:00", "18:00", days="wed")],
            ["12:00 armed_away", "18:00 disarmed"],
        ),
        (
            [window("12:00", "15:00", "stay", "wed"), window("15:00", "18:00", "night", "wed")],
            ["12:00 armed_stay", "15:00 armed_night", "18:00 disarmed"],
        ),
        ([window("00:00", "24:00", days="daily")], []),
        ([], []),
    ],
)
def test_windows_of_a_usual_wednesday(windows: list[Any], expected: list[str]) -> None:
    found = changes("Asia/Seoul", "2024-11-20", "2024-11-20", windows)
    assert found == [f"11-20 {text[:5]}+09:00 {text[6:]}" for text in expected]


NIGHTS = [window("18:00", "08:00", days="daily")]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        # The previous evening's window still runs, and nothing opens on the date itself.
        (
            {"exceptions": [{"date": "2024-11-20", "windows": []}]},
            ["20 08:00 disarmed", "21 18:00 armed_away"],
        ),
        (
            {"exceptions": [{"date": "2024-11-20", "windows": [window("13:00", "24:00")]}]},
            ["20 08:00 disarmed", "20 13:00 armed_away", "21 00:00 disarmed", "21 18:00 armed_away"],
        ),
        # Where neighbouring dates overlap the higher rank wins, even if looser; outside it says nothing.
        (
            {"exceptions": [{"date": "2024-11-20", "windows": [window("02:00", "06:00", "stay")]}]},
            ["20 02:00 armed_stay", "20 06:00 armed_away", "20 08:00 disarmed", "21 18:00 armed_away"],
        ),
        ({"calendars": ["closed"]}, ["21 08:00 disarmed", "21 18:00 armed_away"]),
        (
            {"calendars": ["stay"]},
            ["20 00:00 armed_stay", "21 00:00 armed_away", "21 08:00 disarmed", "21 18:00 armed_away"],
        ),
        ({"calendars": ["none"]}, ["20 08:00 disarmed", "21 18:00 armed_away"]),
        (
            {"calendars": ["late"]},
            ["20 08:00 disarmed", "20 23:00 armed_night", "21 07:00 disarmed", "21 18:00 armed_away"],
        ),
        # An exception stands above the calendar's night that reaches its date.
        (
            {
                "calendars": ["late"],
                "exceptions": [{"date": "2024-11-21", "windows": [window("00:00", "06:00", "stay")]}],
            },
            [
                *("20 08:00 disarmed", "20 23:00 armed_night", "21 00:00 armed_stay"),
                *("21 06:00 armed_night", "21 07:00 disarmed"),
            ],
        ),
        # Of two calendars the one listed first decides; an exception stands above both.
        ({"calendars": ["none", "closed"]}, ["20 08:00 disarmed", "21 18:00 armed_away"]),
        ({"calendars": ["closed", "none"]}, ["21 08:00 disarmed", "21 18:00 armed_away"]),
        (
            {"calendars": ["closed"], "exceptions": [{"date": "2024-11-20", "windows": []}]},
            ["20 08:00 disarmed", "21 18:00 armed_away"],
        ),
    ],
)
def test_exceptions_and_calendars_on_the_twentieth(more: dict[str, Any], expected: list[str]) -> None:
    calendars = {
        "closed": {"dates": ["2024-11-20"], "closed": "away"},
        "stay": {"dates": ["2024-11-20"], "closed": "stay"},
        "none": {"dates": ["2024-11-20"], "windows": []},
        "late": {"dates": ["2024-11-20"], "windows": [window("23:00", "07:00", "night")]},
    }
    found = changes("Asia/Seoul", "2024-11-20", "2024-11-21", {"windows": NIGHTS, **more}, calendars)
    assert found == [f"11-{text[:8]}+09:00{text[8:]}" for text in expected]


def test_reasons_name_the_rank_and_the_window() -> None:
    fields = {
        "windows": [window("18:00", "08:00", days="fri")],
        "exceptions": [{"date": "2024-11-21", "windows": [window("13:00", "24:00")]}],
        "calendars": ["kr-holidays"],
    }
    calendars = {"kr-holidays": {"dates": ["2024-11-20"], "closed": "night"}}
    line = timeline_of(fields, calendars, "UTC")
    found = [change.reason for change in line.transitions(utc("2024-11-19"), utc("2024-11-24"))]
    assert found == [
        "schedule s: calendar kr-holidays closed night 2024-11-20",
        "schedule s: calendar kr-holidays closed night 2024-11-20 ends",
        "schedule s: exception 2024-11-21 13:00-24:00 away",
        "schedule s: exception 2024-11-21 13:00-24:00 away ends",
        "schedule s: window fri 18:00-08:00 away",
        "schedule s: window fri 18:00-08:00 away ends",
    ]
    assert line.at(utc("2024-11-19"))[1] == "schedule s: outside its windows"
    assert line.at(utc("2024-11-21"))[1] == "schedule s: exception 2024-11-21, outside its windows"


def test_of_windows_that_merge_the_one_that_began_first_is_the_reason() -> None:
    fields = {"windows": [window("06:00", "12:00", days="wed"), window("05:00", "07:00", days="wed")]}
    line = timeline_of(fields, {}, "UTC")
    assert line.at(utc("2024-11-20 06:30"))[1] == "schedule s: window wed 05:00-07:00 away"
    assert line.at(utc("2024-11-20 07:00"))[1] == "schedule s: window wed 06:00-12:00 away"
