"""What a plan does to a week of arming: the hours that differ, and what is not known."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from reconciler.arming.before import before
from reconciler.arming.project import TargetKey
from reconciler.arming.states import State
from reconciler.arming.weekly import WeekChange, week_changes
from reconciler.model import Action, Address, Change, Resource, Source

NOW = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)  # a Friday
HQ, NIGHTS, CLOSED = (
    Address("site", ("acme", "hq")),
    Address("schedule", ("nights",)),
    Address("calendar", ("c",)),
)
ICS = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VEVENT\nUID:1\nDTSTAMP:20260101T000000Z\n"
ICS += "DTSTART;VALUE=DATE:{}\nEND:VEVENT\nEND:VCALENDAR\n"


def resource(address: Address, **fields: Any) -> Resource:
    return Resource(address, fields, address.id, Source("x.yaml", 1, 1))


def site(name: str = "hq", schedule: str | None = "nights", zone: str = "UTC") -> Resource:
    arming = {} if schedule is None else {"arming": {"schedule": f"schedule:{schedule}"}}
    return resource(Address("site", ("acme", name)), timezone=zone, **arming)


def window(arm: str, disarm: str, *days: str) -> dict[str, Any]:
    return {
        "days": list(days or ("mon", "tue", "wed", "thu", "fri", "sat", "sun")),
        "arm": arm,
        "disarm": disarm,
    }


def nights(arm: str = "18:00", **more: Any) -> Resource:
    return resource(NIGHTS, windows=[window(arm, "08:00")], **more)


def update(address: Address, action: Action = Action.UPDATE) -> Change:
    return Change(address, action)


def weeks(
    changes: Sequence[Change],
    desired: Sequence[Resource],
    seen: Mapping[Address, Mapping[str, Any]],
    *,
    base: Sequence[Resource] | None = None,
    texts: Mapping[str, str] | None = None,
    old_texts: Sequence[str] = (),
) -> tuple[WeekChange, ...]:
    files = texts or {}
    return week_changes(
        before(changes, desired, seen, base, [*files.values(), *old_texts]), desired, files, NOW
    )


def hours(change: WeekChange) -> list[tuple[str, str, State | None, State | None]]:
    def local(second: int) -> str:
        return f"{change.zone.local(dt.datetime.fromtimestamp(second, dt.UTC)):%m-%d %H:%M}"

    return [(local(one.start), local(one.end), one.before, one.after) for one in change.differences]


OLD = {NIGHTS: {"windows": [window("18:00", "08:00")]}}


def test_a_later_arming_opens_an_hour_of_each_day() -> None:
    (change,) = weeks([update(NIGHTS)], [site(), nights("19:00")], OLD)
    assert change.targets == (TargetKey("site:acme/hq", None),)
    assert change.first == dt.date(2026, 11, 20)
    assert len(change.differences) == 7
    assert hours(change)[0] == ("11-20 18:00", "11-20 19:00", State.ARMED_AWAY, State.DISARMED)


def test_what_does_not_change_is_not_told() -> None:
    assert weeks([], [site(), nights()], {}) == ()
    assert weeks([update(NIGHTS)], [site(), nights()], OLD) == ()
    assert weeks([update(NIGHTS)], [site(schedule=None), nights("19:00")], OLD) == ()


def test_sites_that_are_armed_alike_are_told_together() -> None:
    sites = [site(f"s{number}") for number in range(500)]
    (change,) = weeks([update(NIGHTS)], [*sites, nights("19:00")], OLD)
    assert len(change.targets) == 500


def test_sites_whose_local_clocks_show_the_same_week_are_told_together() -> None:
    def apart(now: dt.datetime) -> list[tuple[str, tuple[str, ...]]]:
        sites = [site("a"), site("b", zone="Asia/Seoul"), site("c", zone="America/New_York")]
        old = before([update(NIGHTS)], [*sites, nights("19:00")], OLD, None, [])
        found = week_changes(old, [*sites, nights("19:00")], {}, now)
        return [(change.zone.name, change.also) for change in found]

    assert apart(NOW) == [("UTC", ("Asia/Seoul", "America/New_York"))]
    # New York's clocks go back in this week: its picture is another one.
    assert apart(dt.datetime(2026, 10, 30, 12, tzinfo=dt.UTC)) == [
        ("UTC", ("Asia/Seoul",)),
        ("America/New_York", ()),
    ]


def test_a_surface_that_shows_no_time_zone_changes_none() -> None:
    assert weeks([update(HQ)], [site(), nights()], {HQ: {"name": "Other"}}) == ()


def test_a_new_schedule_arms_what_none_did() -> None:
    (change,) = weeks([update(NIGHTS, Action.CREATE)], [site(), nights()], {})
    assert change.before is None
    assert not change.unknown
    assert hours(change)[0] == ("11-20 00:00", "11-20 08:00", None, State.ARMED_AWAY)


def test_another_time_zone_moves_the_hours() -> None:
    (change,) = weeks([update(HQ)], [site(zone="Asia/Seoul"), nights()], {HQ: {"timezone": "Asia/Kolkata"}})
    assert change.zone.name == "Asia/Seoul"
    assert hours(change)[:2] == [
        ("11-20 08:00", "11-20 11:30", State.ARMED_AWAY, State.DISARMED),
        ("11-20 18:00", "11-20 21:30", State.DISARMED, State.ARMED_AWAY),
    ]


def test_the_repeated_hour_of_autumn_is_a_difference_of_two_hours() -> None:
    fall = [window("01:00", "01:30", "sun")]
    now = dt.datetime(2026, 10, 30, 12, tzinfo=dt.UTC)
    desired = [site(zone="America/New_York"), resource(NIGHTS, windows=fall)]
    old = before([update(NIGHTS)], desired, {NIGHTS: {"windows": []}}, None, [])
    (change,) = week_changes(old, desired, {}, now)
    (one,) = change.differences
    assert one.end - one.start == 5400


def test_a_difference_far_ahead_is_looked_up() -> None:
    later = nights(exceptions=[{"date": "2027-03-10", "windows": []}])
    (change,) = weeks([update(NIGHTS)], [site(), later], OLD)
    assert change.first == dt.date(2027, 3, 8)
    assert hours(change) == [("03-10 18:00", "03-11 08:00", State.ARMED_AWAY, State.DISARMED)]


def test_a_change_of_no_hour_is_told_as_such() -> None:
    (change,) = weeks([update(NIGHTS)], [site(), nights(manual_change="enforce")], OLD)
    assert change.differences == ()
    assert not change.unknown


def test_what_nobody_attested_is_not_known() -> None:
    (change,) = weeks([update(NIGHTS, Action.MANUAL)], [site(), nights()], {})
    assert change.before is None
    assert change.unknown == "nobody has attested schedule:nights yet"
    assert change.differences == ()


def test_what_nobody_attested_is_known_from_the_manifests_before() -> None:
    (change,) = weeks([update(NIGHTS, Action.MANUAL)], [site(), nights("19:00")], {}, base=[site(), nights()])
    assert not change.unknown
    assert len(change.differences) == 7


@pytest.mark.parametrize("odd", [{"windows": [{"days": ["mon"]}]}, {"windows": [window("x", "y")]}])
def test_what_the_account_holds_may_be_no_schedule(odd: Mapping[str, Any]) -> None:
    (change,) = weeks([update(NIGHTS)], [site(), nights()], {NIGHTS: odd})
    assert "cannot be read" in change.unknown


def _calendar(text: str) -> dict[str, Any]:
    return {"ics": {"file": "h.ics", "sha256": hashlib.sha256(text.encode()).hexdigest()}, "closed": "away"}


def test_a_calendar_is_compared_with_the_file_it_had() -> None:
    old, new = ICS.format("20261124"), ICS.format("20261125")
    desired = [site(), nights(calendars=["calendar:c"]), resource(CLOSED, **_calendar(new))]
    change = update(CLOSED)
    (known,) = weeks([change], desired, {CLOSED: _calendar(old)}, texts={"h.ics": new}, old_texts=[old])
    assert hours(known) == [
        ("11-24 08:00", "11-24 18:00", State.ARMED_AWAY, State.DISARMED),
        ("11-25 08:00", "11-25 18:00", State.DISARMED, State.ARMED_AWAY),
    ]
    (lost,) = weeks([change], desired, {CLOSED: _calendar(old)}, texts={"h.ics": new})
    assert "h.ics was not read" in lost.unknown


def test_another_assignment_is_known_from_the_manifests_before() -> None:
    days = resource(Address("schedule", ("days",)), windows=[window("08:00", "18:00")])
    desired = [site(schedule="days"), nights(), days]
    assert weeks([], desired, {}) == ()
    (change,) = weeks([], desired, {}, base=[site(), nights(), days])
    assert change.before is not None
    assert change.after is not None
    assert (change.before.target.schedule.id, change.after.target.schedule.id) == ("nights", "days")


def test_partitions_are_told_apart() -> None:
    both = resource(HQ, timezone="UTC", arming={"partitions": {"1": "schedule:nights", "2": "schedule:days"}})
    days = resource(Address("schedule", ("days",)), windows=[window("08:00", "18:00")])
    (change,) = weeks([update(NIGHTS)], [both, nights("19:00"), days], OLD)
    assert change.targets == (TargetKey("site:acme/hq", 1),)
