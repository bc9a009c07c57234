"""A decision holds until the instant it names, and changes there; overrides stand above schedules."""

from __future__ import annotations

import datetime as dt
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.arming import spec
from reconciler.arming.spec import Override
from reconciler.arming.states import State
from reconciler.arming.timeline import HORIZON, Timeline, decide, transitions, vanished
from reconciler.errors import ConfigError, ManifestError
from tests.arming.comparison import timeline_of, utc, window
from tests.arming.minute_scan import NASTY_ZONES, moved_dates, random_schedule

SECOND = dt.timedelta(seconds=1)
FIRST = dt.date(2010, 9, 1)
DAYS = 730


def random_line(rng: random.Random) -> Timeline:
    zone = rng.choice(NASTY_ZONES)
    fields, calendars = random_schedule(rng, moved_dates(zone, FIRST, DAYS), FIRST, DAYS)
    return timeline_of(fields, calendars, zone)


def random_instant(rng: random.Random) -> dt.datetime:
    start = dt.datetime.combine(FIRST, dt.time(), dt.UTC)
    return start + dt.timedelta(
        seconds=rng.randrange(DAYS * 86400), microseconds=rng.choice((0, 0, 1, 999_999))
    )


def random_overrides(rng: random.Random, near: dt.datetime) -> list[Override]:
    found = []
    for _ in range(rng.randint(0, 4)):
        start = near + dt.timedelta(minutes=rng.randint(-3000, 3000))
        until = start + dt.timedelta(minutes=rng.randint(1, 4000))
        found.append(Override(rng.choice(list(State)), until, "r", rng.choice((start, None))))
    return found


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 10**9))
def test_a_decision_is_constant_until_the_instant_it_names_and_changes_there(seed: int) -> None:
    rng = random.Random(seed)
    line, instant = random_line(rng), random_instant(rng)
    overrides = random_overrides(rng, instant)
    decision = line.decide(instant, overrides)
    assert line.at(instant, overrides) == (decision.state, decision.reason)
    end = decision.valid_until or instant + HORIZON
    assert end > instant
    span = (end - instant) - dt.timedelta.resolution
    for part in [rng.random() for _ in range(20)] + [1.0]:
        assert line.at(instant + span * part, overrides)[0] is decision.state
    if decision.valid_until:
        assert line.at(decision.valid_until, overrides)[0] is not decision.state


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**9))
def test_transitions_are_the_steps_from_one_decision_to_the_next(seed: int) -> None:
    rng = random.Random(seed)
    line, start = random_line(rng), random_instant(rng)
    overrides = random_overrides(rng, start)
    end = start + dt.timedelta(days=rng.randint(1, 20))
    expected = []
    decision = line.decide(start - dt.timedelta.resolution, overrides)
    while decision.valid_until and decision.valid_until < end:
        following = line.decide(decision.valid_until, overrides)
        expected.append((decision.valid_until, decision.state, following.state))
        decision = following
    found = list(line.transitions(start, end, overrides))
    assert [change[:3] for change in found] == expected


NIGHTS = {"windows": [window("18:00", "08:00", days="daily")]}


def test_changes_are_listed_from_the_first_instant_up_to_but_without_the_last() -> None:
    line = timeline_of(NIGHTS, {}, "UTC")
    evening, morning = utc("2024-11-20 18:00"), utc("2024-11-21 08:00")
    assert [change.at for change in line.transitions(evening, morning)] == [evening]
    assert [change.at for change in line.transitions(evening + SECOND, morning + SECOND)] == [morning]
    assert list(line.transitions(evening, evening)) == []
    tick = dt.timedelta.resolution
    assert list(line.transitions(evening + tick, morning)) == []
    assert [change.at for change in line.transitions(evening - tick, evening + tick)] == [evening]


@pytest.mark.parametrize(
    ("overrides", "state", "until"),
    [
        ([], State.DISARMED, "2024-11-20 18:00"),
        ([Override(State.ARMED_STAY, utc("2024-11-20 13:00"), "r")], State.ARMED_STAY, "2024-11-20 13:00"),
        # It ends inside a window: the window holds from there.
        ([Override(State.DISARMED, utc("2024-11-20 19:00"), "r")], State.DISARMED, "2024-11-20 19:00"),
        ([Override(State.ARMED_AWAY, utc("2024-11-20 19:00"), "r")], State.ARMED_AWAY, "2024-11-21 08:00"),
        # Over before, or not begun.
        ([Override(State.ARMED_STAY, utc("2024-11-20 12:00"), "r")], State.DISARMED, "2024-11-20 18:00"),
        (
            [Override(State.ARMED_STAY, utc("2024-11-20 15:00"), "r", utc("2024-11-20 14:00"))],
            State.DISARMED,
            "2024-11-20 14:00",
        ),
        # The last given decides.
        (
            [
                Override(State.ARMED_STAY, utc("2024-11-20 15:00"), "r"),
                Override(State.ARMED_NIGHT, utc("2024-11-20 13:00"), "r"),
            ],
            State.ARMED_NIGHT,
            "2024-11-20 13:00",
        ),
        # A looser override beats a stricter window, and a schedule that never changes.
        (
            [Override(State.DISARMED, utc("2099-01-01"), "r")],
            State.DISARMED,
            None,
        ),
    ],
)
def test_an_override_stands_above_the_schedule(
    overrides: list[Override], state: State, until: str | None
) -> None:
    decision = timeline_of(NIGHTS, {}, "UTC").decide(utc("2024-11-20 12:00"), overrides)
    assert decision.state is state
    assert decision.valid_until == (until and utc(until))


def test_the_reason_of_an_override_says_until_when_and_why() -> None:
    override = Override(State.DISARMED, utc("2024-11-20 13:00"), "stocktaking")
    decision = timeline_of(NIGHTS, {}, "UTC").decide(utc("2024-11-20 12:00"), [override])
    assert decision.reason == "override until 2024-11-20T13:00:00Z: stocktaking"


@pytest.mark.parametrize(
    ("windows", "state"),
    [
        ([], State.DISARMED),
        ([window("00:00", "24:00", days="daily")], State.ARMED_AWAY),
        ([window("12:00", "11:00", days="daily"), window("10:00", "13:00", days="daily")], State.ARMED_AWAY),
    ],
)
def test_a_schedule_that_never_changes_holds_without_end(
    windows: list[dict[str, object]], state: State
) -> None:
    line = timeline_of({"windows": windows}, {}, "America/New_York")
    decision = line.decide(utc("2024-11-20 12:00"))
    assert (decision.state, decision.valid_until) == (state, None)
    assert list(line.transitions(utc("2000-01-01"), utc("2020-01-01"))) == []


def test_a_change_years_ahead_is_found() -> None:
    fields = {"windows": [], "exceptions": [{"date": "2031-05-05", "windows": [window("09:00", "10:00")]}]}
    decision = timeline_of(fields, {}, "UTC").decide(utc("2024-11-20"))
    assert decision.valid_until == utc("2031-05-05 09:00")


def test_the_functions_take_any_set_of_calendars_that_holds_those_named() -> None:
    schedule = spec.schedule("s", {**NIGHTS, "calendars": ["calendar:kr"]})
    start, end = utc("2024-11-20"), utc("2024-11-21")
    with pytest.raises(ManifestError, match="kr"):
        decide(schedule, [], [], "UTC", start)
    schedule = spec.schedule("s", NIGHTS)
    assert decide(schedule, [], [], "UTC", start).state is State.ARMED_AWAY
    assert len(list(transitions(schedule, [], "UTC", start, end))) == 2
    assert list(vanished(schedule, [], "UTC", start, end)) == []


@pytest.mark.parametrize("instant", ["1969-12-31 23:59:59", "2100-01-01", "3000-01-01"])
def test_a_time_without_known_rules_is_refused(instant: str) -> None:
    with pytest.raises(ConfigError, match="1970 to 2099"):
        timeline_of(NIGHTS, {}, "UTC").decide(utc(instant))
