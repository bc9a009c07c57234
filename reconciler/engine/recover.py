"""What became of the writes that an earlier run left without an outcome.

Done after the account was read and before anything is planned or sent, under the environment's lock (a
living run has open intents too)::

    create   the object is there      ours: owned, settled as done
             it is not, and wanted    stays open; the repeat uses its key, so it cannot happen twice
             it is not, nor wanted    settled as failed: it will never be sent again
    update   nothing left to change   settled as done
             something                stays open; the repeat uses its key
             undeclared or gone       settled as unknown: it will never be sent again
    delete   the object is gone       no longer owned, settled as done
             it is there              stays open
    any      not read in this run     stays open; nothing is sent for it in this run either
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from reconciler.engine.events import Event, IntentRecovered
from reconciler.engine.fetch import fetch, ignore
from reconciler.engine.journal import Journal
from reconciler.intents import Intent, IntentStatus
from reconciler.kinds import REGISTRY
from reconciler.kinds.surfaces import Surfaces
from reconciler.model import Address, Collection, LiveObject, Owned, Reader, Resource, Snapshot
from reconciler.planning.diff import diff
from reconciler.planning.scope import Scope, collection_of


@dataclass(frozen=True, slots=True)
class Recovery:
    """``owned``: what is owned now, to plan with. ``found``: what was settled, for the report.

    ``open``: the intents that are still without an outcome.
    """

    owned: Mapping[Address, Owned]
    found: tuple[IntentRecovered, ...] = ()
    open: tuple[Intent, ...] = ()


def fetch_and_recover(  # noqa: PLR0913  # what fetch and recover take, together
    reader: Reader,
    journal: Journal,
    desired: Sequence[Resource],
    owned: Mapping[Address, Owned],
    surfaces: Surfaces,
    scope: Scope,
    *,
    now: datetime,
    concurrency: int = 8,
    owned_prefix: str | None = None,
    on_event: Callable[[Event], None] = ignore,
) -> tuple[Snapshot, Recovery]:
    """Read what a run is about and settle what an earlier one left open; plan from the two results.

    What a broken-off run may have made is looked for even where no manifest names it any more. Where
    that changes what is owned, the account is read once more, since more may have to be known of it.
    The environment's lock must be held. Raises like ``fetch`` and ``recover``.
    """

    def read(rows: Mapping[Address, Owned]) -> Snapshot:
        return fetch(
            reader,
            desired,
            rows,
            surfaces,
            scope,
            concurrency=concurrency,
            owned_prefix=owned_prefix,
            on_event=on_event,
        )

    possible = {
        intent.address: Owned(intent.address, None, intent.external_id) for intent in journal.unsettled()
    }
    snapshot = read(possible | dict(owned))
    recovery = recover(journal, snapshot, desired, owned, surfaces, now=now)
    for finding in recovery.found:
        on_event(finding)
    if recovery.owned != owned:
        snapshot = read(recovery.owned)
    return snapshot, recovery


def recover(
    journal: Journal,
    snapshot: Snapshot,
    desired: Sequence[Resource],
    owned: Mapping[Address, Owned],
    surfaces: Surfaces,
    *,
    now: datetime,
) -> Recovery:
    """Settle every open intent that ``snapshot`` gives proof of, and keep ownership in step.

    ``snapshot`` must have been read after the environment's lock was taken. Raises LedgerError.
    """
    looking = _Looking(snapshot, desired, dict(owned), surfaces)
    found: list[IntentRecovered] = []
    left: list[Intent] = []
    for intent in journal.unsettled():
        finding = looking.judge(intent)
        if finding is None:
            left.append(intent)
            continue
        with journal.transaction():
            journal.settle(intent, finding.status, finding.remote_id, now)
            if finding.row is not None:
                journal.record(finding.row)
            if finding.forget:
                journal.forget(intent.address)
        looking.apply(intent, finding)
        found.append(IntentRecovered(intent.address, intent.operation, finding.message))
    return Recovery(looking.owned, tuple(found), tuple(left))


@dataclass(frozen=True, slots=True)
class _Finding:
    """What is so of one intent, and what follows for ownership."""

    status: IntentStatus
    message: str
    remote_id: str | None = None
    row: Owned | None = None
    forget: bool = False


class _Looking:
    """Looks intents up in one snapshot."""

    def __init__(
        self,
        snapshot: Snapshot,
        desired: Sequence[Resource],
        owned: dict[Address, Owned],
        surfaces: Surfaces,
    ) -> None:
        self._snapshot = snapshot
        self._desired = {resource.address: resource for resource in desired}
        self._surfaces = surfaces
        self.owned = owned
        self._lives: dict[Collection, list[tuple[Address, LiveObject]]] = defaultdict(list)
        for address, live in snapshot.objects.items():
            self._lives[collection_of(address)].append((address, live))

    def judge(self, intent: Intent) -> _Finding | None:
        """What ``intent`` came to; None where nothing is proven, so that it stays open."""
        if intent.address.kind not in REGISTRY or not self._was_read(intent.address):
            return None
        if intent.operation == "create":
            return self._create(intent)
        if intent.operation == "delete":
            return self._delete(intent)
        return self._update(intent)

    def apply(self, intent: Intent, finding: _Finding) -> None:
        """Keep ``owned`` in step with what was recorded."""
        if finding.row is not None:
            self.owned[finding.row.address] = finding.row
        if finding.forget:
            self.owned.pop(intent.address, None)

    def _was_read(self, address: Address) -> bool:
        """True when the snapshot proves presence or absence of ``address``."""
        collection = collection_of(address)
        if collection in self._snapshot.collections or address in self._snapshot.objects:
            return True
        parent = collection.parent
        return parent is not None and parent not in self._snapshot.objects and self._was_read(parent)

    def _create(self, intent: Intent) -> _Finding | None:
        lives = [
            (address, live)
            for address, live in self._lives[collection_of(intent.address)]
            if live.external_id is not None and live.external_id == intent.external_id
        ]
        if not lives and intent.address not in self._desired:
            return _Finding(IntentStatus.FAILED, "it was never created, and is not declared any more")
        if len(lives) != 1:
            return None
        [(seen, live)] = lives
        # A manifest that names the object by now, under whatever address, is the one that owns it.
        address = seen if seen in self._desired else intent.address
        row = self.owned.get(address)
        message = f"it was created by a run that broke off; it is {live.remote_id}"
        if row is not None and row.remote_id == live.remote_id:
            return _Finding(IntentStatus.DONE, message, live.remote_id)
        resource = self._desired.get(address)
        protect = resource.lifecycle.protect if resource is not None else False
        owned = Owned(address, live.remote_id, live.external_id, protect=protect)
        return _Finding(IntentStatus.DONE, message, live.remote_id, row=owned)

    def _delete(self, intent: Intent) -> _Finding | None:
        lives = self._lives[collection_of(intent.address)]
        if any(live.remote_id == intent.remote_id for _, live in lives):
            return None
        row = self.owned.get(intent.address)
        ours = row is not None and row.remote_id == intent.remote_id
        message = "it was deleted by a run that broke off"
        return _Finding(IntentStatus.DONE, message, intent.remote_id, forget=ours)

    def _update(self, intent: Intent) -> _Finding | None:
        resource = self._desired.get(intent.address)
        live = self._snapshot.objects.get(intent.address)
        if resource is None or live is None or live.remote_id != intent.remote_id:
            return _Finding(IntentStatus.UNKNOWN, "what it was to change is not there any more")
        if diff(
            REGISTRY[intent.address.kind],
            resource,
            live,
            row=self.owned.get(intent.address),
            compared=self._fields(intent),
        ):
            return None
        return _Finding(IntentStatus.DONE, "its values are as they should be", live.remote_id)

    def _fields(self, intent: Intent) -> frozenset[str] | None:
        """The fields that the endpoint of ``intent`` writes; None for any."""
        binding = self._surfaces.binding(intent.address.kind)
        if binding is None:
            return None if intent.part is None else frozenset()
        if intent.part is not None:
            return next((part.fields for part in binding.parts if part.name == intent.part), frozenset())
        return frozenset(binding.fields) - binding.in_parts
