"""What became of the writes that an earlier run left without an outcome.

Judged after the account was read and before anything is planned or sent::

    create   one object has our external id    happened: owned from now on
             none has it                       did not: the repeat uses its key, so it cannot happen twice
             none for a while, not declared    did not, and it will never be sent again
             several have it                   unknown
    update   nothing is left to change         happened
             every field seen is as sent       happened
             every field seen is as before     did not: the repeat uses its key
             anything between                  unknown
             undeclared, or the object gone    it will never be sent again
             its part is not shown here        unknown
    delete   the object is gone                happened: no longer owned
             it is there                       did not: the repeat uses its key
             it is there and declared as it is it will never be sent again
    any      cannot be seen on this surface    unknown
             out of this run's scope           stays as it is; nothing is sent for it in this run either

Where objects have no external id, they are told by the fields that identify them (``Binding.match_by``).
What is unknown blocks its own address until a later look or a person (``ledger resolve``) settles it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from reconciler.engine.events import Event, IntentRecovered
from reconciler.engine.evidence import form
from reconciler.engine.fetch import fetch, ignore
from reconciler.engine.journal import PATIENCE, Findings
from reconciler.engine.lag import all_shown, left_behind
from reconciler.engine.references import rewritten
from reconciler.engine.width import EIGHT, Width
from reconciler.intents import Intent, IntentStatus
from reconciler.kinds import REGISTRY
from reconciler.kinds.kind import Reference
from reconciler.kinds.surfaces import Surfaces
from reconciler.model import Address, Collection, LiveObject, Owned, Reader, Resource, Snapshot
from reconciler.planning.diff import diff
from reconciler.planning.order import made_first
from reconciler.planning.ownership import outgoing, replacement_reasons
from reconciler.planning.scope import Scope, collection_of
from reconciler.times import spoken_utc

_UNSEEN = "it cannot be looked up in this environment"


@dataclass(frozen=True, slots=True)
class Recovery:
    """``owned``: what is owned now, to plan with. ``found``: what was settled, for the report.

    ``open``: the intents that are still without an outcome. ``doubts``: why nothing may be sent for the
    address of an unknown one. ``blocked``: the same, with the objects that may be what it made.
    """

    owned: Mapping[Address, Owned]
    found: tuple[IntentRecovered, ...] = ()
    open: tuple[Intent, ...] = ()
    doubts: Mapping[Address, str] = field(default_factory=dict)
    blocked: Mapping[Address, str] = field(default_factory=dict)


def fetch_and_recover(  # noqa: PLR0913  # what fetch and recover take, together
    reader: Reader,
    journal: Findings,
    desired: Sequence[Resource],
    owned: Mapping[Address, Owned],
    surfaces: Surfaces,
    scope: Scope,
    *,
    now: datetime,
    width: Width = EIGHT,
    owned_prefix: str | None = None,
    on_event: Callable[[Event], None] = ignore,
    sleep: Callable[[float], object],
    patience: tuple[float, ...] = PATIENCE,
) -> tuple[Snapshot, Recovery]:
    """Read what a run is about and settle what an earlier one left open; plan from the two results.

    What a broken-off run may have made is looked for even where no manifest names it any more. Where
    that changes what is owned, the account is read once more, since more may have to be known of it.
    What no later look would find is waited for: ``sleep`` is called with each entry of ``patience``
    (seconds) as long as no list shows it. The environment's lock must be held, or ``journal`` be
    ``Unrecorded``. Raises like ``fetch`` and ``recover``.
    """
    unsettled = journal.unsettled()
    doubtful = frozenset(intent.address for intent in unsettled if intent.operation == "create")

    def read(rows: Mapping[Address, Owned]) -> Snapshot:
        return fetch(
            reader,
            desired,
            rows,
            surfaces,
            scope,
            width=width,
            owned_prefix=owned_prefix,
            doubtful=doubtful,
            on_event=on_event,
        )

    possible = {intent.address: Owned(intent.address, None, intent.external_id) for intent in unsettled}
    snapshot = read(possible | dict(owned))
    recent = journal.created_since(now - timedelta(seconds=sum(patience)))
    made = [
        row for row in left_behind(desired, owned, unsettled, recent, surfaces) if scope.covers(row.address)
    ]
    for seconds in patience:
        if all_shown(made, snapshot):
            break
        sleep(seconds)
        snapshot = read(possible | dict(owned))
    recovery = recover(journal, snapshot, desired, owned, surfaces, scope, now=now)
    if recovery.owned != owned:
        snapshot = read(recovery.owned)
    return snapshot, recovery


def recover(
    journal: Findings,
    snapshot: Snapshot,
    desired: Sequence[Resource],
    owned: Mapping[Address, Owned],
    surfaces: Surfaces,
    scope: Scope,
    *,
    now: datetime,
) -> Recovery:
    """Settle every unsettled intent that ``snapshot`` gives proof of, and keep ownership in step.

    ``snapshot`` must have been read after the environment's lock was taken. Raises LedgerError.
    """
    looking = _Looking(snapshot, desired, dict(owned), surfaces, scope, journal.seen_digest)
    found: list[IntentRecovered] = []
    left: list[Intent] = []
    doubts: dict[Address, str] = {}
    blocked: dict[Address, str] = {}
    displaced = looking.displaced()
    if displaced:
        with journal.transaction():
            for row in displaced:
                journal.record(row)
        looking.owned |= {row.address: row for row in displaced}
    for intent in journal.unsettled():
        finding = looking.judge(intent)
        if finding is None:
            left.append(intent)
            continue
        with journal.transaction():
            journal.settle(intent, finding.status, finding.remote_id, now, seen=finding.seen)
            for row in finding.rows:
                journal.record(row)
            if finding.forget:
                journal.forget(intent.address)
        if finding.status is IntentStatus.UNKNOWN:
            left.append(intent)
            doubts[intent.address] = _doubt(intent, finding.seen)
            blocked |= dict.fromkeys((intent.address, *finding.perhaps), doubts[intent.address])
            continue
        looking.apply(intent, finding)
        found.append(IntentRecovered(intent.address, intent.operation, finding.message))
    return Recovery(looking.owned, tuple(found), tuple(left), doubts, blocked)


def _doubt(intent: Intent, seen: str) -> str:
    """The sentence for the person who has to find out."""
    part = f" of its {intent.part}" if intent.part is not None else ""
    return (
        f"whether its {intent.operation}{part} of {spoken_utc(intent.intended_at)} happened is "
        f"unknown, since {seen}; nothing is sent for it until `reconciler ledger resolve {intent.address}` "
        "with --happened or --did-not-happen, or a later look, settles that"
    )


@dataclass(frozen=True, slots=True)
class _Finding:
    """What is so of one intent, and what follows for ownership.

    ``remote_id``: of what was created. ``seen``: of an unknown one, why nothing is proven. ``perhaps``: the
    objects it may have made.
    """

    status: IntentStatus
    message: str = ""
    remote_id: str | None = None
    rows: tuple[Owned, ...] = ()
    forget: bool = False
    seen: str = ""
    perhaps: tuple[Address, ...] = ()


def _unknown(seen: str, perhaps: tuple[Address, ...] = ()) -> _Finding:
    return _Finding(IntentStatus.UNKNOWN, seen=seen, perhaps=perhaps)


class _Looking:
    """Looks intents up in one snapshot. ``keyed``: the digest that stands for a value in the journal."""

    def __init__(
        self,
        snapshot: Snapshot,
        desired: Sequence[Resource],
        owned: dict[Address, Owned],
        surfaces: Surfaces,
        scope: Scope,
        keyed: Callable[[str], str],
    ) -> None:
        self._snapshot = snapshot
        self._desired = {resource.address: resource for resource in desired}
        self._surfaces = surfaces
        self._scope = scope
        self._keyed = keyed
        self.owned = owned
        self._made: set[Address] = set()
        self._lives: dict[Collection, list[tuple[Address, LiveObject]]] = defaultdict(list)
        for address, live in snapshot.objects.items():
            self._lives[collection_of(address)].append((address, live))

    def judge(self, intent: Intent) -> _Finding | None:
        """What ``intent`` came to; None where it did not happen, or is not this run's to judge."""
        if not self._was_read(intent.address):
            inside = self._scope.covers(intent.address)
            return _unknown(_UNSEEN) if inside else None
        if intent.operation == "create":
            return self._create(intent)
        if intent.operation == "delete":
            return self._delete(intent)
        return self._update(intent)

    def displaced(self) -> list[Owned]:
        """What we go on owning although another object, named by the manifest, has its address by now."""
        return [
            went
            for address, row in self.owned.items()
            for went in self.went(address, row)
            if went.address in self._snapshot.objects and went.address not in self.owned
        ]

    def apply(self, intent: Intent, finding: _Finding) -> None:
        """Keep ``owned`` in step with what was recorded."""
        self.owned |= {row.address: row for row in finding.rows}
        self._made.update(row.address for row in finding.rows)
        if finding.forget:
            del self.owned[intent.address]

    def _was_read(self, address: Address) -> bool:
        """True when the snapshot proves presence or absence of ``address``."""
        collection = collection_of(address)
        if collection in self._snapshot.collections or address in self._snapshot.objects:
            return True
        parent = collection.parent
        if parent is None or parent in self._snapshot.objects:
            return False
        # What was just found to be an earlier run's is there, under another name when this was read.
        return parent not in self._made and self._was_read(parent)

    def _create(self, intent: Intent) -> _Finding | None:
        address = intent.address
        lives = [
            (seen, live)
            for seen, live in self._lives[collection_of(address)]
            if live.external_id is not None and live.external_id == intent.external_id
        ]
        alike = [] if lives else self._alike(address)
        perhaps = lives or alike
        # What no manifest names any more is not told apart by its fields: one stranger proves nothing either.
        if len(perhaps) > 1 or (alike and address not in self._desired):
            ids = " and ".join(sorted(live.remote_id for _, live in perhaps))
            return _unknown(f"it may be the object {ids}", tuple(seen for seen, _ in perhaps))
        lives = perhaps
        if not lives:
            if address in self._desired:
                return None
            return _Finding(IntentStatus.FAILED, "it was never created, and is not declared any more")
        [(seen, live)] = lives
        # A manifest that names the object by now, under whatever address, is the one that owns it.
        address = seen if seen in self._desired else address
        row = self.owned.get(address)
        message = f"it was created by a run that broke off; it is {live.remote_id}"
        if row is not None and row.remote_id == live.remote_id:
            return _Finding(IntentStatus.DONE, message, live.remote_id)
        resource = self._desired.get(address)
        protect = resource.lifecycle.protect if resource is not None else False
        owned = Owned(address, live.remote_id, live.external_id, protect=protect)
        rows = (owned, *self.went(address, row))
        return _Finding(IntentStatus.DONE, message, live.remote_id, rows=rows)

    def went(self, address: Address, row: Owned | None) -> tuple[Owned, ...]:
        """What we go on owning, until its delete, of the object that had this address until now."""
        if row is None or row.remote_id is None or not made_first(address.kind):
            return ()
        there = any(live.remote_id == row.remote_id for _, live in self._lives[collection_of(address)])
        return (replace(row, address=outgoing(address, row.remote_id)),) if there else ()

    def _alike(self, address: Address) -> list[tuple[Address, LiveObject]]:
        """The objects without an external id that may be ``address``, by the fields that identify it.

        Where no manifest says any more what these were, any stranger may be it.
        """
        binding = self._surfaces.binding(address.kind)
        names = binding.match_by if binding is not None else ()
        resource = self._desired.get(address)
        strangers = [
            (seen, live)
            for seen, live in self._lives[collection_of(address)]
            if names and live.external_id is None and (seen == address or seen not in self.owned)
        ]
        if resource is None:
            return strangers
        return [
            (seen, live)
            for seen, live in strangers
            if all(live.fields.get(name) == resource.fields.get(name) for name in names)
        ]

    def _delete(self, intent: Intent) -> _Finding | None:
        lives = self._lives[collection_of(intent.address)]
        row = self.owned.get(intent.address)
        for seen, live in lives:
            if live.remote_id == intent.remote_id:
                resource = self._desired.get(seen)
                if resource is None or replacement_reasons(REGISTRY[seen.kind], resource, live, row):
                    return None
                return _Finding(IntentStatus.FAILED, "it was not deleted, and is declared again")
        ours = row is not None and row.remote_id == intent.remote_id
        message = "it was deleted by a run that broke off"
        return _Finding(IntentStatus.DONE, message, forget=ours)

    def _update(self, intent: Intent) -> _Finding | None:
        resource = self._desired.get(intent.address)
        live = self._snapshot.objects.get(intent.address)
        if resource is None or live is None or live.remote_id != intent.remote_id:
            return _Finding(IntentStatus.FAILED, "what it was to change is not there any more")
        fields = self._fields(intent)
        if fields is None:
            return _unknown(_UNSEEN)
        kind = REGISTRY[intent.address.kind]
        done = _Finding(IntentStatus.DONE, "its values are as they should be")
        row = self.owned.get(intent.address)
        if not diff(kind, resource, live, row=row, compared=fields):
            return done
        seen = rewritten(kind.name, live.fields, self._remote_id, by_remote_id=True)
        now = {
            name: (self._keyed(form(kind, name, seen[name])), moved)
            for name, moved in intent.moves.items()
            if name in seen
        }
        if all(value == moved.before for value, moved in now.values()):
            return None
        if all(value == moved.sent for value, moved in now.values()):
            return done
        names = ", ".join(sorted(now))
        return _unknown(f"the account shows neither the values from before nor those sent of {names}")

    def _remote_id(self, text: str, reference: Reference) -> str:
        """CHeKT's id in the place of the address of a target; what was not resolved is one already."""
        if not text.startswith(f"{reference.kind}:"):
            return text
        live = self._snapshot.objects.get(Address.parse(text))
        return live.remote_id if live is not None else text

    def _fields(self, intent: Intent) -> frozenset[str] | None:
        """The fields that the endpoint of ``intent`` writes; None where this surface does not have it."""
        binding = self._surfaces.bindings[intent.address.kind]
        if intent.part is None:
            return frozenset(binding.fields) - binding.in_parts
        return next((part.fields for part in binding.parts if part.name == intent.part), None)
