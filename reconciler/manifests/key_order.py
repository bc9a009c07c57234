"""The order in which a person writes the keys of a document; the same for every tool that writes one."""

from __future__ import annotations

from functools import cache

from reconciler.kinds import REGISTRY
from reconciler.manifests.documents import CHILDREN


@cache
def key_order(kind_name: str) -> tuple[str, ...]:
    """Every key a document of the kind may have: who it is, its fields, its children, how it is treated."""
    kind = REGISTRY[kind_name]
    parent = () if kind.parent is None else (kind.parent,)
    last = [name for name in kind.spec.model_fields if name in kind.local and name != kind.external_id_field]
    fields = [name for name in kind.spec.model_fields if name not in last]
    children = [child.collection for child in CHILDREN[kind_name]]
    who = ("kind", "id", *parent, "external_id", "adopt", "moved_from")
    return (*who, *fields, *children, *last, "lifecycle")
