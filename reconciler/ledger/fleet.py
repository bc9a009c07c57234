"""What a fleet shares: published projects, the lanes that a run has handed out, and who works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from reconciler.errors import LeaseLostError, LedgerError
from reconciler.ledger.database import Database, Decoders, Tables, instant, stamp
from reconciler.model import Address


class AssignmentStatus(StrEnum):
    """How far a lane that was handed out has come."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Handout:
    """A run whose lanes workers carry out.

    ``beat`` grows as long as its command lives; ``stopping``: no new lane is begun; ``closed``: nothing is
    written for it any more.
    """

    run: int
    bundle: str
    parallelism: int
    beat: int
    stopping: bool
    closed: bool


@dataclass(frozen=True, slots=True)
class Assignment:
    """One lane of a run: ``done`` of ``total`` steps have ended.

    ``generation``: of the lease under which ``worker`` took the lane, 0 before the first.
    """

    run: int
    lane: str
    status: AssignmentStatus
    generation: int
    worker: str | None
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """A worker as it reports itself. ``beat`` grows every second; ``seen_at``: by its own clock."""

    name: str
    host: str
    pid: int
    version: str
    lanes: int
    working: int
    draining: bool
    beat: int
    started_at: datetime
    seen_at: datetime


def applying(lane: str) -> str:
    """What the lease on ``lane`` for an apply is called: the sites in it are armed on time meanwhile."""
    return f"apply:{lane}"


def check_open(database: Database, run: int) -> None:
    """Let the transaction under way stand only while ``run`` is open to workers. On PostgreSQL only.

    Nobody closes it before the transaction has ended. Raises LeaseLostError.
    """
    rows = database.rows(
        "SELECT closed FROM handouts WHERE environment = ? AND run = ? FOR SHARE", (database.environment, run)
    )
    if not rows or rows[0]["closed"]:
        raise LeaseLostError(
            f"run {run} is over: its command has ended, or another run has taken its place",
            hint="Nothing more of it is sent or remembered here; the next run looks up what became of it.",
        )


_HANDOUT: Decoders = {"stopping": bool, "closed": bool}
_ASSIGNMENT: Decoders = {"status": AssignmentStatus}
_PROGRESS = "SELECT run, lane, status, generation, worker, done, total FROM assignments"
"""Asked often: without tasks and results, which may be large."""

_WORKER: Decoders = {"draining": bool, "started_at": instant, "seen_at": instant}


class FleetTables(Tables):
    """The fleet of one environment. Workers are those of the whole ledger: they serve any environment."""

    def publish(self, digest: str, packed: bytes, now: datetime) -> None:
        """Keep a packed project under its digest."""
        self._database.change(
            "INSERT INTO bundles (environment, digest, packed, published_at) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (environment, digest) DO UPDATE SET published_at = excluded.published_at",
            (self._database.environment, digest, packed, stamp(now)),
        )

    def published(self, digest: str) -> bytes:
        """The packed project. Raises LedgerError where there is none."""
        rows = self._database.rows(
            "SELECT packed FROM bundles WHERE environment = ? AND digest = ?",
            (self._database.environment, digest),
        )
        if not rows:
            raise LedgerError(
                f"the project {digest[:12]} is not in the ledger any more",
                hint="Publish it again: run the command with --fleet from a checkout.",
            )
        packed: bytes = bytes(rows[0]["packed"])
        return packed

    def unpublish(self, before: datetime) -> int:
        """Drop the projects published before ``before`` that nobody works with; how many there were."""
        return self._database.change(
            "DELETE FROM bundles WHERE environment = ? AND published_at < ? AND digest NOT IN"
            " (SELECT bundle FROM handouts WHERE environment = ? AND closed = 0"
            " UNION SELECT bundle FROM enforced WHERE environment = ?)",
            (
                self._database.environment,
                stamp(before),
                self._database.environment,
                self._database.environment,
            ),
        )

    def enforce_from(self, bundle: str | None, now: datetime) -> None:
        """From now on workers arm by the published project ``bundle``; None: they arm nothing any more."""
        if bundle is None:
            self._database.change("DELETE FROM enforced WHERE environment = ?", (self._database.environment,))
            return
        self._database.change(
            "INSERT INTO enforced (environment, bundle, published_at) VALUES (?, ?, ?)"
            " ON CONFLICT (environment) DO UPDATE SET bundle = excluded.bundle,"
            " published_at = excluded.published_at",
            (self._database.environment, bundle, stamp(now)),
        )

    def enforced(self) -> str | None:
        """The published project that workers arm by; None where they do not."""
        return self.all_enforced().get(self._database.environment)

    def all_enforced(self) -> dict[str, str]:
        """By environment, for all of the ledger: the published project that workers arm by."""
        rows = self._database.rows("SELECT environment, bundle FROM enforced")
        return {row["environment"]: row["bundle"] for row in rows}

    def hand_out(self, run: int, bundle: str, parallelism: int, tasks: Mapping[str, tuple[str, int]]) -> None:
        """Open ``run`` to workers: by lane what is to be done there, and how many changes that is.

        The lanes can be leased from then on, under ``applying(lane)``.
        """
        environment = self._database.environment
        with self._database.transaction():
            self._database.change(
                "INSERT INTO handouts (environment, run, bundle, parallelism) VALUES (?, ?, ?, ?)",
                (environment, run, bundle, parallelism),
            )
            for lane, (task, total) in tasks.items():
                self._database.change(
                    "INSERT INTO assignments (environment, run, lane, task, total) VALUES (?, ?, ?, ?, ?)",
                    (environment, run, lane, task, total),
                )
                self._database.change(
                    "INSERT INTO lanes (environment, lane) VALUES (?, ?) ON CONFLICT DO NOTHING",
                    (environment, applying(lane)),
                )

    def handout(self, run: int) -> Handout | None:
        """The run ``run`` as handed out, None where it is not."""
        found = self._database.read(
            Handout,
            _HANDOUT,
            "SELECT * FROM handouts WHERE environment = ? AND run = ?",
            (self._database.environment, run),
        )
        return found[0] if found else None

    def open_handouts(self) -> list[Handout]:
        """The runs that workers may still write for."""
        return self._database.read(
            Handout,
            _HANDOUT,
            "SELECT * FROM handouts WHERE environment = ? AND closed = 0 ORDER BY run",
            (self._database.environment,),
        )

    def keep_handing_out(self, run: int) -> None:
        """Tell the workers of ``run`` that its command lives."""
        self._database.change(
            "UPDATE handouts SET beat = beat + 1 WHERE environment = ? AND run = ?",
            (self._database.environment, run),
        )

    def stop_handing_out(self, run: int) -> None:
        """Let workers begin no other lane of ``run``, and stop in those they have."""
        self._database.change(
            "UPDATE handouts SET stopping = 1 WHERE environment = ? AND run = ?",
            (self._database.environment, run),
        )

    def close_handout(self, run: int) -> None:
        """From now on nothing is written for ``run`` by any worker."""
        self._database.change(
            "UPDATE handouts SET closed = 1 WHERE environment = ? AND run = ?",
            (self._database.environment, run),
        )

    def still_at_work(self, run: int) -> list[str]:
        """The workers that have a lane of ``run`` under a lease which has not run out, by name."""
        rows = self._database.rows(
            "SELECT DISTINCT worker FROM assignments JOIN lanes"
            " ON lanes.environment = assignments.environment AND lanes.lane = 'apply:' || assignments.lane"
            " WHERE assignments.environment = ? AND run = ? AND status = 'running'"
            " AND leased_until > extract(epoch FROM clock_timestamp()) ORDER BY worker",
            (self._database.environment, run),
        )
        return [row["worker"] for row in rows]

    def assignments(self, run: int) -> list[Assignment]:
        """The lanes of ``run``, by name."""
        return self._database.read(
            Assignment,
            _ASSIGNMENT,
            f"{_PROGRESS} WHERE environment = ? AND run = ? ORDER BY lane",
            (self._database.environment, run),
        )

    def task(self, assignment: Assignment) -> str:
        """What is to be done in the lane."""
        [[task]] = self._database.rows(
            "SELECT task FROM assignments WHERE environment = ? AND run = ? AND lane = ?",
            (self._database.environment, assignment.run, assignment.lane),
        )
        return str(task)

    def results(self, run: int) -> dict[str, str]:
        """What came of the lanes of ``run`` that have ended."""
        rows = self._database.rows(
            "SELECT lane, result FROM assignments WHERE environment = ? AND run = ? AND status = 'ended'",
            (self._database.environment, run),
        )
        return {row["lane"]: row["result"] for row in rows}

    def take(self, run: int, lane: str, worker: str, generation: int) -> Assignment | None:
        """Begin with ``lane`` as ``worker``, whose lease on it has ``generation``.

        None where the lane has ended, where a later lease has it, or nothing may be begun any more.
        """
        environment = self._database.environment
        with self._database.transaction():
            taken = self._database.change(
                "UPDATE assignments SET status = 'running', worker = ?, generation = ?"
                " WHERE environment = ? AND run = ? AND lane = ? AND status <> 'ended' AND generation < ?"
                " AND EXISTS (SELECT 1 FROM handouts WHERE environment = ? AND run = ?"
                " AND stopping = 0 AND closed = 0)",
                (worker, generation, environment, run, lane, generation, environment, run),
            )
            return self._assignment(run, lane) if taken else None

    def advance(self, assignment: Assignment, done: int, total: int) -> None:
        """Tell how far ``assignment`` has come."""
        self._update(assignment, "done = ?, total = ?", (done, total))

    def give_back(self, assignment: Assignment) -> None:
        """Leave ``assignment`` to another worker."""
        self._update(assignment, "status = 'waiting', worker = NULL", ())

    def finish(self, assignment: Assignment, result: str) -> bool:
        """End ``assignment`` with ``result``; False where another worker has it by now."""
        return bool(self._update(assignment, "status = 'ended', result = ?", (result,)))

    def _update(self, assignment: Assignment, what: str, values: tuple[object, ...]) -> int:
        return self._database.change(
            f"UPDATE assignments SET {what} WHERE environment = ? AND run = ? AND lane = ?"  # noqa: S608
            " AND generation = ? AND status = 'running'",
            (*values, self._database.environment, assignment.run, assignment.lane, assignment.generation),
        )

    def _assignment(self, run: int, lane: str) -> Assignment:
        [found] = self._database.read(
            Assignment,
            _ASSIGNMENT,
            f"{_PROGRESS} WHERE environment = ? AND run = ? AND lane = ?",
            (self._database.environment, run, lane),
        )
        return found

    def environments(self) -> list[str]:
        """Every environment that this ledger remembers, by name."""
        rows = self._database.rows("SELECT environment FROM accounts ORDER BY environment")
        return [row["environment"] for row in rows]

    def overdue(self, now: datetime) -> dict[str, tuple[int, datetime]]:
        """By lane: how many looks are due by ``now`` and not taken, and since when the oldest is."""
        rows = self._database.rows(
            "SELECT lane, count(*) AS backlog, min(at) AS oldest FROM due"
            " WHERE environment = ? AND at <= ? GROUP BY lane",
            (self._database.environment, stamp(now)),
        )
        return {row["lane"]: (row["backlog"], instant(row["oldest"])) for row in rows}

    def lateness(self, since: datetime) -> list[tuple[Address, float]]:
        """Site and seconds late of every command that a transition asked for, sent at ``since`` or after."""
        rows = self._database.rows(
            "SELECT target, lateness FROM commands WHERE environment = ? AND issued_at >= ?"
            " AND due IS NOT NULL AND result = 'confirmed'",
            (self._database.environment, stamp(since)),
        )
        return [(Address.parse(row["target"]), row["lateness"]) for row in rows]

    def budgets(self) -> dict[str, str]:
        """The request budgets that machines share, by name, as they are kept. On PostgreSQL only."""
        return {row["name"]: row["bucket"] for row in self._database.rows("SELECT name, bucket FROM budgets")}

    def report_worker(self, record: WorkerRecord) -> None:
        """Write down how a worker is; its row is made the first time."""
        self._database.change(
            "INSERT INTO workers (name, host, pid, version, lanes, working, draining, beat, started_at,"
            " seen_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
            " host = excluded.host, pid = excluded.pid, version = excluded.version, lanes = excluded.lanes,"
            " working = excluded.working, draining = excluded.draining, beat = excluded.beat,"
            " started_at = excluded.started_at, seen_at = excluded.seen_at",
            (
                record.name,
                record.host,
                record.pid,
                record.version,
                record.lanes,
                record.working,
                int(record.draining),
                record.beat,
                stamp(record.started_at),
                stamp(record.seen_at),
            ),
        )

    def workers(self) -> list[WorkerRecord]:
        """Every worker of this ledger that has not said goodbye, by name."""
        return self._database.read(WorkerRecord, _WORKER, "SELECT * FROM workers ORDER BY name")

    def forget_worker(self, name: str) -> None:
        """A worker has ended."""
        self._database.change("DELETE FROM workers WHERE name = ?", (name,))
