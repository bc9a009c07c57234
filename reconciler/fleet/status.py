"""How a fleet is: its workers, the lanes they hold, what is late, and what waits. Reads the ledger only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from reconciler.chekt.budget import read_bucket
from reconciler.fleet.queue import Backlog, Queue
from reconciler.fleet.serving import NOBODY, Base
from reconciler.ledger import LaneRow, LaneTables, Ledger, lane_of
from reconciler.ledger.fleet import AssignmentStatus, WorkerRecord
from reconciler.model import JsonObject
from reconciler.times import utc_text

RECENT = timedelta(hours=1)
"""How far back lateness is told of."""

SILENT = 10.0
"""Seconds after which a worker's last beat is told of as old: clocks of two machines differ a little."""

_WIDTH = 80


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """A lane. ``holder``: the worker that has it, empty for nobody; ``generation``: how often it was taken.

    ``backlog``: looks that are due and not taken, the oldest ``overdue`` seconds ago. ``late_p50``,
    ``late_p99``: seconds of the last hour's commands; None where there were none. ``next_look``: when
    something is due next.
    """

    lane: str
    holder: str
    generation: int
    backlog: int
    overdue: float
    commands: int
    late_p50: float | None
    late_p99: float | None
    next_look: datetime | None


@dataclass(frozen=True, slots=True)
class RunStatus:
    """A run whose lanes are handed out, and how far they are; ``done`` of ``total`` changes."""

    run: int
    stopping: bool
    waiting: int
    running: int
    ended: int
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class EnvironmentStatus:
    """One environment of the ledger."""

    environment: str
    lanes: tuple[LaneStatus, ...]
    runs: tuple[RunStatus, ...]


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """The request budget of one credential, named by a digest: nobody can tell the credential from it.

    ``tokens``: left when it was last used, negative where requests wait. ``limit``: requests a minute that
    the server states, None before it did. ``share`` of it that is used since the last refusal. ``blocked``:
    seconds for which nothing is sent.
    """

    name: str
    tokens: float
    limit: int | None
    share: float
    blocked: float


@dataclass(frozen=True, slots=True)
class Status:
    """A fleet at ``at``."""

    at: datetime
    workers: tuple[WorkerRecord, ...]
    environments: tuple[EnvironmentStatus, ...]
    queue: tuple[Backlog, ...]
    budgets: tuple[BudgetStatus, ...] = ()

    def beat_age(self, worker: WorkerRecord) -> float:
        """Seconds since ``worker`` was last heard of, by its clock and this one's."""
        return max(0.0, (self.at - worker.seen_at).total_seconds())


def status(base: Base, now: datetime, environment: str | None) -> Status:
    """The fleet of ``base`` at ``now``; only ``environment`` where one is named. Raises LedgerError."""
    with Ledger(base.store(NOBODY).database()) as ledger, base.queue() as queue:
        names = [environment] if environment is not None else ledger.environments()
        return Status(
            now,
            tuple(ledger.workers()),
            tuple(_environment(base, name, now) for name in names),
            _backlog(queue, environment),
            _budgets(ledger.budgets(), now),
        )


def _budgets(kept: Mapping[str, str], now: datetime) -> tuple[BudgetStatus, ...]:
    found = {name: read_bucket(text.encode()) for name, text in sorted(kept.items())}
    return tuple(
        BudgetStatus(
            name.removeprefix("budget-")[:12],
            round(bucket.tokens, 1),
            bucket.limit,
            bucket.learned.share,
            max(0.0, round(bucket.blocked_until - now.timestamp(), 1)),
        )
        for name, bucket in found.items()
        if bucket is not None
    )


def _backlog(queue: Queue, environment: str | None) -> tuple[Backlog, ...]:
    return tuple(each for each in queue.backlog() if environment in (None, each.environment))


def _environment(base: Base, name: str, now: datetime) -> EnvironmentStatus:
    database = base.store(name).database()
    with Ledger(database) as ledger:
        late: dict[str, list[float]] = {}
        for address, seconds in ledger.lateness(now - RECENT):
            late.setdefault(lane_of(address), []).append(seconds)
        overdue = ledger.overdue(now)
        lanes = (
            _lane(row, overdue.get(row.lane), sorted(late.get(row.lane, ())), now)
            for row in LaneTables(database).lanes()
            if row.look_at is not None or row.seconds_left > 0  # else nobody has to do with it any more
        )
        return EnvironmentStatus(name, tuple(lanes), tuple(_runs(ledger)))


def _lane(
    row: LaneRow, overdue: tuple[int, datetime] | None, late: Sequence[float], now: datetime
) -> LaneStatus:
    backlog, oldest = overdue or (0, now)
    return LaneStatus(
        lane=row.lane,
        holder=row.holder if row.seconds_left > 0 else "",
        generation=row.generation,
        backlog=backlog,
        overdue=(now - oldest).total_seconds(),
        commands=len(late),
        late_p50=quantile(late, 0.5),
        late_p99=quantile(late, 0.99),
        next_look=row.look_at,
    )


def workers_text(count: int) -> str:
    """How many workers, in words."""
    return f"{count} worker{'' if count == 1 else 's'}"


def quantile(ascending: Sequence[float], share: float) -> float | None:
    """The smallest of ``ascending`` that ``share`` of them do not exceed; None of nothing."""
    return ascending[max(0, math.ceil(share * len(ascending)) - 1)] if ascending else None


def _runs(ledger: Ledger) -> list[RunStatus]:
    found = []
    for handout in ledger.open_handouts():
        lanes = ledger.assignments(handout.run)
        count = {status: sum(each.status is status for each in lanes) for status in AssignmentStatus}
        found.append(
            RunStatus(
                handout.run,
                handout.stopping,
                count[AssignmentStatus.WAITING],
                count[AssignmentStatus.RUNNING],
                count[AssignmentStatus.ENDED],
                sum(each.total if each.status is AssignmentStatus.ENDED else each.done for each in lanes),
                sum(each.total for each in lanes),
            )
        )
    return found


def to_json(found: Status) -> JsonObject:
    """``found`` for programs: seconds as numbers, times as UTC text."""
    return {
        "at": utc_text(found.at),
        "workers": [
            {
                **asdict(each),
                "started_at": utc_text(each.started_at),
                "seen_at": utc_text(each.seen_at),
                "beat_age": round(found.beat_age(each), 1),
            }
            for each in found.workers
        ],
        "environments": [
            {
                "environment": each.environment,
                "lanes": [
                    {
                        **asdict(lane),
                        "overdue": round(lane.overdue, 1),
                        "next_look": None if lane.next_look is None else utc_text(lane.next_look),
                    }
                    for lane in each.lanes
                ],
                "runs": [asdict(run) for run in each.runs],
            }
            for each in found.environments
        ],
        "queue": [asdict(each) for each in found.queue],
        "budgets": [asdict(each) for each in found.budgets],
    }


def as_text(found: Status) -> str:
    """``found`` for people, at 80 columns."""
    lines = [workers_text(len(found.workers))]
    rows = [
        (
            each.name,
            f"{each.host} {each.pid}",
            each.version,
            f"{each.working}/{each.lanes}",
            _beat(found, each),
        )
        for each in found.workers
    ]
    lines += _table(("name", "host, pid", "version", "lanes", "last beat"), rows)
    for environment in found.environments:
        lines += ["", f"environment {environment.environment}"]
        for run in environment.runs:
            stopping = ", stopping" if run.stopping else ""
            lines.append(
                f"  run {run.run}{stopping}: {run.ended} lanes ended, {run.running} at work, "
                f"{run.waiting} wait; {run.done} of {run.total} changes"
            )
        lines += _table(
            ("lane", "held by", "taken", "due", "oldest", "late p50", "p99"),
            [
                (
                    lane.lane or "(no dealer)",
                    lane.holder or "-",
                    str(lane.generation),
                    str(lane.backlog),
                    _seconds(lane.overdue if lane.backlog else None),
                    _seconds(lane.late_p50),
                    _seconds(lane.late_p99),
                )
                for lane in environment.lanes
            ],
        )
    if found.queue:
        lines += ["", "queue"]
        lines += _table(
            ("environment", "work", "waiting", "at work"),
            [(each.environment, each.work, str(each.waiting), str(each.working)) for each in found.queue],
        )
    if found.budgets:
        lines += ["", "request budgets, by credential"]
        lines += _table(
            ("digest", "left", "a minute", "used", "blocked"),
            [
                (
                    each.name,
                    f"{each.tokens:.0f}",
                    "-" if each.limit is None else str(each.limit),
                    f"{each.share:.0%}",
                    _seconds(each.blocked or None),
                )
                for each in found.budgets
            ],
        )
    return "\n".join(lines)


def _beat(found: Status, worker: WorkerRecord) -> str:
    age = found.beat_age(worker)
    word = "dead?" if age > SILENT else "draining" if worker.draining else ""
    return f"{age:.0f} s ago {word}".strip()


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as they need; the widest give way where the whole is too wide."""
    if not rows:
        return []
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    while sum(widths) + 2 * len(widths) > _WIDTH:
        widths[widths.index(max(widths))] -= 1
    return [
        ("  " + "  ".join(_fit(cell, width) for cell, width in zip(row, widths, strict=True))).rstrip()
        for row in (head, *rows)
    ]


def _fit(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else f"{text[: width - 1]}…"
