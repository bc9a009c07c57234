"""The days of a calendar: listed, public holidays, the events of an iCalendar file."""

from __future__ import annotations

import datetime as dt

import pytest

from reconciler.arming.calendars import calendar
from reconciler.arming.events import event_dates
from reconciler.errors import ManifestError


def ics(*events: str) -> str:
    body = "".join(f"BEGIN:VEVENT\nUID:u\nSUMMARY:Fair\n{event}\nEND:VEVENT\n" for event in events)
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//x//x//EN\n{body}END:VCALENDAR\n".replace("\n", "\r\n")


def dates(*events: str) -> list[str]:
    return [str(date)[5:] for date in sorted(event_dates(ics(*events)))]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("DTSTART;VALUE=DATE:20240105", ["01-05"]),
        ("DTSTART;VALUE=DATE:20240105\nDTEND;VALUE=DATE:20240108", ["01-05", "01-06", "01-07"]),
        ("DTSTART;VALUE=DATE:20240105\nDTEND;VALUE=DATE:20240105", ["01-05"]),
        ("DTSTART;VALUE=DATE:20240105\nDURATION:P2D", ["01-05", "01-06"]),
        # Timed events cover the dates that their own clock shows.
        ("DTSTART;TZID=Asia/Seoul:20240105T090000\nDTEND;TZID=Asia/Seoul:20240105T180000", ["01-05"]),
        ("DTSTART;TZID=Asia/Seoul:20240105T220000\nDURATION:PT4H", ["01-05", "01-06"]),
        ("DTSTART:20240105T220000\nDTEND:20240106T000000", ["01-05"]),
        ("DTSTART:20240105T220000Z\nDTEND:20240106T000001Z", ["01-05", "01-06"]),
        ("DTSTART:20240105T000000", ["01-05"]),
        # Recurrence.
        ("DTSTART;VALUE=DATE:20240105\nRRULE:FREQ=WEEKLY;COUNT=3", ["01-05", "01-12", "01-19"]),
        ("DTSTART;VALUE=DATE:20240105\nRRULE:FREQ=WEEKLY;UNTIL=20240112", ["01-05", "01-12"]),
        ("DTSTART;VALUE=DATE:20240105\nRRULE:FREQ=WEEKLY;UNTIL=20240112T000000Z", ["01-05", "01-12"]),
        (
            "DTSTART;TZID=Asia/Seoul:20240105T090000\nRRULE:FREQ=WEEKLY;UNTIL=20240119T000000Z",
            ["01-05", "01-12", "01-19"],
        ),
        (
            "DTSTART;TZID=Asia/Seoul:20240105T090000\nRRULE:FREQ=WEEKLY;UNTIL=20240118T235959Z",
            ["01-05", "01-12"],
        ),
        ("DTSTART:20240105T090000\nRRULE:FREQ=WEEKLY;UNTIL=20240112", ["01-05", "01-12"]),
        (
            "DTSTART;VALUE=DATE:20240105\nRRULE:FREQ=WEEKLY;COUNT=3\nEXDATE;VALUE=DATE:20240112",
            ["01-05", "01-19"],
        ),
        (
            "DTSTART;TZID=Asia/Seoul:20240105T090000\nRRULE:FREQ=WEEKLY;COUNT=3\nEXDATE;TZID=Asia/Seoul:20240112T090000",
            ["01-05", "01-19"],
        ),
        (
            "DTSTART:20240105T090000\nRRULE:FREQ=WEEKLY;COUNT=3\nEXDATE;VALUE=DATE:20240112",
            ["01-05", "01-19"],
        ),
        ("DTSTART;VALUE=DATE:20240105\nRDATE;VALUE=DATE:20240203,20240301", ["01-05", "02-03", "03-01"]),
        ("DTSTART:20240105T090000\nRDATE;VALUE=PERIOD:20240203T220000/PT4H", ["01-05", "02-03", "02-04"]),
        (
            "DTSTART;VALUE=DATE:20240105\nDTEND;VALUE=DATE:20240107\nRRULE:FREQ=WEEKLY;COUNT=2",
            ["01-05", "01-06", "01-12", "01-13"],
        ),
        ("DTSTART;VALUE=DATE:20240105\nSTATUS:CANCELLED", []),
        # Outside the years that a timeline covers.
        ("DTSTART;VALUE=DATE:19650105", []),
        ("DTSTART;VALUE=DATE:19691231\nDTEND;VALUE=DATE:19700102", ["01-01"]),
    ],
)
def test_the_dates_of_one_event(event: str, expected: list[str]) -> None:
    assert dates(event) == expected


def test_an_occurrence_that_was_moved_counts_where_it_went() -> None:
    series = "DTSTART;VALUE=DATE:20240105\nRRULE:FREQ=WEEKLY;COUNT=3"
    moved = "RECURRENCE-ID;VALUE=DATE:20240112\nDTSTART;VALUE=DATE:20240114"
    assert dates(series, moved) == ["01-05", "01-14", "01-19"]
    assert dates(series, f"{moved}\nSTATUS:CANCELLED") == ["01-05", "01-19"]


def test_a_recurrence_without_end_stops_with_the_years_covered() -> None:
    found = event_dates(ics("DTSTART;VALUE=DATE:19600501\nRRULE:FREQ=YEARLY"))
    assert (min(found), max(found)) == (dt.date(1970, 5, 1), dt.date(2099, 5, 1))
    assert len(found) == 130


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "whole iCalendar"),
        ("kind: site\n", "not iCalendar"),
        (ics("DTSTART;VALUE=DATE:20240105")[:-10], "whole iCalendar"),
        (ics(), "no events"),
        (ics("SUMMARY:only"), "no DTSTART"),
        (ics("DTSTART:tomorrow"), "DTSTART"),
        (ics("DTSTART;VALUE=DATE:20240105\nRRULE:FREQ=OFTEN"), "RRULE"),
        (ics("DTSTART;VALUE=DATE:20240105\nRRULE:FREQ=HOURLY"), "within a day"),
        (ics("DTSTART:19700101T000000\nRRULE:FREQ=DAILY;BYHOUR=1,2,3"), "too often"),
        (ics("DTSTART;VALUE=DATE:20240105\nDTEND;VALUE=DATE:20240101"), "ends before"),
    ],
)
def test_a_broken_file_is_an_error_that_names_it(text: str, words: str) -> None:
    fields = {"ics": {"file": "days.ics", "sha256": "-"}, "closed": "away"}
    with pytest.raises(ManifestError, match=words) as caught:
        calendar("fair", fields, {"days.ics": text})
    assert "days.ics" in caught.value.message
    assert str(caught.value.address) == "calendar:fair"
    assert caught.value.hint


def test_a_file_that_was_not_read_is_an_error() -> None:
    fields = {"ics": {"file": "days.ics", "sha256": "-"}, "closed": "away"}
    with pytest.raises(ManifestError, match=r"days\.ics"):
        calendar("fair", fields, {})


@pytest.mark.parametrize(
    ("fields", "year", "holds", "lacks"),
    [
        ({"holidays": "KR"}, 2024, ["2024-09-17", "2024-12-25"], ["2024-12-24"]),
        ({"holidays": "US"}, 2021, ["2021-12-31", "2021-07-05"], ["2021-04-15"]),
        ({"holidays": "US-CA"}, 2024, ["2024-03-31", "2024-07-04"], []),
        ({"dates": ["2024-05-05", "2025-05-05"]}, 2024, ["2024-05-05"], ["2025-05-05"]),
    ],
)
def test_the_days_of_a_year(fields: dict[str, object], year: int, holds: list[str], lacks: list[str]) -> None:
    found = {str(date) for date in calendar("c", {**fields, "closed": "away"}, {}).days.in_year(year)}  # type: ignore[dict-item]
    assert found.issuperset(holds)
    assert not found.intersection(lacks)
    assert all(date.startswith(str(year)) for date in found)


@pytest.mark.parametrize("place", ["XX", "US-XX"])
def test_a_place_without_holidays_is_an_error(place: str) -> None:
    with pytest.raises(ManifestError, match="holidays") as caught:
        calendar("c", {"holidays": place, "closed": "away"}, {})
    assert "US-CA" in caught.value.hint
