"""The nouns of the journal: what a run was about to write, and what is known of it.

Plain frozen data, no I/O. No payload is kept, a digest stands for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from reconciler.model import Address, Operation


class IntentStatus(StrEnum):
    """What the journal knows of one write.

    ``open``: nobody has looked yet, or it did not happen and may be sent again. ``unknown``: the account was
    looked at and proves nothing; nothing is sent for the address until a later look or a person settles it.
    ``done`` and ``failed`` are final; what failed is never sent again.
    """

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Moved:
    """A field that an update was to move: the keyed digests of its value before and as sent."""

    before: str
    sent: str


@dataclass(frozen=True, slots=True)
class IntentDraft:
    """A write about to be journalled. ``payload_digest`` stands for the payload, which is never kept.

    ``remote_id`` and ``external_id`` are what the object can be looked up by after a crash; by ``moves``,
    the visible fields of an update, it can be told whether the update arrived.
    """

    address: Address
    operation: Operation
    part: str | None
    payload_digest: str
    remote_id: str | None = None
    external_id: str | None = None
    moves: Mapping[str, Moved] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Intent:
    """A journalled write: durable before the write is sent.

    ``number`` counts the intents of one address and operation, from 1; ``idempotency_key`` is made
    from it, so only a repeat of this very intent uses the key again. ``intended_at``: UTC. ``seen``: why
    the last look at the account proved nothing.
    """

    id: int
    run: int
    address: Address
    operation: Operation
    part: str | None
    number: int
    payload_digest: str
    idempotency_key: str
    intended_at: datetime
    remote_id: str | None = None
    external_id: str | None = None
    moves: Mapping[str, Moved] = field(default_factory=dict)
    status: IntentStatus = IntentStatus.OPEN
    seen: str = ""


@dataclass(frozen=True, slots=True)
class Resolution:
    """A person's word on a write of unknown outcome. ``seen``: what the journal could say of it then."""

    address: Address
    operation: Operation
    part: str | None
    number: int
    happened: bool
    remote_id: str | None
    seen: str
    resolved_by: str
    resolved_at: datetime
