"""How long to wait for what: the schedules on which the enforcer looks, repeats and gives up."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta

CONFIRM_WITHIN = timedelta(seconds=30)
"""Arming is asynchronous: a command is read back until its state shows or this long has passed."""

_READ_BACK = tuple(map(float, (1, 2, 3, 5, 8, 13, 20, 30)))
"""Seconds after a command at which the state is read."""

REPEAT_AFTER = timedelta(seconds=3)
"""A command whose answer got lost is sent again, under its own key, no sooner than this."""

KEYS_LAST = timedelta(hours=23)
"""The server knows a key for 24 hours (chekt-api/README.md section 3.5): no repeat after this."""

_RETRIES = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15))
"""After a command that was refused or came to nothing (an open zone); every 15 minutes from then on."""

_OUTAGE = tuple(timedelta(seconds=seconds) for seconds in (2, 5, 10, 20, 40, 60))
"""While the server cannot be reached, or says that it is overloaded; every minute from then on."""

IN_PROGRESS_AGAIN = timedelta(seconds=2)
HANDS_OFF_AGAIN = timedelta(seconds=30)
UNKNOWN_AGAIN = timedelta(seconds=60)
CLOCK_AGAIN = timedelta(seconds=30)

STUCK_AFTER = timedelta(minutes=10)
"""An arming in progress, an alarm or an entry delay is told to people when it lasts this long."""

OUTAGE_TOLD_AFTER = timedelta(minutes=5)

COUNTER_WITHIN = timedelta(minutes=10)
"""Two counter-actions within this stop the enforcer for the target (DESIGN section 8)."""

CLOCK_TOLERANCE = timedelta(seconds=5)
"""No disarm while our clock and the server's ``Date`` are further apart (DESIGN section 8)."""

PROMPT = timedelta(minutes=5)
"""A disarm later than this needs the surface's word that nobody has armed the site since it was due."""

LAST_DISARM = timedelta(seconds=10)
"""A disarm that would hold for less than this does not leave any more: it might arrive too late."""

READ_AHEAD = timedelta(seconds=10)
"""How long before a transition to an armed state the target is read, so that the command leaves at once."""

FRESH = timedelta(seconds=15)
"""A look no older than this may be armed from. A disarm is never commanded from an older look."""

HEARD_APART = timedelta(seconds=2)
"""Between two looks at a site for the sake of what was heard of it."""

HEARD_SOON = timedelta(seconds=1)
"""A look that is planned within this will do: what is read back after a command is not read twice."""

HEARD_SHARE = 0.1
"""Share of the request budget for looks that follow what was heard."""

HEARD_BURST = 20
"""Such looks at once, at most: commands that are due find most of the budget there."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a target without anything to do is looked at. ``review``: None for never.

    ``watched``: of targets whose policy undoes changes by hand. ``recent``: a target that an earlier run
    saw in its state no longer ago than this is not looked at when a run begins.
    """

    review: timedelta | None = timedelta(minutes=15)
    watched: timedelta = timedelta(minutes=1)
    recent: timedelta = timedelta()


def retry_after(attempts: int) -> timedelta:
    """The wait after the ``attempts``-th command in a row that came to nothing (from 1)."""
    return _RETRIES[min(attempts, len(_RETRIES)) - 1]


def outage_wait(outages: int) -> timedelta:
    """The wait after the ``outages``-th request in a row without a server (from 1)."""
    return _OUTAGE[min(outages, len(_OUTAGE)) - 1]


def read_back_at(sent_at: datetime, now: datetime) -> datetime:
    """When to read next for a command sent at ``sent_at``: every 10 seconds when the schedule is over."""
    passed = (now - sent_at).total_seconds()
    index = bisect_right(_READ_BACK, passed)
    if index < len(_READ_BACK):
        return sent_at + timedelta(seconds=_READ_BACK[index])
    return now + timedelta(seconds=10)
