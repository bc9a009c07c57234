"""What became of the pending command: confirmed by the state, come to nothing, or still open. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Literal

from reconciler.enforcer import pace
from reconciler.enforcer.memory import Memory, Pending
from reconciler.enforcer.port import Observation, Reply
from reconciler.enforcer.states import satisfies, settled
from reconciler.enforcer.wanted import Wanted

Result = Literal["confirmed", "refused", "unconfirmed", "unknown", "not_sent"]


def read_back(memory: Memory, seen: Observation, wanted: Wanted) -> Result | None:
    """What the look ``seen`` says of ``memory.pending``; None while it stays open.

    ``unconfirmed``: accepted, and its state did not show in time. ``unknown``: its answer got lost, and
    it is too late to send it again. ``not_sent``: it never left, and is not wanted any more.
    """
    pending = memory.pending
    if pending is None or seen.problem is not None:
        return None
    if satisfies(seen.status, pending.state):
        return "confirmed"
    if pending.sends == 0 and not _still_wanted(pending, wanted):
        return "not_sent"
    left = pending.sent_at or pending.intended_at
    if not settled(seen.status) or seen.at < left + pace.CONFIRM_WITHIN:
        return None
    if pending.answered:
        return "unconfirmed"
    over = seen.at >= pending.intended_at + pace.KEYS_LAST
    return "unknown" if over or not _still_wanted(pending, wanted) else None


def _still_wanted(pending: Pending, wanted: Wanted) -> bool:
    return (pending.state, pending.due) == (wanted.state, wanted.due)


def settle(memory: Memory, result: Result, trouble: str, now: datetime) -> Memory:
    """``memory`` once the pending command ended with ``result``; ``trouble`` says what kept it."""
    pending = memory.pending
    assert pending is not None
    memory = replace(memory, pending=None)
    if result == "confirmed":
        memory = replace(memory, ours=True, attempts=0, tried=None, retry_at=None, trouble="")
        # What shows after its period is over is our own doing: nobody has changed the state by hand.
        return (
            memory
            if memory.concerns(pending.state, pending.due)
            else replace(memory, reached=False, by_hand=None)
        )
    if not memory.concerns(pending.state, pending.due):
        return memory
    memory = replace(
        memory,
        attempts=memory.attempts + 1,
        trouble=trouble,
        retry_at=now + pace.retry_after(memory.attempts + 1),
    )
    return memory if result in ("refused", "not_sent") else replace(memory, tried=pending.sent_at or now)


def hear(memory: Memory, reply: Reply) -> Memory:
    """``memory`` after the pending command left and ``reply`` came, unless it was refused."""
    pending = memory.pending
    assert pending is not None
    if reply.outcome == "accepted":
        pending = replace(pending, answered=True, sent_at=reply.sent_at)
        return replace(memory, pending=pending, outages=0, outage_since=None)
    if reply.outcome == "not_sent":
        pending = replace(pending, sends=pending.sends - 1)
    else:
        pending = replace(pending, sent_at=reply.sent_at)
    return replace(
        memory,
        pending=pending,
        outages=memory.outages + 1,
        outage_since=memory.outage_since or reply.sent_at,
        trouble=reply.message,
    )
