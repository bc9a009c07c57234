"""From a plan to the writes that carry it out, and what each write waits for.

::

    delete of a child      before   delete of its parent, and before the parent of a replace
    delete half            before   create half of a replace, where nothing refers to its kind
    create half, and the   before   delete half of a replace, where something does
      updates it leads to
    create of a parent     before   create of a child
    create of a target     before   create or update that refers to it
    update of a referrer   before   delete of the target it referred to
    object                 before   its part (a site, then its arming settings)
    delete                 before   create or update beside it, where both may claim one zone or MAC
    delete of a referrer   before   delete of what it may have referred to

Where a kind is referred to, the server may refuse to delete what is in use: the new object has to be there
for the others to be turned to it. All but the last two are dependencies: if one fails, what waits for it is
skipped. Those are an order only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from reconciler.kinds import REGISTRY
from reconciler.kinds.surfaces import Surfaces
from reconciler.model import Action, Address, Change, Operation, Plan, Resource
from reconciler.planning.order import (
    foundations,
    made_first,
    referenced_kinds,
    referring_kinds,
    sequence,
    targets_before,
)
from reconciler.planning.scope import parent_of

_NOTHING: frozenset[StepKey] = frozenset()


class StepKey(NamedTuple):
    """Names one write of a plan."""

    address: Address
    operation: Operation
    part: str | None = None


class Batch(NamedTuple):
    """Steps with an equal batch go to one endpoint that takes several at once."""

    kind: str
    operation: Operation
    parent: Address | None


@dataclass(frozen=True, slots=True)
class Step:
    """One write.

    ``change``: index into ``plan.changes``. ``fields``: top-level names to send, in the order of the
    spec; empty for a delete. ``depends_on``: writes that must have succeeded. ``after``: writes that
    must have ended, however. ``batch``: None where the endpoint takes one object.
    """

    key: StepKey
    change: int
    fields: tuple[str, ...] = ()
    depends_on: frozenset[StepKey] = frozenset()
    after: frozenset[StepKey] = frozenset()
    batch: Batch | None = None

    @property
    def address(self) -> Address:
        return self.key.address

    @property
    def operation(self) -> Operation:
        return self.key.operation

    @property
    def part(self) -> str | None:
        return self.key.part


def steps(plan: Plan, desired: Sequence[Resource], surfaces: Surfaces) -> tuple[Step, ...]:
    """The writes of ``plan``, each after everything it waits for.

    ``desired``: the manifests the plan was made from; a create sends every written field, an update
    the changed ones. An adopt without differences and a manual change need no write, so they have no
    step.
    """
    resources = {resource.address: resource for resource in desired}
    bare = [
        step
        for index, change in enumerate(plan.changes)
        for step in _writes(change, index, resources.get(change.address), surfaces)
    ]
    waits = _Waits(plan, bare, resources)
    return _in_order([waits.linked(step) for step in bare])


def field_name(path: str) -> str:
    """The top-level field of a dotted path: ``windows`` of ``windows[0].arm``."""
    return path.partition(".")[0].partition("[")[0]


def _writes(change: Change, index: int, resource: Resource | None, surfaces: Surfaces) -> list[Step]:
    """The writes of one change, not linked yet."""
    if change.action is Action.MANUAL:
        return []
    writes: list[Step] = []
    if change.action in (Action.DELETE, Action.REPLACE):
        writes.append(_step(change.address, "delete", index, (), surfaces))
    if resource is None:
        return writes
    kind = REGISTRY[change.kind]
    if change.action in (Action.CREATE, Action.REPLACE):
        written = tuple(name for name in kind.managed if resource.fields.get(name) is not None)
        return writes + _object_and_parts(change.address, "create", index, written, surfaces)
    if change.action in (Action.UPDATE, Action.ADOPT):
        names = {field_name(each.path) for each in change.applied_fields()}
        changed = tuple(name for name in kind.managed if name in names)
        return writes + _object_and_parts(change.address, "update", index, changed, surfaces)
    return writes


def _object_and_parts(
    address: Address, operation: Operation, index: int, names: tuple[str, ...], surfaces: Surfaces
) -> list[Step]:
    binding = surfaces.binding(address.kind)
    parts = binding.parts if binding is not None else ()
    apart = binding.in_parts if binding is not None else frozenset[str]()
    own = tuple(name for name in names if name not in apart)
    writes = [_step(address, operation, index, own, surfaces)] if own or operation == "create" else []
    for part in parts:
        inside = tuple(name for name in names if name in part.fields)
        if inside:
            writes.append(Step(StepKey(address, "update", part.name), index, inside))
    return writes


def _step(
    address: Address, operation: Operation, index: int, names: tuple[str, ...], surfaces: Surfaces
) -> Step:
    binding = surfaces.binding(address.kind)
    endpoint = getattr(binding, operation) if binding is not None else None
    several = endpoint is not None and endpoint.bulk
    batch = Batch(address.kind, operation, parent_of(address)) if several else None
    return Step(StepKey(address, operation), index, names, batch=batch)


class _Waits:
    """Answers what a write waits for; holds the indexes that make each answer cheap."""

    def __init__(self, plan: Plan, bare: Sequence[Step], resources: Mapping[Address, Resource]) -> None:
        self._keys = {step.key for step in bare}
        self._resources = resources
        self._replaced = {
            change.address
            for change in plan.changes
            if change.action is Action.REPLACE and made_first(change.kind)
        }
        self._creates = {step.address: step.key for step in bare if step.operation == "create"}
        self._child_deletes: dict[Address, list[StepKey]] = defaultdict(list)
        self._beside: dict[tuple[str, Address | None], frozenset[StepKey]] = {}
        self._deletes: Mapping[tuple[str, Address | None], Sequence[StepKey]] = {}
        self._referrers: dict[Address, list[StepKey]] = defaultdict(list)
        self._index(plan, bare)

    def _index(self, plan: Plan, bare: Sequence[Step]) -> None:
        beside: dict[tuple[str, Address | None], list[StepKey]] = defaultdict(list)
        for step in bare:
            parent = parent_of(step.address)
            if step.operation == "delete":
                beside[step.address.kind, parent].append(step.key)
                if parent is not None:
                    self._child_deletes[parent].append(step.key)
                continue
            left = {*targets_before(plan.changes[step.change]), *self._renewed(step)}
            for target in sorted(left):
                self._referrers[target].append(step.key)
        self._deletes = beside
        self._beside = {
            where: frozenset(keys) for where, keys in beside.items() if where[0] not in referenced_kinds()
        }

    def _renewed(self, step: Step) -> Iterator[Address]:
        """The targets to whose new object the update ``step`` turns its own."""
        resource = self._resources.get(step.address)
        if resource is None or step.operation != "update":
            return
        for reference in REGISTRY[step.address.kind].references:
            if reference.by_remote_id and reference.path in step.fields:
                yield from (target for target in resource.references if target in self._replaced)

    def linked(self, step: Step) -> Step:
        """``step`` with what it waits for."""
        needed, order = self.depends_on(step), self.after(step)
        if not needed and not order:
            return step
        return Step(step.key, step.change, step.fields, needed, order, step.batch)

    def depends_on(self, step: Step) -> frozenset[StepKey]:
        """The writes without which ``step`` makes no sense."""
        address = step.address
        if step.operation == "delete":
            before = [*self._child_deletes.get(address, ()), *self._referrers.get(address, ())]
            if address in self._replaced:
                before += self._created(address)
            return frozenset(before) if before else _NOTHING
        before = []
        if step.operation == "create":
            if address not in self._replaced:
                before += self._present(StepKey(address, "delete"))
            before += self._created(parent_of(address))
        else:
            before += self._created(address)
            if step.part is not None:
                before += self._present(StepKey(address, "update"))
        resource = self._resources.get(address)
        for target in foundations(resource) if resource is not None else ():
            before += self._created(target)
        return frozenset(before) if before else _NOTHING

    def after(self, step: Step) -> frozenset[StepKey]:
        """The deletes beside ``step`` that may free a value it claims, or an object it is named by."""
        if step.operation == "delete":
            return self._deleted_referrers(step.address)
        if step.part is not None:
            return _NOTHING
        return (
            self._beside.get((step.address.kind, parent_of(step.address)), _NOTHING)
            if self._beside
            else _NOTHING
        )

    def _deleted_referrers(self, address: Address) -> frozenset[StepKey]:
        """The deletes of what may refer to ``address``: nobody knows any more which of them did."""
        kinds = referring_kinds(address.kind)
        if not kinds:
            return _NOTHING
        parent = parent_of(address)
        return frozenset().union(*(self._deletes.get((kind, parent), ()) for kind in kinds))

    def _present(self, key: StepKey) -> Iterable[StepKey]:
        return (key,) if key in self._keys else ()

    def _created(self, address: Address | None) -> Iterable[StepKey]:
        key = self._creates.get(address) if address is not None else None
        return (key,) if key is not None else ()


def _in_order(linked: Sequence[Step]) -> tuple[Step, ...]:
    """``linked`` so that every step stands after what it waits for; ties keep the plan's order."""
    positions = {step.key: position for position, step in enumerate(linked)}
    waits = {
        position: [positions[key] for keys in (step.depends_on, step.after) for key in keys]
        for position, step in enumerate(linked)
    }
    if all(before < position for position, found in waits.items() for before in found):
        return tuple(linked)
    return tuple(linked[position] for position in sequence(waits))
