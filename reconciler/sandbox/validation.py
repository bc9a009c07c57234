"""Strict checks of a written body against what a kind's binding takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import TypeAdapter, ValidationError

from reconciler.kinds import Binding, Codec, Kind
from reconciler.kinds.kind import plain
from reconciler.model import JsonObject, JsonValue
from reconciler.sandbox.call import Call
from reconciler.sandbox.errors import Refusal
from reconciler.sandbox.store import Row

Rule: TypeAlias = Callable[[JsonValue], "str | None"]
"""Says what is wrong with a wire value, or None."""

_LOOSE = frozenset({("device", "mac"), ("contact", "phone_number"), ("dealer", "company_phone_number")})
"""Fields whose documented samples are no MAC and no E.164 number (section 3.7): any text goes."""

_JSON_NAMES: Mapping[type, str] = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    list: "array",
    dict: "object",
}

Mode = Literal["create", "merge", "replace"]


@dataclass(frozen=True, slots=True)
class WireField:
    """One writable field. ``reference`` is the kind whose id it holds."""

    name: str
    wire: str
    required: bool
    immutable: bool
    rule: Rule
    reference: str | None


def wire_fields(kind: Kind, binding: Binding) -> tuple[WireField, ...]:
    """The fields a create or update of ``kind`` takes through ``binding``, parts left out."""
    references = {ref.path: ref.kind for ref in kind.references if ref.by_remote_id}
    return tuple(
        WireField(
            name,
            wire,
            required=name in kind.required,
            immutable=name in kind.immutable,
            rule=_reference_rule if name in references else rule_of(kind, name),
            reference=references.get(name),
        )
        for name, wire in binding.fields.items()
        if binding.part_of(name) is None and name not in kind.local
    )


def rule_of(kind: Kind, name: str) -> Rule:
    """The rule for the wire value of field ``name``: its type and limits in the kind's spec."""
    if name in kind.secret or (kind.name, name) in _LOOSE:
        return _text_rule
    info = kind.spec.model_fields[name]
    annotation: Any = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    codec = kind.codecs.get(name)
    return _spec_rule(adapter) if codec is None else _codec_rule(adapter, codec)


def _spec_rule(adapter: TypeAdapter[Any]) -> Rule:
    def check(value: JsonValue) -> str | None:
        try:
            adapter.validate_python(value, strict=True)
        except ValidationError as exc:
            return _first(exc)
        return None

    return check


def _codec_rule(adapter: TypeAdapter[Any], codec: Codec) -> Rule:
    def check(value: JsonValue) -> str | None:
        try:
            normal = plain(adapter.validate_python(codec.decode(value), strict=True))
        except ValidationError as exc:
            return _first(exc)
        wire_type = type(codec.encode(normal))
        return None if type(value) is wire_type else f"must be a {_JSON_NAMES[wire_type]}"

    return check


def _text_rule(value: JsonValue) -> str | None:
    return None if isinstance(value, str) and value else "must be a string"


def _reference_rule(value: JsonValue) -> str | None:
    number = isinstance(value, int) and not isinstance(value, bool)
    return None if number and value >= 1 else "must be a number"  # type: ignore[operator]


def _first(exc: ValidationError) -> str:
    return str(exc.errors(include_url=False, include_context=False)[0]["msg"]).removeprefix("Value error, ")


@dataclass(frozen=True, slots=True)
class Shape:
    """What one collection takes: its kind, its binding, the fields, and whether it is of our own making.

    Of a ``provisional`` kind the whole spec is checked, as CHeKT's portal would.
    """

    kind: Kind
    binding: Binding
    fields: tuple[WireField, ...]
    provisional: bool

    @property
    def identifies(self) -> bool:
        """Whether the external id is a field of its own, beside the others."""
        external = self.binding.external_id
        return external is not None and external not in self.binding.fields.values()


def read_body(
    call: Call, shape: Shape, body: JsonObject, mode: Mode, row: Row | None
) -> tuple[JsonObject, str | None]:
    """The object's new body and external id after writing ``body``. Raises Refusal.

    ``row`` is the object as it stands, None for a create. ``merge`` keeps what ``body`` leaves out,
    ``replace`` clears it.
    """
    _refuse_strangers(call, shape, body)
    fields: JsonObject = dict(row.body) if row is not None else {}
    for field in shape.fields:
        if field.wire in body:
            _take(call, field, body[field.wire], fields, row)
        elif mode != "merge":
            if field.required and not (field.immutable and mode == "replace"):
                raise call.invalid(field.wire, f"{field.wire} is required", code="required")
            if not field.immutable:
                fields.pop(field.name, None)
    external_id = _external_id(call, shape, body, fields, row)
    if shape.provisional:
        _check_whole(call, shape, fields)
    return fields, external_id


def _refuse_strangers(call: Call, shape: Shape, body: JsonObject) -> None:
    known = {field.wire for field in shape.fields} | {shape.binding.external_id}
    for name in body:
        if name in shape.kind.read_only and name not in known:
            raise call.invalid(name, f"{name} is read-only", code="read_only")
        if name in shape.kind.read_only and shape.kind.adopted:
            raise call.invalid(name, f"{name} is read-only", code="read_only")
        if name not in known and call.switches.unknown_fields == "refuse":
            raise call.invalid(name, f"there is no field {name}", code="unknown_field")


def _take(call: Call, field: WireField, value: JsonValue, fields: JsonObject, row: Row | None) -> None:
    """Put one wire value into ``fields``, or clear it."""
    clearing = (value is None and call.switches.clear_by != "empty") or (
        value == "" and call.switches.clear_by != "null"
    )
    if clearing and not field.required:
        fields.pop(field.name, None)
        return
    if call.switches.id_form == "string" and field.reference and isinstance(value, str) and value.isdigit():
        value = int(value[:18])
    problem = "must not be null" if value is None else _too_long(call, value) or field.rule(value)
    if problem is not None:
        raise call.invalid(field.wire, f"{field.wire}: {problem}")
    if row is not None and field.immutable and value != row.body.get(field.name):
        raise call.invalid(field.wire, f"{field.wire} cannot be changed", code="immutable")
    fields[field.name] = value


def _too_long(call: Call, value: JsonValue) -> str | None:
    limit = call.switches.max_text
    return f"at most {limit} characters" if isinstance(value, str) and len(value) > limit else None


def _external_id(
    call: Call, shape: Shape, body: JsonObject, fields: JsonObject, row: Row | None
) -> str | None:
    wire = shape.binding.external_id
    if wire is None or shape.kind.adopted:
        return row.external_id if row is not None else None
    if not shape.identifies:
        name = next(name for name, each in shape.binding.fields.items() if each == wire)
        return str(fields[name])
    if wire not in body:
        if row is None:
            raise call.invalid(wire, f"{wire} is required", code="required")
        return row.external_id
    value = body[wire]
    problem = _too_long(call, value) or _text_rule(value)
    if problem is not None:
        raise call.invalid(wire, f"{wire}: {problem}")
    if row is not None and value != row.external_id and call.switches.external_id_change == "refuse":
        raise call.invalid(wire, f"{wire} cannot be changed", code="immutable")
    return str(value)


def _check_whole(call: Call, shape: Shape, fields: JsonObject) -> None:
    """Check a provisional object against the whole spec, rules across fields included.

    A manifest names the target of a reference, the object holds its number: as text it passes for a name.
    """
    references = {field.name for field in shape.fields if field.reference is not None}
    known = {
        name: str(value) if name in references else value
        for name, value in fields.items()
        if name in shape.binding.fields
    }
    try:
        shape.kind.spec.model_validate(known)
    except ValidationError as exc:
        error = exc.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(step) for step in error["loc"])
        message = str(error["msg"]).removeprefix("Value error, ")
        raise call.invalid(where or shape.kind.name, message) from exc


def duplicate(call: Call, wire: str, value: str) -> Refusal:
    """The refusal of an external id that is taken (section 11.3)."""
    status = int(call.switches.duplicate)
    return Refusal(status, f"{wire} {value!r} is already in use", code="duplicate", field=wire)
