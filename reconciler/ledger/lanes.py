"""Lanes: who works on which dealer's sites, until when, and what in them is due. On PostgreSQL only.

A lane is leased to one worker at a time, by the database's clock. Each taking raises its generation, and
whatever a worker writes is checked against generation and holder in the same transaction: one that lost
its lease writes nothing more, however long it slept. The row is locked for that (``FOR KEY SHARE``) as
against a taking (``FOR UPDATE``), not against a renewal, which changes no key.

Taking, renewing, giving back and reaping are one statement each, whole by itself, and wait for no other
writer of the environment. What touches several lanes locks them in the order of their names.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from reconciler.errors import LeaseLostError
from reconciler.ledger.database import Database, Decoders, Tables, instant, stamp
from reconciler.model import Address

_DECLARE = """
INSERT INTO lanes (environment, lane, look_at) SELECT ?, name, ? FROM unnest(?::text[]) AS name
ON CONFLICT (environment, lane) DO UPDATE SET look_at = excluded.look_at WHERE lanes.look_at IS NULL
"""
_RETIRE = """
UPDATE lanes SET look_at = NULL, woken = 0
WHERE environment = ? AND look_at IS NOT NULL AND NOT lane = ANY (?::text[])
"""
_WAKE = """
WITH these AS MATERIALIZED (
    SELECT environment, lane FROM lanes
    WHERE environment = ? AND look_at IS NOT NULL AND lane = ANY (?::text[])
    ORDER BY lane FOR NO KEY UPDATE
)
UPDATE lanes SET look_at = ?, priority = 0, woken = 1
FROM these WHERE lanes.environment = these.environment AND lanes.lane = these.lane
"""
_LANES = """
SELECT lane, generation, holder, look_at, priority,
    leased_until - extract(epoch FROM clock_timestamp()) AS seconds_left
FROM lanes WHERE environment = ? ORDER BY lane
"""
_WAITING = """
SELECT lane FROM lanes
WHERE environment = ? AND look_at <= ? AND leased_until <= extract(epoch FROM clock_timestamp())
ORDER BY priority, look_at, lane LIMIT ?
"""
_KNOW = """
INSERT INTO lanes (environment, lane) VALUES (?, ?) ON CONFLICT (environment, lane) DO NOTHING RETURNING lane
"""
_TAKE = """
WITH free AS MATERIALIZED (
    SELECT environment, lane FROM lanes
    WHERE environment = ? AND lane = ? AND (?::text IS NULL OR look_at <= ?)
        AND leased_until <= extract(epoch FROM clock_timestamp())
    FOR UPDATE SKIP LOCKED
)
UPDATE lanes SET generation = generation + 1, holder = ?, woken = 0,
    leased_until = extract(epoch FROM clock_timestamp()) + ?
FROM free WHERE lanes.environment = free.environment AND lanes.lane = free.lane
RETURNING generation
"""
_RENEW = """
WITH still AS MATERIALIZED (
    SELECT lanes.environment, lanes.lane FROM lanes
    JOIN unnest(?::text[], ?::bigint[], ?::text[]) AS mine (lane, generation, worker)
        ON lanes.lane = mine.lane AND lanes.generation = mine.generation AND lanes.holder = mine.worker
    WHERE environment = ? ORDER BY lanes.lane FOR NO KEY UPDATE OF lanes
)
UPDATE lanes SET leased_until = extract(epoch FROM clock_timestamp()) + ?
FROM still WHERE lanes.environment = still.environment AND lanes.lane = still.lane
RETURNING lanes.lane, lanes.generation, lanes.holder
"""
_RELEASE = """
UPDATE lanes SET holder = '', leased_until = 0
WHERE environment = ? AND lane = ? AND generation = ? AND holder = ? RETURNING lane
"""
_REAP = """
WITH dead AS MATERIALIZED (
    SELECT environment, lane, holder FROM lanes
    WHERE environment = ? AND holder <> '' AND leased_until <= extract(epoch FROM clock_timestamp())
    FOR UPDATE SKIP LOCKED
)
UPDATE lanes SET holder = '', leased_until = 0
FROM dead WHERE lanes.environment = dead.environment AND lanes.lane = dead.lane
RETURNING lanes.lane, dead.holder AS worker
"""
_FENCE = """
SELECT 1 FROM lanes WHERE environment = ? AND lane = ? AND generation = ? AND holder = ? FOR KEY SHARE
"""
_LOOK_NEXT = """
UPDATE lanes SET look_at = ?, priority = ? WHERE environment = ? AND lane = ? AND woken = 0
"""
_LEASE_DUE = """
WITH chosen AS MATERIALIZED (
    SELECT environment, target, partition, slot FROM due
    WHERE environment = ? AND lane = ? AND at <= ? AND generation < ?
    ORDER BY priority, at LIMIT ? FOR UPDATE SKIP LOCKED
)
UPDATE due SET generation = ?
FROM chosen WHERE due.environment = chosen.environment AND due.target = chosen.target
    AND due.partition = chosen.partition AND due.slot = chosen.slot
RETURNING due.target, due.partition, due.slot, due.priority, due.at
"""
_DUE_IN = """
SELECT target, partition, slot, priority, at FROM due
WHERE environment = ? AND lane = ? ORDER BY at, target, partition, slot
"""
_SEEN = """
DELETE FROM due USING unnest(?::text[], ?::bigint[]) AS seen (target, partition)
WHERE environment = ? AND due.target = seen.target AND due.partition = seen.partition
"""
_OTHERS = """
DELETE FROM due WHERE environment = ? AND lane = ? AND NOT EXISTS (
    SELECT FROM unnest(?::text[], ?::bigint[], ?::bigint[], ?::bigint[], ?::text[])
        AS kept (target, partition, slot, priority, at)
    WHERE due.target = kept.target AND due.partition = kept.partition AND due.slot = kept.slot
        AND due.priority = kept.priority AND due.at = kept.at
)
"""
_ADD_DUE = """
INSERT INTO due (environment, lane, target, partition, slot, priority, at)
SELECT ?, ?, fresh.* FROM unnest(?::text[], ?::bigint[], ?::bigint[], ?::bigint[], ?::text[]) AS fresh
ON CONFLICT (environment, target, partition, slot) DO NOTHING
"""


def lane_of(address: Address) -> str:
    """The lane of a site: its dealer's id, since a dealer has a key, a rate and an order of its own.

    Empty for a site that stands under no dealer.
    """
    return address.path[0] if len(address.path) > 1 else ""


@dataclass(frozen=True, slots=True)
class Hold:
    """The right of ``worker`` to run ``lane``, as long as its generation lasts."""

    lane: str
    generation: int
    worker: str


@dataclass(frozen=True, slots=True)
class LaneRow:
    """A lane as the ledger knows it.

    ``holder``: the worker that has it, empty for nobody. ``seconds_left`` of its lease, by the database's
    clock. ``look_at``: when something in it is next to be looked at, None for never. ``priority``: of that.
    """

    lane: str
    generation: int
    holder: str
    seconds_left: float
    look_at: datetime | None
    priority: int


@dataclass(frozen=True, slots=True)
class DueRow:
    """When to look at a target: for its next transition (``slot`` 0), or the one after that (1).

    It says when, never what: what is wanted is decided when it is looked at. ``partition`` None: the whole
    site. ``priority``: 0 before 1.
    """

    target: str
    partition: int | None
    slot: int
    priority: int
    at: datetime


Key = tuple[str, int | None]
"""A target: the site's address, and a partition or None."""


class LaneTables(Tables):
    """The lanes of one environment."""

    def declare_lanes(self, lanes: Collection[str], now: datetime) -> None:
        """These are the lanes of the project: new ones are due at once, others not any more."""
        environment, names = self._database.environment, list(lanes)
        with self._database.transaction():
            self._database.change(_DECLARE, (environment, stamp(now), names))
            self._database.change(_RETIRE, (environment, names))

    def lanes(self) -> list[LaneRow]:
        """Every lane, by name."""
        return self._database.read(
            LaneRow, {"look_at": instant, "seconds_left": float}, _LANES, (self._database.environment,)
        )

    def waiting_lanes(self, until: datetime, limit: int) -> list[str]:
        """The lanes nobody has in which something is due by ``until``: by priority, then deadline."""
        rows = self._database.rows(_WAITING, (self._database.environment, stamp(until), limit))
        return [row["lane"] for row in rows]

    def wake_lanes(self, lanes: Collection[str], now: datetime) -> None:
        """Let these be looked at now; one at work is looked at again when it ends."""
        self._database.change(_WAKE, (self._database.environment, list(lanes), stamp(now)))

    def take_lane(
        self, lane: str, worker: str, seconds: float, due_by: datetime | None = None
    ) -> Hold | None:
        """The lane for ``seconds``, None where a worker has it or is just writing to it.

        ``due_by``: None as well where nothing is due in it by then, since another worker has just seen to it.
        Any name is a lane; one that is not declared waits for nothing and is taken by those who know it.
        """
        name, due = (self._database.environment, lane), None if due_by is None else stamp(due_by)
        values = (*name, due, due, worker, seconds)
        rows = self._database.rows(_TAKE, values)
        if not rows and due is None and self._database.rows(_KNOW, name):
            rows = self._database.rows(_TAKE, values)
        return Hold(lane, rows[0]["generation"], worker) if rows else None

    def renew_lanes(self, holds: Sequence[Hold], seconds: float) -> set[Hold]:
        """Those of ``holds`` that still are, for another ``seconds`` from now on."""
        mine = [
            [hold.lane for hold in holds],
            [hold.generation for hold in holds],
            [hold.worker for hold in holds],
        ]
        rows = self._database.rows(_RENEW, (*mine, self._database.environment, seconds))
        return {Hold(row["lane"], row["generation"], row["holder"]) for row in rows}

    def release_lane(self, hold: Hold) -> bool:
        """Give the lane back; False where it was lost before."""
        values = (self._database.environment, hold.lane, hold.generation, hold.worker)
        return bool(self._database.rows(_RELEASE, values))

    def reap_lanes(self) -> Mapping[str, str]:
        """Give back the lanes of workers that do not renew them; the worker by lane."""
        rows = self._database.rows(_REAP, (self._database.environment,))
        return {row["lane"]: row["worker"] for row in rows}

    def look_next(self, lane: str, at: datetime | None, priority: int) -> None:
        """When the lane is next to be looked at, unless somebody has woken it since it was taken."""
        when = None if at is None else stamp(at)
        self._database.change(_LOOK_NEXT, (when, priority, self._database.environment, lane))

    def lease_due(self, hold: Hold, until: datetime, limit: int) -> list[DueRow]:
        """The most urgent targets of the lane that are due by ``until``: by priority, then deadline.

        A row is leased once in a generation: what a worker that ended had leased, the next one gets.
        """
        environment, generation = self._database.environment, hold.generation
        values = (environment, hold.lane, stamp(until), generation, limit, generation)
        with self._database.transaction():
            found = self._database.read(DueRow, _DUE, _LEASE_DUE, values)
        return sorted(found, key=lambda row: (row.priority, row.at, row.target))

    def due_in(self, lane: str) -> list[DueRow]:
        """All that is due in the lane, now or later."""
        return self._database.read(DueRow, _DUE, _DUE_IN, (self._database.environment, lane))

    def acknowledge_due(self, lane: str, looked_at: Collection[Key], rows: Sequence[DueRow]) -> None:
        """These targets were looked at: ``rows`` are all that is due for them from now on."""
        targets, partitions = [key[0] for key in looked_at], [_number(key[1]) for key in looked_at]
        with self._database.transaction():
            self._database.change(_SEEN, (targets, partitions, self._database.environment))
            self._add_due(lane, rows)

    def index_lane(self, lane: str, rows: Sequence[DueRow]) -> None:
        """``rows`` are all that is due in the lane; those that are known as they are stay, lease and all."""
        with self._database.transaction():
            self._database.change(_OTHERS, (self._database.environment, lane, *_columns(rows)))
            self._add_due(lane, rows)

    def _add_due(self, lane: str, rows: Sequence[DueRow]) -> None:
        self._database.change(_ADD_DUE, (self._database.environment, lane, *_columns(rows)))


def fence(database: Database, hold: Hold) -> None:
    """Let the transaction under way stand only while ``hold`` does. Raises LeaseLostError.

    Nobody takes the lane before the transaction has ended.
    """
    values = (database.environment, hold.lane, hold.generation, hold.worker)
    if not database.rows(_FENCE, values):
        raise LeaseLostError(
            f"worker {hold.worker} has lost the lane of {hold.lane}",
            hint="Nothing more of it is sent or remembered here; whoever took it over goes on.",
        )


def _number(partition: int | None) -> int:
    return -1 if partition is None else partition


def _partition(number: int) -> int | None:
    return None if number < 0 else number


_DUE: Decoders = {"partition": _partition, "at": instant}


def _columns(rows: Sequence[DueRow]) -> tuple[list[object], ...]:
    """``rows`` as arrays of one column each."""
    return (
        [row.target for row in rows],
        [_number(row.partition) for row in rows],
        [row.slot for row in rows],
        [row.priority for row in rows],
        [stamp(row.at) for row in rows],
    )
