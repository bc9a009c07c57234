"""From live objects to documents: what a manifest can say of an account, and what it cannot."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from reconciler.kinds import REGISTRY, Kind
from reconciler.kinds.kind import plain
from reconciler.kinds.surfaces import Surfaces
from reconciler.manifests.characters import control_character
from reconciler.manifests.key_order import key_order
from reconciler.model import Address, JsonObject, JsonValue, LiveObject
from reconciler.planning.digest import canonical
from reconciler.planning.naming import slug
from reconciler.planning.scope import chain, collection_of

_WORTH_A_DEFAULT = 3
"""Resources that must share a value before it is written once for all of them."""


@dataclass(slots=True)
class Inventory:
    """Documents by address, parents before children, and what they leave out.

    ``omitted``: objects that are not written, and why. ``unsaid``: single fields, and why.
    ``variables``: environment variables that the documents take secrets from.
    """

    documents: dict[Address, JsonObject] = field(default_factory=dict)
    omitted: dict[Address, str] = field(default_factory=dict)
    unsaid: list[str] = field(default_factory=list)
    variables: list[str] = field(default_factory=list)
    defaults: dict[str, JsonObject] = field(default_factory=dict)


def inventory(
    objects: Mapping[Address, LiveObject],
    dealers: Mapping[Address, str],
    surfaces: Surfaces,
    omitted: Mapping[Address, str],
    given: Mapping[str, Mapping[str, JsonValue]],
) -> Inventory:
    """The documents for ``objects``.

    ``dealers``: dealer ids by address, for the surface that does not show dealers. ``omitted``: what
    is to be left out. ``given``: fields by kind for objects of which the surface does not show them.
    """
    made = Inventory(omitted=dict(omitted))
    several = len(dealers) > 1
    order = {name: number for number, name in enumerate(REGISTRY)}
    everything = {address: objects.get(address) for address in (*dealers, *objects)}
    for address, shown in sorted(everything.items(), key=lambda each: (order[each[0].kind], each[0])):
        if any(step in made.omitted for step in chain(address)):
            made.omitted.setdefault(address, "what it stands under is not written")
            continue
        kind = REGISTRY[address.kind]
        live = shown or LiveObject(kind.name, dealers[address], None, {})
        document = _document(kind, address, live, surfaces, made, dict(given.get(kind.name, {})))
        if document is None:
            continue
        if several and kind.parent == "dealer":
            document["dealer"] = address.path[0]
        order_of_keys = key_order(kind.name)
        made.documents[address] = dict(
            sorted(document.items(), key=lambda each: order_of_keys.index(each[0]))
        )
    return made


def _document(
    kind: Kind, address: Address, live: LiveObject, surfaces: Surfaces, made: Inventory, given: JsonObject
) -> JsonObject | None:
    """One document; None where it cannot be, which is noted."""
    values: JsonObject = {**given}
    for name in kind.managed:
        value = live.fields.get(name)
        if value is not None and name not in kind.secret:
            values[name] = value
    if kind.adopted and kind.remote_id_field is not None:
        values[kind.remote_id_field] = int(live.remote_id)
        if kind.external_id_field is not None and live.external_id is not None:
            values[kind.external_id_field] = live.external_id
    _name_references(kind, address, values, made)
    for name in kind.secret & kind.required:
        variable = f"CHEKT_{slug(f'{kind.name}-{address.id}').replace('-', '_')}_{name}".upper()
        values[name] = {"env": _ascii(variable, live.remote_id)}
    said = _valid(kind, address, values, made) if _readable(kind, address, values, made) else None
    if said is None:
        return None
    made.variables += [str(said[name]["env"]) for name in sorted(kind.secret) if name in said]  # type: ignore[index,call-overload]
    if "mac" in said:
        said["mac"] = ":".join(re.findall("..", str(said["mac"])))
    return {"id": address.id, **_identity(kind, address, live, surfaces), **said}


def _readable(kind: Kind, address: Address, values: JsonObject, made: Inventory) -> bool:
    """Take out of ``values`` what no manifest may hold; False where the object cannot do without it."""
    for name in list(values):
        found = next(filter(None, map(control_character, _texts(values[name]))), None)
        if found is None:
            continue
        why = f"the control character {found} has no place in a manifest"
        if name in kind.required:
            made.omitted[address] = f"{name}: {why}"
            return False
        values.pop(name)
        made.unsaid.append(f"{address}: {name}: {why}")
    return True


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from (key, *_texts(inner))
    elif isinstance(value, Sequence):
        for inner in value:
            yield from _texts(inner)


def _ascii(variable: str, remote_id: str) -> str:
    """A name every shell takes."""
    return variable if variable.isascii() else f"CHEKT_{slug(remote_id).upper()}_SECRET"


def _identity(kind: Kind, address: Address, live: LiveObject, surfaces: Surfaces) -> JsonObject:
    """How the next plan finds the object again: by external id, else by CHeKT's id."""
    if kind.identity != "external_id":
        return {}
    external = live.external_id
    if external == address.id:
        return {}
    sayable = external is not None and 0 < len(external) <= 200 and external.strip() == external
    if external is not None and sayable and control_character(external) is None:
        return {"external_id": external}
    binding = surfaces.binding(kind.name)
    if kind.remote_id_field is not None and binding is not None and binding.create is None:
        return {kind.remote_id_field: int(live.remote_id)}
    return {"adopt": {"id": live.remote_id}}


def _name_references(kind: Kind, address: Address, values: JsonObject, made: Inventory) -> None:
    """References by id; a field that refers to what is not written is left out."""
    for reference in kind.references:
        name, *inner = reference.path.split(".")
        if name not in values or name in kind.local:
            continue
        value = values[name]
        texts = value if inner and isinstance(value, list) else [value]
        ids = [_target_id(reference.kind, str(text), address, made) for text in texts]
        if any(each is None for each in ids):
            values.pop(name)
            made.unsaid.append(f"{address}: {name} refers to a {reference.kind} that is not written")
        else:
            values[name] = list(ids) if inner else ids[0]


def _target_id(kind: str, text: str, referrer: Address, made: Inventory) -> str | None:
    try:
        target = Address.parse(text) if text.startswith(f"{kind}:") else Address(kind, (text,))
    except ValueError:
        return None
    near = len(target.path) == 1 or target.path[:-1] == referrer.path[:-1]
    return target.id if near and target in made.documents else None


def _valid(kind: Kind, address: Address, values: JsonObject, made: Inventory) -> JsonObject | None:
    """The ``values`` a manifest may hold; what it may not is noted, None where nothing is left to say."""
    while True:
        try:
            spec = kind.spec.model_validate(values)
        except ValidationError as exc:
            if not _without_wrong(kind, address, exc, values, made):
                return None
            continue
        changed = [
            name
            for name, value in values.items()
            if name not in kind.secret and canonical(plain(getattr(spec, name))) != canonical(value)
        ]
        for name in changed:
            if name in kind.required:
                made.omitted[address] = f"its {name} {values[name]!r} has another spelling in a manifest"
                return None
            made.unsaid.append(f"{address}: {name} {values.pop(name)!r} has another spelling in a manifest")
        if not changed:
            return values


def _without_wrong(
    kind: Kind, address: Address, error: ValidationError, values: JsonObject, made: Inventory
) -> bool:
    """Take the refused fields out of ``values``; False where the object cannot do without them."""
    for problem in error.errors():
        name = str(problem["loc"][0]) if problem["loc"] else ""
        why = str(problem["msg"]).removeprefix("Value error, ")
        if not name or name in kind.required:
            shown = f"{name}: " if name else ""
            made.omitted[address] = f"{shown}{why}"
            return False
        if name in values:
            made.unsaid.append(f"{address}: {name} {values.pop(name)!r}: {why}")
    return True


def factor_defaults(made: Inventory) -> None:
    """Move what most resources of a kind say alike into ``made.defaults``, where that is shorter.

    Only plain values that every one of them writes: a default may not add anything to a resource.
    What stands inline in one line under a site stays as it is.
    """
    by_kind: dict[str, list[JsonObject]] = {}
    for address, document in made.documents.items():
        parent = REGISTRY[address.kind].parent
        if parent is None or REGISTRY[parent].parent is None:
            by_kind.setdefault(address.kind, []).append(document)
    for name, documents in by_kind.items():
        kind = REGISTRY[name]
        for each in kind.managed:
            values = [document.get(each) for document in documents]
            if each == "name" or each in kind.secret or not all(isinstance(v, (str, bool)) for v in values):
                continue
            value, count = Counter(values).most_common(1)[0]
            if count >= _WORTH_A_DEFAULT and count * 2 > len(values):
                made.defaults.setdefault(name, {})[each] = value
                for document in documents:
                    if document[each] == value:
                        del document[each]


def children(made: Inventory) -> Mapping[Address, Mapping[str, list[Address]]]:
    """The addresses that stand inline under each site: by collection, in order."""
    found: dict[Address, dict[str, list[Address]]] = {}
    for address in made.documents:
        kind, parent = REGISTRY[address.kind], collection_of(address).parent
        if parent is not None and REGISTRY[parent.kind].parent is not None:
            found.setdefault(parent, {}).setdefault(kind.collection, []).append(address)
    return found
