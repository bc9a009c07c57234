"""Which binding serves each kind in one environment: surface, sandbox or not, and corrections."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.kinds import REGISTRY
from reconciler.kinds.kind import Binding, Endpoint, EndpointName, Kind
from reconciler.kinds.operations import OPERATIONS, SUBJECTS
from reconciler.model import Grade, Surface

Corrections = Mapping[str, Mapping[str, str]]
"""``endpoints`` of reconciler.yaml: kind -> operation, or ``part.update`` -> "METHOD /path"."""

CORRECTED: Grade = "documented"
"""Grade of an endpoint that the user corrected: they vouch for it."""

OBSERVED: Grade = "observed"
"""Grade of an endpoint that the account itself was seen to serve."""


@dataclass(frozen=True, slots=True)
class Surfaces:
    """The bindings in force. ``bindings`` lacks a kind that only the portal can change here.

    ``operations``: the endpoints of what is told to CHeKT and is no resource, by name.
    """

    surface: Surface
    sandbox: bool
    bindings: Mapping[str, Binding]
    operations: Mapping[str, Endpoint] = field(default_factory=lambda: OPERATIONS)

    def binding(self, kind: str) -> Binding | None:
        """How this environment serves ``kind``; None when only a person in the portal can."""
        return self.bindings.get(kind)


def surfaces(surface: Surface, *, sandbox: bool, corrections: Corrections | None = None) -> Surfaces:
    """The bindings of an environment.

    ``sandbox``: the host is our simulator, which also serves what CHeKT keeps to its portal. Raises
    ValueError for a correction that names an unknown kind or operation, or is not "METHOD /path".
    """
    bindings: dict[str, Binding] = {}
    for kind in REGISTRY.values():
        binding = _choose(kind, surface, sandbox=sandbox)
        if binding is not None:
            bindings[kind.name] = binding
    told = dict(OPERATIONS)
    for name, operations in (corrections or {}).items():
        if name in SUBJECTS:
            told |= {f"{name}.{verb}": _corrected(name, verb, text) for verb, text in operations.items()}
            continue
        if name not in bindings:
            raise ValueError(f"endpoints.{name}: no kind of this name is served on the {surface} surface")
        for operation, text in operations.items():
            bindings[name] = _correct(bindings[name], name, operation, text)
    return Surfaces(surface, sandbox, bindings, told)


def confirmed(served: Surfaces, endpoints: Container[str]) -> Surfaces:
    """``served``, where each of ``endpoints`` ("METHOD /path") counts as observed: this account served it."""

    def graded(endpoint: Endpoint | None) -> Endpoint | None:
        return replace(endpoint, grade=OBSERVED) if endpoint and str(endpoint) in endpoints else endpoint

    def sure(endpoint: Endpoint) -> Endpoint:
        return graded(endpoint) or endpoint

    bindings = {
        name: replace(
            binding,
            lists=tuple(map(sure, binding.lists)),
            read=graded(binding.read),
            create=graded(binding.create),
            update=graded(binding.update),
            delete=graded(binding.delete),
            parts=tuple(replace(p, read=sure(p.read), update=sure(p.update)) for p in binding.parts),
        )
        for name, binding in served.bindings.items()
    }
    operations = {name: sure(endpoint) for name, endpoint in served.operations.items()}
    return replace(served, bindings=bindings, operations=operations)


def _choose(kind: Kind, surface: Surface, *, sandbox: bool) -> Binding | None:
    real = kind.partner if surface == "partner" else kind.dealer
    return real if real is not None else (kind.simulated if sandbox else None)


def _corrected(subject: str, verb: str, text: str) -> Endpoint:
    """The endpoint of what is told to CHeKT, as the user says it is."""
    if f"{subject}.{verb}" not in OPERATIONS:
        known = ", ".join(sorted(name for name in OPERATIONS if name.startswith(f"{subject}.")))
        raise ValueError(f"endpoints.{subject}.{verb}: write endpoints.{known}")
    return Endpoint(*_written(subject, verb, text), CORRECTED)


def _written(kind: str, operation: str, text: str) -> tuple[str, str]:
    """Method and path of a correction. Raises ValueError."""
    method, _, path = text.partition(" ")
    if method not in ("GET", "POST", "PUT", "PATCH", "DELETE") or not path.startswith("/"):
        raise ValueError(f'endpoints.{kind}.{operation}: {text!r} is not "METHOD /path"')
    return method, path


def _correct(binding: Binding, kind: str, operation: str, text: str) -> Binding:
    method, path = _written(kind, operation, text)
    part_name, dot, part_operation = operation.partition(".")
    part = next((part for part in binding.parts if part.name == part_name), None)
    if dot and part is not None and part_operation in ("read", "update"):
        old = part.read if part_operation == "read" else part.update
        fixed = replace(part, **_field(part_operation, _endpoint(old, method, path)))
        return replace(binding, parts=tuple(fixed if each is part else each for each in binding.parts))
    if operation == "list":
        old_list = binding.lists[0] if binding.lists else None
        return replace(binding, lists=(_endpoint(old_list, method, path), *binding.lists[1:]))
    names: tuple[EndpointName, ...] = ("read", "create", "update", "delete")
    if operation not in names:
        raise ValueError(f"endpoints.{kind}.{operation}: write list, {', '.join(names)} or part.update")
    current: Endpoint | None = getattr(binding, operation)
    return replace(binding, **_field(operation, _endpoint(current, method, path)))


def _endpoint(old: Endpoint | None, method: str, path: str) -> Endpoint:
    """``old`` moved to ``method path``. A path that names the object itself is never a bulk call."""
    bulk = old is not None and old.bulk and path.rstrip("/") == old.path
    return Endpoint(method, path, CORRECTED, bulk=bulk, constants=old.constants if old else {})


def _field(name: str, endpoint: Endpoint) -> dict[str, Any]:
    return {name: endpoint}
