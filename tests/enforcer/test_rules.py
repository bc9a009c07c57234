"""The rules of doubt as pure functions: a table of what is decided, and what holds for every input."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.arming.spec import ManualChange
from reconciler.arming.states import State
from reconciler.chekt.arming import ArmingStatus
from reconciler.enforcer.memory import Memory, Pending, from_json, to_json
from reconciler.enforcer.port import Observation
from reconciler.enforcer.rules import judge, learn
from reconciler.enforcer.states import loosens, satisfies, settled
from reconciler.enforcer.wanted import Wanted

DUE = datetime(2026, 11, 23, 8, tzinfo=UTC)
DISARM = Wanted(State.DISARMED, "outside its windows", DUE, DUE + timedelta(hours=10))
ARM = Wanted(State.ARMED_AWAY, "window", DUE, DUE + timedelta(hours=10))
STAY = Wanted(State.ARMED_STAY, "window", DUE, DUE + timedelta(hours=10))
NIGHT = Wanted(State.ARMED_NIGHT, "window", DUE, DUE + timedelta(hours=10))
KNOWN = Memory(first_seen=DUE - timedelta(days=1), seen_at=DUE - timedelta(minutes=1), period=DUE)
RESPECT, ENFORCE = ManualChange(), ManualChange("enforce")
STATUSES: tuple[ArmingStatus, ...] = get_args(ArmingStatus)


def look(status: ArmingStatus, late: float = 1, **changes: object) -> Observation:
    at = DUE + timedelta(seconds=late)
    seen = Observation(status, at, status, changed_at=DUE - timedelta(hours=3), server_time=at)
    return replace(seen, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "status", "rule"),
    [
        (ARM, "disarmed", "command"),
        (ARM, "arm_failure", "command"),
        (ARM, "armed_stay", "command"),
        (ARM, "armed_custom", "command"),
        (ARM, "partially_armed", "command"),
        (ARM, "armed_away", "in_state"),
        (ARM, "armed", "in_state"),
        (STAY, "armed", "in_state"),
        (STAY, "armed_away", "command"),
        (NIGHT, "armed_stay", "command"),
        (DISARM, "disarmed", "in_state"),
        (DISARM, "arm_failure", "in_state"),
        (DISARM, "armed", "command"),
        (DISARM, "armed_custom", "command"),
        (DISARM, "partially_armed", "command"),
        *((each, "alarm", "alarm") for each in (ARM, STAY, DISARM)),
        *((each, "entry_delay", "entry_delay") for each in (ARM, STAY, DISARM)),
        *((each, "arming_in_progress", "in_progress") for each in (ARM, STAY, DISARM)),
        *((each, "unknown", "unknown_state") for each in (ARM, STAY, DISARM)),
    ],
)
def test_what_follows_from_a_state(wanted: Wanted, status: ArmingStatus, rule: str) -> None:
    assert judge(wanted, RESPECT, look(status), KNOWN, look(status).at).code == rule


@pytest.mark.parametrize("wanted", [DISARM, STAY])
@pytest.mark.parametrize(
    ("seen", "memory", "rule"),
    [
        (look("armed_away"), KNOWN, "command"),
        (look("armed_away"), replace(KNOWN, first_seen=DUE), "not_seen_before"),
        (look("armed_away"), replace(KNOWN, first_seen=None), "not_seen_before"),
        (look("armed_away", server_time=None), KNOWN, "clock"),
        (look("armed_away", server_time=DUE - timedelta(seconds=4, microseconds=999_999)), KNOWN, "command"),
        (look("armed_away", server_time=DUE - timedelta(seconds=5, microseconds=1)), KNOWN, "clock"),
        (look("armed_away", server_time=DUE + timedelta(seconds=6)), KNOWN, "command"),
        (look("armed_away", server_time=DUE + timedelta(seconds=6, microseconds=1)), KNOWN, "clock"),
        (look("armed_away", 300, changed_at=None), KNOWN, "command"),
        (look("armed_away", 301, changed_at=None), KNOWN, "late_disarm"),
        (look("armed_away", 301, changed_at=DUE), KNOWN, "command"),
        (look("armed_away", 301, changed_at=DUE + timedelta(seconds=1)), KNOWN, "armed_since"),
        (look("armed_away"), replace(KNOWN, tried=DUE), "command"),
        (look("armed_away", changed_at=None), replace(KNOWN, tried=DUE), "disarm_unconfirmed"),
        (
            look("armed_away", changed_at=DUE + timedelta(seconds=1)),
            replace(KNOWN, tried=DUE),
            "disarm_unconfirmed",
        ),
        (look("armed_away"), replace(KNOWN, stopped="undone"), "stopped"),
        (look("armed_away", problem="no answer"), KNOWN, "unreachable"),
        (look("armed_away"), replace(KNOWN, retry_at=DUE + timedelta(seconds=2), trouble="no"), "retry"),
    ],
)
def test_what_speaks_against_making_a_target_less_strict(
    wanted: Wanted, seen: Observation, memory: Memory, rule: str
) -> None:
    assert judge(wanted, ENFORCE, seen, memory, seen.at).code == rule


def test_a_change_is_by_hand_only_after_the_wanted_state_was_seen() -> None:
    memory = learn(KNOWN, look("disarmed"), ARM)
    assert memory.by_hand is None
    memory = learn(memory, look("armed_away", 5), ARM)
    memory = learn(memory, look("disarmed", 9, changed_at=DUE + timedelta(seconds=7)), ARM)
    assert memory.by_hand == DUE + timedelta(seconds=7)
    later = replace(DISARM, due=DUE + timedelta(hours=10))
    assert learn(memory, look("disarmed", 36001), later).by_hand is None


@pytest.mark.parametrize(
    ("before", "shown"),
    [(DISARM, "disarmed"), (STAY, "armed_stay")],
)
def test_another_state_wanted_by_new_manifests_is_no_change_by_hand(
    before: Wanted, shown: ArmingStatus
) -> None:
    """The period began at the same instant, as where a mode is edited: what shows is not respected."""
    memory = learn(KNOWN, look(shown, 1), before)
    seen, wanted = look(shown, 60), replace(ARM, due=before.due)
    memory = learn(memory, seen, wanted)
    assert (memory.reached, memory.by_hand) == (False, None)
    assert judge(wanted, RESPECT, seen, memory, seen.at).kind == "command"


@pytest.mark.parametrize("before", ["armed_away", "disarmed"])
def test_an_arming_by_hand_that_failed_is_no_change_to_respect(before: ArmingStatus) -> None:
    """A person opens at night, and the panel does not arm when they leave: arming is tried again and told."""
    memory = learn(KNOWN, look("armed_away", 1), ARM)
    memory = learn(memory, look(before, 60), ARM)
    failed = look("arm_failure", 120)
    memory = learn(memory, failed, ARM)
    assert judge(ARM, RESPECT, failed, memory, failed.at).kind == "command"


def test_what_a_person_arms_more_strictly_stays_so_under_every_policy() -> None:
    memory = learn(replace(KNOWN, ours=True), look("armed_stay"), STAY)
    memory = learn(memory, look("armed_away", 60), STAY)
    assert judge(STAY, ENFORCE, look("armed_away", 60), memory, DUE).code == "armed_by_hand"
    assert memory.counter_actions == ()


TIMES = st.integers(-90_000, 90_000).map(lambda seconds: DUE + timedelta(seconds=seconds))
MAYBE = st.none() | TIMES
PENDING = st.builds(
    Pending,
    state=st.sampled_from(State),
    due=TIMES | st.just(DUE),
    idempotency_key=st.just("key"),
    intended_at=TIMES,
    before=st.sampled_from(STATUSES),
    reason=st.just("window"),
    schedule=st.just("nights"),
    revision=st.just("r"),
    sent_at=MAYBE,
    answered=st.booleans(),
    sends=st.integers(0, 3),
)
MEMORIES = st.builds(
    Memory,
    first_seen=MAYBE,
    seen=st.none() | st.sampled_from(STATUSES),
    seen_at=MAYBE,
    ours=st.booleans(),
    counter_actions=st.lists(TIMES, max_size=2).map(lambda times: tuple(sorted(times))),
    stopped=st.sampled_from(["", "undone"]),
    pending=st.none() | PENDING,
    outages=st.integers(0, 9),
    period=st.just(DUE) | MAYBE,
    reached=st.booleans(),
    by_hand=MAYBE,
    attempts=st.integers(0, 9),
    tried=MAYBE,
    retry_at=MAYBE,
)
LOOKS = st.builds(
    Observation,
    status=st.sampled_from(STATUSES),
    at=TIMES,
    changed_at=MAYBE,
    server_time=MAYBE,
    problem=st.none() | st.just("no answer"),
)
WANTED = st.sampled_from([ARM, STAY, NIGHT, DISARM, replace(DISARM, ordered=True)])
POLICIES = st.sampled_from([RESPECT, ENFORCE, ManualChange("rearm_after", 1800)])


@given(WANTED, POLICIES, LOOKS, MEMORIES)
def test_whatever_is_seen_no_command_breaks_a_rule(
    wanted: Wanted, policy: ManualChange, seen: Observation, before: Memory
) -> None:
    memory = learn(before, seen, wanted)
    verdict = judge(wanted, policy, seen, memory, seen.at)
    assert verdict.reason or verdict.code == "retry"
    if verdict.kind != "command":
        return
    assert seen.problem is None
    assert settled(seen.status)
    assert not satisfies(seen.status, wanted.state)
    assert not before.stopped
    if memory.by_hand is not None and memory.pending is None:
        assert policy.policy != "respect_until_next"
        assert not loosens(seen.status, wanted.state)
    if loosens(seen.status, wanted.state):
        assert wanted.ordered or (memory.first_seen is not None and memory.first_seen < wanted.due)
        assert seen.server_time is not None
        assert abs(seen.server_time - seen.at) <= timedelta(seconds=6)
        if seen.at - wanted.due > timedelta(minutes=5):
            assert seen.changed_at is not None
            assert seen.changed_at <= wanted.due


@given(MEMORIES)
def test_what_is_remembered_survives_the_ledger(memory: Memory) -> None:
    assert from_json(to_json(memory)) == memory
