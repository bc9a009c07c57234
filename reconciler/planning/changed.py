"""Which resources two readings of a project declare differently."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from reconciler.model import Address, Resource, Source

_ANYWHERE = Source("", 1, 1)


def changed(before: Iterable[Resource], after: Iterable[Resource]) -> tuple[Address, ...]:
    """The addresses that only one side declares, or that both declare differently. Sorted.

    Where a resource is written does not count: a comment or a move to another file changes nothing, a
    default that moves changes all that take it.
    """
    old = {resource.address: _declared(resource) for resource in before}
    new = {resource.address: _declared(resource) for resource in after}
    return tuple(sorted(a for a in old.keys() | new.keys() if old.get(a) != new.get(a)))


def _declared(resource: Resource) -> Resource:
    return replace(resource, source=_ANYWHERE, positions={})
