"""Did a write happen? Decided from what the account shows, in this one place.

A write whose answer was lost is looked up; the verdict says what the account proves::

    create   one object with our external id that was not there before    happened
             none                                                         did not
             several, or the collection was not known before              unproven
    update   every field sent that can be seen is as sent                 happened
             every field that should have moved is as it was              did not
             the object is gone                                           refused
             anything between, or nothing that can be seen                unproven
    delete   the object is gone                                           happened
             it is still there                                            did not
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from reconciler.kinds import REGISTRY
from reconciler.kinds.kind import Binding, Kind
from reconciler.model import JsonValue, LiveObject
from reconciler.planning.digest import canonical
from reconciler.writes import Write


class Proof(Enum):
    """What the account proves of one write."""

    HAPPENED = auto()
    DID_NOT = auto()
    REFUSED = auto()
    UNPROVEN = auto()


@dataclass(frozen=True, slots=True)
class Verdict:
    """``live``: the object as found, where the write happened. ``why`` completes "..., since"."""

    proof: Proof
    why: str = ""
    live: LiveObject | None = None


def judge_create(
    write: Write, binding: Binding, present: Sequence[LiveObject], before: frozenset[str] | None
) -> Verdict:
    """``present``: the collection now. ``before``: remote ids in it before the write, None if unknown."""
    if binding.external_id is None:
        return Verdict(Proof.UNPROVEN, "the account returns no external id to look it up by")
    if before is None:
        return Verdict(Proof.UNPROVEN, "it is not known what the account held before")
    found = [
        live for live in present if live.external_id == write.external_id and live.remote_id not in before
    ]
    if not found:
        return Verdict(Proof.DID_NOT, "the account does not show it")
    if len(found) > 1:
        ids = " and ".join(sorted(live.remote_id for live in found))
        return Verdict(Proof.UNPROVEN, f"several objects have its external id: {ids}")
    return Verdict(Proof.HAPPENED, "the account shows it", found[0])


def judge_update(write: Write, present: LiveObject | None) -> Verdict:
    """``present``: the object now, or one with just the fields of the part that was written."""
    if present is None:
        return Verdict(Proof.REFUSED, "the object is gone")
    kind = REGISTRY[write.address.kind]
    seen = [name for name in write.payload if name in present.fields and name not in kind.secret]
    moved = [name for name in seen if not same(kind, name, write.before.get(name), write.payload[name])]
    if not moved:
        return Verdict(Proof.UNPROVEN, "none of the fields sent can be seen to have changed")
    as_sent = {name for name in seen if same(kind, name, present.fields[name], write.payload[name])}
    if as_sent.issuperset(seen):
        return Verdict(Proof.HAPPENED, "the account shows the values sent", present)
    if all(same(kind, name, present.fields[name], write.before.get(name)) for name in moved):
        return Verdict(Proof.DID_NOT, "the account shows the values from before")
    return Verdict(Proof.UNPROVEN, "the account shows neither the old values nor those sent")


def judge_delete(write: Write, present: Sequence[LiveObject]) -> Verdict:
    """``present``: the collection now."""
    if any(live.remote_id == write.remote_id for live in present):
        return Verdict(Proof.DID_NOT, "the account still shows it")
    return Verdict(Proof.HAPPENED, "the account shows it no longer")


def replaced_values(
    kind: Kind, sent: Mapping[str, JsonValue], returned: Mapping[str, JsonValue]
) -> tuple[str, ...]:
    """The fields, secrets apart, that came back different from what was sent."""
    return tuple(
        name
        for name, value in sent.items()
        if name in returned and name not in kind.secret and not same(kind, name, value, returned[name])
    )


def same(kind: Kind, name: str, one: JsonValue, other: JsonValue) -> bool:
    """True when two values of a field mean the same: normalised, and as a set where order is nothing."""
    if one == other:
        return True
    return form(kind, name, one) == form(kind, name, other)


def form(kind: Kind, name: str, value: JsonValue) -> str:
    """``value`` of a field as text that is equal for values that mean the same."""
    return canonical(_unordered(kind, name, kind.normalise(name, value)))


def _unordered(kind: Kind, path: str, value: JsonValue) -> JsonValue:
    if isinstance(value, Mapping):
        return {key: _unordered(kind, f"{path}.{key}", inner) for key, inner in value.items()}
    if isinstance(value, str) or not isinstance(value, Sequence):
        return value
    inner = [_unordered(kind, path, each) for each in value]
    return sorted(inner, key=canonical) if path in kind.unordered else inner
