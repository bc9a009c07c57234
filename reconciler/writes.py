"""What an apply sends, and what became of it. Plain frozen data, and the protocol of whoever sends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from reconciler.model import Action, Address, JsonValue, LiveObject, Operation


@dataclass(frozen=True, slots=True)
class Write:
    """One write to one object, ready to send.

    ``parent_ids``: remote ids of the ancestors, outermost first. ``payload``: manifest field names,
    normalised values; references hold remote ids, secrets are resolved (never log a Write).
    ``before``: the live fields known, for endpoints that replace the whole object. ``part``: name of
    the singleton endpoint the fields belong to, None for the object itself.
    """

    operation: Operation
    address: Address
    parent_ids: tuple[str, ...]
    remote_id: str | None
    external_id: str
    payload: Mapping[str, JsonValue]
    idempotency_key: str
    part: str | None = None
    before: Mapping[str, JsonValue] = field(default_factory=dict)


class OutcomeStatus(StrEnum):
    """How one change of an apply ended."""

    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class WriteResult:
    """How one ``Write`` ended: ``live`` is the object as the server returned it, if it did.

    Exactly one of these holds: ``error`` is None (done), ``ambiguous`` (nobody knows), or failed.
    """

    write: Write
    live: LiveObject | None = None
    error: str | None = None
    ambiguous: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one change; ``message`` says why it was not done."""

    address: Address
    action: Action
    status: OutcomeStatus
    message: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """The end of an apply: one outcome a change, in plan order, and the requests it took."""

    outcomes: tuple[Outcome, ...]
    reads: int = 0
    writes: int = 0
    interrupted: bool = False

    def count(self, status: OutcomeStatus) -> int:
        """How many outcomes have ``status``."""
        return sum(outcome.status is status for outcome in self.outcomes)


class Writer(Protocol):
    """Changes the account."""

    def write(self, writes: Sequence[Write]) -> Sequence[WriteResult]:
        """Send writes of one kind, operation, part and parent; one result each, in order.

        More than one only where the endpoint takes several. Never raises for a refused or an
        ambiguous write: the result says so.
        """
        ...
