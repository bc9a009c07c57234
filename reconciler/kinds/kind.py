"""What a kind is: data that the manifests, the client, the sandbox, planning and the schemas read.

A ``Kind`` describes the resource as the user writes it; a ``Binding`` describes how one surface of
the API names and serves it. Nothing here performs a request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from reconciler.model import Grade, JsonValue

NOTHING: Mapping[str, Any] = MappingProxyType({})

EndpointName = Literal["list", "read", "create", "update", "delete"]
Verb = Literal["read", "create", "update", "delete"]
"""What a scope allows (chekt-api/README.md section 2.3); to list is to read."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One API operation.

    ``path`` holds ``{remote id names}`` of the object and its ancestors. ``bulk``: the body is an
    array and the answer a bulk result (chekt-api/README.md section 4.3). ``constants`` are fields a
    list endpoint implies (cameras and bridges are two lists of one kind on the dealer surface).
    """

    method: str
    path: str
    grade: Grade
    bulk: bool = False
    constants: Mapping[str, JsonValue] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Part:
    """Fields of a resource that the API serves from a singleton endpoint of their own."""

    name: str
    fields: frozenset[str]
    read: Endpoint
    update: Endpoint


def same(wire: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """The identity: a wire object that needs no reshaping."""
    return wire


@dataclass(frozen=True, slots=True)
class Binding:
    """How one surface serves a kind.

    ``fields``: manifest field -> wire name, for every field the surface has; others do not exist
    there. ``aliases``: further wire names accepted when reading. ``lists``: every endpoint that
    lists a part of the collection. ``match_by``: fields that identify an object where the surface
    returns no external id. ``reshape`` turns a live wire object into one with the names of ``fields``.
    ``full_update``: an update sends every field, since replace and merge cannot be told apart.
    ``scope``: what a token's scopes call the kind, ``read:SCOPE``, None where no scope is known.
    """

    remote_id: str
    external_id: str | None
    fields: Mapping[str, str]
    lists: tuple[Endpoint, ...] = ()
    read: Endpoint | None = None
    create: Endpoint | None = None
    update: Endpoint | None = None
    delete: Endpoint | None = None
    parts: tuple[Part, ...] = ()
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    match_by: tuple[str, ...] = ()
    full_update: bool = False
    scope: str | None = None
    reshape: Callable[[Mapping[str, JsonValue]], Mapping[str, JsonValue]] = same

    @property
    def readable(self) -> bool:
        """Whether the surface shows objects of the kind, in a list or one by one."""
        return bool(self.lists) or self.read is not None

    @property
    def in_parts(self) -> frozenset[str]:
        """The fields that lie in a part, not in the object itself."""
        return frozenset(name for part in self.parts for name in part.fields)

    def part_of(self, name: str) -> Part | None:
        """The part that holds field ``name``, None when the object itself does."""
        return next((part for part in self.parts if name in part.fields), None)


def scope_for(binding: Binding, verb: Verb) -> str | None:
    """The OAuth scope that ``verb`` needs on the objects of ``binding``; None where none is known."""
    return f"{verb}:{binding.scope}" if binding.scope is not None else None


def simulated(name: str, spec: type[BaseModel], path: str) -> Binding:
    """The binding of kind ``name`` that only the simulator serves, at the collection ``path`` (``/sim/v0``).

    The wire has the manifest's field names, and ids named after the kind.
    """
    one = f"{path}/{{{name}_id}}"
    return Binding(
        remote_id=f"{name}_id",
        external_id=f"external_{name}_id",
        fields={field_name: field_name for field_name in spec.model_fields},
        lists=(Endpoint("GET", path, "provisional"),),
        read=Endpoint("GET", one, "provisional"),
        create=Endpoint("POST", path, "provisional"),
        update=Endpoint("PATCH", one, "provisional"),
        delete=Endpoint("DELETE", one, "provisional"),
    )


@dataclass(frozen=True, slots=True)
class Codec:
    """Turns a field's manifest value into its wire value and back. Both are pure."""

    encode: Callable[[JsonValue], JsonValue]
    decode: Callable[[JsonValue], JsonValue]


@dataclass(frozen=True, slots=True)
class Reference:
    """A field that names another resource by id.

    ``path`` is dotted, ``*`` for any list entry or mapping key. ``by_remote_id``: the API wants
    CHeKT's id of the target; otherwise the user's id travels as written.
    """

    path: str
    kind: str
    by_remote_id: bool = False


class Spec(BaseModel):
    """The fields a user may write of a kind, beside the common ones. Unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class LifecycleSpec(Spec):
    """How a plan may treat the resource."""

    protect: Annotated[bool, Field(description="Refuse every plan that would delete or replace it.")] = False
    ignore: Annotated[list[str], Field(description="Fields to show in a plan but never to change.")] = []


@dataclass(frozen=True)
class Kind:
    """A kind of resource, as data.

    ``collection``: plural name, the key for children written inline under their parent.
    ``spec``: the fields of a manifest, with descriptions for editors. ``parent``: the kind it stands
    under. ``adopted``: never created nor deleted, only taken over by the id the user writes.
    ``remote_id_field``: manifest field in which a user may name CHeKT's id. ``external_id_field``: the
    one that holds the external id, where it has a name of its own. ``local``: fields used by the
    reconciler itself and never sent. ``secret``: write-only fields, written as references.
    ``immutable``: a change forces replacement. ``read_only``: wire names CHeKT assigns.
    ``unordered``: lists that are sets. ``portal``: the steps a person takes where no endpoint exists;
    ``{id}`` and ``{parent}`` are filled in.
    """

    name: str
    collection: str
    title: str
    spec: type[Spec]
    identity: str = "external_id"
    parent: str | None = None
    adopted: bool = False
    remote_id_field: str | None = None
    external_id_field: str | None = None
    references: tuple[Reference, ...] = ()
    immutable: frozenset[str] = frozenset()
    read_only: frozenset[str] = frozenset()
    unordered: frozenset[str] = frozenset()
    secret: frozenset[str] = frozenset()
    local: frozenset[str] = frozenset()
    codecs: Mapping[str, Codec] = field(default_factory=lambda: NOTHING)
    partner: Binding | None = None
    dealer: Binding | None = None
    simulated: Binding | None = None
    portal: tuple[str, ...] = ()

    @cached_property
    def managed(self) -> tuple[str, ...]:
        """The fields a plan compares, in the order of the spec."""
        return tuple(
            name for name in self.spec.model_fields if name not in self.local and name != self.remote_id_field
        )

    @cached_property
    def required(self) -> frozenset[str]:
        """The fields every manifest of the kind must write."""
        return frozenset(n for n, info in self.spec.model_fields.items() if info.is_required())

    @cached_property
    def _adapters(self) -> Mapping[str, TypeAdapter[Any]]:
        lenient = ConfigDict(coerce_numbers_to_str=True)
        return {
            name: TypeAdapter(_annotation(info), config=None if _is_model(info.annotation) else lenient)
            for name, info in self.spec.model_fields.items()
        }

    def normalise(self, name: str, value: JsonValue) -> JsonValue:
        """The normal form of a live value of field ``name``; unknown spellings are kept as they came.

        The empty string and null both mean "not set" (chekt-api/README.md section 12.5).
        """
        if value is None or value == "":
            return None
        try:
            normal: JsonValue = self._adapters[name].validate_python(value)
        except ValidationError:
            return value
        return plain(normal)

    def encode(self, name: str, value: JsonValue) -> JsonValue:
        """The wire value of a manifest value."""
        codec = self.codecs.get(name)
        return value if codec is None or value is None else codec.encode(value)

    def decode(self, name: str, value: JsonValue) -> JsonValue:
        """The normal form of a wire value."""
        codec = self.codecs.get(name)
        return self.normalise(name, value if codec is None or value is None else codec.decode(value))

    def portal_steps(self, identifier: str, parent: str) -> tuple[str, ...]:
        """What a person has to do in the portal for the resource ``identifier`` under ``parent``."""
        return tuple(step.format(id=identifier, parent=parent) for step in self.portal)


def _annotation(info: FieldInfo) -> Any:
    """The field's type with its validators, without its default."""
    return Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def plain(value: Any) -> JsonValue:
    """``value`` with models and tuples turned into plain JSON data; unset optional fields dropped."""
    if isinstance(value, BaseModel):
        return {k: plain(v) for k, v in value if k in value.model_fields_set}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    assert value is None or isinstance(value, (bool, int, float, str)), type(value)
    return value
