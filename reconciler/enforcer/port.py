"""What the enforcer needs of the world: targets to look at and to command, and a memory that lasts.

The live account implements them over the dealer surface (``surface``) and the ledger (``journal``), a
simulation in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from reconciler.arming.fleet import Overrides
from reconciler.arming.project import Target, TargetKey
from reconciler.arming.states import State
from reconciler.chekt.arming import Action, ArmingStatus
from reconciler.enforcer.memory import Memory
from reconciler.ledger import CommandRecord


@dataclass(frozen=True, slots=True)
class Observation:
    """What a target was seen to be. Times are aware, UTC.

    ``at``: when the answer came, by our clock. ``problem``: why it could not be read; ``status`` is
    ``unknown`` then. ``changed_at``: since when, where the server says. ``open_zones``: as a person
    would name them. ``server_time``: the answer's ``Date``.
    """

    status: ArmingStatus
    at: datetime
    said: str = ""
    changed_at: datetime | None = None
    by: str | None = None
    open_zones: tuple[str, ...] = ()
    server_time: datetime | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """A command for one target. ``not_after``: from then on it must not leave any more, None: it may."""

    target: Target
    state: State
    user: str
    idempotency_key: str
    not_after: datetime | None = None

    @property
    def action(self) -> Action:
        return "arm" if self.state else "disarm"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of an order. ``sent_at``: when it left, by our clock.

    ``accepted``: the server will act, the state has to be read. ``refused``: it said no. ``not_sent``:
    it certainly was not executed (no connection, a 429, too late). ``unknown``: nobody knows.
    """

    outcome: Literal["accepted", "refused", "not_sent", "unknown"]
    sent_at: datetime
    message: str = ""


class ArmingPort(Protocol):
    """The way to the targets. No method raises for a target that cannot be reached."""

    def now(self) -> datetime:
        """Our clock, aware, UTC: it moves while requests are under way."""
        ...

    def observe(self, targets: Sequence[Target]) -> Sequence[Observation]:
        """The state of every target, read fresh; one observation each, in order."""
        ...

    def open_zones(self, target: Target, since: datetime) -> Sequence[str]:
        """What kept ``target`` from arming since then, where its state does not show it; none: not known."""
        ...

    def command(self, orders: Sequence[Order]) -> Sequence[Reply]:
        """Send every order once, the first ones first; one reply each, in order."""
        ...


class Journal(Protocol):
    """What is remembered from run to run. What ``save`` was given is on disk when it returns."""

    def recall(self) -> Mapping[TargetKey, Memory]:
        """The memory of every target that was ever seen."""
        ...

    def overrides(self, now: datetime) -> Overrides:
        """The overrides in force, and those whose end is recent enough to matter, by target."""
        ...

    def save(self, memories: Mapping[TargetKey, Memory], records: Sequence[CommandRecord]) -> None:
        """Keep ``memories`` and append ``records``, together or not at all."""
        ...
