"""Which arming states a partner may report after which (chekt-api/README.md section 4.7).

The page only says that invalid transitions are to be refused. These are the transitions of a panel: nobody
enters where nothing is armed, and nothing is armed while somebody is entering.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple

from reconciler.times import spoken_utc

ALL = "all"
"""The partition that is the whole site."""


class Reported(StrEnum):
    """A state as it is reported. ``arm_failure`` leaves the site disarmed."""

    DISARMED = "disarmed"
    ARMING_IN_PROGRESS = "arming_in_progress"
    ARM_FAILURE = "arm_failure"
    ARMED_STAY = "armed_stay"
    ARMED_NIGHT = "armed_night"
    ARMED_AWAY = "armed_away"
    ENTRY_DELAY = "entry_delay"


_MODES = (Reported.ARMED_STAY, Reported.ARMED_NIGHT, Reported.ARMED_AWAY)
_FROM_DISARMED = (Reported.ARMING_IN_PROGRESS, Reported.ARM_FAILURE, *_MODES)

FOLLOWS: Mapping[Reported, frozenset[Reported]] = {
    Reported.DISARMED: frozenset(_FROM_DISARMED),
    Reported.ARM_FAILURE: frozenset((Reported.DISARMED, *_FROM_DISARMED)),
    Reported.ARMING_IN_PROGRESS: frozenset((Reported.DISARMED, Reported.ARM_FAILURE, *_MODES)),
    **{
        mode: frozenset((Reported.DISARMED, Reported.ARMING_IN_PROGRESS, Reported.ENTRY_DELAY, *_MODES))
        - {mode}
        for mode in _MODES
    },
    Reported.ENTRY_DELAY: frozenset((Reported.DISARMED,)),
}
"""What may follow on each state."""

SETTLED = frozenset((Reported.DISARMED, *_MODES))
"""States that last, to which a site can be resynchronised."""


class Standing(NamedTuple):
    """What was last reported of a partition. ``state``: None where nobody knows whether it arrived.

    ``order``: grows with every report of the site. ``at``: when the state began.
    """

    state: Reported | None
    at: datetime
    order: int


def standings(known: Mapping[str, Standing], partition: str) -> list[Standing]:
    """What a report of ``partition`` follows on: by partition, what was last said of it or of all."""
    whole = known.get(ALL)
    names = [name for name in known if name != ALL] if partition == ALL else [partition]
    found = [_newest(known.get(name), whole) for name in names]
    if partition == ALL:
        found.append(whole)
    return [each for each in found if each is not None]


def _newest(own: Standing | None, whole: Standing | None) -> Standing | None:
    both = [each for each in (own, whole) if each is not None]
    return max(both, key=lambda each: each.order, default=None)


def judge(
    known: Mapping[str, Standing], partition: str, state: Reported, at: datetime
) -> Literal["report", "unchanged"]:
    """Whether ``state`` (since ``at``) of ``partition`` is news after ``known``, by partition.

    ``unchanged``: it was reported before and lasts. Where nothing is known, any state may come. Raises
    ValueError, a sentence, for a state that cannot follow, and for one older than what was reported.
    """
    before = standings(known, partition)
    for each in before:
        if at < each.at:
            raise ValueError(f"it is older than what was reported last, of {spoken_utc(each.at)}")
        if each.state not in (None, state) and state not in FOLLOWS[each.state]:
            raise ValueError(
                f"{each.state} is not followed by {state}, but by {', '.join(sorted(FOLLOWS[each.state]))}"
            )
    repeated = bool(before) and all(each.state is state for each in before)
    return "unchanged" if repeated and state is not Reported.ARM_FAILURE else "report"
