"""One object that exists, taken over under an address that the manifests declare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from reconciler.account import Account
from reconciler.engine import Event
from reconciler.errors import PlanError
from reconciler.kinds import REGISTRY
from reconciler.ledger import keep_moves
from reconciler.model import Address, Owned, Plan, Resource
from reconciler.planning.renames import moved, readdressed
from reconciler.planning.scope import Scope, collection_of
from reconciler.workflows import Options, make_plan


def take_over(
    account: Account, address: Address, remote_id: str, *, on_event: Callable[[Event], None]
) -> Plan:
    """Own the object ``remote_id`` as ``address``; the plan that follows for it.

    The environment's lock must be held. Raises PlanError when the address is not declared or is owned
    already, when the object does not exist, is owned under another name, or could not be adopted as
    the manifest is written.
    """
    resource = _declared(account, address)
    _refuse_owned(account, address, remote_id)
    asked = replace(resource, identity=replace(resource.identity, adopt=remote_id), remote_id=None)
    options = Options(Scope((str(address),)))
    planned = make_plan(_with(account, asked), options, on_event=on_event, locked=True)
    live = planned.snapshot.objects.get(address)
    if live is None or live.remote_id != remote_id:
        raise PlanError(
            f"there is no {resource.address.kind} {remote_id} in the account for {address}",
            hint="Check CHeKT's id; the object must stand under the same parent.",
            address=address,
        )
    keep_moves(account.ledger, account.project.resources)
    protect = resource.lifecycle.protect
    account.ledger.record(Owned(address, live.remote_id, live.external_id, protect=protect))
    return make_plan(account, options, on_event=on_event, locked=True).plan


def _with(account: Account, resource: Resource) -> Account:
    """``account`` with ``resource`` in place of the one its manifests declare at that address."""
    resources = tuple(
        resource if each.address == resource.address else each for each in account.project.resources
    )
    return replace(account, project=replace(account.project, resources=resources))


def _declared(account: Account, address: Address) -> Resource:
    resource = next((each for each in account.project.resources if each.address == address), None)
    if resource is None:
        Scope((str(address),)).check(each.address for each in account.project.resources)
        raise PlanError(
            f"{address} is declared in no manifest", hint="Declare it, then import it.", address=address
        )
    if REGISTRY[address.kind].adopted:
        field = REGISTRY[address.kind].remote_id_field
        raise PlanError(
            f"{address} is taken over by its {field}, with the next apply",
            hint=f"Write {field} in its manifest.",
            address=address,
        )
    if account.surfaces.binding(address.kind) is None:
        raise PlanError(
            f"{address} cannot be looked up: CHeKT keeps a {address.kind} in its portal only",
            hint=f"Compare it in the portal, then run: reconciler attest {address}",
            address=address,
        )
    return resource


def _refuse_owned(account: Account, address: Address, remote_id: str) -> None:
    recorded = account.ledger.owned()
    owned = readdressed(recorded, moved(account.project.resources, recorded).today)
    row = owned.get(address)
    if row is not None and row.remote_id is not None:
        same = row.remote_id == remote_id
        raise PlanError(
            f"{address} is owned already, as {row.remote_id}",
            hint="There is nothing to import." if same else "Give the object another address.",
            address=address,
        )
    for other in owned.values():
        if other.remote_id == remote_id and collection_of(other.address) == collection_of(address):
            raise PlanError(
                f"{address.kind} {remote_id} is owned already, as {other.address}",
                hint=f"To rename it write moved_from: {other.address} in {address}.",
                address=address,
            )
