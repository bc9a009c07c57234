"""What is due in a lane at work: leased when it begins, acknowledged as its targets are looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from reconciler.arming.fleet import Fleet
from reconciler.arming.project import Target, TargetKey
from reconciler.enforcer.tick import Tick
from reconciler.enforcer.watch import Watch
from reconciler.fleet.due import ARMING, due_rows
from reconciler.ledger import DueRow, Hold, Ledger

TOGETHER = 512
"""Targets leased in one statement."""

LEAD = timedelta(seconds=20)
"""How long before a transition a lane is taken up: it is read ahead of an arming, and first of all opened."""

REVIEW = 2
"""The priority of a look that no transition asks for."""

_SECOND = timedelta(seconds=1)


class Agenda:
    """The due targets of the lane of ``hold``, in ``ledger``, which is fenced by it. One loop drives it.

    A row is acknowledged by a look at its target that was taken at or after its instant; until then it is
    due, whoever has the lane.
    """

    def __init__(self, ledger: Ledger, hold: Hold, targets: Sequence[Target]) -> None:
        self._ledger = ledger
        self._hold = hold
        self._fleet = Fleet(targets)
        self._rows: dict[TargetKey, list[DueRow]] = {}

    def begin(self, now: datetime, until: datetime) -> Mapping[TargetKey, datetime]:
        """Bring the index up to the schedules, and lease what is due by ``until``: by target, since when.

        A target that was due before ``now`` and not looked at stays due.
        """
        known = self._ledger.due_in(self._hold.lane)
        overdue: dict[TargetKey, datetime] = {}
        for row in known:
            if row.at <= now:
                overdue.setdefault(TargetKey(row.target, row.partition), row.at - _SECOND)
        rows = due_rows(self._fleet, self._fleet.targets, now, overdue)
        self._rows = _by_target(rows)
        if set(rows) != set(known):
            self._ledger.index_lane(self._hold.lane, rows)
        leased: dict[TargetKey, datetime] = {}
        while True:
            found = self._ledger.lease_due(self._hold, until, TOGETHER)
            for row in found:
                key = TargetKey(row.target, row.partition)
                leased[key] = min(row.at, leased.get(key, row.at))
            if len(found) < TOGETHER:
                return leased

    def heard(self, done: Tick) -> None:
        """Acknowledge the targets that a round has looked at."""
        looked = {sight.target.key: sight for sight in done.sights if sight.seen.problem is None}
        since = {key: sight.seen.at for key, sight in looked.items()}
        targets = [sight.target for sight in looked.values()]
        if not targets:
            return
        rows = _by_target(due_rows(self._fleet, targets, done.sights[0].seen.at, since))
        changed = [key for key in looked if rows.get(key, []) != self._rows.get(key, [])]
        if changed:
            fresh = [row for key in changed for row in rows.get(key, [])]
            self._ledger.acknowledge_due(self._hold.lane, changed, fresh)
            self._rows.update({key: rows.get(key, []) for key in changed})

    def end(self, watch: Watch, now: datetime) -> datetime | None:
        """Write down when the lane is next to be taken up; that instant, None for never.

        What a worker that was told to stop left undone comes before all else.
        """
        change, look = watch.transition_at(), watch.next_at()
        ahead = None if change is None else change - LEAD
        at = min((each for each in (ahead, look) if each is not None), default=None)
        coming = min(
            ((row.at, row.priority) for rows in self._rows.values() for row in rows if row.at > now),
            default=(None, REVIEW),
        )
        left = at is not None and at <= now
        priority = ARMING if left else coming[1] if at == ahead else REVIEW
        self._ledger.look_next(self._hold.lane, at, priority)
        return at


def _by_target(rows: Sequence[DueRow]) -> dict[TargetKey, list[DueRow]]:
    found: dict[TargetKey, list[DueRow]] = {}
    for row in rows:
        found.setdefault(TargetKey(row.target, row.partition), []).append(row)
    return found
