"""The rows of the append-only record: every command with its end, and every time one was held back."""

from __future__ import annotations

from datetime import datetime

from reconciler.arming.project import Target
from reconciler.arming.zones import tzdata_version
from reconciler.enforcer.confirm import Result
from reconciler.enforcer.memory import NOBODY, Memory
from reconciler.enforcer.port import Observation
from reconciler.enforcer.rules import Verdict
from reconciler.enforcer.wanted import LONG_AGO, Wanted
from reconciler.ledger import CommandRecord
from reconciler.model import Address


def of_command(target: Target, memory: Memory, result: Result, after: str | None, note: str) -> CommandRecord:
    """The row of ``memory``'s pending command, ended with ``result``; ``after``: the state read."""
    pending = memory.pending
    assert pending is not None
    change = (memory.change if memory.concerns(pending.state, pending.due) else None) or NOBODY
    issued_at = pending.sent_at or pending.intended_at
    return CommandRecord(
        target=Address.parse(target.address),
        partition=target.partition,
        schedule=pending.schedule,
        revision=pending.revision,
        tzdata=tzdata_version(),
        reason=pending.reason,
        state_before=pending.before,
        decided=str(pending.state),
        result=result,
        state_after=after,
        due=_due(pending.due),
        issued_at=issued_at,
        lateness=lateness(pending.due, issued_at),
        note=note,
        changed_at=change.at,
        changed_by=change.by,
        changed_through=change.source,
    )


def of_verdict(
    target: Target, wanted: Wanted, seen: Observation, verdict: Verdict, memory: Memory, now: datetime
) -> CommandRecord:
    """The row that says why nothing was commanded."""
    change = memory.change or NOBODY
    return CommandRecord(
        target=Address.parse(target.address),
        partition=target.partition,
        schedule=target.schedule.id,
        revision=target.revision,
        tzdata=tzdata_version(),
        reason=wanted.reason,
        state_before=seen.status,
        decided=str(wanted.state),
        result="respected" if verdict.kind == "respected" else "held",
        state_after=seen.status,
        due=_due(wanted.due),
        issued_at=now,
        lateness=lateness(wanted.due, now),
        note=verdict.reason,
        changed_at=change.at,
        changed_by=change.by,
        changed_through=change.source,
    )


def lateness(due: datetime, at: datetime) -> float:
    """Seconds from ``due`` to ``at``; 0 where nobody knows when it was due."""
    return 0.0 if due == LONG_AGO else (at - due).total_seconds()


def _due(due: datetime) -> datetime | None:
    return None if due == LONG_AGO else due
