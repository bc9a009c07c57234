"""The rows of the append-only record: every command with its end, and every time one was held back."""

from __future__ import annotations

from datetime import datetime

from reconciler.arming.project import Target
from reconciler.arming.zones import tzdata_version
from reconciler.enforcer.confirm import Result
from reconciler.enforcer.memory import Pending
from reconciler.enforcer.port import Observation
from reconciler.enforcer.rules import Verdict
from reconciler.enforcer.wanted import LONG_AGO, Wanted
from reconciler.ledger import CommandRecord
from reconciler.model import Address


def of_command(
    target: Target, pending: Pending, result: Result, after: str | None, note: str
) -> CommandRecord:
    """The row of a command that ended with ``result``; ``after`` is the state read then."""
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
    )


def of_verdict(
    target: Target, wanted: Wanted, seen: Observation, verdict: Verdict, now: datetime
) -> CommandRecord:
    """The row that says why nothing was commanded."""
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
    )


def lateness(due: datetime, at: datetime) -> float:
    """Seconds from ``due`` to ``at``; 0 where nobody knows when it was due."""
    return 0.0 if due == LONG_AGO else (at - due).total_seconds()


def _due(due: datetime) -> datetime | None:
    return None if due == LONG_AGO else due
