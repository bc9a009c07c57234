"""What a state that was read means beside the state that is wanted."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.arming.states import State
from reconciler.chekt.arming import ArmingStatus

IN_PROGRESS: frozenset[ArmingStatus] = frozenset({"arming_in_progress"})
HANDS_OFF: frozenset[ArmingStatus] = frozenset({"alarm", "entry_delay"})
"""Nothing is commanded while an alarm runs or somebody is about to disarm."""

_LEAST: Mapping[ArmingStatus, State] = {
    "disarmed": State.DISARMED,
    "arm_failure": State.DISARMED,
    "armed_stay": State.ARMED_STAY,
    "armed_night": State.ARMED_NIGHT,
    "armed_away": State.ARMED_AWAY,
    "armed_custom": State.ARMED_STAY,
    "partially_armed": State.ARMED_STAY,
    "armed": State.ARMED_AWAY,
}
"""How strict a settled state is. ``armed`` hides its mode: whatever is less strict would loosen it."""


def satisfies(status: ArmingStatus, wanted: State) -> bool:
    """Whether ``status`` is what is wanted, as far as the surface says: ``armed`` is any armed mode."""
    if wanted is State.DISARMED:
        return status in ("disarmed", "arm_failure")
    return status in ("armed", str(wanted))


def settled(status: ArmingStatus) -> bool:
    """Whether ``status`` is one to command from: neither in progress, nor an alarm, nor unknown."""
    return status in _LEAST


def loosens(status: ArmingStatus, wanted: State) -> bool:
    """Whether going from ``status`` to ``wanted`` makes the target less strict: a disarm, in effect.

    Raises KeyError for a status that is not settled.
    """
    return wanted < _LEAST[status]
