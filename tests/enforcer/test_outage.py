"""What the daemon logs while its looks fail: few lines, however many targets there are."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from reconciler.arming.project import Target
from reconciler.arming.states import State
from reconciler.enforcer.memory import Memory
from reconciler.enforcer.outage import Outages
from reconciler.enforcer.pace import Pace
from reconciler.enforcer.port import Observation
from reconciler.enforcer.rules import Verdict
from reconciler.enforcer.tick import Sight
from reconciler.enforcer.wanted import Wanted
from reconciler.enforcer.watch import Watch
from tests.enforcer.rig import NIGHT, NOON
from tests.enforcer.test_watch import numbered

MINUTE = timedelta(minutes=1)


class Fleet:
    """A hundred targets, looked at every minute."""

    def __init__(self, directory: Path) -> None:
        targets = numbered(directory, NIGHT, [f"s{number:03d}" for number in range(100)])
        self.watch = Watch(targets, {}, NOON, Pace())
        self.outages = Outages()

    def look(self, now: datetime, *unreachable: str) -> list[str]:
        """The lines of the rounds that look at all targets; ``unreachable``: how their addresses end."""
        told = []
        while chosen := self.watch.due(now):
            for target in chosen:
                self.watch.look_by(target, now + MINUTE)
            sights = [_sight(target, now, failed=target.address.endswith(unreachable)) for target in chosen]
            told.append(self.outages.heed(sights, self.watch, now))
        return [line for line in told if line is not None]


def _sight(target: Target, now: datetime, *, failed: bool) -> Sight:
    problem = f"no answer from {target.address}" if failed else None
    seen = Observation("unknown" if failed else "disarmed", now, problem=problem)
    return Sight(target, Wanted(State.DISARMED, "", NOON, None), seen, Verdict("rest", "", ""), Memory())


EVERY = tuple("0123456789")


def test_a_fleet_that_cannot_be_reached_is_told_of_in_one_line_every_ten_minutes(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "p")
    lines = [(minute, line) for minute in range(25) for line in fleet.look(NOON + minute * MINUTE, *EVERY)]
    reason = "one says: no answer from site:acme/s000."
    assert lines == [
        (0, f"At least 32 of 100 targets cannot be looked at; tried again at 2026-11-23T12:01:00Z: {reason}"),
        (10, f"100 of 100 targets cannot be looked at; tried again at 2026-11-23T12:10:00Z: {reason}"),
        (20, f"100 of 100 targets cannot be looked at; tried again at 2026-11-23T12:20:00Z: {reason}"),
    ]
    assert fleet.look(NOON + 25 * MINUTE) == ["All targets can be looked at again."]
    assert fleet.look(NOON + 26 * MINUTE) == []


def test_single_failures_in_a_fleet_do_not_fill_the_log(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "p")
    assert len(fleet.look(NOON, "s007")) == 1
    assert len(fleet.look(NOON + MINUTE)) == 1
    assert len(fleet.look(NOON + 2 * MINUTE, "s008")) == 1
    half = timedelta(seconds=30)
    fleet.watch.review_all(NOON + 2 * MINUTE + half)
    assert len(fleet.look(NOON + 2 * MINUTE + half)) == 1
    fleet.watch.review_all(NOON + 2 * MINUTE + half)
    assert fleet.look(NOON + 2 * MINUTE + half, "s009") == []


def test_a_target_that_is_not_enforced_any_more_fails_no_more(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "p")
    fleet.look(NOON, "s007")
    fleet.outages.keep(target.key for target in fleet.watch.targets[8:])
    assert fleet.look(NOON + MINUTE) == ["All targets can be looked at again."]
