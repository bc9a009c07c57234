"""Bulk results: which write each entry speaks of, and what it says (chekt-api/README.md section 4.3).

The item shape beyond ``is_successful`` is unknown and so is the order, so an entry is matched by the
external id or the remote id it carries. Entries without either are matched by position only where all
lack them, there are as many as writes, and nothing they return contradicts what was sent. Whatever
cannot be matched is ambiguous.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reconciler.chekt import wire
from reconciler.kinds import Binding
from reconciler.model import JsonValue
from reconciler.writes import Write

_NESTS = ("data", "result", "resource")
_OUTCOMES = ("is_successful", "isSuccessful", "success")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a bulk result. ``successful`` is None where it does not say."""

    successful: bool | None
    object: Mapping[str, JsonValue]
    message: str


def entries(body: JsonValue, names: tuple[str, ...]) -> list[Entry] | None:
    """The entries of a bulk result, with the object that each carries; None for any other body.

    ``names``: keys under which an entry may nest its object, such as ``device``.
    """
    if wire.is_object(body) and wire.is_object(body.get("data")):
        body = body["data"]
    array = body.get("results") if wire.is_object(body) else body
    if array is None or not wire.is_array(array):
        return None
    return [_entry(raw, names) for raw in array if wire.is_object(raw)]


def _entry(raw: Mapping[str, JsonValue], names: tuple[str, ...]) -> Entry:
    merged = dict(raw)
    for name in (*names, *_NESTS):
        inner = raw.get(name)
        if wire.is_object(inner):
            merged = {**merged, **inner}
    outcome = next((raw[name] for name in _OUTCOMES if name in raw), None)
    return Entry(wire.truth(outcome), merged, _message(raw))


def _message(raw: Mapping[str, JsonValue]) -> str:
    error = raw.get("error")
    if wire.is_object(error):
        error = error.get("message") or error.get("detail") or error.get("code")
    text = error or raw.get("message") or raw.get("error_message")
    return str(text) if text else "the server gives no reason"


def match(found: Sequence[Entry], writes: Sequence[Write], binding: Binding) -> list[Entry | None]:
    """The entry of each write, in the order of ``writes``; None where none can be told to be its own."""
    keyed = [_ids(entry, binding) for entry in found]
    if not any(external or remote for external, remote in keyed):
        fits = len(found) == len(writes) and all(map(_agrees, found, writes, [binding] * len(writes)))
        return list(found) if fits else [None] * len(writes)
    return [_own(found, keyed, write) for write in writes]


def _own(
    found: Sequence[Entry], keyed: Sequence[tuple[str | None, str | None]], write: Write
) -> Entry | None:
    own = [
        entry
        for entry, (external, remote) in zip(found, keyed, strict=True)
        if (external == write.external_id if external else remote is not None and remote == write.remote_id)
    ]
    return own[0] if len(own) == 1 else None


def _ids(entry: Entry, binding: Binding) -> tuple[str | None, str | None]:
    """External and remote id."""
    external = wire.text_id(entry.object.get(binding.external_id)) if binding.external_id else None
    return external, wire.text_id(entry.object.get(binding.remote_id))


def _agrees(entry: Entry, write: Write, binding: Binding) -> bool:
    """Whether nothing the entry returns differs from what was sent, as far as text can tell."""
    return all(
        str(entry.object[wire_name]) == value
        for name, wire_name in binding.fields.items()
        if wire_name in entry.object and isinstance(value := write.payload.get(name), str)
    )
