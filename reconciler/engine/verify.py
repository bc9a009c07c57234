"""Reads again what a run touched, so that planning can say whether anything is left."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence

from reconciler.engine.events import Event
from reconciler.engine.fetch import Reading, ignore
from reconciler.engine.width import EIGHT, Width
from reconciler.kinds import REGISTRY
from reconciler.kinds.surfaces import Surfaces
from reconciler.model import Address, Collection, JsonValue, LiveObject, Owned, Reader, Resource, Snapshot
from reconciler.planning import reads
from reconciler.planning.scope import EVERYTHING, collection_of, parent_of
from reconciler.writes import OutcomeStatus, Report


def touched(report: Report, before: Snapshot) -> frozenset[Address]:
    """The addresses to read again after a run that was planned from ``before``.

    What was done, and what was not where ``before`` says nothing of the collection: its parent may be one
    that the run made, and a plan must not take a child that failed, or was never begun, for unseen.
    """
    return frozenset(
        outcome.address
        for outcome in report.outcomes
        if outcome.status is OutcomeStatus.DONE or collection_of(outcome.address) not in before.collections
    )


def verify(  # noqa: PLR0913  # as fetch
    reader: Reader,
    addresses: Iterable[Address],
    desired: Sequence[Resource],
    owned: Mapping[Address, Owned],
    surfaces: Surfaces,
    before: Snapshot,
    *,
    width: Width = EIGHT,
    doubtful: Container[Address] = (),
    on_event: Callable[[Event], None] = ignore,
) -> Snapshot:
    """``before`` with all that ``addresses`` concern read anew: one list a collection, and the parts.

    ``owned`` is what is owned after the run. A plan made from the result shows what is left to
    change at ``addresses``; what the run did not touch is as ``before`` has it. ``requests`` counts
    the new ones. Raises like ``fetch``.
    """
    wanted = {address for address in addresses if _served(address, surfaces)}
    known = {address: live for address, live in before.objects.items() if address not in wanted}
    with Reading(reader, desired, owned, surfaces, width, on_event, known, doubtful) as reading:
        reading.dealers(sorted(address for address in wanted if REGISTRY[address.kind].adopted))
        collections = {collection_of(a) for a in wanted if not REGISTRY[a.kind].adopted}
        for kind in REGISTRY:
            # Parents first: one that this run made or removed has to be known before its children.
            present = (
                c
                for c in collections
                if c.kind == kind and _there(c.parent, wanted, reading, known, surfaces)
            )
            reading.collections(sorted(present, key=str))
        concerned = [resource for resource in desired if resource.address in wanted]
        reading.parts(reads.parts_to_read(concerned, surfaces, EVERYTHING, reading.objects))
        again = reading.snapshot()
    return _merged(before, again, collections, wanted, surfaces)


def _served(address: Address, surfaces: Surfaces) -> bool:
    binding = surfaces.binding(address.kind)
    return binding is not None and binding.readable


def _there(
    parent: Address | None,
    wanted: set[Address],
    reading: Reading,
    known: Mapping[Address, LiveObject],
    surfaces: Surfaces,
) -> bool:
    """True when children can be listed under ``parent``."""
    if parent is None or not _served(parent, surfaces):
        return True
    return parent in reading.objects or (parent not in wanted and parent in known)


def _merged(
    before: Snapshot,
    again: Snapshot,
    collections: set[Collection],
    wanted: set[Address],
    surfaces: Surfaces,
) -> Snapshot:
    """``before`` without what was read anew or has lost its parent, and ``again``."""
    kept = {
        address: live
        for address, live in before.objects.items()
        if address not in wanted and collection_of(address) not in collections
    }
    anew = {
        address: live if address in wanted else _with_parts(live, before.objects.get(address), surfaces)
        for address, live in again.objects.items()
    }
    objects: dict[Address, LiveObject] = {}
    for address, live in sorted((kept | anew).items(), key=lambda entry: len(entry[0].path)):
        parent = parent_of(address)
        if parent is None or parent in objects or parent not in before.objects:
            objects[address] = live
    gone = before.objects.keys() - objects.keys()
    listed = frozenset(each for each in before.collections | again.collections if each.parent not in gone)
    return Snapshot(dict(sorted(objects.items())), listed, again.requests)


def _with_parts(live: LiveObject, earlier: LiveObject | None, surfaces: Surfaces) -> LiveObject:
    """``live`` with the fields of parts that were read earlier and not again."""
    binding = surfaces.binding(live.kind)
    if binding is None or earlier is None or earlier.remote_id != live.remote_id:
        return live
    apart = binding.in_parts & earlier.fields.keys()
    fields: dict[str, JsonValue] = {name: earlier.fields[name] for name in apart}
    return LiveObject(live.kind, live.remote_id, live.external_id, fields | dict(live.fields))
