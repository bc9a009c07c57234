"""One write from intent to settled outcome. No write leaves without a journalled intent.

::

    prepare ─► journal (fsync) ─► send ─► answer? ──yes──► settle and record, in one transaction
                                   ▲        │ no
                                   │        ▼
                                   │   wait, look up (evidence.py)
                                   │     ├─ happened, refused, unproven ─► settle
                                   └─────┴─ did not: the same key again
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

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
from reconciler.intents import Intent, IntentStatus
from reconciler.kinds import REGISTRY
from reconciler.kinds.surfaces import Surfaces
from reconciler.model import (
    Address,
    Collection,
    LiveObject,
    OutcomeStatus,
    Owned,
    Reader,
    Replaced,
    Snapshot,
    Write,
    Writer,
    WriteResult,
)
from reconciler.planning.scope import collection_of
from reconciler.planning.steps import Step

_JOURNALLED = {
    OutcomeStatus.DONE: IntentStatus.DONE,
    OutcomeStatus.FAILED: IntentStatus.FAILED,
    OutcomeStatus.UNKNOWN: IntentStatus.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Ending:
    """How one step ended. ``stays_open``: its intent may still arrive, so only its own key may repeat it.

    ``replaced``: the fields the server stored differently.
    """

    status: OutcomeStatus
    message: str = ""
    live: LiveObject | None = None
    stays_open: bool = False
    replaced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivery:
    """The endings of the steps of one call, in order, and the requests it took."""

    endings: tuple[Ending, ...]
    reads: int
    writes: int


@dataclass(slots=True)
class _Sending:
    """A step on its way."""

    step: Step
    write: Write
    intent: Intent
    ending: Ending | None = None


@dataclass(slots=True)
class _Counts:
    reads: int = 0
    writes: int = 0


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends steps. Used from many threads: steps of one address never run side by side.

    ``owned`` is kept up to date. ``patience``: seconds to wait before each look at the account after
    an answer was lost; a write is sent at most as often as it has entries. ``blocked``: why nothing is
    sent for an address in this run.
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
            _Sending(steps[position], replace(each.write, idempotency_key=intent.idempotency_key), intent)
            for (position, each), intent in zip(ready, intents, strict=True)
        ]
        counts = _Counts()
        self._deliver(batch, counts)
        for (position, _), sending in zip(ready, batch, strict=True):
            endings[position] = self._settle(sending)
        return Delivery(tuple(endings[n] for n in range(len(steps))), counts.reads, counts.writes)

    def _deliver(self, batch: Sequence[_Sending], counts: _Counts) -> None:
        """Send until every write has an ending."""
        waiting = list(batch)
        for attempt, pause in enumerate(self.patience):
            results = self._write(waiting)
            counts.writes += bool(waiting)
            for sending, result in zip(waiting, results, strict=True):
                sending.ending = _plain_ending(result, attempt)
            doubtful = [
                (sending, result)
                for sending, result in zip(waiting, results, strict=True)
                if sending.ending is None
            ]
            if not doubtful:
                return
            self.stop.wait(pause)
            verdicts = self._look_up([sending.write for sending, _ in doubtful], counts)
            last = attempt == len(self.patience) - 1
            for (sending, result), verdict in zip(doubtful, verdicts, strict=True):
                lost = result.error or "the answer named no id"
                sending.ending = _proven_ending(lost, verdict) or _undone_ending(
                    result, lost, verdict.why, last=last, stopped=self.stop.is_set()
                )
            waiting = [sending for sending, _ in doubtful if sending.ending is None]
            if not waiting:
                return

    def _write(self, batch: Sequence[_Sending]) -> Sequence[WriteResult]:
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

    def _settle(self, sending: _Sending) -> Ending:
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
                row = self._row(write, ending.live)
                self.journal.record(row)
        if write.operation == "delete":
            self.owned.pop(write.address, None)
            self.payloads.deleted(write.address)
            return ending
        self.owned[write.address] = row
        if write.operation == "create" and remote_id is not None:
            self.payloads.created(write.address, remote_id)
        return replace(ending, replaced=tuple(name for name in row.replaced if name in write.payload))

    def _row(self, write: Write, returned: LiveObject | None) -> Owned:
        """What we own of ``write.address`` once ``write`` is done."""
        address = write.address
        live = self.payloads.live(address)
        row = self.owned.get(address) if write.operation == "update" else None
        if row is not None and row.remote_id not in (None, write.remote_id):
            row = None  # it is about an object that is gone; this one is taken over
        remote_id = (
            returned.remote_id if returned is not None and write.operation == "create" else write.remote_id
        )
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
            replaced=self._replaced(base, write, returned),
            secrets=self._secrets(base, write),
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


def adopted(row: Owned | None, address: Address, live: LiveObject) -> Owned:
    """What we own once ``live`` is taken over; ``row`` counts only if it is about the same object."""
    about = row if row is not None and row.remote_id in (None, live.remote_id) else Owned(address, None, None)
    return replace(about, remote_id=live.remote_id, external_id=live.external_id)


def _plain_ending(result: WriteResult, attempt: int) -> Ending | None:
    """The ending an answer gives by itself; None where the account has to be looked at."""
    if result.ambiguous:
        return None
    if result.error is not None:
        # A repeat may be refused because the first one did arrive.
        return Ending(OutcomeStatus.FAILED, result.error) if attempt == 0 else None
    if result.write.operation == "create" and (result.live is None or not result.live.remote_id):
        return None
    return Ending(OutcomeStatus.DONE, live=result.live)


def _proven_ending(lost: str, verdict: Verdict) -> Ending | None:
    """The ending that the account's evidence gives; None where it proves that nothing happened."""
    if verdict.proof is Proof.HAPPENED:
        return Ending(OutcomeStatus.DONE, f"{lost}; {verdict.why}", verdict.live)
    if verdict.proof is Proof.REFUSED:
        return Ending(OutcomeStatus.FAILED, f"{lost}; {verdict.why}")
    if verdict.proof is Proof.UNPROVEN:
        return Ending(
            OutcomeStatus.UNKNOWN, f"{lost}; whether it took effect is unknown, since {verdict.why}"
        )
    return None


def _undone_ending(result: WriteResult, lost: str, why: str, *, last: bool, stopped: bool) -> Ending | None:
    """The ending of a write that did not happen; None to send it again, with its own key."""
    if result.error is not None and not result.ambiguous:
        return Ending(OutcomeStatus.FAILED, result.error)
    if stopped:
        return Ending(OutcomeStatus.SKIPPED, f"{lost}; stopped before it was sent again", stays_open=True)
    if last:
        return Ending(OutcomeStatus.FAILED, f"{lost}; {why}", stays_open=True)
    return None
