"""Between the model's names and the wire's: decoding live objects, encoding writes.

Pure functions over ``Binding`` and ``Kind``; nothing here sends a request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from reconciler.chekt import wire
from reconciler.kinds import REGISTRY, Binding, Endpoint, Kind
from reconciler.model import JsonObject, JsonValue, LiveObject
from reconciler.writes import Write

Clear = Literal["null", "empty"]

_GONE = ("is_deleted", "deleted_at", "deleted")
"""Marks of a soft delete; whether CHeKT deletes softly is unknown (chekt-api/README.md section 12.6)."""


def id_names(kind: str) -> tuple[str, ...]:
    """The placeholders of ``kind``'s paths: its ancestors' remote ids, outermost first, and its own."""
    names: list[str] = []
    current: str | None = kind
    while current is not None:
        names.insert(0, f"{current}_id")
        current = REGISTRY[current].parent
    return tuple(names)


def decode(
    kind: Kind, binding: Binding, raw: Mapping[str, JsonValue], constants: Mapping[str, JsonValue]
) -> LiveObject | None:
    """The live object in ``raw``; None where it has no remote id."""
    remote_id = wire.text_id(_find(raw, binding.remote_id, binding.aliases.get(binding.remote_id, ())))
    if remote_id is None:
        return None
    fields = decode_fields(kind, binding, raw, frozenset(binding.fields))
    fields.update(constants)
    return LiveObject(kind.name, remote_id, external_id(kind, binding, raw), fields)


def decode_fields(
    kind: Kind, binding: Binding, raw: Mapping[str, JsonValue], names: frozenset[str]
) -> JsonObject:
    """The fields ``names`` that ``raw`` holds, in normal form; secrets never, whatever the server echoes."""
    shaped = binding.reshape(raw)
    fields: JsonObject = {}
    for name in names - kind.secret:
        key = _key(shaped, binding.fields[name], binding.aliases.get(name, ()))
        if key is None:
            continue
        value = shaped[key]
        fields[name] = wire.text_id(value) if _by_id(kind, name) else kind.decode(name, value)
    return fields


def external_id(kind: Kind, binding: Binding, raw: Mapping[str, JsonValue]) -> str | None:
    """The external id in ``raw``; where it is one of the fields (a webhook's url), in its normal form."""
    name = binding.external_id
    if name is None:
        return None
    value = _find(raw, name, binding.aliases.get(name, ()))
    field = next((f for f, wire_name in binding.fields.items() if wire_name == name), None)
    return wire.text_id(value if field is None else kind.decode(field, value))


def is_gone(raw: Mapping[str, JsonValue]) -> bool:
    """Whether a listed object is marked as deleted."""
    return any(raw.get(mark) not in (None, "", 0, False, "0", "false") for mark in _GONE)


def _key(raw: Mapping[str, JsonValue], name: str, aliases: tuple[str, ...]) -> str | None:
    return next((key for key in (name, *aliases) if key in raw), None)


def _find(raw: Mapping[str, JsonValue], name: str, aliases: tuple[str, ...]) -> JsonValue:
    key = _key(raw, name, aliases)
    return None if key is None else raw[key]


def body(kind: Kind, binding: Binding, endpoint: Endpoint, write: Write, clear: Clear) -> JsonObject:
    """The JSON object to send for ``write``. Raises ValueError for a field the surface does not have."""
    unknown = sorted(name for name in write.payload if name not in binding.fields)
    if unknown:
        raise ValueError(f"{kind.name} has no field {', '.join(unknown)} on this surface")
    if (
        write.operation == "update"
        and write.part is None
        and (binding.full_update or endpoint.method == "PUT")
    ):
        return _full(kind, binding, write)
    blank: JsonValue = "" if clear == "empty" else None
    sent: JsonObject = {}
    if write.operation == "create" and binding.external_id is not None:
        sent[binding.external_id] = write.external_id
    for name, value in write.payload.items():
        if value is not None:
            sent[binding.fields[name]] = _encode(kind, name, value)
        elif write.operation != "create":
            sent[binding.fields[name]] = blank
    if endpoint.bulk and write.operation != "create":
        sent = {**_keys(binding, write), **sent}
    return sent


def _keys(binding: Binding, write: Write) -> JsonObject:
    """What names an object within a bulk call: both its ids (chekt-api/README.md section 12.8)."""
    keys: JsonObject = {}
    if write.remote_id is not None:
        keys[binding.remote_id] = wire.wire_id(write.remote_id)
    if binding.external_id is not None and write.external_id:
        keys[binding.external_id] = write.external_id
    return keys


def _full(kind: Kind, binding: Binding, write: Write) -> JsonObject:
    """Every mutable field, blank ones as ``""``: right whether PUT replaces or merges (section 5.3).

    A flag, a number or a secret that nobody set has no blank form, so it is left out.
    """
    sent: JsonObject = {}
    elsewhere = binding.in_parts
    for name, wire_name in binding.fields.items():
        if name in kind.immutable or (name in elsewhere and name not in write.payload):
            continue
        value = write.payload[name] if name in write.payload else write.before.get(name)
        if value is not None:
            sent[wire_name] = _encode(kind, name, value)
        elif name in write.payload or not (name in kind.codecs or name in kind.secret or _by_id(kind, name)):
            sent[wire_name] = ""
    return sent


def _encode(kind: Kind, name: str, value: JsonValue) -> JsonValue:
    if _by_id(kind, name) and isinstance(value, str):
        return wire.wire_id(value)
    return kind.encode(name, value)


def _by_id(kind: Kind, name: str) -> bool:
    """Whether the field holds CHeKT's id of another object."""
    return any(reference.path == name and reference.by_remote_id for reference in kind.references)
