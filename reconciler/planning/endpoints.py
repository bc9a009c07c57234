"""Which API operations a change relies on, how sure we are of them, and how many requests they take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from reconciler.errors import Problem
from reconciler.kinds.kind import Endpoint, Part
from reconciler.kinds.surfaces import Surfaces
from reconciler.model import GRADES, Action, Address, Change, EndpointUse, Grade, Operation, Snapshot
from reconciler.planning.scope import parent_of
from reconciler.planning.steps import field_name

_OPERATIONS: dict[Action, tuple[Operation, ...]] = {
    Action.CREATE: ("create",),
    Action.REPLACE: ("delete", "create"),
    Action.DELETE: ("delete",),
    Action.UPDATE: ("update",),
    Action.ADOPT: ("update",),
}


class _Need(NamedTuple):
    """What decides the operations: is the object itself written, and which of its parts."""

    kind: str
    action: Action
    itself: bool
    parts: tuple[str, ...]


class Calls:
    """The operations behind a change in one environment; remembers each answer, since few differ."""

    def __init__(self, surfaces: Surfaces) -> None:
        self._surfaces = surfaces
        self._known: dict[_Need, tuple[EndpointUse, ...] | None] = {}
        self._parted: dict[str, tuple[tuple[Part, ...], frozenset[str]]] = {}

    def uses(self, kind: str, action: Action, paths: Iterable[str]) -> tuple[EndpointUse, ...] | None:
        """The operations that ``action`` on the fields needs, lowest grade first; None if one is missing."""
        need = self._need(kind, action, paths)
        if need not in self._known:
            self._known[need] = _ranked(self._find(need))
        return self._known[need]

    def requests(self, changes: Iterable[Change]) -> int:
        """How many requests will write ``changes``: a bulk endpoint takes one a parent."""
        single = 0
        bulk: set[tuple[Address | None, str, EndpointUse]] = set()
        several = {
            (name, endpoint.method, endpoint.path)
            for name, binding in self._surfaces.bindings.items()
            for endpoint in (binding.create, binding.update, binding.delete)
            if endpoint is not None and endpoint.bulk
        }
        for change in changes:
            for use in change.endpoints:
                if (change.address.kind, use.method, use.path) in several:
                    bulk.add((parent_of(change.address), change.address.kind, use))
                else:
                    single += 1
        return single + len(bulk)

    def _need(self, kind: str, action: Action, paths: Iterable[str]) -> _Need:
        parts, inside = self._parts(kind)
        if not parts:
            return _Need(kind, action, any(True for _ in paths), ())
        names = {field_name(path) for path in paths}
        touched = tuple(part.name for part in parts if not part.fields.isdisjoint(names))
        return _Need(kind, action, not names <= inside, touched)

    def _parts(self, kind: str) -> tuple[tuple[Part, ...], frozenset[str]]:
        """The parts of a kind, and the fields that lie in them."""
        if kind not in self._parted:
            binding = self._surfaces.binding(kind)
            self._parted[kind] = (
                (binding.parts, binding.in_parts) if binding is not None else ((), frozenset())
            )
        return self._parted[kind]

    def _find(self, need: _Need) -> tuple[Endpoint, ...] | None:
        binding = self._surfaces.binding(need.kind)
        if binding is None:
            return None
        operations = (name for name in _OPERATIONS[need.action] if need.itself or name != "update")
        wanted: list[Endpoint | None] = [getattr(binding, name) for name in operations]
        found = [endpoint for endpoint in wanted if endpoint is not None]
        if len(found) < len(wanted):
            return None
        return (*found, *(part.update for part in binding.parts if part.name in need.parts))


def _ranked(endpoints: tuple[Endpoint, ...] | None) -> tuple[EndpointUse, ...] | None:
    if endpoints is None:
        return None
    found = {EndpointUse(each.method, each.path, each.grade) for each in endpoints}
    return tuple(sorted(found, key=lambda use: (-GRADES.index(use.grade), use.path, use.method)))


def untried_reads(snapshot: Snapshot, surfaces: Surfaces) -> list[str]:
    """A warning where the reading relied on endpoints that are less than documented and never confirmed here.

    None on the sandbox, which is ours.
    """
    if surfaces.sandbox:
        return []
    kinds = {each.kind for each in snapshot.collections} | {each.kind for each in snapshot.objects}
    bindings = [binding for kind in sorted(kinds) if (binding := surfaces.binding(kind)) is not None]
    reads = [each for binding in bindings for each in (binding.lists or (binding.read,)) if each is not None]
    weak = sorted({f"{each} ({each.grade})" for each in reads if below(each.grade, "documented")})
    if not weak:
        return []
    told = f"read through endpoints that this account has not confirmed: {', '.join(weak)}"
    return [f"{told}; `reconciler doctor` tries them"]


def below(grade: Grade, accept: Grade) -> bool:
    """Whether ``grade`` is weaker than ``accept``."""
    return GRADES.index(grade) > GRADES.index(accept)


def refused_grades(changes: Sequence[Change], accept: Grade, environment: str) -> list[Problem]:
    """One problem for each write endpoint below ``accept``, with the setting that would allow it."""
    first: dict[EndpointUse, Change] = {}
    counts: dict[EndpointUse, int] = {}
    for change in changes:
        for use in change.endpoints:
            if below(use.grade, accept):
                first.setdefault(use, change)
                counts[use] = counts.get(use, 0) + 1
    return [
        Problem(
            f"{use.method} {use.path} is {use.grade} only, {environment} accepts {accept} or better: "
            f"{_count(counts[use], change)}",
            source=change.source,
            hint=f"Set environments.{environment}.accept: {use.grade} in reconciler.yaml to allow it.",
            address=change.address,
        )
        for use, change in sorted(first.items(), key=lambda each: (each[0].path, each[0].method))
    ]


def _count(count: int, first: Change) -> str:
    others = f" and {count - 1} more" if count > 1 else ""
    return f"needed to {first.action} {first.address}{others}"
