"""Targets of a project, and many of them at once."""

from __future__ import annotations

import datetime as dt
from typing import Any

import icalendar
import pytest
import vobject

from reconciler.arming.fleet import Fleet
from reconciler.arming.ical import armed_spans, calendar_text
from reconciler.arming.project import TargetKey, targets
from reconciler.arming.spec import Override
from reconciler.arming.states import State
from reconciler.errors import ManifestError
from reconciler.model import Address, Resource, Source
from tests.arming.comparison import utc, window

WEEKNIGHTS = {
    "windows": [window("18:00", "08:00", days="mon tue wed thu fri")],
    "calendars": ["calendar:kr-holidays"],
    "exceptions": None,
}
ALWAYS = {"timezone": "UTC", "windows": [window("22:00", "06:00", "night", "daily")]}
FAIR = """BEGIN:VCALENDAR
BEGIN:VEVENT
DTSTART;VALUE=DATE:20241120
END:VEVENT
END:VCALENDAR
"""


def resource(address: str, **fields: Any) -> Resource:
    return Resource(Address.parse(address), fields, "x", Source("a.yaml", 1, 1))


def project(*sites: Resource) -> list[Resource]:
    return [
        *sites,
        resource("dealer:acme", dealer_id=1),
        resource("schedule:weeknights", **WEEKNIGHTS),
        resource("schedule:always", **ALWAYS),
        resource("calendar:kr-holidays", ics={"file": "fair.ics", "sha256": "-"}, closed="away"),
    ]


def site(name: str, timezone: str = "Asia/Seoul", **arming: Any) -> Resource:
    return resource(f"site:acme/{name}", timezone=timezone, arming=arming or None)


TEXTS = {"fair.ics": FAIR}


def test_each_site_and_partition_with_a_schedule_is_a_target() -> None:
    found = targets(
        project(
            site("b", schedule="schedule:weeknights"),
            site("a", partitions={"10": "always", "2": "schedule:weeknights"}),
            site("c"),
        ),
        TEXTS,
    )
    assert [(one.address, one.partition, one.schedule.id, one.zone) for one in found] == [
        ("site:acme/a", 2, "weeknights", "Asia/Seoul"),
        ("site:acme/a", 10, "always", "UTC"),
        ("site:acme/b", None, "weeknights", "Asia/Seoul"),
    ]
    assert [one.id for one in found[0].calendars] == ["kr-holidays"]
    assert found[0].revision == found[2].revision != found[1].revision


def test_the_revision_moves_with_the_schedule_and_with_its_calendars() -> None:
    resources = project(site("a", schedule="weeknights"))
    calendar = resources.pop()
    (before,) = targets([*resources, calendar], TEXTS)
    moved = resource("calendar:kr-holidays", dates=["2024-11-20"], closed="away")
    (after,) = targets([*resources, moved], TEXTS)
    assert before.revision != after.revision


@pytest.mark.parametrize(
    ("arming", "zone", "words"),
    [
        ({"schedule": "schedule:nights"}, "Asia/Seoul", "no schedule nights"),
        ({"schedule": "weeknights"}, "Mars/Olympus", "Mars/Olympus"),
    ],
)
def test_a_reference_that_leads_nowhere_is_an_error(arming: Any, zone: str, words: str) -> None:
    with pytest.raises(ManifestError, match=words):
        targets(project(site("a", zone, **arming)), TEXTS)


def test_a_calendar_that_is_missing_is_an_error_at_the_schedule() -> None:
    resources = [one for one in project() if one.address.kind != "calendar"]
    with pytest.raises(ManifestError, match="no calendar kr-holidays") as caught:
        targets(resources, TEXTS)
    assert str(caught.value.address) == "schedule:weeknights"


def fleet() -> Fleet:
    sites = [
        site(f"s{n:02d}", zone, schedule="weeknights")
        for n, zone in enumerate(["Asia/Tokyo", "UTC", "Asia/Seoul"] * 3)
    ]
    return Fleet(targets(project(*sites, site("p", partitions={1: "always", 2: "weeknights"})), TEXTS))


def test_sites_that_share_a_schedule_and_a_zone_share_the_work() -> None:
    assert len(fleet().targets) == 11
    assert len(fleet().timelines) == 4


def test_a_fleet_answers_as_its_targets_would_alone() -> None:
    everyone = fleet()
    start, end = utc("2024-11-18"), utc("2024-11-24")
    expected = []
    for target in everyone.targets:
        alone = Fleet([target])
        assert everyone.decisions(start)[everyone.targets.index(target)] == alone.decisions(start)[0]
        assert everyone.holding(start)[everyone.targets.index(target)] == alone.holding(start)[0]
        expected += [(change.at, target.key.order, change) for _, change in alone.transitions(start, end)]
    expected.sort()
    found = [(change.at, target.key.order, change) for target, change in everyone.transitions(start, end)]
    assert found == expected


def test_an_override_is_for_its_target_alone() -> None:
    everyone, at = fleet(), utc("2024-11-20 00:00")
    override = Override(State.ARMED_STAY, at + dt.timedelta(hours=30), "r", at)
    key = TargetKey("site:acme/p", 2)
    orders = {key: [override], TargetKey("site:acme/unknown", None): [override]}
    index = [target.key for target in everyone.targets].index(key)
    plain, changed = everyone.holding(at), everyone.holding(at, orders)
    assert changed[index][0] is State.ARMED_STAY
    assert everyone.decisions(at, orders)[index].valid_until == at + dt.timedelta(hours=30)
    assert [one for n, one in enumerate(changed) if n != index] == [
        one for n, one in enumerate(plain) if n != index
    ]
    moved = [
        change
        for target, change in everyone.transitions(at, at + dt.timedelta(days=2), orders)
        if target.key == key
    ]
    assert [str(one.to_state) for one in moved] == [
        "armed_stay",
        "disarmed",
        "armed_away",
        "disarmed",
    ]


def test_the_ical_text_opens_in_an_independent_reader_and_holds_every_armed_span() -> None:
    everyone = fleet()
    # Seoul and Tokyo arm at the very beginning.
    start, end, stamp = utc("2024-11-18 09:00"), utc("2024-11-25"), utc("2024-11-01 12:00")
    spans = list(armed_spans(everyone, start, end))
    assert all(start <= one.start < one.end <= end for one in spans)
    text = calendar_text(spans, stamp)
    assert text == calendar_text(list(armed_spans(everyone, start, end)), stamp)
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    assert text.count("\n") == text.count("\r\n")
    calendar = vobject.readOne(text)
    assert calendar.validate()
    events = calendar.vevent_list
    assert len(events) == len(spans) == len({event.uid.value for event in events})
    for span, event in zip(spans, events, strict=True):
        assert (event.dtstart.value, event.dtend.value, event.dtstamp.value) == (span.start, span.end, stamp)
        assert span.target.address in event.summary.value
    for target, (state, _) in zip(everyone.targets, everyone.holding(utc("2024-11-20 15:00")), strict=True):
        covering = [
            one.state
            for one in spans
            if one.target is target and one.start <= utc("2024-11-20 15:00") < one.end
        ]
        assert covering == ([state] if state else [])


def test_the_uid_of_a_span_does_not_depend_on_the_range_that_is_written() -> None:
    start, end, stamp = utc("2024-11-18 12:00"), utc("2024-11-25 12:00"), utc("2024-11-01")
    texts = [
        calendar_text(armed_spans(fleet(), start, end + dt.timedelta(days=more)), stamp) for more in (0, 7)
    ]
    few, many = (
        {str(event["UID"]) for event in icalendar.Calendar.from_ical(text).walk("VEVENT")} for text in texts
    )
    assert few < many


def test_special_characters_are_escaped() -> None:
    (target,) = targets(
        project(resource("site:acme/a, b; c", timezone="UTC", arming={"schedule": "always"})), TEXTS
    )
    text = calendar_text(
        armed_spans(Fleet([target]), utc("2024-11-18"), utc("2024-11-19")), utc("2024-11-01")
    )
    (event, *_) = icalendar.Calendar.from_ical(text).walk("VEVENT")
    assert "a\\, b\\; c" in text
    assert str(event["SUMMARY"]) == "site:acme/a, b; c armed_night"
