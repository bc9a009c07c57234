"""One simulated target: its panel, the people and doors around it, and the account of its wrong time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from reconciler.arming.project import Target
from reconciler.arming.states import State
from reconciler.chekt.arming import ArmingStatus
from reconciler.enforcer.simulation.causes import Cause
from reconciler.enforcer.simulation.faults import Act, OpenZone, Wish
from reconciler.enforcer.simulation.instants import Stretches, moment

_NEVER = 1 << 62
_TEXTS: dict[State, ArmingStatus] = {
    State.DISARMED: "disarmed",
    State.ARMED_STAY: "armed_stay",
    State.ARMED_NIGHT: "armed_night",
    State.ARMED_AWAY: "armed_away",
}


@dataclass(slots=True)
class Account:
    """Microseconds in the wrong state, by cause, of one target; ``slow``: the longest avoidable stretch."""

    wrong: dict[Cause, int] = field(default_factory=lambda: dict.fromkeys(Cause, 0))
    transitions: int = 0
    slow: int = 0


@dataclass(frozen=True, slots=True)
class Hindrances:
    """Stretches in which no request could leave: the server was away, or the key's rate was used up."""

    outages: Stretches
    throttled: Stretches


class Panel:
    """A target that is moved from event to event; its time only goes forward.

    ``wishes``: what its schedule wants, the first at the beginning. ``refuses``: it answers an arming that
    meets an open zone with an error; otherwise it accepts the command, and fails.
    """

    def __init__(
        self,
        target: Target,
        wishes: Sequence[Wish],
        acts: Sequence[Act],
        zones: Sequence[OpenZone],
        hindrances: Hindrances,
        *,
        refuses: bool,
    ) -> None:
        self.target = target
        self.refuses = refuses
        self.account = Account(transitions=len(wishes) - 1)
        self.state = wishes[0].state
        self.status: ArmingStatus = _TEXTS[self.state]
        self.changed_at = wishes[0].at
        self.by = "schedule"
        self._wishes, self._acts, self._zones = wishes, acts, zones
        self._hindrances = hindrances
        self._wish, self._act, self._zone = 1, 0, 0
        self._wanted = self.state
        self._pending: tuple[int, State | None, str] | None = None
        self._cause = Cause.AVOIDABLE
        self._since = wishes[0].at
        self._mode = next((wish.state for wish in wishes if wish.state), State.ARMED_AWAY)
        self._next = 0
        self._plan()

    @property
    def wrong(self) -> bool:
        """Whether it is not as wanted."""
        return self.state is not self._wanted

    @property
    def changed(self) -> datetime:
        """Since when its state is what it is."""
        return moment(self.changed_at)

    def advance(self, at: int) -> None:
        """Let everything happen that happens up to ``at``, ``at`` included."""
        while self._next <= at:
            due = self._next
            if self._pending is not None and self._pending[0] == due:
                self._take_effect(due)
            elif self._wish < len(self._wishes) and self._wishes[self._wish].at == due:
                self._want(due)
            else:
                self._by_hand(due)
            self._plan()

    def _plan(self) -> None:
        wish = self._wishes[self._wish].at if self._wish < len(self._wishes) else _NEVER
        act = self._acts[self._act].at if self._act < len(self._acts) else _NEVER
        pending = _NEVER if self._pending is None else self._pending[0]
        self._next = min(wish, act, pending)

    def _want(self, at: int) -> None:
        self.settle(at)
        self._wanted = self._wishes[self._wish].state
        self._mode = self._wanted or self._mode
        self._wish += 1
        # A new period: what kept the last one from its state is no excuse any more.
        self._cause = Cause.AVOIDABLE

    def _by_hand(self, at: int) -> None:
        does = self._acts[self._act].does
        self._act += 1
        state = State.DISARMED if does == "disarm" else self._mode
        if (does == "arm") == bool(self.state) or (state and self.open_zone(at)):
            return
        self._pending = None
        self._become(at, state, _TEXTS[state], "a person")
        self._cause = Cause.PEOPLE

    def _take_effect(self, at: int) -> None:
        assert self._pending is not None
        _, state, by = self._pending
        self._pending = None
        if state is None:
            self._become(at, State.DISARMED, "arm_failure", by)
            self._cause = Cause.OPEN_ZONES
        else:
            self._become(at, state, _TEXTS[state], by)

    def _become(self, at: int, state: State, status: ArmingStatus, by: str) -> None:
        self.settle(at)
        self.state, self.status, self.changed_at, self.by = state, status, at, by

    def open_zone(self, at: int) -> OpenZone | None:
        """The zone that stands open at ``at``, not before the last time asked about."""
        zones = self._zones
        while self._zone < len(zones) and zones[self._zone].end <= at:
            self._zone += 1
        if self._zone < len(zones) and zones[self._zone].start <= at:
            return zones[self._zone]
        return None

    def order(self, at: int, state: State, delay: int) -> Literal["accepted", "refused"]:
        """A command that reaches the panel at ``at`` and takes effect after ``delay``."""
        self.advance(at)
        zone = self.open_zone(at) if state else None
        if zone is not None and self.refuses:
            self.blame(at, Cause.OPEN_ZONES)
            return "refused"
        if state is self.state and self._pending is None and zone is None:
            return "accepted"
        self._pending = (at + delay, None if zone else state, "reconciler")
        self._plan()
        if self._cause is not Cause.OPEN_ZONES:
            self.blame(at, Cause.PANEL)
        return "accepted"

    def shown(self) -> ArmingStatus:
        """The state as a read tells it."""
        arming = self._pending is not None and bool(self._pending[1])
        return "arming_in_progress" if arming else self.status

    def blame(self, at: int, cause: Cause) -> None:
        """Put the wrong time from ``at`` on down to ``cause``, until something else happens."""
        if self._cause is not cause:
            self.settle(at)
            self._cause = cause

    @property
    def cause(self) -> Cause:
        """What wrong time is put down to at present."""
        return self._cause

    def settle(self, at: int) -> None:
        """Enter the time up to ``at`` in the account."""
        if self.wrong and at > self._since:
            self._enter(self._since, at)
        self._since = max(at, self._since)

    def _enter(self, start: int, end: int) -> None:
        wrong, length = self.account.wrong, end - start
        if self._cause is not Cause.AVOIDABLE:
            wrong[self._cause] += length
            return
        outages = self._hindrances.outages.within(start, end)
        throttled = min(self._hindrances.throttled.within(start, end), length - outages)
        wrong[Cause.OUTAGES] += outages
        wrong[Cause.RATE_LIMITS] += throttled
        wrong[Cause.AVOIDABLE] += length - outages - throttled
        self.account.slow = max(self.account.slow, length - outages - throttled)
