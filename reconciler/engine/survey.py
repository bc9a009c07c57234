"""Reads an account that no manifest describes yet: every object of every kind that can be listed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.engine.events import Event
from reconciler.engine.fetch import Reading, ignore
from reconciler.engine.references import rewritten
from reconciler.engine.width import EIGHT, Width
from reconciler.errors import PlanError
from reconciler.kinds import REGISTRY, Reference
from reconciler.kinds.surfaces import Surfaces
from reconciler.model import Address, Collection, LiveObject, Reader, Resource, Snapshot
from reconciler.planning.naming import names, shared_external_ids
from reconciler.planning.reads import child_kinds
from reconciler.planning.scope import Scope, chain, collection_of


@dataclass(frozen=True, slots=True)
class Survey:
    """What was read, under the addresses it is to have. ``untold``: objects that can have none, and why."""

    snapshot: Snapshot
    untold: Mapping[Address, str]


def survey(
    reader: Reader,
    dealers: Sequence[Resource],
    surfaces: Surfaces,
    scope: Scope,
    *,
    width: Width = EIGHT,
    on_event: Callable[[Event], None] = ignore,
) -> Survey:
    """Everything in ``scope`` below ``dealers`` and beside them. ``scope`` is over the new addresses.

    Raises RemoteError for a failed read, PlanError for a dealer that is not there.
    """
    with Reading(reader, dealers, {}, surfaces, width, on_event) as reading:
        today = {each.address: each.address for each in dealers}
        untold: dict[Address, str] = {}
        if (binding := surfaces.binding("dealer")) is not None and binding.readable:
            reading.dealers(today)
            _refuse_missing(dealers, reading.objects)
        roots = [k.name for k in REGISTRY.values() if k.parent is None and not k.adopted]
        asked = [Collection(name, None) for name in roots if _listed(name, surfaces)]
        asked += [Collection(kind, each) for each in today for kind in child_kinds("dealer", surfaces)]
        while asked:
            found = reading.collections(asked)
            _name(found, today, untold)
            asked = [
                Collection(kind, address)
                for address in found
                if _holds_wanted(today[address], scope)
                for kind in child_kinds(address.kind, surfaces)
            ]
        wanted = {a for a in today if scope.covers(today[a])}
        reading.parts(
            [
                (address, part.name)
                for address in sorted(wanted & reading.objects.keys())
                if (binding := surfaces.binding(address.kind)) is not None
                for part in binding.parts
            ]
        )
        snapshot = reading.snapshot()
    kept = {step for address in wanted for step in chain(address)}
    return Survey(_renamed(snapshot, today, kept), untold)


def _refuse_missing(dealers: Iterable[Resource], present: Mapping[Address, LiveObject]) -> None:
    for each in dealers:
        if each.address not in present:
            raise PlanError(
                f"there is no dealer {each.remote_id} in this account",
                hint="Check --dealer: the portal shows a dealer's id.",
            )


def _listed(kind: str, surfaces: Surfaces) -> bool:
    binding = surfaces.binding(kind)
    return binding is not None and bool(binding.lists)


def _holds_wanted(address: Address, scope: Scope) -> bool:
    """True when ``address`` or something below it may be in scope."""
    below = {kind.name for kind in REGISTRY.values() if kind.parent == address.kind}
    named_below = any(target.partition(":")[0] in below for target in scope.targets)
    return scope.covers(address) or (named_below and Scope(excludes=scope.excludes).covers(address))


def _name(
    found: Mapping[Address, LiveObject], today: dict[Address, Address], untold: dict[Address, str]
) -> None:
    """Add the new addresses of what was just found."""
    siblings: dict[Collection, dict[Address, LiveObject]] = defaultdict(dict)
    for address, live in found.items():
        siblings[collection_of(address)][address] = live
    for collection, lives in siblings.items():
        called = names(REGISTRY[collection.kind], list(lives.values()))
        above = today[collection.parent].path if collection.parent is not None else ()
        shared = shared_external_ids(list(lives.values()))
        for address, live in lives.items():
            today[address] = Address(address.kind, (*above, called[live.remote_id]))
            if live.external_id is not None and live.external_id in shared:
                ids = ", ".join(sorted(shared[live.external_id]))
                untold[today[address]] = f"the external id {live.external_id} is shared by {ids}"


def _renamed(snapshot: Snapshot, today: Mapping[Address, Address], kept: set[Address]) -> Snapshot:
    """``snapshot`` under the new addresses, references too, without what is not ``kept``."""
    spelled = {str(before): str(now) for before, now in today.items()}

    def now(text: str, _: Reference) -> str:
        return spelled.get(text, text)

    objects = {
        today[address]: replace(live, fields=rewritten(live.kind, live.fields, now, by_remote_id=True))
        for address, live in snapshot.objects.items()
        if address in kept
    }
    collections = frozenset(
        Collection(each.kind, None if each.parent is None else today[each.parent])
        for each in snapshot.collections
    )
    return Snapshot(dict(sorted(objects.items())), collections, snapshot.requests)
