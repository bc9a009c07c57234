"""In which order changes are made: graphlib, with ties broken by address.

Read from the registry; an arrow points at what has to come later::

    dealer ──► monitoring_station ──► site ──► device
      │                                ▲  └──► contact
      ├──► app                         │
      └────────────────────────────────┘
    calendar ──► schedule             webhook (alone)

Creates, updates, adopts and replaces go along the arrows, deletes against them. A reference target
goes only after the last object that pointed at it has been turned elsewhere; one that is replaced is
made anew first, so that there is an elsewhere (``made_first``). Of two neighbours the delete comes first
where nothing refers to their kind: it may free a zone number, a MAC address or a URL.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import cache
from graphlib import TopologicalSorter
from typing import TypeVar

from reconciler.kinds import REGISTRY
from reconciler.model import Action, Address, Change, Resource
from reconciler.planning.scope import parent_of

Node = TypeVar("Node", bound=Hashable)

_Key = tuple[tuple[str, ...], int]


@cache
def referenced_kinds() -> frozenset[str]:
    """The kinds that another kind names in a field."""
    return frozenset(reference.kind for kind in REGISTRY.values() for reference in kind.references)


@cache
def referring_kinds(kind: str) -> frozenset[str]:
    """The kinds whose objects name an object of ``kind`` in the account."""
    return frozenset(
        other.name
        for other in REGISTRY.values()
        if any(reference.kind == kind and reference.by_remote_id for reference in other.references)
    )


def made_first(kind: str) -> bool:
    """True when a replacement of ``kind`` is made before the old object goes, which may be in use.

    Both are there for a while. They have different external ids: nothing else of such a kind forces a
    replacement.
    """
    return bool(referring_kinds(kind))


@cache
def _sent_kinds(kind: str) -> frozenset[str]:
    """The kinds that ``kind`` names in fields it sends; a schedule named by a local field is not one."""
    found = REGISTRY[kind]
    return frozenset(ref.kind for ref in found.references if ref.path.split(".")[0] not in found.local)


def foundations(resource: Resource) -> tuple[Address, ...]:
    """What must exist before ``resource`` can be written, besides its parent."""
    if not resource.references:
        return ()
    kinds = _sent_kinds(resource.address.kind)
    return tuple(target for target in resource.references if target.kind in kinds)


@cache
def registry_position(kind: str) -> int:
    """Where ``kind`` stands in the registry: after its parent and what it refers to."""
    return list(REGISTRY).index(kind)


def by_path(address: Address) -> _Key:
    """Sort key that keeps a site, its devices and its contacts together, after what they refer to.

    Most plans are in order once they are sorted by it, and need no graph.
    """
    kind, path = address
    if kind in referenced_kinds():
        return (*path[:-1], f"\0{registry_position(kind):03}{path[-1]}"), 0
    return path, registry_position(kind)


def sequence(waits: Mapping[int, Iterable[int]]) -> list[int]:
    """The numbers of ``waits`` in an order that respects it: of all that may come next, the smallest."""
    sorter = TopologicalSorter(waits)
    sorter.prepare()
    ready: list[int] = []
    result: list[int] = []
    while True:
        for number in sorter.get_ready():
            heapq.heappush(ready, number)
        if not ready:
            return result
        number = heapq.heappop(ready)
        result.append(number)
        sorter.done(number)


def targets_before(change: Change) -> tuple[Address, ...]:
    """The addresses that a change turns away from: values of reference fields before it."""
    kinds = {ref.path: ref.kind for ref in REGISTRY[change.kind].references if ref.by_remote_id}
    left = (
        (kinds[each.path], each.before) for each in change.fields if each.path in kinds and not each.ignored
    )
    return tuple(
        Address.parse(value)
        for kind, value in left
        if isinstance(value, str) and value.startswith(f"{kind}:") and value.partition(":")[2]
    )


def ordered(changes: Iterable[Change], desired: Mapping[Address, Resource]) -> tuple[Change, ...]:
    """``changes``, one an address, in the order they will be made; the same for any input order."""
    nodes = sorted(changes, key=lambda change: by_path(change.address))
    numbers: dict[Address | None, int] = {change.address: number for number, change in enumerate(nodes)}
    barrier = _Barriers(nodes)
    waits: dict[int, list[int]] = defaultdict(list, barrier.nodes())
    for number, change in enumerate(nodes):
        if change.action is Action.DELETE:
            continue
        above = numbers.get(parent_of(change.address))
        if above is not None:
            waits[number].append(above)
        resource = desired.get(change.address)
        for target in foundations(resource) if resource is not None else ():
            if target in numbers:
                waits[number].append(numbers[target])
        if barrier:
            waits[number].extend(barrier.before(change))
    _link_deletes(nodes, numbers, waits)
    if all(number < waiting for waiting, before in waits.items() for number in before):
        return tuple(nodes)
    every = {number: waits.get(number, ()) for number in (*range(len(nodes)), *waits)}
    return tuple(nodes[number] for number in sequence(every) if number < len(nodes))


def _link_deletes(
    nodes: Sequence[Change], numbers: Mapping[Address | None, int], waits: dict[int, list[int]]
) -> None:
    """Parents wait for the deletes of their children, targets for those that turn away from them."""
    if not any(change.action is Action.DELETE for change in nodes):
        return
    for number, change in enumerate(nodes):
        if change.action is Action.DELETE:
            parent = parent_of(change.address)
            above = numbers.get(parent)
            if above is not None and nodes[above].action in (Action.DELETE, Action.REPLACE):
                waits[above].append(number)
            continue
        for target in targets_before(change):
            left = numbers.get(target)
            if left is not None and nodes[left].action is Action.DELETE:
                waits[left].append(number)


class _Barriers:
    """One node a collection between its deletes and its other changes: edges stay linear in number."""

    def __init__(self, nodes: Sequence[Change]) -> None:
        deletes: dict[tuple[str, Address | None], list[int]] = defaultdict(list)
        for number, change in enumerate(nodes):
            if change.action is Action.DELETE and change.kind not in referenced_kinds():
                deletes[change.kind, parent_of(change.address)].append(number)
        self._deletes = deletes
        self._numbers = {where: len(nodes) + count for count, where in enumerate(deletes)}

    def __bool__(self) -> bool:
        return bool(self._deletes)

    def nodes(self) -> dict[int, list[int]]:
        """What each barrier waits for."""
        return {self._numbers[where]: list(numbers) for where, numbers in self._deletes.items()}

    def before(self, change: Change) -> tuple[int, ...]:
        """The barrier ``change`` waits for, if there is one."""
        number = self._numbers.get((change.kind, parent_of(change.address)))
        return () if number is None else (number,)
