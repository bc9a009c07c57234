"""Which parts of the account a run must read: the least that proves what the plan will say.

The engine asks in this order::

    dealers             by the id the user wrote
    first_collections   what stands under nothing, or under a parent this surface cannot read
    child_collections   of the live dealers, then of the live sites found so far
    parts_to_read       singletons of live sites whose manifest writes one of their fields

Only kinds that the manifests or the ledger name are read, with one exception: a parent that may be
deleted or replaced has all its child collections read, to see children that are not ours, and a target
that may be has the objects read that may refer to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from reconciler.kinds import REGISTRY
from reconciler.kinds.kind import Kind
from reconciler.kinds.surfaces import Surfaces
from reconciler.model import Address, Collection, LiveObject, Owned, Resource
from reconciler.planning.order import referring_kinds
from reconciler.planning.ownership import owns, replacement_reasons, twins
from reconciler.planning.scope import Scope, chain, collection_of


def dealers(
    desired: Sequence[Resource], owned: Mapping[Address, Owned], surfaces: Surfaces, scope: Scope
) -> tuple[Address, ...]:
    """The objects that are read one by one, by the remote id of the manifest, else of the ledger.

    A dealer is needed where it, or anything below it that is in scope, is declared or owned. Sorted.
    """
    known = {resource.address for resource in desired if REGISTRY[resource.address.kind].adopted}
    known.update(address for address in owned if address.kind in REGISTRY and REGISTRY[address.kind].adopted)
    needed: set[Address] = set()
    for address in _one_each(_wanted(desired, owned, scope)):
        needed.update(step for step in chain(address) if step in known)
    return tuple(sorted(a for a in needed if _readable(a.kind, surfaces)))


def first_collections(
    desired: Sequence[Resource], owned: Mapping[Address, Owned], surfaces: Surfaces, scope: Scope
) -> tuple[Collection, ...]:
    """The collections that can be read before anything else, parents' kinds first."""
    return _ordered(
        collection
        for collection in _needed(desired, owned, surfaces, scope)
        if collection.parent is None or not _readable(collection.parent.kind, surfaces)
    )


def child_collections(
    desired: Sequence[Resource],
    owned: Mapping[Address, Owned],
    surfaces: Surfaces,
    scope: Scope,
    parents: Mapping[Address, LiveObject],
    *,
    owned_prefix: str | None = None,
) -> tuple[Collection, ...]:
    """The collections to read under the live ``parents``, by address.

    A parent that is absent from ``parents`` does not exist, so nothing can be listed under it.
    """
    found = {c for c in _needed(desired, owned, surfaces, scope) if c.parent in parents}
    declared = {resource.address: resource for resource in desired}
    doubles = twins(parents, declared, owned)
    for address, live in parents.items():
        binding = surfaces.binding(address.kind)
        if binding is None or binding.delete is None or not scope.covers(address):
            continue
        if address in doubles or not owns(address, live, owned, owned_prefix):
            continue
        resource = declared.get(address)
        if resource is not None and not replacement_reasons(
            REGISTRY[address.kind], resource, live, owned.get(address)
        ):
            continue
        found.update(Collection(kind, address) for kind in child_kinds(address.kind, surfaces))
        beside = collection_of(address).parent
        found.update(
            Collection(kind, beside) for kind in referring_kinds(address.kind) if _listed(kind, surfaces)
        )
    return _ordered(found)


def parts_to_read(
    desired: Sequence[Resource], surfaces: Surfaces, scope: Scope, live: Mapping[Address, LiveObject]
) -> tuple[tuple[Address, str], ...]:
    """The singletons to read, by the address of their object: those of which a field is written."""
    found: list[tuple[Address, str]] = []
    for resource in desired:
        binding = surfaces.binding(resource.address.kind)
        if binding is None or not binding.parts or resource.address not in live:
            continue
        names = [part.name for part in binding.parts if not part.fields.isdisjoint(resource.fields)]
        if names and scope.covers(resource.address):
            found.extend((resource.address, name) for name in names)
    return tuple(sorted(found))


def child_kinds(parent: str, surfaces: Surfaces) -> tuple[str, ...]:
    """The kinds that stand under ``parent`` and can be listed here."""
    return tuple(
        kind.name for kind in REGISTRY.values() if kind.parent == parent and _listed(kind.name, surfaces)
    )


def _needed(
    desired: Sequence[Resource], owned: Mapping[Address, Owned], surfaces: Surfaces, scope: Scope
) -> Iterator[Collection]:
    """The collections that hold what is in scope, and those above it, possibly more than once."""
    for address in _one_each(_wanted(desired, owned, scope)):
        for step in chain(address):
            if _listed(step.kind, surfaces):
                yield collection_of(step)
    for resource in desired:
        if resource.declares and scope.covers(resource.address):
            for name in resource.declares:
                below = Collection(name, resource.address)
                if _listed(name, surfaces) and scope.covers_any(below):
                    yield below


def _wanted(desired: Sequence[Resource], owned: Mapping[Address, Owned], scope: Scope) -> Iterator[Address]:
    """What is declared or owned in scope, and what a declared resource refers to by remote id."""
    for resource in desired:
        if scope.covers(resource.address):
            yield resource.address
            for target in resource.references:
                if target.kind in _by_remote_id(REGISTRY[resource.address.kind]):
                    yield target
    for address in owned:
        if address.kind in REGISTRY and scope.covers(address):
            yield address


def _one_each(addresses: Iterable[Address]) -> Iterator[Address]:
    """One address of each collection: neighbours need the same reads."""
    seen: set[tuple[str, tuple[str, ...]]] = set()
    for address in addresses:
        kind, path = address
        place = (kind, path[:-1] or path)
        if place not in seen:
            seen.add(place)
            yield address


def _by_remote_id(kind: Kind) -> frozenset[str]:
    return frozenset(reference.kind for reference in kind.references if reference.by_remote_id)


def _listed(kind: str, surfaces: Surfaces) -> bool:
    binding = surfaces.binding(kind)
    return binding is not None and bool(binding.lists)


def _readable(kind: str, surfaces: Surfaces) -> bool:
    binding = surfaces.binding(kind)
    return binding is not None and binding.readable


def _ordered(collections: Iterable[Collection]) -> tuple[Collection, ...]:
    """Without repeats, by registry order of the kind, then parent."""
    position = {name: number for number, name in enumerate(REGISTRY)}
    return tuple(sorted(set(collections), key=lambda c: (position[c.kind], str(c.parent or ""))))
