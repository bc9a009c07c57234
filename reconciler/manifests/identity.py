"""``adopt`` and ``moved_from``: which object of the account a resource is, where its name is new.

Both stand on the resource itself, inline children included: what they are about needs no second
spelling, and they can be removed with one line once an apply has recorded them.
"""

from __future__ import annotations

from collections.abc import Collection as Group
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from reconciler.errors import Problem
from reconciler.kinds import Kind
from reconciler.kinds.values import identifier
from reconciler.manifests.nodes import Series, Table
from reconciler.model import Address, Identity, JsonValue

IDENTIFYING = frozenset({"kind", "id", "external_id", "adopt", "moved_from"})
"""Keys that say which resource a document is; they cannot have a default."""

_ADOPT_FORM = 'Write adopt: {id: "17"}, with CHeKT\'s id of the object.'
_MOVED_FORM = "Write the id it had, or its whole address such as site:acme/old-name."


@dataclass(frozen=True, slots=True)
class Origin:
    """What a document says of the resource's past: an object to adopt, and earlier names as written."""

    adopt: str | None = None
    moved_from: tuple[str, ...] = ()


_NEW = Origin()


class Placed(Protocol):
    """What this module reads of a draft."""

    kind: Kind
    table: Table
    path: tuple[str, ...] | None
    origin: Origin
    external_id: str
    id: str


def read_origin(kind: Kind, table: Table, problems: list[Problem]) -> Origin:
    """The ``adopt`` and ``moved_from`` of one document; what is wrong with them goes to ``problems``."""
    if "adopt" not in table and "moved_from" not in table:
        return _NEW
    if kind.adopted:
        why = f"a {kind.name} is known by its {kind.remote_id_field} under whatever name"
        problems += [
            Problem(f"{key}: {why}", table.key_source(key), f"Remove {key}.")
            for key in ("adopt", "moved_from")
            if key in table
        ]
        return _NEW
    return Origin(_adopt(kind, table, problems), _moved_from(kind, table, problems))


def _adopt(kind: Kind, table: Table, problems: list[Problem]) -> str | None:
    if "adopt" not in table:
        return None
    block = table["adopt"]
    value = block.get("id") if isinstance(block, Mapping) and set(block) == {"id"} else None
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        wrong = "adopt: not the id of one object"
        problems.append(Problem(wrong, table.value_source("adopt"), _ADOPT_FORM))
        return None
    own = kind.remote_id_field
    if own is not None and table.get(own) is not None:
        hint = f"Remove one of the two; {own} keeps naming the object, adopt only until it is owned."
        problems.append(Problem(f"adopt: {own} names the object already", table.key_source("adopt"), hint))
        return None
    return value


def _moved_from(kind: Kind, table: Table, problems: list[Problem]) -> tuple[str, ...]:
    if "moved_from" not in table:
        return ()
    written = table["moved_from"]
    names: Sequence[object] = written if isinstance(written, Series) else [written]
    for name in names:
        why = _not_a_name(kind, name)
        if why:
            problems.append(Problem(f"moved_from: {why}", table.value_source("moved_from"), _MOVED_FORM))
            return ()
    return tuple(str(name) for name in names)


def _not_a_name(kind: Kind, name: object) -> str:
    if not isinstance(name, str) or not name:
        return "not the earlier name of a resource"
    try:
        if ":" not in name:
            identifier(name)
        elif Address.parse(name).kind != kind.name:
            return f"{name} is no {kind.name}"
    except ValueError as exc:
        return str(exc)
    return ""


def identity(draft: Placed) -> Identity:
    """The identity of a placed draft, its earlier names as addresses."""
    named = draft.kind.identity != "external_id" or "external_id" in draft.table
    origin = draft.origin
    return Identity(origin.adopt, tuple(_former(draft, name) for name in origin.moved_from), named)


def _former(draft: Placed, name: str) -> Address:
    """The address an earlier name stands for; an id alone is of the same parent."""
    assert draft.path is not None
    return Address.parse(name) if ":" in name else Address(draft.kind.name, (*draft.path[:-1], name))


def check(drafts: Iterable[Placed]) -> list[Problem]:
    """Objects adopted twice, and earlier names that cannot have been: taken, shared, or going round."""
    marked = [draft for draft in drafts if draft.path is not None and draft.origin is not _NEW]
    if not marked:
        return []
    return [*_adopted_twice(marked), *_impossible_moves(marked, {_address(d): d for d in drafts if d.path})]


def _adopted_twice(drafts: Iterable[Placed]) -> Iterable[Problem]:
    first: dict[tuple[str, str], Placed] = {}
    for draft in drafts:
        if draft.origin.adopt is None:
            continue
        other = first.setdefault((draft.kind.name, draft.origin.adopt), draft)
        if other is not draft:
            yield Problem(
                f"adopt: {draft.origin.adopt} is already to be {_address(other)}",
                draft.table.value_source("adopt"),
                "One object of the account cannot be two resources; correct one of the two.",
                _address(draft),
            )


def _impossible_moves(drafts: Iterable[Placed], declared: Mapping[Address, Placed]) -> Iterable[Problem]:
    claimed: dict[Address, Address] = {}
    for draft in drafts:
        here = _address(draft)
        for source in identity(draft).moved_from:
            why, hint = _why_not(here, source, declared, claimed.setdefault(source, here))
            if why:
                yield Problem(f"moved_from: {why}", draft.table.value_source("moved_from"), hint, here)


def _why_not(
    here: Address, source: Address, declared: Mapping[Address, Placed], claimant: Address
) -> tuple[str, str]:
    if source == here:
        return f"{source} is its own name", "Remove moved_from."
    if claimant != here:
        return f"{source} has become {claimant} already", "Correct one of the two."
    if source in declared:
        if not declared[source].origin.moved_from:
            return f"{source} is still declared", "Remove the old document, or moved_from."
        if here in _path_back(source, declared):
            return f"{here} and {source} go round in a circle", "Rename in two steps, with an apply between."
    return "", ""


def _path_back(start: Address, declared: Mapping[Address, Placed]) -> Group[Address]:
    """Every address that ``start`` was moved from, directly or through others that are declared."""
    seen: set[Address] = set()
    ahead = [start]
    while ahead:
        draft = declared.get(ahead.pop())
        for source in identity(draft).moved_from if draft is not None else ():
            if source not in seen:
                seen.add(source)
                ahead.append(source)
    return seen


def _address(draft: Placed) -> Address:
    assert draft.path is not None
    return Address(draft.kind.name, draft.path)


def identity_schema(kind: Kind) -> dict[str, Any]:
    """The JSON Schema of the two keys, for the kinds that have them."""
    if kind.adopted:
        return {}
    name: JsonValue = {"type": "string", "minLength": 1}
    return {
        "adopt": {
            "type": "object",
            "description": "Take over an object that exists, by CHeKT's id; may be removed once applied.",
            "additionalProperties": False,
            "required": ["id"],
            "properties": {"id": {"type": ["string", "integer"], "description": "CHeKT's id of it."}},
        },
        "moved_from": {
            "anyOf": [name, {"type": "array", "items": name, "minItems": 1}],
            "description": "The id or address it had before; it is renamed, not made anew. "
            "May be removed once applied.",
        },
    }
