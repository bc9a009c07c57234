"""One write from intent to settled outcome. No write leaves without a journalled intent.

::

    prepare ─► journal (fsync) ─► send ─► answer? ──yes──► settle and record, in one transaction
                                   ▲        │ no
                                   │        ▼
                                   │   wait, look up (evidence.py)
                                   │     ├─ happened, refused, unproven ─► settle
                                   └─────┴─ did not: the same key again

What answers and looks mean is written down in endings.py.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from reconciler.engine.endings import Ending, Sending, plain_ending, proven_ending, undone_ending
from reconciler.engine.evidence import (
    Proof,
    Verdict,
    judge_create,
    judge_delete,
    judge_update,
    replaced_values,
)
from reconciler.engine.journal import Journal
from reconciler.engine.payload import Payloads, Prepared
from reconciler.errors import AuthError, PlanError, ReconcilerError, SecretError
from reconciler.intents import IntentStatus
from reconciler.kinds import REGISTRY
from reconciler.kinds.surfaces import Surfaces
from reconciler.model import Address, Collection, LiveObject, Owned, Reader, Replaced, Snapshot
from reconciler.planning.ownership import outgoing
from reconciler.planning.scope import collection_of
from reconciler.planning.steps import Step
from reconciler.writes import OutcomeStatus, Write, Writer, WriteResult

_JOURNALLED = {
    OutcomeStatus.DONE: IntentStatus.DONE,
    OutcomeStatus.FAILED: IntentStatus.FAILED,
    OutcomeStatus.UNKNOWN: IntentStatus.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Delivery:
    """The endings of the steps of one call, in order, and the requests it took."""

    endings: tuple[Ending, ...]
    reads: int
    writes: int


SENDINGS = 2
"""How often one run sends a create at most. Other writes: as often as ``patience`` has entries."""


@dataclass(slots=True)
class _Counts:
    reads: int = 0
    writes: int = 0


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends steps. Used from many threads: steps of one address never run side by side.

    ``owned`` is kept up to date. ``patience``: seconds to wait before each look at the account after an
    answer was lost. ``doubted``: what an earlier run may have created although no list shows it yet.
    ``blocked``: why nothing is sent for an address in this run.
    """

    run: int
    payloads: Payloads
    snapshot: Snapshot
    owned: dict[Address, Owned]
    surfaces: Surfaces
    writer: Writer
    reader: Reader
    journal: Journal
    clock: Callable[[], datetime]
    stop: threading.Event
    patience: tuple[float, ...]
    doubted: frozenset[Address] = frozenset()
    before: dict[Collection, frozenset[str]] = field(default_factory=dict)
    blocked: Mapping[Address, str] = field(default_factory=dict)

    def send(self, steps: Sequence[Step]) -> Delivery:
        """Carry out ``steps``, of one kind, operation, part and parent. Raises LedgerError only."""
        endings: dict[int, Ending] = {}
        ready: list[tuple[int, Prepared]] = []
        for position, step in enumerate(steps):
            if step.address in self.blocked:
                endings[position] = Ending(OutcomeStatus.UNKNOWN, self.blocked[step.address])
                continue
            try:
                ready.append((position, self.payloads.prepare(step)))
            except (PlanError, SecretError) as exc:
                endings[position] = Ending(OutcomeStatus.FAILED, exc.message)
        intents = self.journal.intend_all(self.run, [each.draft for _, each in ready], self.clock())
        batch = [
            Sending(
                steps[position],
                replace(each.write, idempotency_key=intent.idempotency_key),
                intent,
                doubted=each.write.operation == "create" and each.write.address in self.doubted,
            )
            for (position, each), intent in zip(ready, intents, strict=True)
        ]
        counts = _Counts()
        self._deliver([sending for sending in batch if not sending.doubted], counts)
        self._deliver(
            self._looked_for([sending for sending in batch if sending.doubted], self.patience, counts), counts
        )
        for (position, _), sending in zip(ready, batch, strict=True):
            endings[position] = self._settle(sending)
        return Delivery(tuple(endings[n] for n in range(len(steps))), counts.reads, counts.writes)

    def _deliver(self, batch: Sequence[Sending], counts: _Counts) -> None:
        """Send until every write has an ending. After each sending come its looks at the account."""
        waiting = list(batch)
        creating = any(sending.write.operation == "create" for sending in batch)
        rounds = [self.patience] * SENDINGS if creating else [(pause,) for pause in self.patience]
        for left, pauses in zip(reversed(range(len(rounds))), rounds, strict=True):
            doubtful = self._sent(waiting, counts)
            waiting = self._looked_for(doubtful, pauses, counts, last=not left)
            if not waiting:
                return

    def _sent(self, batch: Sequence[Sending], counts: _Counts) -> list[Sending]:
        """Send ``batch``; what the answers say nothing of, or not enough."""
        results = self._write(batch)
        counts.writes += bool(batch)
        for sending, result in zip(batch, results, strict=True):
            repeated = sending.doubted or sending.result is not None
            sending.result = result
            sending.ending = plain_ending(result, repeated=repeated)
        return [sending for sending in batch if sending.ending is None]

    def _looked_for(
        self, batch: Sequence[Sending], pauses: Sequence[float], counts: _Counts, *, last: bool = False
    ) -> list[Sending]:
        """Look for what ``batch`` may have done, after each of ``pauses``; what is to be sent (again)."""
        waiting = list(batch)
        for looks_left, pause in zip(reversed(range(len(pauses))), pauses, strict=True):
            if not waiting:
                break
            self.stop.wait(pause)
            verdicts = self._look_up([sending.write for sending in waiting], counts)
            final = not looks_left or self.stop.is_set()
            for sending, verdict in zip(waiting, verdicts, strict=True):
                if final or verdict.proof is Proof.HAPPENED:
                    sending.ending = proven_ending(sending, verdict) or undone_ending(
                        sending, verdict.why, last=last, stopped=self.stop.is_set()
                    )
            waiting = [sending for sending in waiting if sending.ending is None]
            if final:
                break
        return waiting

    def _write(self, batch: Sequence[Sending]) -> Sequence[WriteResult]:
        """One result a write, whatever the writer does."""
        writes = [sending.write for sending in batch]
        if not writes:
            return ()
        try:
            results = self.writer.write(writes)
        except (AuthError, PlanError, SecretError) as exc:
            # Raised before anything is sent: there is nothing to look up.
            return [WriteResult(write, error=exc.message) for write in writes]
        except Exception as exc:  # noqa: BLE001  # whatever went wrong, the request may have been sent
            reason = exc.message if isinstance(exc, ReconcilerError) else type(exc).__name__
            return [WriteResult(write, error=reason, ambiguous=True) for write in writes]
        if len(results) != len(writes):
            reason = f"{len(results)} results for {len(writes)} writes"
            return [WriteResult(write, error=reason, ambiguous=True) for write in writes]
        return results

    def _look_up(self, writes: Sequence[Write], counts: _Counts) -> list[Verdict]:
        """What the account proves of writes of one collection, operation and part."""
        try:
            return self._judge(writes, counts)
        except ReconcilerError as exc:
            return [Verdict(Proof.UNPROVEN, f"it could not be looked up: {exc.message}")] * len(writes)

    def _judge(self, writes: Sequence[Write], counts: _Counts) -> list[Verdict]:
        first = writes[0]
        kind = first.address.kind
        binding = self.surfaces.binding(kind)
        assert binding is not None, kind
        if first.part is not None:
            counts.reads += len(writes)
            return [judge_update(write, self._part(write, first.part)) for write in writes]
        if binding.lists:
            counts.reads += len(binding.lists)
            present: Sequence[LiveObject] = self.reader.list(kind, first.parent_ids)
        else:
            counts.reads += len(writes)
            read = [self.reader.read(kind, (*w.parent_ids, w.remote_id)) for w in writes if w.remote_id]
            present = [live for live in read if live is not None]
        by_id = {live.remote_id: live for live in present}
        if first.operation == "update":
            return [judge_update(write, by_id.get(write.remote_id or "")) for write in writes]
        if first.operation == "delete":
            return [judge_delete(write, present) for write in writes]
        before = self._before(first.address)
        return [judge_create(write, binding, present, before) for write in writes]

    def _part(self, write: Write, part: str) -> LiveObject:
        assert write.remote_id is not None, write.address
        ids = (*write.parent_ids, write.remote_id)
        fields = self.reader.read_part(write.address.kind, part, ids)
        return LiveObject(write.address.kind, write.remote_id, None, fields)

    def _before(self, address: Address) -> frozenset[str] | None:
        """The remote ids in the collection of ``address`` when it was read; None if it never was."""
        collection = collection_of(address)
        if collection in self.snapshot.collections:
            return self.before.get(collection, frozenset())
        is_new = collection.parent is not None and collection.parent not in self.snapshot.objects
        return frozenset() if is_new else None

    def _settle(self, sending: Sending) -> Ending:
        """Journal how it ended and, in the same transaction, what is owned because of it."""
        ending = sending.ending
        assert ending is not None, sending.step.key
        if ending.stays_open:
            return ending
        write, now = sending.write, self.clock()
        remote_id = ending.live.remote_id if ending.live is not None else write.remote_id
        with self.journal.transaction():
            seen = ending.message if ending.status is OutcomeStatus.UNKNOWN else ""
            self.journal.settle(sending.intent, _JOURNALLED[ending.status], remote_id, now, seen=seen)
            if ending.status is not OutcomeStatus.DONE:
                return ending
            if write.operation == "delete":
                self.journal.forget(write.address)
            else:
                row = self._row(write, ending.live, ours=_is_ours(sending))
                self.journal.record(row)
                went = self._went(write)
                if went is not None:
                    self.journal.record(went)
        if write.operation == "delete":
            self.owned.pop(write.address, None)
            self.payloads.deleted(write.address)
            return ending
        self.owned[write.address] = row
        if went is not None:
            self.owned[went.address] = went
        if write.operation == "create" and remote_id is not None:
            self.payloads.created(write.address, remote_id)
        return replace(ending, replaced=tuple(name for name in row.replaced if name in write.payload))

    def _went(self, write: Write) -> Owned | None:
        """What we go on owning, until its delete, of the object that the create ``write`` replaces."""
        live = self.payloads.live(write.address)
        if write.operation != "create" or live is None:
            return None
        return Owned(outgoing(write.address, live.remote_id), live.remote_id, live.external_id)

    def _row(self, write: Write, returned: LiveObject | None, *, ours: bool) -> Owned:
        """What we own of ``write.address`` once ``write`` is done.

        ``ours``: ``returned`` is what came of this very payload, not of one that an earlier run sent.
        """
        address = write.address
        fresh = write.operation == "create"
        live = None if fresh else self.payloads.live(address)
        row = None if fresh else self.owned.get(address)
        if row is not None and row.remote_id not in (None, write.remote_id):
            row = None  # it is about an object that is gone; this one is taken over
        remote_id = returned.remote_id if returned is not None and fresh else write.remote_id
        external_id = next(
            (each.external_id for each in (returned, live, row) if each is not None and each.external_id),
            write.external_id,
        )
        base = row or Owned(address, remote_id, external_id)
        resource = self.payloads.resource(address)
        return replace(
            base,
            remote_id=remote_id,
            external_id=external_id,
            protect=base.protect if resource is None else resource.lifecycle.protect,
            replaced=self._replaced(base, write, returned if ours else None),
            secrets=self._secrets(base, write) if ours else base.secrets,
        )

    def _replaced(self, base: Owned, write: Write, returned: LiveObject | None) -> dict[str, Replaced]:
        kept = {name: value for name, value in base.replaced.items() if name not in write.payload}
        if returned is None:
            return kept
        kind = REGISTRY[write.address.kind]
        names = replaced_values(kind, write.payload, returned.fields)
        answer = self.payloads.named(write.address, returned) if names else returned
        for name in names:
            kept[name] = Replaced(self.payloads.wanted(write, name), answer.fields[name])
        return kept

    def _secrets(self, base: Owned, write: Write) -> dict[str, str]:
        digests = dict(base.secrets)
        for name in REGISTRY[write.address.kind].secret & write.payload.keys():
            value = write.payload[name]
            digests.pop(name, None)
            if value is not None:
                digests[name] = self.journal.secret_digest(str(value))
        return digests


def _is_ours(sending: Sending) -> bool:
    """Whether what was done is certainly of this payload.

    Where an earlier run may have made the object only an answer says so; what it holds otherwise, its
    secrets above all, is not known.
    """
    result = sending.result
    return result is not None and not (sending.doubted and (result.ambiguous or result.error is not None))


def adopted(row: Owned | None, address: Address, live: LiveObject) -> Owned:
    """What we own once ``live`` is taken over; ``row`` counts only if it is about the same object."""
    about = row if row is not None and row.remote_id in (None, live.remote_id) else Owned(address, None, None)
    return replace(about, remote_id=live.remote_id, external_id=live.external_id)
