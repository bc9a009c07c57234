"""The requirements where the partner's platform arms: it reports every change, and CHeKT follows.

Each function raises NotMetError, NeedsPersonError where a person has to act, or RemoteError. It begins with
a disarmed site.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from reconciler.certification.bench import Bench
from reconciler.certification.record import NotMetError
from reconciler.certification.walk import WALK

_USERS = ("u-2468", "u-1357", "u-8642")
_ROUNDS = 3
_EXACT = 1.0
"""Seconds by which a time that was reported may differ where it is told: some keep no fractions."""
_MOMENT = 1.0
"""Seconds between two changes whose order matters."""


def transitions(bench: Bench) -> None:
    """Every mode from every other is taken and seen; a change that no panel makes is not."""
    for wanted in WALK:
        bench.reported(wanted)
    bench.refused("entry_delay")


def exit_delay(bench: Bench) -> None:
    """The exit delay is seen while it runs, and may be called off."""
    bench.reported("arming_in_progress")
    bench.reported("armed_away")
    bench.reported("disarmed")
    bench.reported("arming_in_progress")
    bench.reported("disarmed")
    bench.stays("disarmed", _MOMENT)


def entry_delay(bench: Bench) -> None:
    """The entry delay is seen while it runs, is no moment to arm, and ends with a disarm."""
    bench.reported("armed_away")
    bench.reported("entry_delay")
    bench.refused("armed_away")
    bench.reported("disarmed")


def open_zone(bench: Bench) -> None:
    """A failure to arm leaves the site disarmed, and is in the log."""
    since = bench.clock()
    bench.reported("arming_in_progress")
    bench.reported("arm_failure")
    if not any(row.status == "arm_failure" for row in bench.log(since)):
        raise NotMetError("the activity log tells of no failure to arm")


def user_codes(bench: Bench) -> None:
    """Whoever did it is kept with each change."""
    for user, state in zip(_USERS, ("armed_stay", "armed_night", "disarmed"), strict=True):
        at = bench.reported(state, user=user)
        bench.logged(at, user)


def network_failure(bench: Bench) -> None:
    """A report or its answer is lost: it is sent again, counts once, and holds from when it happened."""
    for when, count, state in (("before", 2, "armed_away"), ("after", 1, "disarmed")):
        at = bench.repeated(state, "drop", when=when, count=count)
        bench.times_are(at, _EXACT)
        _once(bench, at)
        bench.pause()


def synchronisation(bench: Bench) -> None:
    """The same again is no news, and what was overtaken does not come back."""
    first = bench.reported("armed_away")
    bench.stays("armed_away", _MOMENT)
    again = bench.reported("armed_away")
    _once(bench, first)
    bench.stays("armed_away", _MOMENT)
    bench.reported("disarmed")
    bench.refused("armed_stay", again)
    bench.stays("disarmed", _MOMENT)


def api_retry(bench: Bench) -> None:
    """What the server could not take or answer is sent again, and counts once."""
    for status, when, state in ((429, "before", "armed_stay"), (503, "after", "armed_away")):
        at = bench.repeated(state, "status", status=status, when=when)
        _once(bench, at)
        bench.pause()


def time_zones(bench: Bench) -> None:
    """The times told of a change are the instants reported, whatever the site's clock shows."""
    bench.shows_a_zone()
    at = bench.reported("armed_away")
    bench.times_are(at, _EXACT)


def concurrency(bench: Bench) -> None:
    """Arm and disarm at the same moment: whichever report comes first, the newer change holds."""
    for _ in range(_ROUNDS):
        earlier = bench.clock()
        bench.stays("disarmed", _MOMENT)
        both = (("disarmed", earlier), ("armed_stay", bench.clock()))
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda each: bench.report(*each), both))
        bench.expect("armed_stay")
        bench.reported("disarmed")
    earlier = bench.clock()
    bench.stays("disarmed", _MOMENT)
    bench.reported("armed_night")
    bench.report("disarmed", earlier)
    bench.stays("armed_night", _MOMENT)


def _once(bench: Bench, at: datetime) -> None:
    """See that the log has one change since ``at`` (one a partition). Raises NotMetError."""
    rows = bench.log(at)
    if len(rows) != max(1, len(bench.partitions)):
        raise NotMetError(f"the activity log has {len(rows)} changes for one report")
    bench.record.note("state", "the activity log has the change once")
