"""How an environment that a fleet enforces stands: one look at the ledger, in a line, as JSON, as metrics."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from reconciler.fleet.status import RECENT, SILENT, quantile, workers_text
from reconciler.ledger import LaneRow, Ledger
from reconciler.model import JsonObject

LATE = 5.0
"""Seconds after its instant from which on something due counts as late."""

_PREFIX = "reconciler_fleet"


@dataclass(frozen=True, slots=True)
class Standing:
    """``lanes`` of which ``held`` are worked on; ``due`` looks not taken yet, of which ``late`` are late.

    ``oldest``: seconds since the oldest was due. ``commands``, ``late_p50``, ``late_p99``: of the last hour;
    None where there were none. ``workers``: those that were heard of just now.
    """

    environment: str
    workers: int
    lanes: int
    held: int
    due: int
    late: int
    oldest: float
    commands: int
    late_p50: float | None
    late_p99: float | None

    @property
    def text(self) -> str:
        """In one line of 80 columns, where the numbers are as large as they may be."""
        late = f", {self.late} late by up to {self.oldest:.0f} s" if self.late else ""
        median = "" if self.late_p50 is None else f"; p50 {self.late_p50:.1f} s, p99 {self.late_p99:.1f} s"
        lanes = f"{self.held} of {self.lanes} lanes at work, {self.due} due"
        return f"{workers_text(self.workers)}, {lanes}{late}{median}"


def standing(ledger: Ledger, now: datetime, late: float) -> Standing:
    """How the ledger's environment stands at ``now``. Raises LedgerError."""
    lanes = [row for row in ledger.lanes() if row.look_at is not None]
    overdue = ledger.overdue(now)
    waiting = {
        row.lane: (now - since).total_seconds()
        for row in lanes
        if (since := _waiting_since(row, overdue.get(row.lane), now)) is not None
    }
    seconds = sorted(lateness for _, lateness in ledger.lateness(now - RECENT))
    return Standing(
        environment=ledger.environment,
        workers=sum((now - each.seen_at).total_seconds() < SILENT for each in ledger.workers()),
        lanes=len(lanes),
        held=sum(row.seconds_left > 0 for row in lanes),
        due=sum(max(1, overdue.get(lane, (0, now))[0]) for lane in waiting),
        late=sum(age > late for age in waiting.values()),
        oldest=max(waiting.values(), default=0.0),
        commands=len(seconds),
        late_p50=quantile(seconds, 0.5),
        late_p99=quantile(seconds, 0.99),
    )


def _waiting_since(row: LaneRow, overdue: tuple[int, datetime] | None, now: datetime) -> datetime | None:
    """Since when something in the lane waits; None where nothing does.

    A lane that is held was taken up: it may stay for a transition that is still to come.
    """
    since = [] if overdue is None else [overdue[1]]
    if row.look_at is not None and row.look_at < now and row.seconds_left <= 0:
        since.append(row.look_at)
    return min(since, default=None)


def to_json(found: Standing) -> JsonObject:
    """Every figure; seconds as numbers."""
    return {**asdict(found), "oldest": round(found.oldest, 1)}


def metrics_text(found: Standing, now: datetime) -> str:
    """Prometheus text, as the enforcer writes it."""
    figures: tuple[tuple[str, str, float | None], ...] = (
        ("workers", "Workers heard of just now.", found.workers),
        ("lanes", "Lanes of the project in force.", found.lanes),
        ("lanes_held", "Lanes that a worker works on.", found.held),
        ("due", "Looks that are due and not taken yet.", found.due),
        ("lanes_late", f"Lanes in which something is due for more than {LATE:.0f} s.", found.late),
        ("oldest_due_seconds", "Since when the oldest is due.", found.oldest),
        ("late_seconds_p50", "Median lateness of the last hour's commands.", found.late_p50),
        ("late_seconds_p99", "99th percentile of their lateness.", found.late_p99),
        ("last_look_timestamp_seconds", "When this was written.", now.timestamp()),
    )
    return "".join(
        f"# HELP {_PREFIX}_{name} {meaning}\n# TYPE {_PREFIX}_{name} gauge\n{_PREFIX}_{name} {value:.3f}\n"
        for name, meaning, value in figures
        if value is not None
    )
