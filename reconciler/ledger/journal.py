"""What we intended and what came of it: durable before each write, settled after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from reconciler.errors import LedgerError
from reconciler.intents import Intent, IntentDraft, IntentStatus, Moved, Resolution
from reconciler.ledger.database import Decoders, Tables, instant, json_object, json_text, stamp
from reconciler.model import Address, JsonObject
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


def _moves(text: str) -> dict[str, Moved]:
    return {name: Moved(**sides) for name, sides in json_object(text).items()}


_RUN: Decoders = {"started_at": instant, "ended_at": instant}
_INTENT: Decoders = {
    "address": Address.parse,
    "intended_at": instant,
    "moves": _moves,
    "status": IntentStatus,
}
_RESOLUTION: Decoders = {"address": Address.parse, "happened": bool, "resolved_at": instant}


class JournalTables(Tables):
    """The runs and intents of one environment."""

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
        return self._database.read(
            Run,
            _RUN,
            "SELECT * FROM runs WHERE environment = ? ORDER BY id DESC LIMIT ?",
            (self._database.environment, most),
        )

    def intend_all(self, run: int, drafts: Sequence[IntentDraft], now: datetime) -> list[Intent]:
        """Journal ``drafts`` in one transaction; when this returns they are on disk.

        A draft that repeats an unsettled intent (same address, operation, part and payload) is that
        intent, with its number and key. An unsettled intent for the same address, operation and part
        with another payload is settled as failed: it is never sent again.
        """
        with self._database.transaction():
            return [self._repeated(draft, now) or self._new(run, draft, now) for draft in drafts]

    def _repeated(self, draft: IntentDraft, now: datetime) -> Intent | None:
        alike = [
            intent
            for intent in self.unsettled(draft.address)
            if (intent.operation, intent.part) == (draft.operation, draft.part)
        ]
        for intent in alike:
            if intent.payload_digest != draft.payload_digest:
                self.settle(intent, IntentStatus.FAILED, None, now)
        return next((intent for intent in alike if intent.payload_digest == draft.payload_digest), None)

    def _new(self, run: int, draft: IntentDraft, now: datetime) -> Intent:
        environment = self._database.environment
        number = self._next_number(draft)
        key = idempotency_key(draft.address, draft.operation, draft.payload_digest, number)
        row = self._database.insert(
            "INSERT INTO intents (run, environment, address, operation, part, number, payload_digest,"
            " idempotency_key, remote_id, external_id, moves, intended_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
                json_text({name: asdict(moved) for name, moved in draft.moves.items()}),
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
            intended_at=now,
            remote_id=draft.remote_id,
            external_id=draft.external_id,
            moves=draft.moves,
        )

    def _next_number(self, draft: IntentDraft) -> int:
        [[last]] = self._database.rows(
            "SELECT coalesce(max(number), 0) FROM intents"
            " WHERE environment = ? AND address = ? AND operation = ?",
            (self._database.environment, str(draft.address), draft.operation),
        )
        number: int = last + 1
        return number

    def announce(self, run: int, drafts: Sequence[IntentDraft], now: datetime) -> None:
        """Make known, before the first write, what ``run`` is to create.

        Nothing is needed where every intent is on disk before its write.
        """

    def settle(
        self, intent: Intent, status: IntentStatus, remote_id: str | None, now: datetime, *, seen: str = ""
    ) -> None:
        """Record what is known of ``intent`` now (not ``open``); ``remote_id`` is kept where it is known.

        ``unknown`` can be settled again, by a later look or a person; ``seen`` says what the look found.
        Raises LedgerError when the outcome was known before: two outcomes of one write are a bug.
        """
        changed = self._database.change(
            "UPDATE intents SET status = ?, settled_at = ?, seen = ?, remote_id = coalesce(?, remote_id)"
            " WHERE id = ? AND environment = ? AND status IN ('open', 'unknown')",
            (status.value, stamp(now), seen, remote_id, intent.id, self._database.environment),
        )
        if not changed:
            raise LedgerError(f"intent {intent.id} is settled already", address=intent.address)

    def created_since(self, instant: datetime) -> frozenset[tuple[str, str]]:
        """Kind and CHeKT's id of what was created: settled as done at ``instant`` (aware) or after."""
        rows = self._database.rows(
            "SELECT DISTINCT address, remote_id FROM intents WHERE environment = ? AND operation = 'create'"
            " AND status = 'done' AND remote_id IS NOT NULL AND settled_at >= ?",
            (self._database.environment, stamp(instant)),
        )
        return frozenset((Address.parse(row["address"]).kind, row["remote_id"]) for row in rows)

    def unsettled(self, address: Address | None = None) -> list[Intent]:
        """The open and the unknown intents (of ``address``, where given), oldest first.

        Nobody knows yet whether these writes happened.
        """
        text = None if address is None else str(address)
        return self._database.read(
            Intent,
            _INTENT,
            "SELECT * FROM intents WHERE environment = ? AND status IN ('open', 'unknown')"
            " AND (? IS NULL OR address = ?) ORDER BY id",
            (self._database.environment, text, text),
        )

    def begun(self, run: int) -> frozenset[Address]:
        """The addresses that ``run`` has journalled a write for."""
        rows = self._database.rows(
            "SELECT DISTINCT address FROM intents WHERE environment = ? AND run = ?",
            (self._database.environment, run),
        )
        return frozenset(Address.parse(row["address"]) for row in rows)

    def resolve(
        self, intent: Intent, remote_id: str | None, *, happened: bool, resolved_by: str, now: datetime
    ) -> None:
        """Settle ``intent`` by a person's word; that they said so is kept for good."""
        with self._database.transaction():
            status = IntentStatus.DONE if happened else IntentStatus.FAILED
            self.settle(intent, status, remote_id, now, seen=intent.seen)
            self._database.insert(
                "INSERT INTO resolutions (environment, address, operation, part, number, happened, remote_id,"
                " seen, resolved_by, resolved_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    self._database.environment,
                    str(intent.address),
                    intent.operation,
                    intent.part,
                    intent.number,
                    int(happened),
                    remote_id,
                    intent.seen,
                    resolved_by,
                    stamp(now),
                ),
            )

    def resolutions(self) -> list[Resolution]:
        """What people said of writes of unknown outcome, oldest first; nothing of it can be changed."""
        return self._database.read(
            Resolution,
            _RESOLUTION,
            "SELECT * FROM resolutions WHERE environment = ? ORDER BY id",
            (self._database.environment,),
        )
