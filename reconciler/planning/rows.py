"""What an apply changes in the ledger besides its writes: rows to drop, protection to set or lift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.kinds import REGISTRY
from reconciler.kinds.surfaces import Surfaces
from reconciler.model import Address, Owned, Resource, Snapshot
from reconciler.planning.ownership import recorded
from reconciler.planning.scope import Scope, chain, collection_of


def forgotten(
    desired: Sequence[Resource],
    snapshot: Snapshot,
    owned: Mapping[Address, Owned],
    surfaces: Surfaces,
    scope: Scope,
) -> tuple[Address, ...]:
    """The rows that an apply drops although it deletes nothing. Sorted.

    They are of undeclared resources: objects proven to be gone, and objects that were only ever adopted
    (dealers without anything owned below, read-only kinds) and are released. A protected row is never
    released, since its flag would be lost with it.
    """
    declared = {resource.address for resource in desired}
    loose = [address for address in owned if address not in declared and scope.covers(address)]
    dropped = {
        address
        for address in loose
        if address.kind in REGISTRY
        and not REGISTRY[address.kind].adopted
        and (_gone(address, owned, snapshot, surfaces) or _released(owned[address], snapshot, surfaces))
    }
    inhabited = {
        step for address in owned if address not in dropped for step in chain(address) if step != address
    }
    dropped.update(
        address
        for address in loose
        if address.kind in REGISTRY
        and REGISTRY[address.kind].adopted
        and address not in inhabited
        and not owned[address].protect
    )
    return tuple(sorted(dropped))


def protections(
    desired: Sequence[Resource], owned: Mapping[Address, Owned], scope: Scope
) -> Mapping[Address, bool]:
    """The protect flags that an apply writes: those of declared, owned resources that differ."""
    return {
        resource.address: resource.lifecycle.protect
        for resource in desired
        if resource.address in owned
        and owned[resource.address].protect != resource.lifecycle.protect
        and scope.covers(resource.address)
    }


def _gone(address: Address, owned: Mapping[Address, Owned], snapshot: Snapshot, surfaces: Surfaces) -> bool:
    """True when the recorded object is proven to exist no longer: by its collection, or by its parent's."""
    if surfaces.binding(address.kind) is None:
        return owned[address].attested is None
    live = snapshot.objects.get(address)
    if live is not None and recorded(address, live, owned):
        return False
    return any(
        collection_of(step) in snapshot.collections and (step == address or step not in snapshot.objects)
        for step in chain(address)
    )


def _released(row: Owned, snapshot: Snapshot, surfaces: Surfaces) -> bool:
    """True when the object is there, but this surface can neither have made it nor delete it."""
    binding = surfaces.binding(row.address.kind)
    if binding is None or row.protect or row.address not in snapshot.objects:
        return False
    return binding.create is None and binding.delete is None
