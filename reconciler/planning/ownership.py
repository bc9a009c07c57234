"""Proof of ownership, and the conditions under which an owned object has to be made anew."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote_plus

from reconciler.kinds.kind import Kind
from reconciler.model import Address, Collection, LiveObject, Owned, Resource
from reconciler.planning.scope import collection_of


def recorded(address: Address, live: LiveObject, owned: Mapping[Address, Owned]) -> bool:
    """True when the ledger owns this very object: the same address with another remote id is not it."""
    row = owned.get(address)
    return row is not None and row.remote_id == live.remote_id


def owns(address: Address, live: LiveObject, owned: Mapping[Address, Owned], prefix: str | None) -> bool:
    """True when the object is provably ours: by the ledger, or by the prefix of its external id."""
    return recorded(address, live, owned) or prefixed(live, prefix)


def prefixed(live: LiveObject, prefix: str | None) -> bool:
    """True when the external id begins with the prefix that marks what is ours; no prefix marks nothing."""
    return bool(prefix and live.external_id and live.external_id.startswith(prefix))


def twins(
    objects: Mapping[Address, LiveObject],
    declared: Mapping[Address, Resource],
    owned: Mapping[Address, Owned],
) -> Mapping[Address, Address]:
    """The objects that have the external id of a resource which is another object, by address; and that.

    None of them is declared or recorded. Their external id is no proof of ownership, whatever its prefix:
    one of the two was made by mistake, and nobody but a person can tell that it is not this one.
    """
    names: dict[tuple[Collection, str | None], Address] = {
        (collection_of(row.address), row.external_id): row.address
        for row in owned.values()
        if row.external_id is not None
    }
    names |= {(collection_of(each), resource.external_id): each for each, resource in declared.items()}
    return {
        address: names[collection_of(address), live.external_id]
        for address, live in objects.items()
        if address not in declared
        and not recorded(address, live, owned)
        and (collection_of(address), live.external_id) in names
    }


def outgoing(address: Address, remote_id: str) -> Address:
    """The name under which the ledger keeps the object ``remote_id``, whose place at ``address`` is taken.

    No manifest can declare it, so a plan deletes what is recorded under it and still there.
    """
    return Address(address.kind, (*address.path[:-1], f"{address.id}#{quote_plus(remote_id)}"))


def replacement_reasons(
    kind: Kind, desired: Resource, live: LiveObject, row: Owned | None = None
) -> tuple[str, ...]:
    """The fields whose difference cannot be written, so that the object must be replaced. Sorted.

    The identity is always one: no endpoint is known to change it. An object whose external id the
    surface does not return is not judged by it. ``row``: what the server is known to have replaced.
    """
    changed = {
        name
        for name in kind.immutable & desired.fields.keys()
        if name not in desired.lifecycle.ignore
        and desired.fields[name] != live.fields.get(name)
        and not settled(name, desired, live, row)
    }
    if live.external_id not in (None, desired.external_id) and not kind.adopted:
        named = kind.identity in kind.spec.model_fields
        if not named or kind.normalise(kind.identity, live.external_id) != desired.external_id:
            changed.add(kind.identity)
    return tuple(sorted(changed))


def settled(name: str, desired: Resource, live: LiveObject, row: Owned | None) -> bool:
    """True when the server answered this desired value with this live value before (DESIGN section 5)."""
    replaced = row.replaced.get(name) if row is not None else None
    return (
        replaced is not None
        and replaced.sent == desired.fields[name]
        and replaced.returned == live.fields.get(name)
    )
