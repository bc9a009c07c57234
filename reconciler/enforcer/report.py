"""What a run of the enforcer did, as plain data and as its exit code."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from reconciler.arming.zones import tzdata_version
from reconciler.enforcer import pace
from reconciler.enforcer.once import Run
from reconciler.enforcer.tick import Sight
from reconciler.enforcer.watch import Watch
from reconciler.ledger import CommandRecord
from reconciler.model import JsonObject
from reconciler.times import utc_text

FORMAT_VERSION = 1


def standing(sight: Sight) -> str:
    """How a target stands after the run, in one word."""
    if sight.reply is not None and sight.reply.outcome == "refused":
        return "refused"
    if sight.memory.pending is not None:
        return "confirming"
    if sight.verdict.kind == "waiting" and sight.verdict.code == "retry":
        return "refused"
    return sight.verdict.kind


GOOD = frozenset({"in_state", "respected", "command"})


def exit_code(run: Run) -> int:
    """0 when every target is in its state or rightly left alone, 1 when one is not."""
    return int(any(not good(sight) for sight in run.sights.values()))


def good(sight: Sight) -> bool:
    """Whether nobody has to look after the target: an alarm or a change is awaited for a while."""
    if standing(sight) == "waiting":
        return not stuck(sight)
    return standing(sight) in GOOD


def stuck(sight: Sight) -> bool:
    """Whether an alarm, an entry delay or a change in progress has kept the target waiting for too long."""
    since = sight.memory.troubled_since
    return sight.verdict.kind == "waiting" and since is not None and sight.seen.at - since >= pace.STUCK_AFTER


def to_json(run: Run, watch: Watch, environment: str, *, dry_run: bool) -> JsonObject:
    """The whole run."""
    return {
        "format_version": FORMAT_VERSION,
        "environment": environment,
        "dry_run": dry_run,
        "started_at": utc(run.started_at),
        "ended_at": utc(run.ended_at),
        "tzdata": tzdata_version(),
        "targets": [_sight(run.sights[target.key]) for target in watch.targets if target.key in run.sights],
        "not_looked_at": len(watch.targets) - len(run.sights),
        "commands": commands_json(run.records),
        "summary": summary(run),
        "exit_code": exit_code(run),
    }


def summary(run: Run) -> dict[str, int]:
    """How many targets stand how."""
    counts: dict[str, int] = {}
    for sight in run.sights.values():
        counts[standing(sight)] = counts.get(standing(sight), 0) + 1
    return dict(sorted(counts.items()))


def _sight(sight: Sight) -> JsonObject:
    return {
        "target": sight.target.address,
        "partition": sight.target.partition,
        "wanted": str(sight.wanted.state),
        "reason": sight.wanted.reason,
        "due": utc(sight.wanted.due),
        "until": None if sight.wanted.until is None else utc(sight.wanted.until),
        "seen": None if sight.seen.problem else sight.seen.status,
        "standing": standing(sight),
        "rule": sight.verdict.code,
        "message": message(sight),
    }


def message(sight: Sight) -> str:
    """Why the target stands as it does."""
    if sight.reply is not None and sight.reply.outcome != "accepted":
        return sight.reply.message
    return sight.verdict.reason


def command_line(row: CommandRecord) -> str:
    """A row of the record in one line of a log."""
    name = str(row.target) if row.partition is None else f"{row.target} partition {row.partition}"
    note = f": {row.note}" if row.note else ""
    return f"{name}: {row.state_before} -> {row.decided} {row.result}, {row.lateness:.1f} s late{note}"


def commands_json(records: Sequence[CommandRecord]) -> list[JsonObject]:
    """Rows of the record, oldest first."""
    return [
        {
            "target": str(row.target),
            "partition": row.partition,
            "at": utc(row.issued_at),
            "due": None if row.due is None else utc(row.due),
            "late_seconds": round(row.lateness, 3),
            "decided": row.decided,
            "before": row.state_before,
            "after": row.state_after,
            "result": row.result,
            "reason": row.reason,
            "note": row.note,
            "by_hand": _by_hand(row),
            "schedule": row.schedule,
            "revision": row.revision,
            "tzdata": row.tzdata,
        }
        for row in records
    ]


def _by_hand(row: CommandRecord) -> JsonObject | None:
    """The change by hand that a row is about; who made it is null where nobody said."""
    if row.changed_at is None:
        return None
    return {
        "at": utc(row.changed_at),
        "by": row.changed_by or None,
        "source": row.changed_through or None,
    }


def utc(at: datetime) -> str:
    """``2026-11-20T09:00:00Z``, with milliseconds where there are any."""
    return utc_text(at, "milliseconds" if at.microsecond else "seconds")
