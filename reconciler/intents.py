"""The nouns of the journal: what a run was about to write, and what is known of it.

Plain frozen data, no I/O. No payload is kept, a digest stands for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reconciler.model import Address, Operation


class IntentStatus(StrEnum):
    """What the journal knows of one write: ``open`` until its outcome is known and recorded."""

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class IntentDraft:
    """A write about to be journalled. ``payload_digest`` stands for the payload, which is never kept.

    ``remote_id`` and ``external_id`` are what the object can be looked up by after a crash.
    """

    address: Address
    operation: Operation
    part: str | None
    payload_digest: str
    remote_id: str | None = None
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class Intent:
    """A journalled write: durable before the write is sent.

    ``number`` counts the intents of one address and operation, from 1; ``idempotency_key`` is made
    from it, so only a repeat of this very intent uses the key again.
    """

    id: int
    run: int
    address: Address
    operation: Operation
    part: str | None
    number: int
    payload_digest: str
    idempotency_key: str
    remote_id: str | None = None
    external_id: str | None = None
