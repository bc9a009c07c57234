"""What we intended and what came of it: durable before each write, settled after."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import cast

from reconciler.errors import LedgerError
from reconciler.intents import Intent, IntentDraft, IntentStatus
from reconciler.ledger.database import Database, instant, stamp
from reconciler.model import Address, JsonObject, Operation
from reconciler.planning.digest import idempotency_key


@dataclass(frozen=True, slots=True)
class Run:
    """One run. ``result`` and ``ended_at`` are None for one that goes on, or broke off."""

    id: int
    command: str
    trace_id: str
    started_at: datetime
    ended_at: datetime | None
    result: str | None

    def to_json(self) -> JsonObject:
        """Every field, times in ISO form."""
        ended = None if self.ended_at is None else stamp(self.ended_at)
        return {**asdict(self), "started_at": stamp(self.started_at), "ended_at": ended}


class JournalTables:
    """The runs and intents of one environment."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin_run(self, command: str, trace_id: str, config_digest: str, now: datetime) -> int:
        """Open a run; its id stands in every intent it makes."""
        return self._database.insert(
            "INSERT INTO runs (environment, command, trace_id, config_digest, started_at)"
            " VALUES (?, ?, ?, ?, ?)",
            (self._database.environment, command, trace_id, config_digest, stamp(now)),
        )

    def end_run(self, run: int, result: str, now: datetime) -> None:
        """Close ``run`` with a word on how it ended (``done``, ``partial``, ``interrupted``, ...)."""
        self._database.change(
            "UPDATE runs SET ended_at = ?, result = ? WHERE id = ? AND environment = ?",
            (stamp(now), result, run, self._database.environment),
        )

    def runs(self, most: int) -> list[Run]:
        """The last runs, at most ``most``, newest first."""
        rows = self._database.rows(
            "SELECT * FROM runs WHERE environment = ? ORDER BY id DESC LIMIT ?",
            (self._database.environment, most),
        )
        return [
            Run(
                row["id"],
                row["command"],
                row["trace_id"],
                instant(row["started_at"]),
                None if row["ended_at"] is None else instant(row["ended_at"]),
                row["result"],
            )
            for row in rows
        ]

    def intend_all(self, run: int, drafts: Sequence[IntentDraft], now: datetime) -> list[Intent]:
        """Journal ``drafts`` in one transaction; when this returns they are on disk.

        A draft that repeats an open intent (same address, operation, part and payload) is that
        intent, with its number and key. An open intent for the same address, operation and part with
        another payload is settled as failed: it is never sent again.
        """
        with self._database.transaction():
            return [self._open_again(draft, now) or self._new(run, draft, now) for draft in drafts]

    def _open_again(self, draft: IntentDraft, now: datetime) -> Intent | None:
        repeated = None
        for intent in self._open(draft.address):
            if (intent.operation, intent.part) != (draft.operation, draft.part):
                continue
            if intent.payload_digest == draft.payload_digest:
                repeated = intent
            else:
                self.settle(intent, IntentStatus.FAILED, None, now)
        return repeated

    def _new(self, run: int, draft: IntentDraft, now: datetime) -> Intent:
        environment = self._database.environment
        [[last]] = self._database.rows(
            "SELECT coalesce(max(number), 0) FROM intents"
            " WHERE environment = ? AND address = ? AND operation = ?",
            (environment, str(draft.address), draft.operation),
        )
        number = last + 1
        key = idempotency_key(draft.address, draft.operation, draft.payload_digest, number)
        row = self._database.insert(
            "INSERT INTO intents (run, environment, address, operation, part, number, payload_digest,"
            " idempotency_key, remote_id, external_id, intended_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                run,
                environment,
                str(draft.address),
                draft.operation,
                draft.part,
                number,
                draft.payload_digest,
                key,
                draft.remote_id,
                draft.external_id,
                stamp(now),
            ),
        )
        return Intent(
            id=row,
            run=run,
            address=draft.address,
            operation=draft.operation,
            part=draft.part,
            number=number,
            payload_digest=draft.payload_digest,
            idempotency_key=key,
            remote_id=draft.remote_id,
            external_id=draft.external_id,
        )

    def settle(self, intent: Intent, status: IntentStatus, remote_id: str | None, now: datetime) -> None:
        """Record how ``intent`` ended (not ``open``); ``remote_id`` is kept where it is known.

        Raises LedgerError when it was settled before: two outcomes of one write are a bug.
        """
        changed = self._database.change(
            "UPDATE intents SET status = ?, settled_at = ?, remote_id = coalesce(?, remote_id)"
            " WHERE id = ? AND environment = ? AND status = 'open'",
            (status.value, stamp(now), remote_id, intent.id, self._database.environment),
        )
        if not changed:
            raise LedgerError(f"intent {intent.id} is settled already", address=intent.address)

    def unsettled(self) -> list[Intent]:
        """The open intents, oldest first: nobody knows yet whether these writes happened."""
        return self._open(None)

    def _open(self, address: Address | None) -> list[Intent]:
        rows = self._database.rows(
            "SELECT * FROM intents WHERE environment = ? AND status = 'open'"
            " AND (? IS NULL OR address = ?) ORDER BY id",
            (self._database.environment, *([None if address is None else str(address)] * 2)),
        )
        return [_intent(row) for row in rows]


def _intent(row: sqlite3.Row) -> Intent:
    return Intent(
        id=row["id"],
        run=row["run"],
        address=Address.parse(row["address"]),
        operation=cast("Operation", row["operation"]),
        part=row["part"],
        number=row["number"],
        payload_digest=row["payload_digest"],
        idempotency_key=row["idempotency_key"],
        remote_id=row["remote_id"],
        external_id=row["external_id"],
    )
