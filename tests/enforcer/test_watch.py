"""Which targets come first when there are more than one round takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from reconciler.arming.project import Target, TargetKey, targets
from reconciler.arming.spec import ManualChange
from reconciler.enforcer.memory import Memory, Pending
from reconciler.enforcer.pace import Pace
from reconciler.enforcer.watch import READ_TOGETHER, Watch
from tests.enforcer.rig import EVENING, MORNING, NIGHT, NOON, TUESDAY, project

NOW = EVENING + timedelta(hours=1)


def numbered(directory: Path, windows: str, names: Sequence[str]) -> list[Target]:
    made = project(directory, windows=windows)
    (one,) = targets(made.resources, made.attachments)
    return [replace(one, key=TargetKey(f"site:acme/{name}", None)) for name in names]


def test_the_oldest_due_come_first_arming_before_disarming_and_what_is_reached_last(tmp_path: Path) -> None:
    days = "days: [mon, tue, wed, thu, fri, sat, sun]"
    at_six = numbered(tmp_path / "a", NIGHT, ["a-reached", "b-arms", "c-confirming"])
    at_five = numbered(tmp_path / "b", f"{{{days}, arm: '17:00', disarm: '08:00'}}", ["d-older"])
    disarms = numbered(tmp_path / "c", f"{{{days}, arm: '06:00', disarm: '18:00'}}", ["aa-disarms"])
    pending = Pending(
        state=at_six[0].schedule.week[0][0].state,
        due=EVENING,
        idempotency_key="key",
        intended_at=EVENING,
        before="disarmed",
        reason="window",
        schedule="nights",
        revision="r",
        answered=True,
    )
    memories = {
        at_six[0].key: Memory(period=EVENING, reached=True),
        at_six[2].key: Memory(period=EVENING, pending=pending),
    }
    watch = Watch([*at_six, *at_five, *disarms], memories, NOW, Pace())
    names = [target.address.rpartition("/")[2] for target in watch.due(NOW)]
    assert names == ["d-older", "b-arms", "aa-disarms", "c-confirming", "a-reached"]


def test_a_round_reads_few_targets_and_leaves_the_rest_due(tmp_path: Path) -> None:
    found = numbered(tmp_path / "a", NIGHT, [f"s{number:03d}" for number in range(READ_TOGETHER + 8)])
    watch = Watch(found, {}, NOW, Pace())
    assert len(watch.due(NOW)) == READ_TOGETHER
    assert watch.next_at() == NOW
    assert len(watch.due(NOW)) == 8
    assert watch.due(NOW) == []


def test_a_large_fleet_is_not_read_again_when_a_run_has_just_seen_it(tmp_path: Path) -> None:
    (target,) = numbered(tmp_path / "a", NIGHT, ["hq"])
    seen = Memory(first_seen=NOON, seen="armed_away", seen_at=NOW, period=EVENING, reached=True)
    later = NOW + timedelta(minutes=1)
    assert Watch([target], {target.key: seen}, later, Pace()).due(later) == [target]
    rested = Watch([target], {target.key: seen}, later, Pace(recent=timedelta(minutes=4)))
    assert rested.due(later) == []
    assert rested.next_at() == NOW + timedelta(minutes=4)
    assert rested.transition_at() == MORNING + TUESDAY


def test_a_target_whose_changes_by_hand_are_undone_is_read_again_as_often_as_that_needs(
    tmp_path: Path,
) -> None:
    (target,) = numbered(tmp_path / "a", NIGHT, ["hq"])
    undone = replace(target, schedule=replace(target.schedule, manual_change=ManualChange("enforce")))
    seen = Memory(first_seen=NOON, seen="armed_away", seen_at=NOW, period=EVENING, reached=True)
    later, pace = NOW + timedelta(minutes=1), Pace(recent=timedelta(minutes=15))
    assert Watch([target], {target.key: seen}, later, pace).due(later) == []
    assert Watch([undone], {target.key: seen}, later, pace).due(later) == [undone]
