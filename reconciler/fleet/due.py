"""When the targets of a lane are next to be looked at for their schedules: an index, never a decision.

At most two instants a target, its next two transitions, so that a fleet of any size has a queue of known
length. What a target should be is decided when it is looked at, from the schedules and overrides of then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import islice

from reconciler.arming.fleet import Fleet
from reconciler.arming.project import Target, TargetKey
from reconciler.arming.states import State
from reconciler.ledger import DueRow

AT_MOST = 2
"""Rows a target: its next transition, and the one after that."""

ARMING, DISARMING = 0, 1
"""Priorities: a site that stays open is worse than one that stays closed."""

_AHEAD = timedelta(days=400)
"""As far as anybody looks: a schedule that changes nothing for longer has nothing due."""

_AFTER = timedelta(microseconds=1)


def due_rows(
    fleet: Fleet, targets: Iterable[Target], since: datetime, others: Mapping[TargetKey, datetime]
) -> list[DueRow]:
    """The next two transitions of ``targets``, all of ``fleet``, after ``since`` (aware).

    ``others``: the targets that count from another instant.
    """
    rows = []
    known: dict[tuple[int, datetime], list[tuple[int, datetime]]] = {}
    for target in targets:
        line = fleet.timeline_of(target.key)
        assert line is not None
        start = others.get(target.key, since) + _AFTER
        if (id(line), start) not in known:
            known[id(line), start] = [
                (DISARMING if change.to_state is State.DISARMED else ARMING, change.at)
                for change in islice(line.transitions(start, start + _AHEAD), AT_MOST)
            ]
        rows += [
            DueRow(target.address, target.partition, slot, priority, at)
            for slot, (priority, at) in enumerate(known[id(line), start])
        ]
    return rows
