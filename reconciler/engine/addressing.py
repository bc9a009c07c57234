"""Which address a live object has: by proof, never by guess.

In this order: the ledger's (same collection and remote id), the manifest that names the remote id, the
manifest with the external id, the only manifest with the same identifying fields where the object has
no external id, else an address made from what the object calls itself. A ledger row whose address no
manifest declares gives way to a manifest that names the object: that resource was renamed, not deleted.
In a kind whose replacements are made first the row gives way to the new object and has the ``outgoing``
name. It gives way as well where its own manifest names another object by now, by remote id or, where the
surface only shows the kind, by external id: the user decides which object a resource is.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar
from urllib.parse import quote

from reconciler.errors import PlanError, Problem
from reconciler.kinds.surfaces import Surfaces
from reconciler.kinds.values import identifier
from reconciler.model import Address, Collection, JsonValue, LiveObject, Owned, Resource
from reconciler.planning.digest import canonical
from reconciler.planning.order import made_first
from reconciler.planning.ownership import outgoing
from reconciler.planning.scope import chain, collection_of

_Name = TypeVar("_Name")


@dataclass(slots=True)
class _Known:
    """What the manifests and the ledger say of one collection."""

    by_row: dict[str, Owned] = field(default_factory=dict)
    by_remote_id: dict[str, Address] = field(default_factory=dict)
    by_external_id: dict[str, Address] = field(default_factory=dict)
    declared: dict[Address, Resource] = field(default_factory=dict)
    owned: set[Address] = field(default_factory=set)


class Addressing:
    """Gives addresses to the live objects of one reading, a whole collection at a time."""

    def __init__(
        self,
        desired: Sequence[Resource],
        owned: Mapping[Address, Owned],
        surfaces: Surfaces,
        doubtful: Container[Address] = (),
    ) -> None:
        self._surfaces = surfaces
        self._doubtful = doubtful
        self._recorded = {address: row.remote_id for address, row in owned.items()}
        self._known: dict[Collection, _Known] = defaultdict(_Known)
        for row in owned.values():
            known = self._known[collection_of(row.address)]
            known.owned.add(row.address)
            if row.remote_id is not None:
                known.by_row[row.remote_id] = row
        for resource in desired:
            known = self._known[collection_of(resource.address)]
            known.declared[resource.address] = resource
            known.by_external_id[resource.external_id] = resource.address
            if resource.remote_id is not None:
                known.by_remote_id[resource.remote_id] = resource.address

    def assign(
        self, collection: Collection, objects: Iterable[LiveObject], parents: Mapping[Address, str]
    ) -> dict[Address, LiveObject]:
        """``objects``, all those of ``collection``, by address.

        ``parents``: the remote ids by which the collection was reached. Raises PlanError, naming the
        remote ids, where two of them claim one address that is not doubtful, and the ledger names neither.
        """
        known = self._known.get(collection) or _Known()
        if known.by_row and self._elsewhere(collection, parents):
            known = replace(known, by_row={})
        claims: dict[Address, list[LiveObject]] = defaultdict(list)
        unclaimed: list[LiveObject] = []
        for live in sorted(objects, key=lambda live: live.remote_id):
            address = _proven(known, live, shown_only=self._shown_only(collection.kind))
            if address is None:
                unclaimed.append(live)
            else:
                claims[address].append(live)
        going = _displaced(known, claims) if made_first(collection.kind) else {}
        for address in [each for each, lives in claims.items() if len(lives) > 1 and each in self._doubtful]:
            unclaimed += claims.pop(address)
        for address, lives in claims.items():
            ours = _recorded_twin(known, lives)
            if ours is not None:
                unclaimed += [live for live in lives if live is not ours]
                claims[address] = [ours]
        _refuse_duplicates(claims)
        found = {address: lives[0] for address, lives in claims.items()} | going
        matched = self._by_identifying_fields(collection.kind, known, unclaimed, found)
        strangers = [live for live in unclaimed if live.remote_id not in matched]
        found.update((matched[live.remote_id], live) for live in unclaimed if live.remote_id in matched)
        return found | _derived(collection, strangers, known.declared.keys() | known.owned)

    def _elsewhere(self, collection: Collection, parents: Mapping[Address, str]) -> bool:
        """True when the ledger's rows are of another parent's children.

        Under a site that was made again, or a dealer with another id, a remote id may name anything.
        """
        above = chain(collection.parent) if collection.parent is not None else ()
        return any(self._recorded.get(step) not in (None, parents.get(step)) for step in above)

    def _shown_only(self, kind: str) -> bool:
        binding = self._surfaces.binding(kind)
        return binding is not None and binding.create is None and binding.delete is None

    def _by_identifying_fields(
        self,
        kind: str,
        known: _Known,
        lives: Sequence[LiveObject],
        found: Mapping[Address, LiveObject],
    ) -> dict[str, Address]:
        """Remote id -> address, where exactly one manifest and one object share the fields."""
        binding = self._surfaces.binding(kind)
        if binding is None or not binding.match_by:
            return {}
        wanted = _sole(
            (_identity(binding.match_by, resource.fields), resource.address)
            for resource in known.declared.values()
            if resource.address not in found and resource.remote_id is None
        )
        present = _sole(
            (_identity(binding.match_by, live.fields), live.remote_id)
            for live in lives
            if live.external_id is None
        )
        return {remote_id: wanted[key] for key, remote_id in present.items() if key in wanted}


def _proven(known: _Known, live: LiveObject, *, shown_only: bool) -> Address | None:
    declared = known.by_remote_id.get(live.remote_id)
    if declared is None and live.external_id is not None:
        declared = known.by_external_id.get(live.external_id)
        if declared is not None and known.declared[declared].remote_id is not None:
            declared = None  # its manifest names another object
    row = known.by_row.get(live.remote_id)
    # A remote id under which another external id appears is another object: it is not ours.
    if row is None or (live.external_id is not None and row.external_id not in (None, live.external_id)):
        return declared
    resource = known.declared.get(row.address)
    if resource is None:
        return declared or row.address
    return declared if _names_another(resource, live, shown_only=shown_only) else row.address


def _recorded_twin(known: _Known, lives: Sequence[LiveObject]) -> LiveObject | None:
    """Of several with one external id, the one that the ledger names."""
    if len(lives) == 1 or len({live.external_id for live in lives}) > 1:
        return None
    recorded = [live for live in lives if live.remote_id in known.by_row]
    return recorded[0] if len(recorded) == 1 else None


def _displaced(known: _Known, claims: dict[Address, list[LiveObject]]) -> dict[Address, LiveObject]:
    """The recorded objects that give their address to the new one which is to replace them, under new names.

    They are taken out of ``claims``. The manifest's external id tells which of two is the new one.
    """
    found: dict[Address, LiveObject] = {}
    for address, lives in claims.items():
        resource = known.declared.get(address)
        named = [live for live in lives if resource and live.external_id == resource.external_id]
        if len(lives) == 2 and len(named) == 1:
            [old] = [live for live in lives if live is not named[0]]
            found[outgoing(address, old.remote_id)] = old
            claims[address] = named
    return found


def _names_another(resource: Resource, live: LiveObject, *, shown_only: bool) -> bool:
    """True when the manifest says that the resource is not ``live``, whatever the ledger holds."""
    if resource.remote_id is not None:
        return resource.remote_id != live.remote_id
    # What can be made anew is replaced instead, to get its new external id.
    return shown_only and live.external_id not in (None, resource.external_id)


def _identity(names: Sequence[str], fields: Mapping[str, object]) -> str | None:
    """The identifying fields as one text; None where one of them is not set."""
    values: list[JsonValue] = []
    for name in names:
        value = fields.get(name)
        if not isinstance(value, (str, int)):
            return None
        values.append(value)
    return canonical(values)


def _sole(pairs: Iterable[tuple[str | None, _Name]]) -> dict[str, _Name]:
    """The pairs whose key is set and occurs once."""
    listed = [(key, name) for key, name in pairs if key is not None]
    counts = Counter(key for key, _ in listed)
    return {key: name for key, name in listed if counts[key] == 1}


def _refuse_duplicates(claims: Mapping[Address, Sequence[LiveObject]]) -> None:
    problems = []
    for address, lives in sorted(claims.items()):
        if len(lives) > 1:
            ids = " and ".join(live.remote_id for live in lives)
            problems.append(
                Problem(
                    f"{address} exists {len(lives)} times in the account, with the ids {ids}",
                    hint="Compare both with the ids in the manifest; remove a mistaken one in the portal.",
                    address=address,
                )
            )
    if problems:
        first = problems[0]
        more = f" (and {len(problems) - 1} more such resources)" if len(problems) > 1 else ""
        raise PlanError(first.message + more, hint=first.hint, address=first.address, problems=problems)


def _derived(
    collection: Collection, strangers: Sequence[LiveObject], taken: set[Address]
) -> dict[Address, LiveObject]:
    """Addresses for objects that neither manifests nor ledger know; never one of theirs."""
    parents = collection.parent.path if collection.parent is not None else ()
    counts = Counter(live.external_id for live in strangers)
    found: dict[Address, LiveObject] = {}
    for live in strangers:
        address = None
        if live.external_id is not None and counts[live.external_id] == 1 and _is_id(live.external_id):
            address = Address(collection.kind, (*parents, live.external_id))
        name = quote(live.remote_id, safe="-_.")
        while address is None or address in taken or address in found:
            name = f"#{name}"
            address = Address(collection.kind, (*parents, name))
        found[address] = live
    return found


def _is_id(text: str) -> bool:
    try:
        return identifier(text) == text
    except ValueError:
        return False
