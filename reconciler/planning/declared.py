"""What becomes of each declared resource: created, updated, replaced, adopted, or left to a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from reconciler.errors import Problem
from reconciler.kinds import REGISTRY
from reconciler.kinds.kind import Binding, Kind
from reconciler.model import (
    Action,
    Address,
    Change,
    EndpointUse,
    FieldChange,
    LiveObject,
    Owned,
    Resource,
)
from reconciler.planning.diff import NO_DIGESTS, diff, written
from reconciler.planning.digest import canonical, precondition
from reconciler.planning.endpoints import Calls
from reconciler.planning.order import foundations
from reconciler.planning.ownership import owns, recorded, replacement_reasons
from reconciler.planning.safety import Circumstances
from reconciler.planning.scope import collection_of, parent_of

_ADOPT = "it exists in the account and is not owned yet"
_ANOTHER = "the ledger knows {} under this name; {} is not owned yet"
_DELETED_OUTSIDE = "it was deleted outside"


class Declared:
    """The changes that follow from the manifests, and what stands in their way.

    ``impossible``: problems for which no plan can be made. ``unsupported``: what the surface does not
    offer. Parents are decided before children, targets before what refers to them.
    """

    def __init__(
        self,
        around: Circumstances,
        calls: Calls,
        secret_digests: Mapping[Address, Mapping[str, str]],
        going: frozenset[Address],
    ) -> None:
        self._around = around
        self._calls = calls
        self._digests = secret_digests
        self._going = going
        self._replaced: set[Address] = set()
        self._missing_fields = {
            name: frozenset(REGISTRY[name].managed) - binding.fields.keys()
            for name, binding in around.surfaces.bindings.items()
        }
        self.changes: list[Change] = []
        self.warnings: list[str] = []
        self.impossible: list[Problem] = []
        self.unsupported: list[Problem] = []
        for resource in _parents_first(around.desired.values()):
            if around.scope.covers(resource.address):
                self._decide(resource)

    def _decide(self, resource: Resource) -> None:
        kind = REGISTRY[resource.address.kind]
        binding = self._around.surfaces.binding(kind.name)
        if binding is None:
            self._by_hand(kind, resource)
            return
        parent = parent_of(resource.address) if self._going else None
        if parent in self._going:
            self._problem(
                self.impossible,
                resource,
                f"{resource.address} is declared, but {parent} is not, and would be deleted",
                "Declare both, or remove both.",
            )
            return
        self._check_fields(kind, binding, resource)
        live = self._around.snapshot.objects.get(resource.address)
        if live is not None:
            self._adopts_another(resource, live)
        if live is None:
            self._absent(kind, binding, resource)
        elif _read_only(binding):
            self._readable(kind, binding, resource, live)
        else:
            self._present(kind, resource, live)

    # -- kinds and objects the API cannot change ------------------------------------------------------

    def _by_hand(self, kind: Kind, resource: Resource) -> None:
        """A kind that only the portal keeps: compared with what a person attested."""
        row = self._around.owned.get(resource.address)
        attested = row.attested if row is not None else None
        if attested is None:
            fields = written(kind, resource)
        else:
            told = LiveObject(kind.name, "", None, attested)
            digests = self._digests.get(resource.address, NO_DIGESTS)
            fields = diff(kind, resource, told, row=row, secret_digests=digests)
        pending = self._pending(resource, fields)
        if pending or (attested is None and not kind.adopted):
            attest = f"Then run: reconciler attest {resource.address}"
            self._manual(kind, resource, fields, "CHeKT offers it in its portal only", attest)

    def _readable(self, kind: Kind, binding: Binding, resource: Resource, live: LiveObject) -> None:
        """An object this surface shows and does not change."""
        compared = frozenset(binding.fields) & live.fields.keys()
        unseen = [
            n for n in kind.managed if n in resource.fields and n in binding.fields and n not in compared
        ]
        self._not_compared(resource, unseen)
        fields = diff(kind, resource, live, row=self._row(resource, live), compared=compared)
        if self._pending(resource, fields):
            surface = self._around.surfaces.surface
            self._manual(kind, resource, fields, f"the {surface} surface cannot change it", live=live)
        elif not recorded(resource.address, live, self._around.owned):
            self._add(resource, Action.ADOPT, (), _ADOPT, live, ())

    def _manual(
        self,
        kind: Kind,
        resource: Resource,
        fields: tuple[FieldChange, ...],
        reason: str,
        *further: str,
        live: LiveObject | None = None,
    ) -> None:
        parent = parent_of(resource.address)
        steps = kind.portal_steps(resource.address.id, parent.id if parent is not None else "the account")
        self.changes.append(
            Change(
                resource.address,
                Action.MANUAL,
                fields,
                precondition=precondition(live) if live is not None else None,
                reason=reason,
                source=resource.source,
                steps=(*steps, *further),
            )
        )

    # -- objects that are not there -------------------------------------------------------------------

    def _absent(self, kind: Kind, binding: Binding, resource: Resource) -> None:
        surface = self._around.surfaces.surface
        if resource.identity.adopt is not None and resource.identity.adopt == resource.remote_id:
            self._problem(
                self.impossible,
                resource,
                f"{resource.address}: there is no {kind.name} {resource.remote_id} to adopt, "
                "or it is owned under another name",
                "Correct the id; a resource without one is created.",
            )
        elif kind.adopted:
            self._problem(
                self.impossible,
                resource,
                f"{resource.address} is not in the account",
                f"Connecting a {kind.name} needs a person in a browser; then check "
                f"{kind.remote_id_field} {resource.remote_id}.",
            )
        elif _read_only(binding):
            self._problem(
                self.unsupported,
                resource,
                f"{resource.address} does not exist, and the {surface} surface cannot create a {kind.name}",
                "Create it in the portal or on the partner surface, or correct its ids.",
            )
        elif self._absence_is_proven(resource):
            fields = written(kind, resource)
            uses = self._calls.uses(kind.name, Action.CREATE, _paths(fields))
            if uses is None:
                self._manual(kind, resource, fields, "the API offers no way to create it")
                return
            reason = _DELETED_OUTSIDE if resource.address in self._around.owned else ""
            self._add(resource, Action.CREATE, fields, reason, None, uses)

    def _absence_is_proven(self, resource: Resource) -> bool:
        """Only a collection read in full, or a parent that does not exist, proves an absence."""
        around, parent = self._around, parent_of(resource.address)
        if collection_of(resource.address) in around.snapshot.collections:
            return self._foundations(resource)
        orphan = parent is not None and parent not in around.snapshot.objects
        if orphan and around.surfaces.binding(str(parent and parent.kind)) is not None:
            return self._foundations(resource)
        self._problem(
            self.impossible,
            resource,
            f"{resource.address} was not looked for: its collection was not read",
            "Run the plan again; report it if it stays.",
        )
        return False

    def _foundations(self, resource: Resource) -> bool:
        """True when all that a written object stands on exists or will be made by this plan."""
        around = self._around
        parent = parent_of(resource.address)
        needed = [*foundations(resource), *([parent] if parent is not None else ())]
        missing = [
            target
            for target in needed
            if target not in around.snapshot.objects
            and (target not in around.desired or not around.scope.covers(target))
            and around.surfaces.binding(target.kind) is not None
        ]
        for target in missing:
            outside = target in around.desired
            self._problem(
                self.impossible,
                resource,
                f"{resource.address} needs {target}, which does not exist and is "
                f"{'not in scope' if outside else 'declared nowhere'}",
                f"Add --target {target}." if outside else f"Declare {target}.",
            )
        return not missing

    # -- objects that are there -----------------------------------------------------------------------

    def _present(self, kind: Kind, resource: Resource, live: LiveObject) -> None:
        address, around = resource.address, self._around
        row = self._row(resource, live)
        digests = self._digests.get(address, NO_DIGESTS)
        fields = diff(kind, resource, live, row=row, secret_digests=digests)
        why = self._why_replace(kind, resource, live, row)
        if why and owns(address, live, around.owned, around.policy.owned_prefix):
            self._replace(kind, resource, live, fields, why)
        elif why:
            self._problem(
                self.impossible,
                resource,
                f"{address} exists, is not owned and cannot be adopted as written: {why}",
                "Write it as it is in the account, so that it can be adopted, or remove it in the portal.",
            )
        else:
            fields = self._repointed(kind, resource, live, fields)
            if fields or row is None:
                self._update(kind, resource, live, fields)

    def _update(
        self, kind: Kind, resource: Resource, live: LiveObject, fields: tuple[FieldChange, ...]
    ) -> None:
        adopted = recorded(resource.address, live, self._around.owned)
        pending = self._pending(resource, fields)
        if (adopted and not pending) or (pending and not self._foundations(resource)):
            return
        uses = self._calls.uses(kind.name, Action.UPDATE, _paths(fields)) if pending else ()
        if uses is None:
            self._manual(kind, resource, fields, "the API offers no way to change it", live=live)
        elif adopted:
            self._add(resource, Action.UPDATE, fields, "", live, uses)
        else:
            known = self._around.owned.get(resource.address)
            reason = _ADOPT if known is None else _ANOTHER.format(known.remote_id, live.remote_id)
            self._add(resource, Action.ADOPT, fields if pending else (), reason, live, uses)

    def _replace(
        self, kind: Kind, resource: Resource, live: LiveObject, fields: tuple[FieldChange, ...], why: str
    ) -> None:
        shown = list(fields)
        binding = self._around.surfaces.binding(kind.name)
        named = binding is not None and binding.external_id in binding.fields.values()
        if live.external_id not in (None, resource.external_id) and not named:
            shown.insert(0, FieldChange("external_id", live.external_id, resource.external_id))
        uses = self._calls.uses(kind.name, Action.REPLACE, _paths(written(kind, resource)))
        if uses is None:
            reason = f"{why}, and the API offers no way to do that"
            self._manual(kind, resource, tuple(shown), reason, live=live)
            return
        self._replaced.add(resource.address)
        self._add(resource, Action.REPLACE, tuple(shown), why, live, uses)

    def _why_replace(self, kind: Kind, resource: Resource, live: LiveObject, row: Owned | None) -> str:
        parent = parent_of(resource.address) if self._replaced else None
        if parent is not None and parent in self._replaced:
            return f"{parent} is replaced"
        fixed = replacement_reasons(kind, resource, live, row)
        return f"{' and '.join(fixed)} cannot be changed in place" if fixed else ""

    def _repointed(
        self, kind: Kind, resource: Resource, live: LiveObject, fields: tuple[FieldChange, ...]
    ) -> tuple[FieldChange, ...]:
        """``fields``, and references to a target that gets a new remote id because it is replaced."""
        if not self._replaced:
            return fields
        again = [
            FieldChange(each.path, self._around.snapshot.objects[target].remote_id, str(target))
            for each in kind.references
            if each.by_remote_id
            for target in resource.references
            if target in self._replaced
            and str(target) == resource.fields.get(each.path) == live.fields.get(each.path)
        ]
        return (*fields, *again)

    # -- shared ---------------------------------------------------------------------------------------

    def _add(
        self,
        resource: Resource,
        action: Action,
        fields: tuple[FieldChange, ...],
        reason: str,
        live: LiveObject | None,
        uses: tuple[EndpointUse, ...],
    ) -> None:
        self.changes.append(
            Change(
                resource.address,
                action,
                fields,
                precondition=precondition(live) if live is not None else None,
                endpoints=uses,
                reason=reason,
                source=resource.source,
            )
        )

    def _pending(self, resource: Resource, fields: tuple[FieldChange, ...]) -> bool:
        """True when something is to be applied; differences that are only ignored become warnings."""
        pending = any(not each.ignored for each in fields)
        if not pending:
            self.warnings.extend(
                f"{resource.address}: {each.path} is {canonical(each.before)} in the account and "
                f"{canonical(each.after)} in the manifest; lifecycle.ignore leaves it"
                for each in fields
            )
        return pending

    def _check_fields(self, kind: Kind, binding: Binding, resource: Resource) -> None:
        """Written fields that this surface does not have."""
        missing = self._missing_fields[kind.name]
        absent = missing and [name for name in kind.managed if name in missing and name in resource.fields]
        if not absent:
            return
        if _read_only(binding):
            self._not_compared(resource, absent)
            return
        surface = self._around.surfaces.surface
        other = "dealer" if surface == "partner" else "partner"
        for name in absent:
            self.unsupported.append(
                Problem(
                    f"{name} of {resource.address} exists only on the {other} surface",
                    source=resource.positions.get(name, resource.source),
                    hint=f"Remove it, or use an environment with surface: {other}.",
                    address=resource.address,
                )
            )

    def _not_compared(self, resource: Resource, names: Iterable[str]) -> None:
        listed = ", ".join(names)
        if listed:
            self.warnings.append(
                f"{resource.address}: the {self._around.surfaces.surface} surface does not show {listed}, "
                "so it is not compared"
            )

    def _adopts_another(self, resource: Resource, live: LiveObject) -> None:
        """An ``adopt`` that an owned resource no longer heeds."""
        asked = resource.identity.adopt
        if asked not in (None, live.remote_id):
            self.warnings.append(
                f"{resource.address}: adopt names {asked}, but {live.remote_id} is owned; remove adopt"
            )

    def _row(self, resource: Resource, live: LiveObject) -> Owned | None:
        """The ledger's row, where it is about this very object."""
        row = self._around.owned.get(resource.address)
        return row if row is not None and row.remote_id == live.remote_id else None

    def _problem(self, where: list[Problem], resource: Resource, message: str, hint: str) -> None:
        where.append(Problem(message, source=resource.source, hint=hint, address=resource.address))


def _read_only(binding: Binding) -> bool:
    return binding.create is None and binding.update is None and binding.delete is None


def _paths(fields: Iterable[FieldChange]) -> tuple[str, ...]:
    return tuple(each.path for each in fields if not each.ignored)


def _parents_first(resources: Iterable[Resource]) -> Iterator[Resource]:
    """``resources`` by registry order of their kinds; within a kind no order matters."""
    by_kind: dict[str, list[Resource]] = {name: [] for name in REGISTRY}
    for resource in resources:
        by_kind[resource.address.kind].append(resource)
    return chain.from_iterable(by_kind.values())
