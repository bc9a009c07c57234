"""The parts of the simulated world: panels keep an exact account, rates are kept, chance is each target's."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.arming.project import Target, TargetKey
from reconciler.arming.spec import Schedule
from reconciler.arming.states import State
from reconciler.enforcer.simulation import Cause, Faults, Rate
from reconciler.enforcer.simulation.faults import Act, OpenZone, Wish, of_target, open_zones, people
from reconciler.enforcer.simulation.instants import DAY, HOUR, MINUTE, SECOND, Stretches, micros, moment
from reconciler.enforcer.simulation.panel import Hindrances, Panel
from reconciler.enforcer.simulation.world import _Bucket

AWAY, DISARMED = State.ARMED_AWAY, State.DISARMED
KEY = TargetKey("site:acme/hq", None)
TARGET = Target(KEY, Schedule("nights", ((),) * 7), (), "UTC", "0" * 12)
WISHES = [Wish(0, DISARMED), Wish(10 * HOUR, AWAY), Wish(20 * HOUR, DISARMED)]

Interval = tuple[int, int]
intervals = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 20)), max_size=12)


def panel(
    acts: list[Act] | None = None,
    zones: list[OpenZone] | None = None,
    outages: list[Interval] | None = None,
    throttled: list[Interval] | None = None,
    *,
    refuses: bool = False,
) -> Panel:
    hindrances = Hindrances(Stretches(), Stretches())
    for start, end in outages or []:
        hindrances.outages.add(start, end)
    for start, end in throttled or []:
        hindrances.throttled.add(start, end)
    return Panel(TARGET, WISHES, acts or [], zones or [], hindrances, refuses=refuses)


def wrong(one: Panel, end: int) -> dict[Cause, int]:
    one.advance(end)
    one.settle(end)
    return {cause: length for cause, length in one.account.wrong.items() if length}


def test_nobody_commands_and_all_the_night_is_avoidable() -> None:
    assert wrong(panel(), 24 * HOUR) == {Cause.AVOIDABLE: 10 * HOUR}


def test_a_command_is_the_panels_from_when_it_is_accepted() -> None:
    one = panel()
    one.advance(10 * HOUR)
    assert one.order(10 * HOUR + SECOND, AWAY, 2 * SECOND) == "accepted"
    assert one.shown() == "arming_in_progress"
    one.advance(10 * HOUR + 3 * SECOND)
    assert one.shown() == "armed_away"
    assert wrong(one, 20 * HOUR) == {Cause.AVOIDABLE: SECOND, Cause.PANEL: 2 * SECOND}


@pytest.mark.parametrize("refuses", [True, False])
def test_an_open_zone_keeps_a_panel_from_arming(*, refuses: bool) -> None:
    one = panel(zones=[OpenZone(9 * HOUR, 11 * HOUR, "zone 001")], refuses=refuses)
    assert one.order(10 * HOUR, AWAY, SECOND) == ("refused" if refuses else "accepted")
    one.advance(10 * HOUR + SECOND)
    assert one.shown() == ("disarmed" if refuses else "arm_failure")
    assert one.order(12 * HOUR, AWAY, SECOND) == "accepted"
    found = wrong(one, 20 * HOUR)
    assert found.pop(Cause.PANEL, 0) == (0 if refuses else SECOND)
    assert sum(found.values()) + (0 if refuses else SECOND) == 2 * HOUR + SECOND
    assert set(found) == {Cause.OPEN_ZONES}


def test_people_answer_for_what_they_change_until_the_next_transition() -> None:
    acts = [Act(9 * HOUR, "arm"), Act(12 * HOUR, "disarm"), Act(12 * HOUR + 1, "disarm")]
    assert wrong(panel(acts), 24 * HOUR) == {Cause.PEOPLE: 1 * HOUR + 8 * HOUR}


def test_a_person_cannot_arm_over_an_open_zone() -> None:
    one = panel([Act(9 * HOUR, "arm")], [OpenZone(8 * HOUR, 11 * HOUR, "zone 001")])
    one.advance(9 * HOUR)
    assert one.state is DISARMED


def test_outages_come_before_rate_limits_and_neither_counts_twice() -> None:
    one = panel(
        outages=[(10 * HOUR, 10 * HOUR + 5 * MINUTE)],
        throttled=[(10 * HOUR + 5 * MINUTE, 10 * HOUR + 7 * MINUTE)],
    )
    one.order(10 * HOUR + 8 * MINUTE, AWAY, 0)
    assert wrong(one, 20 * HOUR) == {
        Cause.OUTAGES: 5 * MINUTE,
        Cause.RATE_LIMITS: 2 * MINUTE,
        Cause.AVOIDABLE: MINUTE,
    }


@given(intervals, st.integers(0, 250), st.integers(0, 250))
def test_stretches_cover_what_a_set_of_instants_covers(spans: list[Interval], start: int, end: int) -> None:
    stretches = Stretches()
    covered: set[int] = set()
    for begin, length in sorted(spans):
        stretches.add(begin, begin + length)
        covered |= set(range(begin, begin + length))
    assert stretches.within(start, end) == len(covered & set(range(start, end)))
    assert stretches.holds(start) == (start in covered)


@given(st.lists(st.integers(0, 2 * SECOND), min_size=1, max_size=120), st.integers(1, 20))
def test_no_stretch_of_time_has_more_requests_than_the_rate_allows(waits: list[int], burst: int) -> None:
    bucket = _Bucket(Rate(60, burst), 0, Stretches())
    at, taken = 0, []
    for wait in waits:
        at = max(at + wait, taken[-1] if taken else 0)
        taken.append(bucket.take(at))
    assert taken == sorted(taken)
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            assert last - first + 1 <= burst + (taken[last] - taken[first]) / SECOND + 1


def test_a_rate_is_used_up_from_one_wait_to_the_next_unless_it_was_full_in_between() -> None:
    throttled = Stretches()
    bucket = _Bucket(Rate(60, 2), 0, throttled)
    for at in (0, 0, 0, SECOND + 1):
        bucket.take(at)
    assert throttled.within(0, HOUR) == 2 * SECOND
    for _ in range(3):
        bucket.take(HOUR)
    assert throttled.within(2 * SECOND, HOUR) == 0
    assert throttled.within(HOUR, 2 * HOUR) == SECOND


@given(st.integers(0, 10**6), st.floats(0, 3))
def test_what_happens_at_a_target_is_in_order_and_inside_the_run(seed: int, much: float) -> None:
    wishes = [
        Wish(day * DAY + hour * HOUR, state) for day in range(5) for hour, state in ((0, AWAY), (8, DISARMED))
    ]
    faults = replace(Faults().times(much), open_doors=0.5)
    acts = people(Random(seed), faults, wishes, 5 * DAY)
    zones = open_zones(Random(seed), faults, wishes, 5 * DAY)
    assert acts == sorted(acts)
    assert all(0 <= act.at < 5 * DAY for act in acts)
    assert all(one.end <= two.start for one, two in pairwise(zones))
    assert all(zone.start < zone.end for zone in zones)


def test_chance_is_each_targets_own() -> None:
    other = TargetKey("site:acme/hq", 1)
    assert of_target("1", KEY).random() == of_target("1", KEY).random()
    assert len({of_target(seed, key).random() for seed in "12" for key in (KEY, other)}) == 4


@given(st.integers(0, 4_000_000_000 * SECOND))
def test_instants_are_exact(at: int) -> None:
    assert micros(moment(at)) == at
