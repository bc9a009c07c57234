"""The inbox of one environment: events that webhooks brought, and who has still to be told of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Literal

from reconciler.ledger.database import Decoders, Tables, instant, stamp

ConsumptionStatus = Literal["waiting", "done", "set_aside"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event as it was delivered first. ``key`` tells it from the other events of its endpoint.

    ``system``: app, partner or dealer. ``repeats``: how often it was delivered again. ``body``: as it was
    sent; None once it was forgotten. ``id``: its number in the ledger, 0 before it is there.
    """

    endpoint: str
    system: str
    event_key: str
    event_id: str
    event_type: str
    received_at: datetime
    body: bytes | None
    repeats: int = 0
    id: int = 0


@dataclass(frozen=True, slots=True)
class Consumption:
    """What one consumer has to do with one delivery.

    ``attempts``: begun so far, the one under way included; ``forgiven``: those that do not count any more
    because a person had it tried again. ``note``: why the last attempt failed.
    """

    delivery: int
    endpoint: str
    consumer: str
    status: ConsumptionStatus
    attempts: int
    forgiven: int
    due_at: datetime
    note: str
    settled_at: datetime | None
    event_id: str
    event_type: str


@dataclass(frozen=True, slots=True)
class DeliveryFigures:
    """What has happened since the beginning of the ledger, and what is unsettled now.

    ``outcomes``: how often each came to pass, by endpoint, consumer (empty: the receiver) and outcome.
    ``unsettled``: consumptions by endpoint, consumer and status.
    """

    outcomes: dict[tuple[str, str, str], int]
    unsettled: dict[tuple[str, str, str], int]


_DELIVERY: Decoders = {"received_at": instant, "body": bytes}
_CONSUMPTION: Decoders = {"due_at": instant, "settled_at": instant}
_JOINED = (
    "SELECT c.delivery, c.endpoint, c.consumer, c.status, c.attempts, c.forgiven, c.due_at, c.note,"
    " c.settled_at, d.event_id, d.event_type FROM consumptions c JOIN deliveries d ON d.id = c.delivery"
    " WHERE c.environment = ?"
)


class DeliveryTables(Tables):
    """Deliveries, the consumers that have to be told of each, and what was refused."""

    def receive(self, delivery: Delivery, consumers: Sequence[str]) -> tuple[int, bool]:
        """Keep ``delivery`` for each of ``consumers``; its number, and whether it is new.

        One that is known already is only counted.
        """
        environment = self._database.environment
        place = (environment, delivery.endpoint, delivery.event_key)
        with self._database.transaction():
            new = self._database.change(
                "INSERT INTO deliveries (environment, endpoint, event_key, system, event_id, event_type,"
                " received_at, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (environment, endpoint, event_key) DO NOTHING",
                (
                    *place,
                    delivery.system,
                    delivery.event_id,
                    delivery.event_type,
                    stamp(delivery.received_at),
                    delivery.body,
                ),
            )
            if not new:
                self._database.change(
                    "UPDATE deliveries SET repeats = repeats + 1"
                    " WHERE environment = ? AND endpoint = ? AND event_key = ?",
                    place,
                )
            (row,) = self._database.rows(
                "SELECT id FROM deliveries WHERE environment = ? AND endpoint = ? AND event_key = ?", place
            )
            number: int = row["id"]
            for consumer in consumers if new else ():
                self._database.change(
                    "INSERT INTO consumptions (delivery, environment, endpoint, consumer, due_at)"
                    " VALUES (?, ?, ?, ?, ?)",
                    (number, environment, delivery.endpoint, consumer, stamp(delivery.received_at)),
                )
        return number, bool(new)

    def deliveries(self, after: int = 0, limit: int = 1000) -> list[Delivery]:
        """The deliveries numbered above ``after``, in the order in which they came, ``limit`` at most."""
        return self._database.read(
            Delivery,
            _DELIVERY,
            "SELECT * FROM deliveries WHERE environment = ? AND id > ? ORDER BY id LIMIT ?",
            (self._database.environment, after, limit),
        )

    def deliveries_of(self, event_type: str, limit: int = 1000) -> list[Delivery]:
        """The last deliveries of that type, the newest first, ``limit`` at most."""
        return self._database.read(
            Delivery,
            _DELIVERY,
            "SELECT * FROM deliveries WHERE environment = ? AND event_type = ? ORDER BY id DESC LIMIT ?",
            (self._database.environment, event_type, limit),
        )

    def delivery(self, number: int) -> Delivery | None:
        """The delivery of that number, None where it was forgotten."""
        found = self._database.read(
            Delivery,
            _DELIVERY,
            "SELECT * FROM deliveries WHERE environment = ? AND id = ?",
            (self._database.environment, number),
        )
        return found[0] if found else None

    def due_consumptions(self, endpoint: str, consumer: str, now: datetime, limit: int) -> list[Consumption]:
        """What ``consumer`` of ``endpoint`` has to do by ``now``, the longest due first."""
        return self._database.read(
            Consumption,
            _CONSUMPTION,
            f"{_JOINED} AND c.endpoint = ? AND c.consumer = ? AND c.status = 'waiting' AND c.due_at <= ?"
            " ORDER BY c.due_at, c.delivery LIMIT ?",
            (self._database.environment, endpoint, consumer, stamp(now), limit),
        )

    def consumptions_set_aside(self) -> list[Consumption]:
        """What was tried in vain for so long that a person has to look at it, oldest first."""
        return self._database.read(
            Consumption,
            _CONSUMPTION,
            f"{_JOINED} AND c.status = 'set_aside' ORDER BY c.delivery, c.consumer",
            (self._database.environment,),
        )

    def begin_attempt(self, delivery: int, consumer: str) -> None:
        """Remember that an attempt begins: should it not be heard of again, the next one says so."""
        self._change_waiting("attempts = attempts + 1", (), delivery, consumer)

    def settle_consumption(self, delivery: int, consumer: str, now: datetime) -> bool:
        """The consumer has done its part; False where that was known already."""
        return self._end(delivery, consumer, "done", "", now)

    def set_aside_consumption(self, delivery: int, consumer: str, note: str, now: datetime) -> bool:
        """It is not tried again until a person asks for it; False where it is not waiting any more."""
        return self._end(delivery, consumer, "set_aside", note, now)

    def postpone_consumption(self, delivery: int, consumer: str, note: str, due_at: datetime) -> None:
        """An attempt failed, as ``note`` says; the next one is due at ``due_at``."""
        self._change_waiting("note = ?, due_at = ?", (note, stamp(due_at)), delivery, consumer)

    def retry_consumption(self, delivery: int, consumer: str, now: datetime) -> bool:
        """Try again what was set aside, with all its attempts before it; False where it is not set aside."""
        changed = self._database.change(
            "UPDATE consumptions SET status = 'waiting', settled_at = NULL, forgiven = attempts, due_at = ?"
            " WHERE environment = ? AND delivery = ? AND consumer = ? AND status = 'set_aside'",
            (stamp(now), self._database.environment, delivery, consumer),
        )
        return bool(changed)

    def _end(self, delivery: int, consumer: str, status: str, note: str, now: datetime) -> bool:
        changes = "status = ?, note = ?, settled_at = ?"
        return self._change_waiting(changes, (status, note, stamp(now)), delivery, consumer)

    def _change_waiting(self, changes: str, values: tuple[object, ...], delivery: int, consumer: str) -> bool:
        changed = self._database.change(
            f"UPDATE consumptions SET {changes}"  # noqa: S608
            " WHERE environment = ? AND delivery = ? AND consumer = ? AND status = 'waiting'",
            (*values, self._database.environment, delivery, consumer),
        )
        return bool(changed)

    def count_outcome(self, endpoint: str, consumer: str, outcome: str, number: int, now: datetime) -> None:
        """Add ``number`` to how often ``outcome`` came to pass at ``endpoint``; ``consumer`` may be empty."""
        self._database.change(
            "INSERT INTO outcomes (environment, endpoint, consumer, outcome, number, last_at)"
            " VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (environment, endpoint, consumer, outcome) DO UPDATE SET"
            " number = outcomes.number + excluded.number, last_at = excluded.last_at",
            (self._database.environment, endpoint, consumer, outcome, number, stamp(now)),
        )

    def delivery_figures(self) -> DeliveryFigures:
        """What was received, refused and done since the ledger's beginning; what waits or was set aside."""
        mine = (self._database.environment,)
        with self._database.still():
            outcomes = self._database.rows(
                "SELECT endpoint, consumer, outcome, number FROM outcomes WHERE environment = ?"
                " ORDER BY endpoint, consumer, outcome",
                mine,
            )
            unsettled = [
                row
                for condition in ("status = 'set_aside'", "status = 'waiting'")  # each has an index
                for row in self._database.rows(
                    "SELECT endpoint, consumer, status, count(*) AS number FROM consumptions"  # noqa: S608
                    f" WHERE environment = ? AND {condition} GROUP BY endpoint, consumer, status"
                    " ORDER BY endpoint, consumer",
                    mine,
                )
            ]
        return DeliveryFigures(
            {(row["endpoint"], row["consumer"], row["outcome"]): row["number"] for row in outcomes},
            {(row["endpoint"], row["consumer"], row["status"]): row["number"] for row in unsettled},
        )

    def forget_bodies(self, before: datetime, limit: int, serving: Collection[tuple[str, str]]) -> int:
        """Empty ``limit`` bodies, at most, that came before ``before`` and that nobody needs; how many.

        ``serving``: the consumers, by endpoint and name, that may need them; what others left waiting or set
        aside is needed by nobody.
        """
        unneeded, values = self._unneeded(before, serving)
        return self._database.change(
            f"UPDATE deliveries SET body = NULL WHERE id IN ({unneeded} AND body IS NOT NULL LIMIT ?)",  # noqa: S608
            (*values, limit),
        )

    def forget_deliveries(self, before: datetime, limit: int, serving: Collection[tuple[str, str]]) -> int:
        """Drop ``limit`` deliveries, at most, that came before ``before`` and that nobody needs; how many.

        ``serving``: as for ``forget_bodies``. Should one of them come again, it is new.
        """
        unneeded, values = self._unneeded(before, serving)
        old = [row["id"] for row in self._database.rows(f"{unneeded} LIMIT ?", (*values, limit))]
        with self._database.transaction():
            for number in old:
                self._database.change("DELETE FROM consumptions WHERE delivery = ?", (number,))
                self._database.change("DELETE FROM deliveries WHERE id = ?", (number,))
        return len(old)

    def _unneeded(
        self, before: datetime, serving: Collection[tuple[str, str]]
    ) -> tuple[str, tuple[object, ...]]:
        """The query for the deliveries that none of ``serving`` has still to take, and its values."""
        served = " OR ".join(["(c.endpoint = ? AND c.consumer = ?)"] * len(serving)) or "1 = 0"
        query = (
            "SELECT id FROM deliveries WHERE environment = ? AND received_at < ? AND NOT EXISTS"  # noqa: S608
            " (SELECT 1 FROM consumptions c WHERE c.delivery = deliveries.id AND c.status <> 'done'"
            f" AND ({served}))"
        )
        return query, (self._database.environment, stamp(before), *chain.from_iterable(serving))
