"""Schedules whose windows disagree are refused, with both places named."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.arming.check import Finding, check_schedule

Fields = dict[str, Any]


def window(arm: str, disarm: str, mode: str = "away", **more: Any) -> Fields:
    return {"arm": arm, "disarm": disarm, "mode": mode, **more}


def usual(days: str, arm: str, disarm: str, mode: str = "away") -> Fields:
    return window(arm, disarm, mode, days=days.split())


def errors(fields: Fields, calendars: dict[str, Fields] | None = None) -> list[tuple[Any, Any]]:
    found = check_schedule(fields, calendars or {})
    return [(f.path, f.other) for f in found if f.severity == "error"]


def warnings(fields: Fields, calendars: dict[str, Fields] | None = None) -> list[Finding]:
    return [f for f in check_schedule(fields, calendars or {}) if f.severity == "warning"]


@pytest.mark.parametrize(
    ("first", "second", "refused"),
    [
        (usual("mon", "18:00", "22:00"), usual("mon", "20:00", "23:00", "stay"), True),
        (usual("mon", "18:00", "22:00"), usual("mon", "20:00", "23:00"), False),
        (usual("mon", "18:00", "22:00"), usual("mon", "22:00", "23:00", "stay"), False),
        (usual("mon", "18:00", "22:00"), usual("tue", "18:00", "23:00", "stay"), False),
        (usual("mon", "18:00", "08:00"), usual("tue", "07:59", "12:00", "stay"), True),
        (usual("mon", "18:00", "08:00"), usual("tue", "08:00", "12:00", "stay"), False),
        (usual("tue", "07:00", "12:00", "stay"), usual("mon", "18:00", "08:00"), True),
        (usual("sun", "18:00", "08:00"), usual("mon", "00:00", "07:00", "stay"), True),
        (usual("mon", "00:00", "07:00", "night"), usual("sun", "23:00", "00:01"), True),
        (usual("mon", "00:00", "07:00", "night"), usual("sun", "23:00", "24:00"), False),
        (usual("mon", "00:00", "07:00", "night"), usual("sun", "23:00", "00:00"), False),
    ],
)
def test_usual_windows_that_overlap_must_share_a_mode(
    first: Fields, second: Fields, *, refused: bool
) -> None:
    expected = [(("windows", 1), ("windows", 0))] if refused else []
    assert errors({"windows": [first, second]}) == expected


def test_a_conflict_is_reported_once_however_many_days_it_is_on() -> None:
    both = [usual("mon tue wed", "18:00", "22:00"), usual("mon tue wed", "18:00", "22:00", "stay")]
    (finding,) = check_schedule({"windows": both}, {})
    assert "mon 18:00-22:00 away" in finding.message
    assert "mon 18:00-22:00 stay" in finding.message
    assert finding.hint


def test_windows_of_one_exception_must_agree() -> None:
    exception = {
        "date": "2026-12-24",
        "windows": [window("10:00", "12:00"), window("11:00", "13:00", "stay")],
    }
    assert errors({"windows": [], "exceptions": [exception]}) == [
        (("exceptions", 0, "windows", 1), ("exceptions", 0, "windows", 0))
    ]


def test_windows_of_neighbouring_exceptions_must_agree() -> None:
    exceptions = [
        {"date": "2026-12-25", "windows": [window("00:00", "06:00", "stay")]},
        {"date": "2026-12-24", "windows": [window("22:00", "08:00")]},
    ]
    assert errors({"windows": [], "exceptions": exceptions}) == [
        (("exceptions", 1, "windows", 0), ("exceptions", 0, "windows", 0))
    ]


def test_an_exception_overrules_the_usual_windows_so_they_need_not_agree() -> None:
    exceptions = [{"date": "2026-12-24", "windows": [window("00:00", "24:00", "stay")]}]
    assert not errors({"windows": [usual("wed thu", "18:00", "08:00")], "exceptions": exceptions})


def test_a_date_has_one_exception() -> None:
    exceptions = [{"date": "2026-12-24", "windows": []}, {"date": "2026-12-24", "windows": []}]
    assert errors({"windows": [], "exceptions": exceptions}) == [(("exceptions", 1), ("exceptions", 0))]


@pytest.mark.parametrize(
    ("days", "refused"),
    [
        ({"dates": ["2026-05-05"]}, False),
        ({"dates": ["2026-05-05", "2026-05-07"]}, False),
        ({"dates": ["2026-05-05", "2026-05-06"]}, True),
        ({"holidays": "KR"}, True),
    ],
)
def test_a_calendar_must_agree_with_itself_on_two_dates_in_a_row(days: Fields, *, refused: bool) -> None:
    calendar = {**days, "windows": [window("22:00", "08:00"), window("06:00", "10:00", "stay")]}
    fields = {"windows": [], "calendars": ["calendar:days"]}
    assert bool(errors(fields, {"days": calendar})) is refused


def test_a_calendar_window_must_agree_with_the_other_windows_of_its_day() -> None:
    calendar = {
        "dates": ["2026-05-05"],
        "windows": [window("10:00", "12:00"), window("11:00", "13:00", "stay")],
    }
    assert errors({"windows": [], "calendars": ["days"]}, {"days": calendar}) == [(("calendars", 0), None)]


def test_neighbouring_dates_of_two_calendars_must_agree() -> None:
    one = {"dates": ["2026-05-05"], "windows": [window("22:00", "08:00")]}
    two = {"dates": ["2026-05-06"], "closed": "stay"}
    fields = {"windows": [], "calendars": ["one", "two"]}
    assert errors(fields, {"one": one, "two": two}) == [(("calendars", 1), ("calendars", 0))]
    (warning,) = warnings(fields, {"one": one, "two": {"holidays": "KR", "closed": "stay"}})
    assert warning.path == ("calendars", 1)


def test_a_date_in_two_calendars_is_decided_by_the_first_with_a_warning() -> None:
    one = {"dates": ["2026-05-05"], "closed": "away"}
    two = {"dates": ["2026-05-05"], "windows": []}
    (warning,) = warnings({"windows": [], "calendars": ["one", "two"]}, {"one": one, "two": two})
    assert "one, listed first, decides" in warning.message


NIGHTS = [usual("mon tue wed thu fri", "18:00", "08:00"), usual("sat sun", "00:00", "24:00")]


@pytest.mark.parametrize(
    ("calendar", "warned"),
    [
        ({"holidays": "KR", "closed": "away"}, False),
        ({"holidays": "KR", "windows": [window("00:00", "24:00")]}, True),
        ({"holidays": "KR", "windows": [window("18:00", "24:00")]}, True),
        ({"holidays": "KR", "windows": [window("18:00", "08:00")]}, False),
        ({"holidays": "KR", "windows": []}, False),
        ({"dates": ["2026-11-25"], "windows": [window("00:00", "24:00")]}, True),
        # Friday: Saturday arms at midnight by itself. Sunday: the usual week disarms there too.
        ({"dates": ["2026-11-27"], "windows": [window("00:00", "24:00")]}, False),
        ({"dates": ["2026-11-29"], "windows": [window("00:00", "24:00")]}, False),
        # Two dates in a row: only the second night is cut.
        ({"dates": ["2026-11-25", "2026-11-26", "2026-11-27"], "windows": [window("00:00", "24:00")]}, False),
    ],
)
def test_a_calendar_that_cuts_the_usual_night_is_a_warning(calendar: Fields, *, warned: bool) -> None:
    found = warnings({"windows": NIGHTS, "calendars": ["days"]}, {"days": calendar})
    assert bool(found) is warned
    if warned:
        assert found[0].path == ("calendars", 0)
        assert "midnight" in found[0].message


def test_the_warning_looks_at_what_the_next_date_does() -> None:
    calendar = {"dates": ["2026-11-25"], "windows": [window("00:00", "24:00")]}
    exception = {"date": "2026-11-26", "windows": [window("00:00", "09:00")]}
    fields = {"windows": NIGHTS, "calendars": ["days"], "exceptions": [exception]}
    assert not warnings(fields, {"days": calendar})


def test_a_calendar_that_is_not_given_is_left_to_the_check_of_references() -> None:
    assert check_schedule({"windows": [], "calendars": ["nowhere"]}, {}) == []
