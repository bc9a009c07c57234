"""What exists although no list shows it yet: lists may lag behind writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.intents import Intent
from reconciler.kinds.surfaces import Surfaces
from reconciler.model import Address, Owned, Resource, Snapshot
from reconciler.planning.scope import collection_of


def left_behind(
    desired: Sequence[Resource],
    owned: Mapping[Address, Owned],
    unsettled: Sequence[Intent],
    recent: frozenset[tuple[str, str]],
    surfaces: Surfaces,
) -> list[Owned]:
    """What was made a moment ago, or may have been, and is not what a manifest declares now.

    ``recent``: kind and CHeKT's id of what was made. A list that lags does not show it yet. A create of
    the same object would be looked for before it is sent; but for what is declared no more, or with
    another external id, nothing is sent, and its row would be dropped as that of an object that is gone.
    """
    declared = {each.address: each.external_id for each in desired}
    rows = made_lately(owned, recent)
    creates = (intent for intent in unsettled if intent.operation == "create")
    rows += [Owned(intent.address, None, intent.external_id) for intent in creates]
    return [
        row
        for row in rows
        if _readable(row.address, surfaces)
        and (row.address not in declared or row.external_id not in (None, declared[row.address]))
    ]


def made_lately(owned: Mapping[Address, Owned], recent: frozenset[tuple[str, str]]) -> list[Owned]:
    """The rows of ``recent``: kind and CHeKT's id of what was made."""
    return [row for row in owned.values() if (row.address.kind, row.remote_id) in recent]


def _readable(address: Address, surfaces: Surfaces) -> bool:
    binding = surfaces.binding(address.kind)
    return binding is not None and binding.readable


def all_shown(rows: Sequence[Owned], snapshot: Snapshot) -> bool:
    """True when the account shows the objects of ``rows``, by CHeKT's ids or else by their external ids."""
    if not rows:
        return True
    seen = [(collection_of(address), live) for address, live in snapshot.objects.items()]
    ids = {(collection, live.remote_id) for collection, live in seen}
    external_ids = {(collection, live.external_id) for collection, live in seen if live.external_id}
    return all(
        (collection_of(row.address), row.external_id) in external_ids
        if row.remote_id is None
        else (collection_of(row.address), row.remote_id) in ids
        for row in rows
    )
