"""What the enforcer remembers of one target: between two looks, two runs, and across a kill."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import TypeAdapter

from reconciler.arming.states import State
from reconciler.chekt.arming import ArmingStatus


@dataclass(frozen=True, slots=True)
class Pending:
    """A command that was intended, on disk before it is sent, until its outcome is known.

    ``due``: when the wanted state began. ``answered``: the server accepted it; without that it may
    never have left, and is sent again under the same key. ``sends``: how often it left.
    """

    state: State
    due: datetime
    idempotency_key: str
    intended_at: datetime
    before: ArmingStatus
    reason: str
    schedule: str
    revision: str
    sent_at: datetime | None = None
    answered: bool = False
    sends: int = 0


@dataclass(frozen=True, slots=True)
class Changed:
    """Who changed a target by hand, for people to read: nothing is decided by it.

    ``after``: it was not changed before this. ``at``: when, ``by``: whom, ``source``: what they used
    (``app``, ``keypad``), as an event said that agrees with what was seen.
    """

    after: datetime | None = None
    at: datetime | None = None
    by: str = ""
    source: str = ""


NOBODY = Changed()


@dataclass(frozen=True, slots=True)
class Memory:
    """What is known of a target. Times are aware, UTC.

    A period is named by the instant it began and by the state wanted in it: new manifests may want another
    one from the same instant on.

    Ever: ``first_seen``, since when no period passed without a look; ``seen`` and ``seen_at``,
    the last look; ``ours``: the state it was last seen to reach was brought by our command;
    ``counter_actions``: when people undid what we had commanded, the last few; ``stopped``: why nothing is
    commanded any more, until a person resumes it; ``numbered``: commands so far; ``pending``: the command
    whose outcome is not known yet.

    Of the current trouble: ``outages``, looks and sends in a row that found no server, and since when;
    ``troubled_since``, in a state not to command from.

    Of the period ``period``: ``wanted``, its state, None where an older version did not say; ``reached``:
    that state was seen; ``by_hand``: since when a person's change stands, and ``changed``: who made it, as
    far as anybody said; ``attempts``: commands that came to nothing, the last at ``tried``, the next not
    before ``retry_at``; ``trouble``: why; ``noted``: what was recorded last without a command.
    """

    first_seen: datetime | None = None
    seen: ArmingStatus | None = None
    seen_at: datetime | None = None
    ours: bool = False
    counter_actions: tuple[datetime, ...] = ()
    stopped: str = ""
    numbered: int = 0
    pending: Pending | None = None

    outages: int = 0
    outage_since: datetime | None = None
    troubled_since: datetime | None = None

    period: datetime | None = None
    wanted: State | None = None
    reached: bool = False
    by_hand: datetime | None = None
    changed: Changed = NOBODY
    attempts: int = 0
    tried: datetime | None = None
    retry_at: datetime | None = None
    trouble: str = ""
    noted: str = ""

    def concerns(self, state: State, due: datetime) -> bool:
        """Whether the period of this memory is the one in which ``state`` is wanted since ``due``."""
        return self.period == due and self.wanted in (None, state)

    @property
    def change(self) -> Changed | None:
        """The change by hand that stands, with its time; None where there is none."""
        return None if self.by_hand is None else replace(self.changed, at=self.changed.at or self.by_hand)


UNSEEN = Memory()


def resumed(memory: Memory) -> Memory:
    """``memory`` with the stop after counter-actions lifted, and changes by hand undone."""
    return replace(memory, stopped="", counter_actions=(), by_hand=None, reached=False)


_ADAPTER = TypeAdapter(Memory)


def to_json(memory: Memory) -> str:
    """``memory`` as JSON text; what is at its default is left out."""
    return _ADAPTER.dump_json(memory, exclude_defaults=True).decode()


def from_json(text: str) -> Memory:
    """The memory that ``to_json`` wrote. Raises ValueError for any other text."""
    return _ADAPTER.validate_json(text)
